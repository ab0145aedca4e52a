"""Figures as medians and ratios, as Markdown and as a drawing."""

import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import django
import psutil

GOALS = {"list": 2.5, "detail": 2.5, "create": 2.0, "step": 2.0, "search": 3.0}
FLAT = 1.15  # a page of the largest database beside the same page of the smallest


def figures(own: list[float], bare: list[float], together: float) -> dict[str, Any]:
    """Milliseconds at the median and the 95th percentile, ratios to the floor, answers a second."""
    if not own or not bare:
        return {"n": 0}

    def p(values: list[float], q: int) -> float:
        return statistics.quantiles(values, n=20)[q] if len(values) > 1 else values[0]

    found = {"n": len(own), "per_second": round(len(own) / together, 1) if together else 0.0}
    for label, q in (("p50", 9), ("p95", 18)):
        found[f"{label}_ms"] = round(p(own, q) * 1000, 1)
        found[f"floor_{label}_ms"] = round(p(bare, q) * 1000, 1)
        found[f"ratio_{label}"] = round(p(own, q) / p(bare, q), 2)
    return found


def machine(postgres: str, fsync: str) -> dict[str, Any]:
    """What it ran on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "django": django.get_version(),
        "postgres": postgres,
        "fsync": fsync,
    }


def keep(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def _by(results: dict[str, Any]) -> dict[tuple[int, str, int], dict[str, Any]]:
    return {(r["clients"], r["operation"], r["requests"]): r for r in results["rows"]}


def _names(results: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(r["operation"] for r in results["rows"]))


def _sizes(results: dict[str, Any]) -> list[int]:
    return sorted({r["requests"] for r in results["rows"]})


def _line(cells: list[Any]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _mark(value: float, goal: float) -> str:
    """Bold where the goal is missed."""
    return f"{value:.2f}" if value <= goal else f"**{value:.2f}**"


def tables(results: dict[str, Any]) -> str:
    """Everything as Markdown: what was measured, then a table for each number of clients."""
    m = results["machine"]
    parts = [
        f"{m['date']}; {m['cores']} cores, {m['memory_gb']} GB of memory, PostgreSQL "
        f"{m['postgres']} (fsync {m['fsync']}), Python {m['python']}, Django {m['django']}; "
        f"{results['rounds']} rounds of one client, a quarter of them of more. Milliseconds; × is "
        "the ratio to the floor of the same kind in the same run; bold misses its goal."
    ]
    sizes = ", ".join(
        f"{d['requests']:,} requests ({d['open']:,} open, {d['megabytes']:,} MB)"
        for d in results["databases"]
    )
    parts.append(f"Databases: {sizes}.")
    for clients in sorted({r["clients"] for r in results["rows"]}):
        word = "client" if clients == 1 else "clients"
        parts += [f"### {clients} {word}", _table(results, clients)]
    trouble = [
        f"- {r['operation']}, {r['requests']:,} requests, {r['clients']} clients: "
        f"{r['wrong']['times']} answers were wrong, the first: `{r['wrong']['first'][:160]}`"
        for r in results["rows"]
        if "wrong" in r
    ]
    if trouble:
        parts.append("Not served as asked:\n\n" + "\n".join(trouble))
    return "\n\n".join(parts)


def _table(results: dict[str, Any], clients: int) -> str:
    by, sizes = _by(results), _sizes(results)
    head: list[Any] = ["operation", "floor"]
    for size in sizes:
        head += [f"{size:,}: p50, p95 ms", "× p50, p95"]
    head.append(f"answers a second at {sizes[-1]:,}")
    if len(sizes) > 1:
        head.append(f"{sizes[-1]:,} beside {sizes[0]:,}: p50, p95")
    lines = [_line(head), _line(["---", "---", *["--:"] * (len(head) - 2)])]
    for name in _names(results):
        rows = [by.get((clients, name, size), {"n": 0}) for size in sizes]
        kind = next(r["floor"] for r in results["rows"] if r["operation"] == name)
        cells: list[Any] = [name, kind]
        for row in rows:
            if not row["n"]:
                cells += ["-", "-"]
                continue
            cells.append(f"{row['p50_ms']:.1f}, {row['p95_ms']:.1f}")
            cells.append(f"{_mark(row['ratio_p50'], GOALS[kind])}, {row['ratio_p95']:.2f}")
        cells.append(rows[-1]["per_second"] if rows[-1]["n"] else "-")
        if len(rows) > 1:
            cells.append(_growth(rows))
        lines.append(_line(cells))
    return "\n".join(lines)


def _growth(rows: list[dict[str, Any]]) -> str:
    """The largest beside the smallest, at the median and at the 95th percentile."""
    first, last = rows[0], rows[-1]
    if not first["n"] or not last["n"]:
        return "-"
    return ", ".join(_mark(last[f"{p}_ms"] / first[f"{p}_ms"], FLAT) for p in ("p50", "p95"))


def write(path: Path, results: dict[str, Any]) -> None:
    """Put tables and drawing between the marks of the document; make it where there is none."""
    drawing = path.parent / "images" / "performance.svg"
    drawing.parent.mkdir(parents=True, exist_ok=True)
    drawing.write_text(svg(results))
    picture = "![p50 of every operation as a multiple of the floor](images/performance.svg)"
    put(path, "figures", f"{picture}\n\n{tables(results)}")


def put(path: Path, what: str, text: str) -> None:
    """Write between the marks of this name in a document; where there are none, at its end."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    whole = path.read_text() if path.exists() else ""
    if begin not in whole:
        whole += f"{begin}\n{end}\n"
    before, _, rest = whole.partition(begin)
    after = rest.partition(end)[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d273b}.q{fill:#5a6577}.g{stroke:#d5dbe3}"
    ".goal{stroke:#b3541e;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#dce1e7}.q{fill:#9ba7b6}.g{stroke:#3a4657}"
    ".goal{stroke:#f0a06a}}"
)
COLOURS = ("#8ab4e8", "#3f7fc4", "#1b4a80", "#7a5bb5")


