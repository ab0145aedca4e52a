"""A request's slot: when it may be booked at all, its days, and moving many at once (F2)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from fulfillment import capacity
from fulfillment.capacity import Bar, Slice, Wish
from fulfillment.models import ProviderGroup, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S
from requests_app.targets import group_hours
from requests_app.who import lead
from workflow import clock
from workflow.actors import SYSTEM, Actor, as_actor
from workflow.door import advance, record
from workflow.machine import Refused
from workflow.models import Event, User
from workflow.together import put

MOVABLE = ("booked", "suspended")


def bars(request: Request) -> list[Bar]:
    """The days before which it cannot be booked, each with its sentence (F2)."""
    every: Any = request.part_lines.all()  # type: ignore[attr-defined]
    lines = [line for line in every if not line.is_done and line.expected_on is not None]
    return bars_of(request, lines)


def bars_of(request: Request, open_lines: Any) -> list[Bar]:
    """As `bars`, with the open part lines read already."""
    found = []
    if request.earliest_on:
        said = capacity.in_words(request.earliest_on)
        found.append((request.earliest_on, f"It must not start before {said}, as agreed."))
    for line in open_lines:
        if line.expected_on:
            said = capacity.in_words(line.expected_on)
            found.append((line.expected_on, f"{line} is expected on {said}: not before."))
    return found


def not_before(request: Request) -> date:
    """The first day on which it may be booked, whatever the load: today or later."""
    return max([clock.today(), *(day for day, _ in bars(request))])


def slices_of(entry: ScheduleEntry) -> list[Slice]:
    """The days an entry holds, with their minutes."""
    return sorted((row.day, row.minutes) for row in entry.days.all())


def force_of(request: Request, entry: ScheduleEntry | None = None) -> capacity.Workforce:
    """Who works in the request's group, or in the one that its slot is booked with."""
    own = request.provider_group
    if own is not None and (entry is None or entry.group_id == own.pk):
        return capacity.Workforce.to_book(own, group_hours(request))
    return capacity.Workforce(entry.group if entry else own)  # type: ignore[arg-type]


def keep_days(entry: ScheduleEntry, slices: Sequence[Slice]) -> None:
    """Write down the days that were booked for an entry."""
    ScheduledDay.objects.bulk_create(
        [ScheduledDay(entry=entry, day=day, minutes=part) for day, part in slices]
    )


def free(entry: ScheduleEntry) -> None:
    """Its hours are free for others again; the entry keeps its dates as history."""
    capacity.give_back(entry.group_id, slices_of(entry))
    entry.days.all().delete()


def place(request: Request, *, by: Actor, wish: Wish) -> ScheduleEntry:
    """Book the hours and put the request on the schedule from that day on (F2)."""
    group: Any = request.provider_group
    before = list(request.schedule_entries.all())  # type: ignore[attr-defined]
    slices = capacity.book_wish(group, wish, bars(request), force_of(request))
    entry = ScheduleEntry.objects.create(
        request=request,
        group=group,
        pass_number=request.pass_number,
        minutes=wish.minutes,
        most_per_day=wish.most,
        first_day=slices[0][0],
        last_day=slices[-1][0],
        booked_by=by.user,
        state_since=clock.now(),
        changed_at=clock.now(),
    )
    keep_days(entry, slices)
    put(request, "schedule_entries", sorted([*before, entry], key=lambda e: (e.first_day, e.pk)))
    return entry


Wanted = Wish | Sequence[Slice]


@dataclass(frozen=True)
class Together:
    """What the events of one act have in common; who moves together is undone together."""

    actor: Actor
    name: str
    reason: str
    tell: tuple[str, ...]
    requests: list[int]
    batch: str = field(default_factory=lambda: uuid.uuid4().hex)


def rebook(
    group: ProviderGroup,
    moves: Mapping[ScheduleEntry, Wanted],
    *,
    by: User | Actor,
    reason: str = "",
    name: str = "reschedule",
    restoring: bool = False,
    tell: tuple[str, ...] = ("scheduled",),
) -> list[ScheduleEntry]:
    """Move many entries at once: all of them or none, under the locks of all days (F2).

    A move is a `Wish` or the exact days. Each entry's event carries the days before and after,
    and what was moved together can be undone together. `restoring` is for undo alone: it goes
    back to days that meanwhile may lie in the past, as long as they still have room.
    Raises PermissionDenied (a person who does not lead the group), Refused (an entry that is
    fixed, begun or gone, by reference) or ValidationError by field; then nothing has changed.
    """
    actor = as_actor(by)
    with transaction.atomic():
        entries = _locked(group, moves, actor)
        wishes = [_wish(moves[entry]) for entry in entries]
        if not restoring:
            for entry, wish in zip(entries, wishes, strict=True):
                capacity.refuse_unfit(group, wish, bars(entry.request))
        before = {entry.pk: slices_of(entry) for entry in entries}
        gone = _summed(before.values())
        found = capacity.exchange(group, gone, wishes)
        together = Together(actor, name, reason, tell, [e.request_id for e in entries])
        return [
            _moved(entry, wish, before[entry.pk], slices, together)
            for entry, wish, slices in zip(entries, wishes, found, strict=True)
        ]


