"""The 60-day schedule: book, move, give back; pull for planning (F2, F6)."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from fulfillment import capacity, forms, slot_forms, slots
from fulfillment.models import ProviderGroup, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S, priority_of
from requests_app.who import lead
from workflow import clock
from workflow.acting import act
from workflow.action_forms import ReasonForm
from workflow.actors import SYSTEM, Actor, as_actor
from workflow.door import advance
from workflow.machine import Refused, guard
from workflow.registry import action

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"


@action("schedule", "Schedule", model=REQUEST, at=[S.AWAITING_SCHEDULING],
        form=slot_forms.ScheduleForm, place="next", order=10)  # fmt: skip
def schedule(
    request: Request,
    *,
    by: Actor,
    day: date,
    hours: Decimal,
    charge_expected: bool,
    per_day: Decimal | None = None,
    split: list[capacity.Slice] | None = None,
    estimate_hours: Decimal | None = None,
    impact: int | None = None,
    urgency: int | None = None,
) -> Request:
    """The lead validates priority and estimate and places it on a day with capacity (F2).

    A slot kept from before discovery is confirmed by the same day and hours, or moved.
    """
    wish = wish_of(day, hours, per_day, split)
    _book_or_confirm(request, by=by, wish=wish)
    _validate_priority(request, by, impact, urgency)
    return advance(
        request,
        "schedule",
        by=by,
        charge_expected=charge_expected,
        estimate_hours=estimate_hours,
        day=wish.day,
        hours=Decimal(wish.minutes) / 60,
    )


def wish_of(
    day: date, hours: Decimal, per_day: Decimal | None, split: list[capacity.Slice] | None
) -> capacity.Wish:
    """What the fields of a slot's form ask for: these days, or so many hours from a day on."""
    if split:
        return capacity.Wish.exactly(split)
    most = int(per_day * 60) if per_day else None
    return capacity.Wish(day, int(hours * 60), most)


def _book_or_confirm(request: Request, *, by: Actor, wish: capacity.Wish) -> None:
    kept = next((entry for entry in request.schedule_entries.all() if entry.is_active), None)
    if kept is not None and kept.group_id != request.provider_group_id:
        slots.free(kept)
        advance(kept, "release", by=SYSTEM.caused_by(by), reason="Another group has it now.")
        kept = None
    if kept is None:
        slots.place(request, by=by, wish=wish)
    elif kept.state == "booked" and _is_as_kept(kept, wish):
        capacity.refuse_unfit(kept.group, wish, slots.bars(request))
    else:
        slots.rebook(kept.group, {kept: wish}, by=by, tell=())


def _is_as_kept(kept: ScheduleEntry, wish: capacity.Wish) -> bool:
    if wish.exact:
        return list(wish.exact) == slots.slices_of(kept)
    return (kept.first_day, kept.minutes, kept.most_per_day) == (wish.day, wish.minutes, wish.most)


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


@guard("It keeps no slot.")
def keeps_slot(request: Request) -> bool:
    return any(entry.is_active for entry in request.schedule_entries.all())


@action("release_slot", "Give the kept slot back", model=REQUEST,
        at=[S.AWAITING_SCHEDULING, S.DISCOVERY, S.PARTS_MAINTENANCE], form=ReasonForm,
        who=[lead], given=[keeps_slot], when=keeps_slot, order=54)  # fmt: skip
def release_slot(request: Request, *, by: Actor, reason: str) -> None:
    """A slot kept over discovery is given back after all (F2, F17)."""
    entry = request.schedule_entries.active().get()
    slots.free(entry)
    advance(entry, "release", by=by, reason=reason)


def next_scheduled(group: ProviderGroup) -> Any:
    """What can be pulled: booked, and neither on hold nor without days (F4)."""
    return Request.objects.filter(
        provider_group=group,
        state=S.SCHEDULED,
        held_since__isnull=True,
        schedule_entries__state="booked",
    )


def pull_next(group: ProviderGroup, *, by: "User | Actor") -> Request | None:
    """The next one on the schedule, or None; two at once get different ones (F4, F6).

    What is due to begin, today or before, goes first, under the rule of the pending queue; then
    what is planned soonest. A row that somebody else is pulling is skipped, not waited for.
    """
    person = as_actor(by).person
    with act():
        rows = next_scheduled(group)
        today = clock.today()
        due = rows.filter(schedule_entries__first_day__lte=today).by_rule()
        ahead = rows.filter(schedule_entries__first_day__gt=today).order_by(
            "schedule_entries__first_day", "priority", "created_at", "pk"
        )
        found = locked_first(due) or locked_first(ahead)
        if found is None:
            return None
        return advance(found, "pull", by=by, specialist=person)


def locked_first(rows: Any) -> Request | None:
    """The first row that nobody holds, locked. Its own function for the race's control."""
    return rows.select_for_update(skip_locked=True, of=("self",)).first()


def refuse_pull_without_slot(entry: ScheduleEntry | None) -> None:
    """What lost its days on hold is booked again before it is worked on (F6, X1)."""
    if entry is not None and entry.state == "suspended":
        raise Refused("Its days were given up while it was on hold: book them again first.")


def book_again(entry: ScheduleEntry, actor: Actor) -> bool:
    """After a hold: the next days with room. False where the window has none (X1)."""
    request = entry.request
    start, force = max(slots.not_before(request), entry.first_day), slots.force_of(request, entry)
    try:
        slices = capacity.book_next_free(force, start, entry.minutes, entry.most_per_day)
    except ValidationError:
        return False
    booked = advance(
        entry,
        "rebook",
        by=SYSTEM.caused_by(actor),
        first_day=slices[0][0],
        last_day=slices[-1][0],
    )
    slots.keep_days(booked, slices)
    slots.touch(booked)
    booked.save(update_fields=["sequence", "changed_at"])
    return True
