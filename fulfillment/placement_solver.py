"""CP-SAT chooses placements so that all jobs fit together at the least cost (F2).

Placements looked at for a job: the slot it holds, its place in the plan so far, and, beginning on
every day open to it, its minutes laid forward over what is free at several paces (as much as the
day has, a half, a quarter; or a first day that takes only a part). All are exact in minutes, so
what comes out can be booked as it is.

A small problem is chosen as a whole; if that is proven the best choice, the plan is `optimal`.
A large one is improved in parts: again and again some jobs that stand in each other's way are
lifted out and chosen anew around the rest, which stays. Parts are drawn by a fixed seed, and one is
given up after a fixed amount of work rather than time, so the same problem takes the same way; how
far it gets in the time is the machine's.
"""

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ortools.sat.python import cp_model

from fulfillment.placement import (
    OVER,
    Answer,
    Job,
    Placed,
    Problem,
    Slices,
    cost,
    cost_of,
    fill,
    loads,
    tighten,
)

WORKERS, SEED = 2, 20
WHOLE = 1_200
"""Up to so many jobs times days the problem is first chosen as a whole."""
SHARE = 0.5
"""The share of the time which that may take."""
SMALLEST, LARGEST = 8, 60
WORK = 0.05
"""How much work a part may cost, in the solver's own measure (about seconds on one core)."""
IDLE = 40
"""After so many parts without a gain it stops before the time is up."""


@dataclass(frozen=True)
class Part:
    """Jobs to be chosen together, with what the rest leaves them.

    `floor` and `ceiling` come from jobs outside that they need or that need them; `bound` jobs may
    not lose their place, `barred` ones may not get one; `sealed` days may not be overfull.
    """

    problem: Problem
    jobs: tuple[Job, ...]
    free: Mapping[date, int]
    floor: Mapping[int, date]
    ceiling: Mapping[int, date]
    bound: frozenset[int] = frozenset()
    barred: frozenset[int] = frozenset()
    sealed: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Option:
    """One way to place a job: its days and the minutes it takes; without days, as it stands."""

    slices: Slices
    taken: Slices
    is_new: bool
    points: int


@dataclass(frozen=True)
class Choice:
    """What came out of choosing a part."""

    placed: Placed | None
    optimal: bool
    bound: int


def whole(problem: Problem) -> Part:
    """All jobs at once, nothing around them."""
    free = {room.day: room.minutes for room in problem.rooms}
    floor = {job.key: max(job.not_before, problem.first) for job in problem.jobs}
    return Part(problem, problem.jobs, free, floor, {})


def part_of(problem: Problem, placed: Placed, keys: Iterable[int]) -> Part:
    """Some of the jobs lifted out of a plan; the rest stays where it is."""
    inside = set(keys)
    load = loads(problem, placed)
    jobs = tuple(problem.by_key[key] for key in sorted(inside))
    for job in jobs:
        for day, minutes in placed.get(job.key, problem.kept(job)):
            load[day] -= minutes
    free = {room.day: max(0, room.minutes - load[room.day]) for room in problem.rooms}
    sealed = {
        day
        for key, slices in placed.items()
        if key not in inside and slices != problem.by_key[key].held
        for day, _ in slices
    }
    floor, ceiling, bound, barred = {}, {}, set(), set()
    for job in jobs:
        before = [placed[k][-1][0] for k in job.after if k not in inside and k in placed]
        floor[job.key] = max([problem.first, job.not_before, *(d + timedelta(1) for d in before)])
        if not job.held and any(k not in inside and k not in placed for k in job.after):
            barred.add(job.key)
        after = [k for k in problem.followers[job.key] if k not in inside and k in placed]
        if after:
            ceiling[job.key] = min(placed[k][0][0] for k in after)
            if any(not problem.by_key[k].held for k in after):
                bound.add(job.key)
    return Part(
        problem, jobs, free, floor, ceiling, frozenset(bound), frozenset(barred), frozenset(sealed)
    )


