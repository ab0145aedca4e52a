"""The 60-day schedule: book, move, give back; pull for planning (F2, F6)."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from fulfillment import capacity, forms
from fulfillment.models import ProviderGroup, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S, priority_of
from requests_app.who import lead
from workflow import clock
from workflow.actors import SYSTEM, Actor, as_actor
from workflow.door import advance, record
from workflow.machine import Refused, guard
from workflow.registry import ReasonForm, action

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"


def bars(request: Request) -> list[tuple[date, str]]:
    """The days before which it cannot be booked, each with its sentence (F2)."""
    found = []
    if request.earliest_on:
        found.append(
            (
                request.earliest_on,
                f"It must not start before {capacity.in_words(request.earliest_on)}, as agreed.",
            )
        )
    line: Any
    for line in request.part_lines.unfinished().exclude(expected_on=None):
        found.append(
            (
                line.expected_on,
                f"{line} is expected on {capacity.in_words(line.expected_on)}: not before.",
            )
        )
    return found


def _minutes(hours: Decimal) -> int:
    return int(hours * 60)


def _keep_days(entry: ScheduleEntry, slices: list[capacity.Slice]) -> None:
    ScheduledDay.objects.bulk_create(
        [ScheduledDay(entry=entry, day=day, minutes=part) for day, part in slices]
    )


def free(entry: ScheduleEntry) -> None:
    """Its hours are free for others again; the entry keeps its dates as history."""
    capacity.give_back(entry.group, entry.days.values_list("day", "minutes"))
    entry.days.all().delete()


def place(request: Request, *, by: Actor, day: date, minutes: int) -> ScheduleEntry:
    """Book the hours and put the request on the schedule from that day on (F2)."""
    group: Any = request.provider_group
    capacity.refuse_unfit_day(group, day, minutes, not_before=bars(request))
    slices = capacity.book(group, day, minutes)
    entry = ScheduleEntry.objects.create(
        request=request,
        group=group,
        pass_number=request.pass_number,
        minutes=minutes,
        first_day=slices[0][0],
        last_day=slices[-1][0],
        booked_by=by.user,
        state_since=clock.now(),
    )
    _keep_days(entry, slices)
    return entry


def move(entry: ScheduleEntry, *, by: Actor, day: date, minutes: int) -> list[capacity.Slice]:
    """Give back and book anew in one go: either both or neither (F2).

    The days of both spans are locked together first, so that two moves never wait for each other.
    """
    group = entry.group
    capacity.refuse_unfit_day(group, day, minutes, not_before=bars(entry.request))
    capacity.lock_days(group, min(day, entry.first_day), capacity.window_end())
    free(entry)
    slices = capacity.book(group, day, minutes)
    _keep_days(entry, slices)
    return slices


@action("schedule", "Schedule", model=REQUEST, at=[S.AWAITING_SCHEDULING],
        form=forms.ScheduleForm, place="next", order=10)  # fmt: skip
def schedule(
    request: Request,
    *,
    by: Actor,
    day: date,
    hours: Decimal,
    charge_expected: bool,
    estimate_hours: Decimal | None = None,
    impact: int | None = None,
    urgency: int | None = None,
) -> Request:
    """The lead validates priority and estimate and places it on a day with capacity (F2).

    A slot kept from before discovery is confirmed by the same day and hours, or moved.
    """
    minutes = _minutes(hours)
    _book_or_confirm(request, by=by, day=day, minutes=minutes)
    _validate_priority(request, by, impact, urgency)
    return advance(
        request,
        "schedule",
        by=by,
        charge_expected=charge_expected,
        estimate_hours=estimate_hours,
        day=day,
        hours=hours,
    )


def _book_or_confirm(request: Request, *, by: Actor, day: date, minutes: int) -> None:
    kept = request.schedule_entries.active().first()
    if kept is not None and kept.group_id != request.provider_group_id:
        free(kept)
        advance(kept, "release", by=SYSTEM.caused_by(by), reason="Another group has it now.")
        kept = None
    if kept is None:
        place(request, by=by, day=day, minutes=minutes)
    elif kept.state == "booked" and (kept.first_day, kept.minutes) == (day, minutes):
        capacity.refuse_unfit_day(kept.group, day, minutes, not_before=bars(request))
    else:
        _move_and_note(kept, by=by, day=day, minutes=minutes)


def _validate_priority(
    request: Request, by: Actor, impact: int | None, urgency: int | None
) -> None:
    impact, urgency = impact or request.impact, urgency or request.urgency
    if (impact, urgency) != (request.impact, request.urgency):
        advance(
            request,
            "change_priority",
            by=by,
            reason="Validated by the lead for the schedule.",
            impact=impact,
            urgency=urgency,
            priority=priority_of(impact, urgency),
        )


@action("unschedule", "Take off the schedule", model=REQUEST, at=[S.SCHEDULED],
        form=ReasonForm, order=52)  # fmt: skip
def unschedule(request: Request, *, by: Actor, reason: str) -> Request:
    """The slot is given back, with the reason (F2)."""
    return advance(request, "unschedule", by=by, reason=reason)


@action("pull", "Pull for planning", model=REQUEST, at=[S.SCHEDULED], form=forms.PullForm,
        place="next", order=10)  # fmt: skip
def pull(request: Request, *, by: Actor, specialist: "User | None" = None) -> Request:
    """A member takes it from the schedule, or the lead gives it to one (F6)."""
    return advance(request, "pull", by=by, specialist=specialist or by.person)


@action("put_back", "Put back to await scheduling", model=REQUEST,
        at=[S.PLANNING, S.IN_FULFILLMENT], form=ReasonForm, order=53)  # fmt: skip
def put_back(request: Request, *, by: Actor, reason: str) -> Request:
    """It needs another slot; plan and hours are kept (F6)."""
    return advance(request, "put_back", by=by, reason=reason)


@guard("It has no slot that could be moved.")
def has_movable_slot(request: Request) -> bool:
    return request.schedule_entries.filter(state__in=["booked", "suspended"]).exists()


@guard("It keeps no slot.")
def keeps_slot(request: Request) -> bool:
    return request.schedule_entries.active().exists()


@action("reschedule", "Move to another day", model=REQUEST, at=[S.SCHEDULED],
        form=forms.RescheduleForm, who=[lead], given=[has_movable_slot],
        place="more", order=51)  # fmt: skip
def reschedule(
    request: Request, *, by: Actor, day: date, hours: Decimal, reason: str = ""
) -> ScheduleEntry:
    """Another day or other hours, with the customer told the new date (F2)."""
    entry = request.schedule_entries.active().get()
    return _move_and_note(
        entry, by=by, day=day, minutes=_minutes(hours), reason=reason, tell=("scheduled",)
    )


def _move_and_note(
    entry: ScheduleEntry,
    *,
    by: Actor,
    day: date,
    minutes: int,
    reason: str = "",
    tell: tuple[str, ...] = (),
) -> ScheduleEntry:
    """Move an entry; a suspended one is booked again by it. Days before and after are recorded."""
    before = {"first_day": entry.first_day, "last_day": entry.last_day, "minutes": entry.minutes}
    slices = move(entry, by=by, day=day, minutes=minutes)
    after = {"first_day": slices[0][0], "last_day": slices[-1][0], "minutes": minutes}
    for name, value in after.items():
        setattr(entry, name, value)
    entry.save(update_fields=list(after))
    if entry.state == "suspended":
        entry = advance(entry, "rebook", by=SYSTEM.caused_by(by))
    record(
        entry.request,
        "reschedule",
        by=by,
        reason=reason,
        changes={k: [before[k], after[k]] for k in after if before[k] != after[k]},
        tell=tell,
    )
    return entry


@action("release_slot", "Give the kept slot back", model=REQUEST,
        at=[S.AWAITING_SCHEDULING, S.DISCOVERY, S.PARTS_MAINTENANCE], form=ReasonForm,
        who=[lead], given=[keeps_slot], when=keeps_slot, order=54)  # fmt: skip
def release_slot(request: Request, *, by: Actor, reason: str) -> None:
    """A slot kept over discovery is given back after all (F2, F17)."""
    entry = request.schedule_entries.active().get()
    free(entry)
    advance(entry, "release", by=by, reason=reason)


def by_plan(entries: Any) -> Any:
    """The order of the schedule: planned start, then priority, then age (F4)."""
    return entries.order_by("first_day", "request__priority", "request__created_at", "pk")


def pull_next(group: ProviderGroup, *, by: "User | Actor") -> Request | None:
    """The next one on the schedule, or None; two at once get different ones (F4, F6)."""
    person = as_actor(by).person
    with transaction.atomic():
        found = (
            Request.objects.filter(
                provider_group=group,
                state=S.SCHEDULED,
                held_since__isnull=True,
                schedule_entries__state="booked",
            )
            .order_by(F("schedule_entries__first_day"), "priority", "created_at", "pk")
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if found is None:
            return None
        return advance(found, "pull", by=by, specialist=person)


def refuse_pull_without_slot(entry: ScheduleEntry | None) -> None:
    """What lost its days on hold is booked again before it is worked on (F6, X1)."""
    if entry is not None and entry.state == "suspended":
        raise Refused("Its days were given up while it was on hold: book them again first.")


def rebook(entry: ScheduleEntry, actor: Actor) -> bool:
    """After a hold: the next days with room. False where the window has none (X1)."""
    start = max([clock.today(), entry.first_day, *(bar for bar, _ in bars(entry.request))])
    try:
        with transaction.atomic():
            slices = capacity.book_next_free(entry.group, start, entry.minutes)
    except ValidationError:
        return False
    _keep_days(entry, slices)
    advance(
        entry,
        "rebook",
        by=SYSTEM.caused_by(actor),
        first_day=slices[0][0],
        last_day=slices[-1][0],
    )
    return True
