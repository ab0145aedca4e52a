"""Whether a plan may be shown or applied: every rule looked at anew, without the planner (F2).

Nothing of `fulfillment.placement` is used here but the shape of its data, so that a mistake there
cannot excuse itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise

from fulfillment.placement import Job, Problem, Slices


def faults(problem: Problem, placed: Mapping[int, Slices]) -> list[str]:
    """What is wrong with a plan, one sentence each; empty is a sound plan."""
    jobs = {job.key: job for job in problem.jobs}
    found = [f"Job {key} is not of this plan." for key in placed if key not in jobs]
    if found:
        return found
    for key, slices in placed.items():
        job = jobs[key]
        found += list(_staying(problem, job) if slices == job.held else _moving(job, slices))
    found += _days(problem, placed)
    found += _gaps(problem, placed)
    found += _order(problem, placed)
    return found


def _staying(problem: Problem, job: Job) -> Iterator[str]:
    if job.must_move:
        yield f"Job {job.key} cannot stay."
    if job.held[0][0] < problem.rooms[0].day:
        yield f"Job {job.key} stays in the past."
    if job.held[0][0] < job.not_before:
        yield f"Job {job.key} stays before {job.not_before}."


def _moving(job: Job, slices: Slices) -> Iterator[str]:
    days = [day for day, _ in slices]
    if not slices or any(minutes <= 0 for _, minutes in slices):
        yield f"Job {job.key} has a day without minutes."
    if sum(minutes for _, minutes in slices) != job.minutes:
        yield f"Job {job.key} does not get its {job.minutes} minutes."
    if any(a >= b for a, b in pairwise(days)):
        yield f"The days of job {job.key} are not in order."
    if any(day < job.not_before for day in days):
        yield f"Job {job.key} begins before {job.not_before}."
    if job.most is not None and any(minutes > job.most for _, minutes in slices):
        yield f"Job {job.key} has a day with more than {job.most} minutes."


def _load(problem: Problem, placed: Mapping[int, Slices]) -> Counter[date]:
    """What is on each day; who has no place keeps what is still ahead of what they hold."""
    load: Counter[date] = Counter()
    for job in problem.jobs:
        for day, minutes in placed.get(job.key, job.held):
            load[day] += minutes
    return load


def _days(problem: Problem, placed: Mapping[int, Slices]) -> Iterator[str]:
    """No day beyond what it has, but one that is so already, and only by what lies there now."""
    room = {r.day: r.minutes for r in problem.rooms}
    now, then = _load(problem, {}), _load(problem, placed)
    jobs = {job.key: job for job in problem.jobs}
    new = {day for key, slices in placed.items() if slices != jobs[key].held for day, _ in slices}
    for day in sorted(new - room.keys()):
        yield f"{day} is not a day of the plan."
    for day, minutes in room.items():
        if then[day] <= minutes:
            continue
        if day in new:
            yield f"{day} has {minutes} minutes and is given {then[day]}."
        elif then[day] > now[day]:
            yield f"{day} has too much on it already and is given more."


def _gaps(problem: Problem, placed: Mapping[int, Slices]) -> Iterator[str]:
    """Moved work runs on from working day to working day, past full ones only."""
    load = _load(problem, placed)
    held = {job.key: job.held for job in problem.jobs}
    for key, slices in placed.items():
        if not slices or slices == held[key]:
            continue
        mine = {day for day, _ in slices}
        for room in problem.rooms:
            inside = slices[0][0] < room.day < slices[-1][0]
            if inside and room.day not in mine and load[room.day] < room.minutes:
                yield f"Job {key} passes over {room.day}, which has room."


def _order(problem: Problem, placed: Mapping[int, Slices]) -> Iterator[str]:
    for job in problem.jobs:
        if not placed.get(job.key):
            continue
        for key in job.after:
            before = placed.get(key)
            if before and before[-1][0] >= placed[job.key][0][0]:
                yield f"Job {job.key} begins before job {key} is finished."
            if not before and not job.held:
                yield f"Job {job.key} has a place and job {key}, which it needs, has none."
