"""What a group's plan is made from, and what it would change, in rows and sentences (F2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone

from fulfillment import capacity, placement, slots
from fulfillment.capacity import in_words
from fulfillment.models import ProviderGroup, ScheduleEntry
from fulfillment.placement import Job, Placed, Problem, Room, Slices
from requests_app.models import Link, Request
from requests_app.states import OPEN, S
from workflow import clock

SETTLED = (S.TESTING, S.BILLING, S.CUSTOMER_NOTICE)
"""Far enough on that others need not wait for it."""
DAY = timedelta(days=1)


@dataclass
class Candidate:
    """A request that may be placed or moved, with the slot it has."""

    req: Any
    entry: ScheduleEntry | None
    bars: list[capacity.Bar]
    after: tuple[int, ...] = ()

    @property
    def minutes(self) -> int:
        if self.entry is not None:
            return self.entry.minutes
        return int(self.req.estimate_hours * 60)

    @cached_property
    def held(self) -> Slices:
        """The days it has been promised."""
        if self.entry is None or self.entry.state != "booked":
            return ()
        return tuple((d.day, d.minutes) for d in self.entry.days.all())

    def job(self) -> Job:
        """The same for the planner."""
        dues = [self.req.needed_by, self.req.due_at and timezone.localdate(self.req.due_at)]
        return Job(
            key=self.req.pk,
            minutes=self.minutes,
            not_before=max([clock.today(), *(day for day, _ in self.bars)]),
            due=min((d for d in dues if d), default=None),
            priority=self.req.priority,
            age=int(self.req.created_at.timestamp()),
            most=self.entry.most_per_day if self.entry else None,
            held=self.held,
            must_move=bool(self.held) and self.held[0][0] < clock.today(),
            after=self.after,
        )


@dataclass
class Reading:
    """A group's schedule as it stands, ready for the planner."""

    group: ProviderGroup
    problem: Problem
    candidates: dict[int, Candidate]
    left_out: list[tuple[Any, str]] = field(default_factory=list)
    total: dict[date, int] = field(default_factory=dict)
    fixed: dict[date, int] = field(default_factory=dict)

    def snapshot(self) -> dict[str, Any]:
        """What a plan rests on, as plain JSON: the day, the rooms, and every job."""
        names = {key: c.req.reference for key, c in self.candidates.items()}
        return {
            "today": clock.today().isoformat(),
            "days": {r.day.isoformat(): r.minutes for r in self.problem.rooms},
            "jobs": {
                names[j.key]: [
                    j.minutes,
                    j.not_before.isoformat(),
                    j.due and j.due.isoformat(),
                    j.priority,
                    j.most,
                    plain(j.held),
                    j.must_move,
                    sorted(names[k] for k in j.after),
                ]
                for j in self.problem.jobs
            },
        }

    def changed_since(self, old: Mapping[str, Any]) -> str:
        """What is different from a snapshot, in a sentence; empty where nothing is.

        A request that has come in since and holds no days changes nothing of the plan.
        """
        new = self.snapshot()
        if old["today"] != new["today"]:
            return f"It was made on {in_words(date.fromisoformat(old['today']))}."
        both = [*old["jobs"], *(k for k, v in new["jobs"].items() if k not in old["jobs"] and v[5])]
        jobs = [ref for ref in both if old["jobs"].get(ref) != new["jobs"].get(ref)]
        days = [
            d for d in {**old["days"], **new["days"]} if old["days"].get(d) != new["days"].get(d)
        ]
        said = []
        if jobs:
            said.append(f"{_some(jobs)} changed.")
        if days:
            words = _some([in_words(date.fromisoformat(d)) for d in sorted(days)])
            said.append(f"The hours there are on {words} changed.")
        return " ".join(said)


def _some(names: list[str]) -> str:
    more = len(names) - 3
    if more > 0:
        return f"{', '.join(names[:3])} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def plain(slices: Iterable[placement.Slice]) -> list[list[Any]]:
    """Days and minutes as JSON."""
    return [[day.isoformat(), minutes] for day, minutes in slices]


def slices_from(rows: Iterable[Any]) -> Slices:
    """Days and minutes back from JSON."""
    return tuple((date.fromisoformat(day), minutes) for day, minutes in rows)


# reading


