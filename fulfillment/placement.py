"""Where to place work on a group's days: problem in, plan out; no database in here (F2).

**The model.** A group has working days with so many minutes each. A job is a request with minutes
to do; it takes some of the minutes of one or more days, from one first day on, running on from
working day to working day: it passes over a day only where that day has nothing free, and takes no
more of a day than its own `most`. No day is given more than it has. A job does not begin before
its `not_before` (the earliest date agreed, parts still expected), nor before the day after the last
day of what it needs first. What is fixed or begun is no job: its minutes are not among the rooms'.

**A promised slot** (`held`) may stay as it is or be moved; one that `must_move` (its day has
passed, or a part comes later) cannot stay. Where a leave leaves a day with less than is promised
on it, slots may stay on it only at a price above everything else, and nothing new goes there. What
finds no room keeps the days it has, or none.

**What a plan costs**, in points: per job and calendar day after its due date `LATE` times its
weight; per promise moved `MOVE`, which is what a normal request three days late costs; per calendar
day until it is finished `EARLY` times its weight, so that of equal plans the sooner one wins;
`UNPLACED` times its weight, and the lateness of a month after the window, for what finds no room.

**Who makes it.** Two plans by rule (`by_rule`) are there at once. CP-SAT chooses among placements
(`fulfillment.placement_solver`) beginning from the better one; whatever it finds is drawn together
(`tighten`). Without a solver, or where it finds nothing, the plan by rule stands and says so.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from importlib import import_module
from typing import Any

log = logging.getLogger(__name__)

Slice = tuple[date, int]
Slices = tuple[Slice, ...]

WEIGHTS = {1: 8, 2: 4, 3: 2, 4: 1}
"""How much a day late counts, by priority: critical, high, normal, low."""
LATE, MOVE, EARLY, UNPLACED, OVER = 100, 600, 1, 5_000, 10_000
BEYOND = timedelta(days=30)
"""What finds no room counts as finished so long after the last day."""

RULE = (
    "By priority, then by due date, then the oldest; each on the days on which it is finished "
    "soonest. What is promised and can stay, stays; or all is placed anew: the better of the two."
)


@dataclass(frozen=True)
class Room:
    """A working day with the minutes that planned work may take; what is fixed is taken off."""

    day: date
    minutes: int


@dataclass(frozen=True)
class Job:
    """A request to be placed. `age` ranks by receipt, the oldest lowest."""

    key: int
    minutes: int
    not_before: date
    due: date | None = None
    priority: int = 3
    age: int = 0
    most: int | None = None
    held: Slices = ()
    must_move: bool = False
    after: tuple[int, ...] = ()

    @property
    def weight(self) -> int:
        return WEIGHTS[self.priority]

    @property
    def rank(self) -> tuple[int, date, int, int]:
        """The order of the rule: priority, due, age."""
        return (self.priority, self.due or date.max, self.age, self.key)


@dataclass(frozen=True)
class Problem:
    """The days of the window in order, and the jobs. `after` may name jobs of the problem only."""

    rooms: tuple[Room, ...]
    jobs: tuple[Job, ...]

    @cached_property
    def by_key(self) -> dict[int, Job]:
        return {job.key: job for job in self.jobs}

    @cached_property
    def first(self) -> date:
        return self.rooms[0].day

    @cached_property
    def last(self) -> date:
        return self.rooms[-1].day

    def kept(self, job: Job) -> Slices:
        """What a job holds of the days of the window as things stand."""
        return tuple(s for s in job.held if s[1] and s[0] >= self.first)

    def can_stay(self, job: Job) -> bool:
        """Whether its promise can be kept as things stand, whatever the load of its days."""
        if not job.held or job.must_move or job.held[0][0] < max(job.not_before, self.first):
            return False
        before = [self.by_key[key].held for key in job.after]
        return all(not held or held[-1][0] < job.held[0][0] for held in before)

    @cached_property
    def followers(self) -> dict[int, list[int]]:
        """Which jobs wait for which."""
        found: dict[int, list[int]] = {job.key: [] for job in self.jobs}
        for job in self.jobs:
            for key in job.after:
                found[key].append(job.key)
        return found


Placed = dict[int, Slices]
"""The days of every job that has a place, promised ones that stay included. Who is missing has
found no room and keeps what it has."""


@dataclass(frozen=True)
class Plan:
    """A plan with who made it and how good it is."""

    placed: Placed
    made_by: str
    """`optimal` (nothing better among all placements looked at), `feasible` (the best found in
    time) or `rule`."""
    why: str
    cost: int
    bound: int | None
    seconds: float
    first_come: int = field(default=0)


# what it costs


def cost_of(problem: Problem, job: Job, slices: Slices | None) -> int:
    """Points of one job; `None` is without a place. The price of overfull days is not in it."""
    done = slices[-1][0] if slices else problem.last + BEYOND
    late = max(0, (done - job.due).days) if job.due else 0
    points = job.weight * (LATE * late + EARLY * (done - problem.first).days)
    if slices is None:
        points += UNPLACED * job.weight
    return points + (MOVE if job.held and slices != job.held else 0)


def loads(problem: Problem, placed: Mapping[int, Slices]) -> dict[date, int]:
    """Minutes per day, with what the jobs without a place still hold."""
    load = {room.day: 0 for room in problem.rooms}
    for job in problem.jobs:
        for day, minutes in placed.get(job.key, problem.kept(job)):
            load[day] = load.get(day, 0) + minutes
    return load


def cost(problem: Problem, placed: Mapping[int, Slices]) -> int:
    """Points of a whole plan: less is better."""
    load = loads(problem, placed)
    over = sum(max(0, load[room.day] - room.minutes) for room in problem.rooms)
    return OVER * over + sum(cost_of(problem, j, placed.get(j.key)) for j in problem.jobs)


# fitting one job


def fill(
    days: Iterable[date], free: Mapping[date, int], minutes: int, most: int | None
) -> Slices | None:
    """Minutes laid forward over days with room; None where they do not fit."""
    found, left = [], minutes
    for day in days:
        take = min(left, free[day], most or left)
        if take > 0:
            found.append((day, take))
            left -= take
        if left == 0:
            return tuple(found)
    return None


def soonest(days: Iterable[date], free: Mapping[date, int], job: Job, lower: date) -> Slices | None:
    """Finished on the earliest day possible, and of the ways to do so begun the latest."""
    ahead = [day for day in days if day >= lower]
    found = fill(ahead, free, job.minutes, job.most)
    if found is None:
        return None
    left, start = job.minutes, found[-1][0]
    for day in reversed([d for d in ahead if d <= found[-1][0]]):
        take = min(free[day], job.most or left)
        if take > 0:
            left, start = left - take, day
        if left <= 0:
            break
    return fill([d for d in ahead if d >= start], free, job.minutes, job.most)


def _lower(problem: Problem, job: Job, placed: Mapping[int, Slices]) -> date:
    """The first day open to a job, given where those it needs first are."""
    bar = max(problem.first, job.not_before)
    for key in job.after:
        if placed.get(key):
            bar = max(bar, placed[key][-1][0] + timedelta(days=1))
    return bar


def _waits_in_vain(job: Job, placed: Mapping[int, Slices]) -> bool:
    """What has no place yet is not given one while something it needs first has none."""
    return not job.held and any(key not in placed for key in job.after)


# plans by rule


def in_turn(problem: Problem, order: Callable[[Job], Any]) -> list[Job]:
    """The jobs in an order, but never one before what it needs first."""
    waiting = sorted(problem.jobs, key=order)
    settled: set[int] = set()
    found: list[Job] = []
    while waiting:
        job = next(j for j in waiting if settled.issuperset(j.after))
        waiting.remove(job)
        settled.add(job.key)
        found.append(job)
    return found


def serial(problem: Problem, order: Callable[[Job], Any], *, keeping: bool) -> Placed:
    """Place one after the other. `keeping` leaves promises where they can stay.

    A promise for which nothing else is free stays, over what its day has if need be; then it is
    begun anew with that one settled beforehand, so that nobody else is put on such a day.
    """
    turns = in_turn(problem, order)
    stuck: set[int] = set()
    while True:
        placed, newly = _one_pass(problem, turns, stuck, keeping)
        if not newly:
            return placed
        stuck |= newly


def _one_pass(
    problem: Problem, turns: list[Job], stuck: set[int], keeping: bool
) -> tuple[Placed, set[int]]:
    free = {room.day: room.minutes for room in problem.rooms}
    days = list(free)
    placed: Placed = {}
    newly: set[int] = set()

    def put(key: int, slices: Slices, taken: Slices) -> None:
        if slices:
            placed[key] = slices
        for day, minutes in taken:
            free[day] = max(0, free[day] - minutes)

    for job in turns:
        if job.key in stuck:
            put(job.key, job.held if problem.can_stay(job) else (), problem.kept(job))
    staying = {j.key for j in turns if keeping and problem.can_stay(j)} - stuck
    for job in turns:
        settled = staying.union(placed).issuperset(job.after)
        if job.key in staying and settled and _stays(problem, job, free, placed):
            put(job.key, job.held, job.held)
        else:
            staying.discard(job.key)
    for job in turns:
        if job.key in placed or job.key in stuck:
            continue
        if keeping and problem.can_stay(job) and _stays(problem, job, free, placed):
            put(job.key, job.held, job.held)
            continue
        found = None
        if not _waits_in_vain(job, placed):
            found = soonest(days, free, job, _lower(problem, job, placed))
        if found is not None:
            put(job.key, found, found)
        elif problem.kept(job):
            newly.add(job.key)
            put(job.key, (), ())
    return placed, newly


def _stays(
    problem: Problem, job: Job, free: Mapping[date, int], placed: Mapping[int, Slices]
) -> bool:
    bar = _lower(problem, job, placed)
    return bar <= job.held[0][0] and all(free[day] >= part for day, part in job.held)


def first_come(problem: Problem) -> Placed:
    """What one gets without any thought: as they came, what is promised stays where it can."""
    return serial(problem, lambda job: (job.age, job.key), keeping=True)


def by_rule(problem: Problem) -> Placed:
    """The better of two plans in the order of the rule: promises kept, or all placed anew."""
    plans = [serial(problem, lambda job: job.rank, keeping=k) for k in (True, False)]
    sound = [p for p in plans if in_order(problem, p)]
    if not sound:
        return as_it_stands(problem)
    return min((tighten(problem, plan) for plan in sound), key=lambda plan: cost(problem, plan))


def as_it_stands(problem: Problem) -> Placed:
    """Nothing moves, nothing is placed."""
    return {job.key: job.held for job in problem.jobs if problem.can_stay(job)}


def in_order(problem: Problem, placed: Mapping[int, Slices]) -> bool:
    """Whether everything placed comes after what it needs first."""
    return all(
        placed[job.key][0][0] > placed[key][-1][0]
        for job in problem.jobs
        if job.key in placed
        for key in job.after
        if key in placed
    )


def tighten(problem: Problem, placed: Placed) -> Placed:
    """Draw moved work together: whoever can finish sooner, or begin later with the same end, does.

    Nobody else is touched by it, so each change is a gain and it comes to an end.
    """
    placed = dict(placed)
    load = loads(problem, placed)
    room = {r.day: r.minutes for r in problem.rooms}
    moving = [j for j in problem.jobs if j.key in placed and placed[j.key] != j.held]
    changed = True
    while changed:
        changed = False
        for job in sorted(moving, key=lambda j: (placed[j.key][0][0], j.rank)):
            mine = dict(placed[job.key])
            free = {d: max(0, room[d] - load[d] + mine.get(d, 0)) for d in room}
            fit = soonest(room, free, job, _lower(problem, job, placed))
            if fit is None or _tightness(fit) >= _tightness(placed[job.key]):
                continue
            for day, minutes in placed[job.key]:
                load[day] -= minutes
            for day, minutes in fit:
                load[day] += minutes
            placed[job.key] = fit
            changed = True
    return placed


def _tightness(slices: Slices) -> tuple[date, int, int]:
    weight = sum(day.toordinal() * minutes for day, minutes in slices)
    return (slices[-1][0], -slices[0][0].toordinal(), weight)


# the plan


def plan(problem: Problem, *, seconds: float = 8.0, solver: bool = True) -> Plan:
    """The best plan that can be had in time; `seconds` is what the solver may use (F2)."""
    begun = time.monotonic()
    rule = by_rule(problem)
    naive = cost(problem, first_come(problem))
    best, made_by, why, bound = rule, "rule", "Asked for the plan by rule.", None
    if solver:
        answer = _solve(problem, rule, seconds)
        why, bound = answer.why, answer.bound
        if answer.placed is not None:
            found = tighten(problem, answer.placed)
            best = min(rule, found, key=lambda p: cost(problem, p))
            made_by = "optimal" if answer.optimal else "feasible"
    points = cost(problem, best)
    return Plan(
        placed=best,
        made_by=made_by,
        why=why,
        cost=points,
        bound=None if bound is None else min(bound, points),
        seconds=time.monotonic() - begun,
        first_come=naive,
    )


@dataclass(frozen=True)
class Answer:
    """What the solver says: a plan or none, whether it is the best, and why it stopped."""

    placed: Placed | None
    optimal: bool
    bound: int | None
    why: str


def _solve(problem: Problem, start: Placed, seconds: float) -> Answer:
    """Ask the solver; its package is loaded only where plans are made, not by every web process."""
    if not problem.jobs:
        return Answer({}, optimal=True, bound=0, why="Nothing is to be placed.")
    try:
        solve = import_module("fulfillment.placement_solver").solve
    except ImportError:
        return Answer(None, optimal=False, bound=None, why="The solver is not installed.")
    try:
        return solve(problem, start, seconds)
    except Exception:
        log.exception("the solver failed")
        return Answer(None, optimal=False, bound=None, why="The solver failed.")