def options_of(part: Part, job: Job, hint: Slices | None, rich: bool) -> list[Option]:
    """Every placement looked at for a job, without doubles; leaving it as it is comes first."""
    problem, key = part.problem, job.key
    found: dict[Slices, Option] = {}
    if problem.can_stay(job):
        found[job.held] = Option(job.held, job.held, False, cost_of(problem, job, job.held))
    elif key not in part.bound:
        found[()] = Option((), problem.kept(job), False, cost_of(problem, job, None))
    if key not in part.barred:
        new = [hint] if hint else []
        days = [d for d in part.free if d >= part.floor[key]]
        for n in range(len(days)):
            new += _from(days[n:], part.free, job, rich)
        for slices in new:
            if slices not in found:
                found[slices] = Option(slices, slices, True, cost_of(problem, job, slices))
    ceiling = part.ceiling.get(key)
    return [
        o
        for o in found.values()
        if not o.slices
        or (o.slices[0][0] >= part.floor[key] and (not ceiling or o.slices[-1][0] < ceiling))
    ]


def _from(days: list[date], free: Mapping[date, int], job: Job, rich: bool) -> list[Slices]:
    """Beginning on the first of these days, at several paces."""
    room = free[days[0]]
    if not room:
        return []
    whole_day = min(room, job.minutes, job.most or room)
    found = [fill(days, free, job.minutes, job.most)]
    for part in (2, 4) if rich else (2,):
        pace = max(1, whole_day // part)
        found.append(fill(days, free, job.minutes, pace))
    for part in (1, 2, 3) if rich else ():
        first = whole_day * part // 4
        if 0 < first < job.minutes:
            rest = fill(days[1:], free, job.minutes - first, job.most)
            found.append(((days[0], first), *rest) if rest else None)
    return [slices for slices in found if slices is not None]


def choose(part: Part, start: Placed, *, rich: bool, seconds: float, work: float = 0) -> Choice:
    """The cheapest options that fit together, beginning from `start`."""
    options = {j.key: options_of(part, j, start.get(j.key), rich) for j in part.jobs}
    model = cp_model.CpModel()
    chosen = {key: [model.new_bool_var("") for _ in many] for key, many in options.items()}
    for key, many in chosen.items():
        model.add_exactly_one(many)
        for option, var in zip(options[key], many, strict=True):
            model.add_hint(var, option.slices == start.get(key, ()))
    over = _capacity(model, part, options, chosen)
    _order(model, part, options, chosen)
    variables = [v for many in chosen.values() for v in many]
    points = [o.points for many in options.values() for o in many]
    model.minimize(
        cp_model.LinearExpr.weighted_sum([*variables, *over], [*points, *[OVER] * len(over)])
    )
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1 if work else WORKERS  # small ones are over before two begin
    solver.parameters.random_seed = SEED
    solver.parameters.max_time_in_seconds = max(0.05, seconds)
    if work:
        solver.parameters.max_deterministic_time = work
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        solver.parameters.max_presolve_iterations = 1
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Choice(None, optimal=False, bound=0)
    picked = {
        key: next(o for o, v in zip(options[key], many, strict=True) if solver.boolean_value(v))
        for key, many in chosen.items()
    }
    placed = {key: option.slices for key, option in picked.items() if option.slices}
    return Choice(placed, status == cp_model.OPTIMAL, int(solver.best_objective_bound))


def _capacity(model: Any, part: Part, options: Any, chosen: Any) -> list[Any]:
    """No day gets more than it has. Returns the minutes over it on days promised beyond it."""
    now = dict.fromkeys(part.free, 0)
    for job in part.jobs:
        for day, minutes in part.problem.kept(job):
            now[day] += minutes
    use: dict[date, list[tuple[Any, int, bool]]] = {day: [] for day in part.free}
    for key, many in options.items():
        for option, var in zip(many, chosen[key], strict=True):
            for day, minutes in option.taken:
                use[day].append((var, minutes, option.is_new))
    found = []
    for day, room in part.free.items():
        terms = use[day]
        if not terms:
            continue
        expression = cp_model.LinearExpr.weighted_sum([t[0] for t in terms], [t[1] for t in terms])
        excess = now[day] - room
        if excess <= 0 or day in part.sealed:
            model.add(expression <= room)
            continue
        extra = model.new_int_var(0, excess, "")
        is_over = model.new_bool_var("")
        model.add(expression <= room + extra)
        model.add(extra <= excess * is_over)
        for var, _, is_new in terms:
            if is_new:
                model.add_implication(var, ~is_over)
        found.append(extra)
    return found


def _order(model: Any, part: Part, options: Any, chosen: Any) -> None:
    """What needs another first begins after the last day of that one."""
    index = {day: n for n, day in enumerate(part.free)}
    never = len(index)
    for job in part.jobs:
        for key in job.after:
            if key not in options:
                continue
            begins = [index[o.slices[0][0]] if o.slices else never for o in options[job.key]]
            ends = [index[o.slices[-1][0]] if o.slices else -1 for o in options[key]]
            first = cp_model.LinearExpr.weighted_sum(chosen[job.key], begins)
            last = cp_model.LinearExpr.weighted_sum(chosen[key], ends)
            model.add(first >= last + 1)
            if job.held:
                continue
            waits = [v for o, v in zip(options[job.key], chosen[job.key], strict=True) if o.slices]
            without = [v for o, v in zip(options[key], chosen[key], strict=True) if not o.slices]
            for one in without:
                for var in waits:
                    model.add_implication(one, ~var)


def solve(problem: Problem, start: Placed, seconds: float) -> Answer:
    """The best plan found within `seconds`, beginning from `start`."""
    stop = time.monotonic() + seconds
    best, bound = start, None
    if len(problem.jobs) * len(problem.rooms) <= WHOLE:
        choice = choose(whole(problem), start, rich=True, seconds=seconds * SHARE)
        if choice.placed is None:
            return Answer(None, optimal=False, bound=None, why="The solver found no plan in time.")
        best, bound = choice.placed, choice.bound
        if choice.optimal:
            why = "No choice among the placements looked at is better."
            return Answer(best, optimal=True, bound=bound, why=why)
    best, parts, gains = improve(problem, tighten(problem, best), stop)
    why = f"{parts} parts planned anew, {gains} of them with a gain, in {seconds:g} s at most."
    return Answer(best, optimal=False, bound=bound, why=why)


def improve(problem: Problem, start: Placed, stop: float) -> tuple[Placed, int, int]:
    """Lift parts out and choose them anew until `stop` or until it no longer helps."""
    rng = random.Random(SEED)  # noqa: S311 - which part is next is no secret
    best, points = start, cost(problem, start)
    size, idle, parts, gains = SMALLEST, 0, 0, 0
    while idle < IDLE and time.monotonic() < stop:
        keys = _next_part(problem, best, rng, min(size, len(problem.jobs)))
        mine = {key: best[key] for key in keys if key in best}
        left = stop - time.monotonic()
        part = part_of(problem, best, keys)
        choice = choose(part, mine, rich=False, seconds=left, work=WORK)
        parts += 1
        size = min(LARGEST, size + 1) if choice.optimal else max(SMALLEST, size - 3)
        idle += 1
        if choice.placed is None or choice.placed == mine:
            continue
        rest = {key: slices for key, slices in best.items() if key not in keys}
        found = tighten(problem, {**rest, **choice.placed})
        better = cost(problem, found)
        if better < points:
            best, points, idle, gains = found, better, 0, gains + 1
    return best, parts, gains


def _next_part(problem: Problem, placed: Placed, rng: random.Random, size: int) -> set[int]:
    """Jobs that stand in each other's way: around one that costs much, those on the days it wants.

    Every third time it is any days in a row.
    """
    points = [1 + cost_of(problem, job, placed.get(job.key)) for job in problem.jobs]
    one = rng.choices(problem.jobs, points)[0]
    days = [room.day for room in problem.rooms]
    if rng.randrange(3):
        done = placed[one.key][-1][0] if one.key in placed else problem.last
        first, last = max(problem.first, one.not_before), done
    else:
        n = rng.randrange(len(days))
        first, last = days[n], days[min(n + rng.randrange(3, 12), len(days) - 1)]
    near = [
        job.key
        for job in problem.jobs
        if any(first <= day <= last for day, _ in placed.get(job.key, job.held))
        and job.key != one.key
    ]
    related = [*one.after, *problem.followers[one.key]]
    chosen = {one.key, *related[: size // 2]}
    rng.shuffle(near)
    for key in near:
        if len(chosen) >= size:
            break
        chosen.add(key)
    return chosen