def read(group: ProviderGroup, *, only_booked: bool = False) -> Reading:
    """Everything of a group that can be placed or moved, and what stays as it is (F2).

    `only_booked` leaves what waits for a first slot where it is. A handful of queries.
    """
    entries = list(_entries(group))
    movable = {e.request_id: e for e in entries if _may_move(e, group)}
    candidates = {
        pk: Candidate(e.request, e, slots.bars_of(e.request, e.request.open_lines))
        for pk, e in movable.items()
    }
    left_out: list[tuple[Any, str]] = []
    if not only_booked:
        kept = {e.request_id for e in entries}
        for req in _waiting(group):
            if req.pk in kept:
                left_out.append((req, "It keeps its slot: confirm it, or give it back."))
            elif not req.estimate_hours:
                left_out.append((req, "It has no estimate yet."))
            else:
                candidates[req.pk] = Candidate(req, None, slots.bars_of(req, req.open_lines))
    left_out += _link(candidates)
    staying = [e for e in entries if e.request_id not in candidates]
    return _reading(group, candidates, staying, left_out)


def _open_lines() -> Prefetch:
    line_model: Any = Request._meta.get_field("part_lines").related_model
    return Prefetch("part_lines", line_model.objects.unfinished(), to_attr="open_lines")


def _entries(group: ProviderGroup) -> Any:
    lines = _open_lines()
    lines.add_prefix("request")
    return (
        ScheduleEntry.objects.active()
        .filter(group=group)
        .select_related("request__agency")
        .prefetch_related("days", lines)
        .order_by("pk")
    )


def _waiting(group: ProviderGroup) -> Any:
    return (
        Request.objects.filter(
            provider_group=group, state=S.AWAITING_SCHEDULING, held_since__isnull=True
        )
        .select_related("agency")
        .prefetch_related(_open_lines())
        .order_by("pk")
    )


def _may_move(entry: ScheduleEntry, group: ProviderGroup) -> bool:
    """Booked or without days, neither fixed nor begun nor on hold, and within the window."""
    request = entry.request
    return (
        entry.state in slots.MOVABLE
        and not entry.is_fixed
        and request.state == S.SCHEDULED
        and not request.is_on_hold
        and request.provider_group_id == group.pk
        and (entry.state != "booked" or entry.last_day <= capacity.window_end())
    )


def _link(candidates: dict[int, Candidate]) -> list[tuple[Any, str]]:
    """Set what each needs first; take out what needs something that has no date, or itself."""
    out: list[tuple[Any, str]] = []
    needs = _needs(candidates)
    while True:
        gone = _undatable(candidates, needs)
        if not gone:
            break
        for pk, why in gone.items():
            out.append((candidates.pop(pk).req, why))
    for pk, targets in needs.items():
        if pk not in candidates:
            continue
        inside = tuple(sorted(t.pk for t in targets if t.pk in candidates))
        for target in targets:
            if target.pk not in inside:
                day = target.active_entries[0].last_day + DAY
                candidates[pk].bars.append(
                    (day, f"It needs {target.reference} first: not before {in_words(day)}.")
                )
        candidates[pk].after = inside
    return out


def _needs(candidates: Iterable[int]) -> dict[int, list[Any]]:
    """The requests that each of these needs first and that are not finished."""
    links = (
        Link.objects.filter(
            relation=Link.Relation.NEEDS, source__in=list(candidates), target__isnull=False
        )
        .exclude(target__state__in=[s for s in S if s not in OPEN or s in SETTLED])
        .select_related("target")
        .prefetch_related(
            Prefetch(
                "target__schedule_entries",
                ScheduleEntry.objects.filter(state__in=["booked", "started"]),
                to_attr="active_entries",
            )
        )
        .order_by("pk")
    )
    found: dict[int, list[Any]] = {}
    for link in links:
        found.setdefault(link.source_id, []).append(link.target)
    return found


def _undatable(candidates: dict[int, Candidate], needs: dict[int, list[Any]]) -> dict[int, str]:
    gone = {}
    for pk, targets in needs.items():
        if pk not in candidates:
            continue
        for target in targets:
            if target.pk not in candidates and not target.active_entries:
                gone[pk] = f"It needs {target.reference} first, which has no date yet."
    for pk in _in_circles({k: [t.pk for t in v] for k, v in needs.items() if k in candidates}):
        gone.setdefault(pk, "What it needs first needs it first: take one of the links away.")
    return gone


def _in_circles(needs: Mapping[int, list[int]]) -> set[int]:
    """Those from which one comes back to themselves."""
    found = set()
    for pk in needs:
        seen: set[int] = set()
        ahead = list(needs[pk])
        while ahead:
            one = ahead.pop()
            if one not in seen:
                seen.add(one)
                ahead += needs.get(one, [])
        if pk in seen:
            found.add(pk)
    return found


def _reading(
    group: ProviderGroup,
    candidates: dict[int, Candidate],
    staying: list[ScheduleEntry],
    left_out: list[tuple[Any, str]],
) -> Reading:
    force = capacity.Workforce(group)
    today, last = clock.today(), capacity.window_end()
    total = {day: force.minutes(day) for day in force.working_days(today, last)}
    fixed = dict.fromkeys(total, 0)
    for entry in staying:
        for one in entry.days.all():
            if one.day in fixed:
                fixed[one.day] += one.minutes
    jobs = tuple(c.job() for _, c in sorted(candidates.items()))
    for job in jobs:
        for day, _ in job.held:
            if day >= today and day not in total:
                total[day] = fixed[day] = 0
    rooms = tuple(Room(day, max(0, total[day] - fixed[day])) for day in sorted(total))
    return Reading(group, Problem(rooms, jobs), candidates, left_out, total, fixed)