def svg(results: dict[str, Any]) -> str:
    """One bar for each operation and size: the median as a multiple of the floor (one client)."""
    by, sizes, names = _by(results), _sizes(results), _names(results)
    clients = min(r["clients"] for r in results["rows"])
    rows = [(name, [by.get((clients, name, size), {"n": 0}) for size in sizes]) for name in names]
    most = max([r["ratio_p50"] for _, many in rows for r in many if r["n"]] or [1.0])
    most = max(4.0, float(int(most) + 1))
    left, wide, high, gap = 190, 560, 11, 14
    step = high * len(sizes) + gap
    top, scale = 62, wide / most
    tall = top + step * len(names) + 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 60} {tall}" '
        f'role="img" aria-label="p50 as a multiple of the floor"><style>{STYLE}</style>',
        f'<text x="8" y="20">p50 as a multiple of the bare view, {clients} client</text>',
    ]
    for n, size in enumerate(sizes):
        x = left + n * 150
        out.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[n % 4]}"/>'
                   f'<text class="q" x="{x + 18}" y="43">{size:,} requests</text>')  # fmt: skip
    every = max(1, round(most / 8))
    for tick in range(0, int(most) + 1, every):
        at_x = left + tick * scale
        out.append(f'<path class="g" d="M{at_x:.0f} {top - 8}V{tall - 26}"/>'
                   f'<text class="q" x="{at_x:.0f}" y="{tall - 10}" text-anchor="middle">{tick} ×'
                   "</text>")  # fmt: skip
    for n, (name, many) in enumerate(rows):
        y = top + n * step
        middle = y + high * len(sizes) / 2 + 4
        out.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{name}</text>')
        for k, row in enumerate(many):
            if not row["n"]:
                continue
            width = row["ratio_p50"] * scale
            at = y + k * high
            out.append(f'<rect x="{left}" y="{at}" width="{width:.1f}" height="{high - 2}" '
                       f'fill="{COLOURS[k % 4]}"/><text class="q" x="{left + width + 5:.0f}" '
                       f'y="{at + high - 2}" font-size="10">{row["ratio_p50"]}</text>')  # fmt: skip
        kind = next((r["floor"] for r in many if "floor" in r), "list")
        at_x = left + GOALS[kind] * scale
        low = y + high * len(sizes)
        out.append(f'<line class="goal" x1="{at_x:.0f}" x2="{at_x:.0f}" y1="{y - 2}" y2="{low}"/>')
    out.append(f'<text class="q" x="{left + wide - 180}" y="20">| the goal of its kind</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
