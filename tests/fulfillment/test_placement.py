"""The planner alone: every plan is sound, small ones are the best there are (F2)."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.placement import weeks
from fulfillment import placement
from fulfillment.placement import Job, Placed, Problem, Room, Slices
from fulfillment.placement_check import faults

MONDAY = date(2026, 3, 2)
QUICK = 0.4


def day(n: int) -> date:
    return MONDAY + timedelta(days=n)


def rooms(*minutes: int) -> tuple[Room, ...]:
    return tuple(Room(day(n), m) for n, m in enumerate(minutes))


def job(key: int, minutes: int = 60, **fields: Any) -> Job:
    return Job(**{"key": key, "minutes": minutes, "not_before": MONDAY, "age": key, **fields})


def made(problem: Problem, seconds: float = 2.0, **options: Any) -> placement.Plan:
    found = placement.plan(problem, seconds=seconds, **options)
    assert faults(problem, found.placed) == []
    assert found.cost == placement.cost(problem, found.placed)
    return found


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A few days and jobs of every sort, with promises that may be too many for their days."""
    length = draw(st.integers(2, 7))
    have = [draw(st.sampled_from([0, 60, 120, 240, 480])) for _ in range(length)]
    jobs = []
    for key in range(draw(st.integers(1, 7))):
        held: Slices = ()
        if draw(st.booleans()):
            start = draw(st.integers(-2, length - 1))
            ends = min(length - 1, start + draw(st.integers(0, 2)))
            held = tuple((day(n), draw(st.integers(10, 200))) for n in range(start, ends + 1))
        minutes = sum(m for _, m in held) or draw(st.integers(15, 600))
        jobs.append(
            job(
                key,
                minutes,
                not_before=day(draw(st.integers(0, length))),
                due=draw(st.none() | st.integers(-3, length).map(day)),
                priority=draw(st.integers(1, 4)),
                most=draw(st.none() | st.integers(30, 240)),
                held=held,
                must_move=bool(held) and held[0][0] < MONDAY,
                after=tuple({draw(st.integers(0, key - 1))} if key and draw(st.booleans()) else ()),
            )
        )
    return Problem(rooms(*have), tuple(jobs))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_no_plan_breaks_a_rule(problem: Problem) -> None:
    """By rule, first come, as it stands and by the solver; and none is worse than doing nothing."""
    stands = placement.as_it_stands(problem)
    assert faults(problem, stands) == []
    assert faults(problem, placement.by_rule(problem)) == []
    found = made(problem, QUICK)
    assert found.cost <= placement.cost(problem, placement.by_rule(problem))
    assert found.bound is None or found.bound <= found.cost


def every_placement(problem: Problem, one: Job, unit: int) -> Iterator[Slices | None]:
    """Every way to give a job its minutes in whole units, running on from day to day."""
    yield None
    days = [r for r in problem.rooms if r.day >= one.not_before]

    def spread(left: int, at: int, so_far: Slices) -> Iterator[Slices]:
        if left == 0:
            yield so_far
        elif at < len(days):
            most = min(left, days[at].minutes, one.most or left)
            for take in range(unit, most + 1, unit):
                yield from spread(left - take, at + 1, (*so_far, (days[at].day, take)))

    for start in range(len(days)):
        yield from spread(one.minutes, start, ())
    if one.held:
        yield one.held


def cheapest(problem: Problem, unit: int) -> int:
    """The least cost over all combinations of placements that are sound."""
    choices = [list(dict.fromkeys(every_placement(problem, j, unit))) for j in problem.jobs]
    best = None
    for combination in product(*choices):
        placed: Placed = {
            j.key: s for j, s in zip(problem.jobs, combination, strict=True) if s is not None
        }
        points = placement.cost(problem, placed)
        if (best is None or points < best) and not faults(problem, placed):
            best = points
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(12))
def test_a_small_plan_is_as_good_as_trying_everything(seed: int) -> None:
    """Against every division of the minutes into hours over every run of days."""
    rng = random.Random(seed)  # noqa: S311 - a fixed seed
    have = [rng.choice([120, 180, 240]) for _ in range(4)]
    jobs = []
    for key in range(3):
        minutes = 60 * rng.randint(1, 5)
        held: Slices = ()
        if rng.random() < 0.4 and minutes <= 240:
            held = ((day(rng.randrange(4)), minutes),)
        jobs.append(
            job(
                key,
                minutes,
                due=day(rng.randint(0, 3)),
                priority=rng.randint(1, 4),
                not_before=day(rng.choice([0, 0, 1])),
                held=held,
                after=(0,) if key == 2 and seed % 3 == 0 else (),
            )
        )
    problem = Problem(rooms(*have), tuple(jobs))
    found = made(problem)
    assert found.made_by == "optimal"
    assert found.cost == cheapest(problem, 60)


