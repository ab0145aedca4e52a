"""`python -m bench`: the benches there are; `python -m bench NAME [options]`: run one.

A bench is a module of this package with a docstring and a `main(arguments)`.
"""

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every bench, by its file."""
    return sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_"))


def run(arguments: list[str]) -> int:
    """Run the bench named first; without a name say which there are. Returns the exit status."""
    if arguments and arguments[0] in names():
        import_module(f"bench.{arguments[0]}").main(arguments[1:])
        return 0
    asked = bool(arguments) and arguments[0] not in ("-h", "--help")
    out = sys.stderr if asked else sys.stdout
    if asked:
        out.write(f"There is no bench called {arguments[0]}.\n")
    out.write("make bench ARGS=<name>, of these:\n")
    for name in names():
        said = (import_module(f"bench.{name}").__doc__ or "").strip().splitlines()[0]
        out.write(f"  {name}: {said}\n")
    return 1 if asked else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
