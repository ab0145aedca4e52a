"""The plan by CP-SAT against the plan by rule and first come, first served, on generated weeks.

`make bench ARGS="placement --jobs 50 150 300 --seeds 3 --seconds 8 --json FILE"`. Needs no server.
Points are those of `fulfillment.placement`: less is better.
"""

import argparse
import json
import random
import statistics
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fulfillment import placement
from fulfillment.placement import Job, Problem, Room
from fulfillment.placement_check import faults

MONDAY = date(2026, 3, 2)
WINDOW = 60
FULL = 0.85
"""The share of the window's minutes that the work takes."""
BOOKED = 0.6
"""The share of the requests that have been promised a slot already."""


def weeks(count: int, seed: int) -> Problem:
    """Sixty days of a group of the right size for `count` requests, and the requests.

    Hours as enhancements have them (most a day or less, some a fortnight), due within the window,
    some with parts to wait for and some that need another first. Promises were made as the requests
    came in; then a member falls ill for a week, a part is late here and there, and new ones come.
    """
    rng = random.Random(seed)  # noqa: S311 - the same weeks for the same seed
    hours = [rng.choice([2, 3, 4, 4, 6, 8, 8, 12, 16, 24, 40]) for _ in range(count)]
    span = [MONDAY + timedelta(days=n) for n in range(WINDOW + 1)]
    days = [day for day in span if day.weekday() < 5]
    per_day = int(sum(hours) * 60 / FULL / len(days))
    rooms = tuple(Room(day, per_day) for day in days)
    jobs = [_job(rng, key, 60 * h, days) for key, h in enumerate(hours)]
    jobs = [_after(rng, job, jobs) for job in jobs]
    promised = jobs[: int(count * BOOKED)]
    before = placement.first_come(Problem(rooms, tuple(promised)))
    jobs = [_with(job, held=before.get(job.key, ())) for job in jobs]
    ill = rng.randrange(3, len(days) - 10)
    rooms = tuple(
        Room(r.day, r.minutes * 3 // 4) if ill <= n < ill + 5 else r for n, r in enumerate(rooms)
    )
    late = {job.key for job in rng.sample(promised, max(1, count // 25))}
    moved = [
        _with(j, not_before=j.not_before + timedelta(days=14)) if j.key in late else j for j in jobs
    ]
    return Problem(rooms, tuple(moved))


def _job(rng: random.Random, key: int, minutes: int, days: list[date]) -> Job:
    priority = rng.choices([1, 2, 3, 4], [5, 20, 50, 25])[0]
    soon = {1: 10, 2: 25, 3: 45, 4: 60}[priority]
    return Job(
        key=key,
        minutes=minutes,
        not_before=rng.choice(days[5:25]) if rng.random() < 0.15 else MONDAY,
        due=MONDAY + timedelta(days=rng.randint(2, soon) + minutes // 480),
        priority=priority,
        age=key,
    )


def _after(rng: random.Random, job: Job, jobs: list[Job]) -> Job:
    return _with(job, after=(rng.randrange(job.key),)) if job.key and rng.random() < 0.1 else job


def _with(job: Job, **fields: Any) -> Job:
    return Job(**{**job.__dict__, **fields})


def measure(count: int, seed: int, seconds: float) -> dict[str, Any]:
    """One problem, three plans."""
    problem = weeks(count, seed)
    came = placement.first_come(problem)
    begun = time.monotonic()
    rule = placement.by_rule(problem)
    by_rule_seconds = time.monotonic() - begun
    found = placement.plan(problem, seconds=seconds)
    wrong = faults(problem, found.placed) + faults(problem, rule) + faults(problem, came)
    if wrong:
        sys.exit(f"{count} requests, seed {seed}: {wrong[0]}")
    return {
        "requests": count,
        "seed": seed,
        "first_come": placement.cost(problem, came),
        "rule": placement.cost(problem, rule),
        "solver": found.cost,
        "bound": found.bound if found.bound is not None else "-",
        "made_by": found.made_by,
        "moves": _moves(problem, found.placed),
        "late_days": [_late(problem, p) for p in (came, rule, found.placed)],
        "rule_seconds": round(by_rule_seconds, 2),
        "seconds": round(found.seconds, 2),
    }


def _moves(problem: Problem, placed: placement.Placed) -> int:
    return sum(1 for j in problem.jobs if j.held and placed.get(j.key, j.held) != j.held)


def _late(problem: Problem, placed: placement.Placed) -> int:
    """Calendar days late, summed over the requests; who has no place counts a month more."""
    total = 0
    for job in problem.jobs:
        slices = placed.get(job.key)
        done = slices[-1][0] if slices else problem.last + placement.BEYOND
        total += max(0, (done - job.due).days) if job.due else 0
    return total


COLUMNS = ["requests", "seed", "first_come", "rule", "solver", "bound", "made_by", "seconds"]


def main(arguments: list[str]) -> None:
    """Measure, print the table, write JSON where asked to."""
    parser = argparse.ArgumentParser(prog="bench placement", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[50, 150, 300])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rows = []
    line = "{:>8} {:>4} {:>10} {:>10} {:>10} {:>10} {:>9} {:>7}  {}\n".format
    sys.stdout.write(line(*COLUMNS, "late days: first come, rule, solver; moves"))
    for count in given.jobs:
        for seed in range(1, given.seeds + 1):
            row = measure(count, seed, given.seconds)
            rows.append(row)
            late = ", ".join(map(str, row["late_days"]))
            sys.stdout.write(line(*(row[c] for c in COLUMNS), f"{late}; {row['moves']}"))
            sys.stdout.flush()
        mine = [r for r in rows if r["requests"] == count]
        saved = statistics.mean(1 - r["solver"] / r["first_come"] for r in mine)
        more = statistics.mean(1 - r["solver"] / r["rule"] for r in mine)
        sys.stdout.write(
            f"{count} requests: {saved:.0%} fewer points than first come, {more:.0%} fewer than "
            f"by rule, at most {max(r['seconds'] for r in mine):.1f} s\n"
        )
    text = json.dumps(rows, indent=1)
    if given.json:
        given.json.write_text(text)
    else:
        sys.stdout.write(text + "\n")