def test_the_urgent_one_goes_first_and_the_other_makes_room() -> None:
    """A promise is moved where that is worth it: here a critical request would be a week late."""
    problem = Problem(
        rooms(240, 240, 240),
        (
            job(1, 240, held=((day(0), 240),), due=day(9), priority=4),
            job(2, 240, due=day(0), priority=1),
        ),
    )
    found = made(problem)
    assert found.placed[2] == ((day(0), 240),)
    assert found.placed[1][0][0] == day(1)


def test_a_promise_is_not_moved_for_a_day_or_two() -> None:
    problem = Problem(
        rooms(240, 240, 240),
        (
            job(1, 240, held=((day(0), 240),), due=day(9), priority=3),
            job(2, 240, due=day(0), priority=3),
        ),
    )
    assert made(problem).placed[1] == ((day(0), 240),)


def test_work_runs_on_over_full_days_and_takes_no_more_than_its_most_of_one() -> None:
    problem = Problem(
        rooms(60, 120, 0, 120),
        (job(1, 120, held=((day(1), 120),), priority=1, due=day(1)), job(2, 120, most=60)),
    )
    assert made(problem).placed[2] == ((day(0), 60), (day(3), 60))


def test_what_needs_another_first_begins_after_its_last_day() -> None:
    problem = Problem(
        rooms(240, 240, 240),
        (job(1, 60, priority=4), job(2, 60, priority=1, due=day(0), after=(1,))),
    )
    placed = made(problem).placed
    assert placed[2][0][0] > placed[1][-1][0]


def test_what_a_leave_left_no_room_for_goes_elsewhere_and_what_finds_none_stays() -> None:
    """Two promises on a day that has room for one: the lesser one moves; with nowhere to go, the
    day stays over its minutes and nothing is added to it."""
    two = (
        job(1, 120, held=((day(0), 120),), priority=1),
        job(2, 120, held=((day(0), 120),), priority=4),
    )
    moved = made(Problem(rooms(120, 240), two)).placed
    assert moved == {1: ((day(0), 120),), 2: ((day(1), 120),)}
    third = job(3, 30, priority=1, due=day(0))
    stuck = made(Problem(rooms(150, 0), (*two, third))).placed
    assert stuck == {1: ((day(0), 120),), 2: ((day(0), 120),)}


def test_the_same_problem_gives_the_same_plan() -> None:
    jobs = [job(n, 60 * (1 + n % 4), due=day(n % 3), priority=1 + n % 4) for n in range(8)]
    problem = Problem(rooms(*[240] * 6), tuple(jobs))
    first, second = made(problem, 20), made(problem, 20)
    assert first.made_by == "optimal"
    assert (first.placed, first.cost) == (second.placed, second.cost)


def test_it_beats_first_come_on_a_busy_group() -> None:
    problem = weeks(60, 3)
    found = made(problem, 3)
    assert found.made_by == "feasible"
    assert found.cost < placement.cost(problem, placement.by_rule(problem)) < found.first_come
    assert found.seconds < 6


def test_without_the_solver_the_plan_by_rule_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(placement, "import_module", missing)
    problem = weeks(20, 1)
    found = made(problem)
    assert (found.made_by, found.why) == ("rule", "The solver is not installed.")
    assert found.placed == placement.by_rule(problem)


def test_a_solver_that_fails_or_finds_nothing_leaves_the_plan_by_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    solver = pytest.importorskip("fulfillment.placement_solver")
    problem = weeks(10, 1)
    nothing = solver.Choice(None, optimal=False, bound=0)
    monkeypatch.setattr(solver, "choose", lambda *args, **kw: nothing)
    found = made(problem)
    assert (found.made_by, found.why) == ("rule", "The solver found no plan in time.")

    def breaks(*args: Any, **kw: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(solver, "choose", breaks)
    assert made(problem).why == "The solver failed."


def test_the_checker_finds_every_fault() -> None:
    """The control of the property test: each broken plan is called broken."""
    held = job(1, 60, held=((day(1), 60),))
    other = job(2, 120, not_before=day(1), most=60, after=(1,))
    problem = Problem(rooms(60, 120, 60, 120), (held, other))
    good = {1: held.held, 2: ((day(2), 60), (day(3), 60))}
    assert faults(problem, good) == []
    for broken in (
        {**good, 2: ((day(2), 60),)},  # not all its minutes
        {**good, 2: ((day(3), 120),)},  # more of a day than its most
        {**good, 2: ((day(3), 60), (day(2), 60))},  # backwards
        {**good, 2: ((day(0), 60), (day(2), 60))},  # too early
        {**good, 2: ((day(1), 60), (day(2), 60))},  # beside what it needs first
        {**good, 1: ((day(2), 60),), 2: ((day(2), 60), (day(3), 60))},  # too much on a day
        {**good, 2: ((day(2), 60), (day(9), 60))},  # outside the window
        {2: good[2], 3: ((day(0), 60),)},  # nobody knows it
    ):
        assert faults(problem, broken), broken
    gap = Problem(rooms(60, 60, 60), (job(1, 120),))
    assert faults(gap, {1: ((day(0), 60), (day(2), 60))})