# what a plan would change


def late_by(job: Job, slices: Slices) -> int | None:
    """Calendar days after its due date; None where it has no days or no due date."""
    if not slices or job.due is None:
        return None
    return max(0, (slices[-1][0] - job.due).days)


def rows(reading: Reading, placed: Placed) -> list[dict[str, Any]]:
    """One row per request that gets other days: from, to, why, how late before and after."""
    problem = reading.problem
    short = {r.day for r in problem.rooms if placement.loads(problem, {})[r.day] > r.minutes}
    found = []
    for job in sorted(
        problem.jobs, key=lambda j: (placed.get(j.key, ((date.max, 0),))[0][0], j.rank)
    ):
        slices = placed.get(job.key)
        if slices == job.held or (slices is None and problem.kept(job)):
            continue
        candidate = reading.candidates[job.key]
        found.append(
            {
                "pk": job.key,
                "ref": candidate.req.reference,
                "due": job.due and job.due.isoformat(),
                "before": plain(job.held),
                "after": plain(slices or ()),
                "late_before": late_by(job, job.held),
                "late_after": late_by(job, slices or ()),
                "new": candidate.entry is None,
                "why": _why(reading, job, placed, short),
            }
        )
    return found


def _why(reading: Reading, job: Job, placed: Placed, short: set[date]) -> str:
    """Why it gets these days, in a sentence."""
    slices, held = placed.get(job.key), job.held
    if slices is None:
        return "Nothing that long is free within the window."
    if not held:
        return "It had no days yet."
    if job.must_move:
        return "Its day passed before it was begun."
    bar = next((why for day, why in reading.candidates[job.key].bars if held[0][0] < day), "")
    if bar:
        return bar
    for key in job.after:
        first = placed.get(key)
        if first and first[-1][0] >= held[0][0]:
            return f"It needs {reading.candidates[key].req.reference} first."
    less = [day for day, _ in held if day in short]
    if less:
        return f"More is promised on {in_words(less[0])} than the group can do."
    before, after = late_by(job, held) or 0, late_by(job, slices) or 0
    if after < before:
        return "It is finished in time." if not after else "It is less late."
    other = _makes_room_for(reading, job, placed)
    return f"It makes room for {other}." if other else "The days are used better."


def _makes_room_for(reading: Reading, job: Job, placed: Placed) -> str:
    """The weightiest request that takes days this one had and is better off by it."""
    days = {day for day, _ in job.held}
    gainers = [
        j
        for j in reading.problem.jobs
        if j.key != job.key
        and placed.get(j.key, j.held) != j.held
        and days.intersection(day for day, _ in placed.get(j.key, ()))
        and (
            not j.held
            or j.must_move
            or (late_by(j, j.held) or 0) > (late_by(j, placed[j.key]) or 0)
        )
    ]
    best = min(gainers, key=lambda j: j.rank, default=None)
    return reading.candidates[best.key].req.reference if best else ""


def _gains(job: Job, slices: Slices) -> bool:
    return (late_by(job, slices) or 0) < (late_by(job, job.held) or 0)


def days(reading: Reading, placed: Placed) -> list[dict[str, Any]]:
    """The load of every day before and after, with what the group can do."""
    before = placement.loads(reading.problem, {})
    after = placement.loads(reading.problem, placed)
    return [
        {
            "day": day.isoformat(),
            "capacity": reading.total[day],
            "before": before[day] + reading.fixed[day],
            "after": after[day] + reading.fixed[day],
        }
        for day in sorted(reading.total)
    ]


def late_days(reading: Reading, placed: Placed) -> dict[str, int]:
    """Days late in all and how many requests are late, before and after; without days is not."""
    found = {}
    for name, where in (("before", {}), ("after", placed)):
        late = [late_by(j, where.get(j.key, j.held)) or 0 for j in reading.problem.jobs]
        found[f"{name}_days"] = sum(late)
        found[f"{name}_requests"] = sum(1 for n in late if n)
    return found


def after_needs(request: Request) -> tuple[date | None, str]:
    """The first day after all it needs first; or the sentence why there is none yet."""
    first = None
    for target in _needs([request.pk]).get(request.pk, []):
        if not target.active_entries:
            return None, f"It needs {target.reference} first, which has no date yet."
        first = max(first or date.min, target.active_entries[0].last_day + DAY)
    return first, ""