def _wish(wanted: Wanted) -> Wish:
    return wanted if isinstance(wanted, Wish) else Wish.exactly(wanted)


def _summed(many: Any) -> list[Slice]:
    total: dict[date, int] = {}
    for slices in many:
        for day, part in slices:
            total[day] = total.get(day, 0) + part
    return sorted(total.items())


def _locked(
    group: ProviderGroup, moves: Mapping[ScheduleEntry, Wanted], actor: Actor
) -> list[ScheduleEntry]:
    """The entries as they are now, requests locked before them, in the order of the wishes."""
    wanted = {entry.pk: n for n, entry in enumerate(moves)}
    rows = ScheduleEntry.objects.filter(pk__in=wanted, group=group)
    list(
        Request.objects.filter(pk__in=rows.values("request"))
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    found = list(
        rows.order_by("pk").select_related("request", "group").select_for_update(of=("self",))
    )
    if len(found) != len(wanted):
        raise Refused("Some of it is not on this schedule any more: look at it again.")
    for entry in found:
        if actor.kind == "person" and not lead.allows(entry.request, actor):
            raise PermissionDenied
        refuse_unmovable(entry)
    return sorted(found, key=lambda entry: wanted[entry.pk])


def refuse_unmovable(entry: ScheduleEntry) -> None:
    """Raise Refused, by reference, where an entry does not move (F2)."""
    ref = entry.request.reference
    if entry.state not in MOVABLE or entry.request.state not in (
        S.SCHEDULED,
        S.AWAITING_SCHEDULING,
    ):
        raise Refused(f"{ref} is {entry.request.whereabouts()}: its slot does not move any more.")
    if entry.request.is_on_hold:
        raise Refused(f"{ref} is on hold: resume it first.")
    if entry.is_fixed:
        raise Refused(f"{ref} is fixed: let it move again first.")


def _moved(
    entry: ScheduleEntry,
    wish: Wish,
    before: list[Slice],
    slices: list[Slice],
    one: Together,
) -> ScheduleEntry:
    """Write one move down: the entry, its days, and the event that undo reads."""
    old = {f: getattr(entry, f) for f in ("first_day", "last_day", "minutes", "most_per_day")}
    carried = entry.carried_over
    entry.days.all().delete()
    keep_days(entry, slices)
    missed = entry.state == "booked" and entry.first_day < clock.today()
    entry.first_day, entry.last_day = slices[0][0], slices[-1][0]
    entry.minutes, entry.most_per_day = wish.minutes, wish.most
    entry.carried_over += 1 if missed and one.name != "undo_move" else 0
    touch(entry)
    entry.save()
    changes = {k: [v, getattr(entry, k)] for k, v in old.items() if v != getattr(entry, k)}
    record(
        entry.request,
        one.name,
        by=one.actor,
        reason=one.reason,
        changes=changes,
        facts={
            "move": {
                "entry": entry.pk,
                "sequence": entry.sequence,
                "before": before,
                "most": old["most_per_day"],
                "carried_over": carried,
                "batch": one.batch,
                "requests": one.requests,
            }
        },
        tell=one.tell if "first_day" in changes or "last_day" in changes else (),
    )
    if entry.state == "suspended":
        entry = advance(entry, "rebook", by=SYSTEM.caused_by(one.actor))
    return entry


def touch(entry: ScheduleEntry) -> None:
    """It is another version from now on: for undo and for the calendars that show it."""
    entry.sequence += 1
    entry.changed_at = clock.now()


def moves_of(event: Event) -> list[Event]:
    """The events of everything that was moved together with this one."""
    move = event.facts["move"]
    return list(
        Event.objects.filter(
            stream_type=event.stream_type,
            stream_id__in=move["requests"],
            facts__move__batch=move["batch"],
        ).order_by("pk")
    )


def restore(
    group: ProviderGroup, moves: Sequence[Event], *, by: User | Actor
) -> list[ScheduleEntry]:
    """Back to the days before these moves, all of them or none (F2).

    Raises ValidationError where somebody else has taken the room meanwhile.
    """
    facts = {event.facts["move"]["entry"]: event.facts["move"] for event in moves}
    rows = ScheduleEntry.objects.in_bulk(facts)
    back: dict[ScheduleEntry, Wanted] = {}
    for pk, entry in rows.items():
        days = tuple((date.fromisoformat(day), part) for day, part in facts[pk]["before"])
        total = sum(part for _, part in days)
        back[entry] = Wish(days[0][0], total, facts[pk]["most"], days)
    moved = rebook(group, back, by=by, name="undo_move", restoring=True)
    for entry in moved:
        entry.carried_over = facts[entry.pk]["carried_over"]
        entry.save(update_fields=["carried_over"])
    return moved
