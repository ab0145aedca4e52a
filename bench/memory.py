"""What a web worker weighs after many requests, beside what it weighed after the first thousand.

`make bench ARGS="memory --requests 50000"`: one gunicorn worker of four threads serves four
clients who read pages and the API, search, and take steps, each operation as often as any other,
on a copy of the database of `--size`. Its memory is read from the system as PSS (what it has for
itself, and its share of what it has in common with its master). The default of 5,000 requests takes
some minutes and shows a leak of more than a few hundred bytes for each request; the figure that
counts is the one for 50,000.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from bench._report import machine, put
from bench._stand import FOLDER, THREADS, desk_of, say, server, stand
from bench.pages import Ask, Desk, Wrong, fetch

FIRST, GOAL = 1000, 1.1
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
WRONG = 0.01  # of the answers; more of them, and it is another program that was weighed


def main(words: list[str]) -> None:
    """Measure, print, write where asked."""
    parser = argparse.ArgumentParser(prog="bench memory", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--write", type=Path, default=FOLDER / "memory.md")
    given = parser.parse_args(words)
    if given.requests <= FIRST:
        parser.error(f"--requests must be more than {FIRST:,}: that is what is compared with")
    with stand() as made:
        made.template(given.size)
        name = made.copy(given.size)
        try:
            found = desk_of(made, name)
            with server(made, name, "config", workers=1) as port:
                weights, wrong = weigh(Desk(given.size, found, port, port), given.requests)
            about = machine(
                str(made.ask("SHOW server_version")[0][0]), str(made.ask("SHOW fsync")[0][0])
            )
        finally:
            made.drop(name)
    text = table(weights, wrong, given.size, about)
    put(given.write, "memory", text)
    sys.stdout.write(text + "\n")
    say(f"written: {given.write}")


def marks(requests: int) -> list[int]:
    """After how many requests the worker is weighed: the first thousand, some, and the last."""
    return sorted({FIRST * n for n in STEPS if FIRST * n < requests} | {requests})


def asks_of(desk: Desk) -> Iterator[tuple[str, str, Ask]]:
    """Every operation in turn, for ever, a few of the same at a time: name, session and ask."""
    for name, _, who, what in itertools.cycle(desk.operations()):
        for _ in range(THREADS):
            try:
                yield name, desk.found["sessions"][who], what()
            except Wrong:  # nothing is left that this step could be taken with: the others go on
                break


def weigh(desk: Desk, requests: int) -> tuple[dict[int, int], list[str]]:
    """Bytes by number of requests served, and the answers that were wrong."""
    (worker,) = workers()
    weights: dict[int, int] = {}
    wrong: list[str] = []
    asked, served = asks_of(desk), 0
    with ThreadPoolExecutor(THREADS) as pool:
        for mark in marks(requests):
            while served < mark:
                many = list(itertools.islice(asked, min(THREADS, mark - served)))
                futures = [(n, pool.submit(fetch, desk.program, s, ask)) for n, s, ask in many]
                for name, future in futures:
                    try:
                        desk.follow(name, future.result()[1])
                    except Wrong as sentence:
                        wrong.append(str(sentence))
                served += len(many)
            time.sleep(0.5)  # the last threads have let go of what they held
            weights[mark] = pss(worker)
            say(f"{mark:,} requests: {weights[mark] / 2**20:.1f} MB")
    if len(wrong) > requests * WRONG:
        raise SystemExit(f"{len(wrong)} answers were wrong, the first: {wrong[0]}")
    return weights, wrong


def workers() -> list[psutil.Process]:
    """The workers of the one gunicorn that this process has started."""
    masters = [p for p in psutil.Process().children() if "gunicorn" in " ".join(p.cmdline())]
    return [worker for master in masters for worker in master.children()]


def pss(process: psutil.Process) -> int:
    """Bytes of memory that are the process's own, with its share of what it has in common."""
    found = process.memory_full_info()
    return int(getattr(found, "pss", 0) or found.rss)


def table(weights: dict[int, int], wrong: list[str], size: int, about: dict[str, Any]) -> str:
    """The figures as Markdown; what misses the goal stands out."""
    first, last = weights[FIRST], list(weights.values())[-1]
    lines = ["| requests served | PSS, MB | beside the first 1,000 |", "| --: | --: | --: |"]
    for number, weight in weights.items():
        ratio = weight / first
        shown = f"{ratio:.3f}" if ratio <= GOAL else f"**{ratio:.3f}**"
        lines.append(f"| {number:,} | {weight / 2**20:.1f} | {shown} |")
    said = (
        f"{about['date']}; {about['cores']} cores, Python {about['python']}, Django "
        f"{about['django']}, PostgreSQL {about['postgres']} (fsync {about['fsync']}); one worker "
        f"of {THREADS} threads on a database of {size:,} requests. After {max(weights):,} requests "
        f"it weighs {last / first:.3f} × what it weighed after {FIRST:,} (goal: ≤ {GOAL}); "
        f"{(last - first) / max(max(weights) - FIRST, 1):.0f} bytes for each request between."
    )
    if wrong:
        said += f" {len(wrong)} answers were not as asked, the first: `{wrong[0][:160]}`."
    return f"{said}\n\n" + "\n".join(lines)
