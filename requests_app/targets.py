"""The clock of a request: its targets in working time, from the SLA or the office's defaults (F1).

The stored columns are a cache that `reckon` rebuilds at any time from events, agreement and
calendar; nothing but `follow` and `retarget` sets them, and `manage.py verify` compares.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from asd.models import Agreement, CoveredService
from requests_app.clock_history import Pause, Story, events_of, matters, story_of
from requests_app.clock_models import Escalation, TargetDefault
from requests_app.states import CLOSED_STATES, Kind, Priority
from workflow import clock
from workflow.models import Calendar, Event
from workflow.together import read_with
from workflow.worktime import STANDARD, Hours, add_time, hours_of, time_between

RESPONSE_HOURS = 8
DEFAULT_HOURS = {
    Kind.ASSISTANCE: {
        Priority.CRITICAL: 8,
        Priority.HIGH: 16,
        Priority.NORMAL: 24,
        Priority.LOW: 40,
    },
    Kind.ENHANCEMENT: {
        Priority.CRITICAL: 80,
        Priority.HIGH: 160,
        Priority.NORMAL: 320,
        Priority.LOW: 360,
    },
}
OFFICE_DEFAULT = "Office default by kind and priority"
COLUMNS = (
    "response_due_at", "responded_at", "due_at", "at_risk_at", "target_source", "paused_since",
    "paused_for",
)  # fmt: skip
SAID = ("due_at", "response_due_at")
AT_RISK, OVERDUE = 75, 100


@dataclass(frozen=True)
class Target:
    """Working hours to the first response and to the end, and who says so."""

    response: int
    fulfillment: int | None
    source: str


def reach(start: datetime, span: timedelta, pauses: Iterable[Pause], hours: Hours) -> datetime:
    """When `span` of working time has passed since `start`, not counting the pauses.

    What was reached before a pause stays where it was. In an open pause the answer is what it
    would be if the clock ran again at once.
    """
    at, left = start, span
    for since, until in pauses:
        done = time_between(at, since, hours)
        if done >= left:
            break
        left -= done
        at = since if until is None else until
    return add_time(at, left, hours)


def target_of(request: Any, told: Story) -> Target:
    """By the agreement in force when it was sent to its group (at intake, until it is), else by
    the office's defaults. What a later agreement says does not move a promise already made."""
    line = _agreed(request, told.routed_on) if request.service_id else None
    if line is not None:
        assistance = request.kind == Kind.ASSISTANCE
        span = line.assistance_hours if assistance else line.enhancement_hours
        reference = line.agreement.reference
        return Target(line.response_hours, span if request.kind else None, reference)
    if not request.kind:
        return Target(RESPONSE_HOURS, None, OFFICE_DEFAULT)
    row = _default(request)
    if row is not None:
        return Target(row.response_hours, row.fulfillment_hours, OFFICE_DEFAULT)
    span = DEFAULT_HOURS[Kind(request.kind)][Priority(request.priority)]
    return Target(RESPONSE_HOURS, span, OFFICE_DEFAULT)


def _agreed(request: Any, day: date) -> CoveredService | None:
    """What the agreement in force on that day promises for its service."""
    read = read_with(request, "covered")
    if read is None:
        in_force = Agreement.objects.filter(agency=request.agency_id).in_force(day)
        lines = CoveredService.objects.filter(agreement__in=in_force, service=request.service_id)
        lines = lines.select_related("agreement").order_by("-agreement__starts_on", "pk")
        return lines.first()
    counting = [line for line in read if line.agreement.counts_on(day)]
    return min(
        counting, key=lambda one: (-one.agreement.starts_on.toordinal(), one.pk), default=None
    )


def _default(request: Any) -> TargetDefault | None:
    """What the office promises for its kind and priority."""
    read: Any = read_with(request, "target_defaults")
    if read is None:
        read = TargetDefault.objects.filter(kind=request.kind, priority=request.priority)[:1]
    same = (request.kind, request.priority)
    return next((row for row in read if (row.kind, row.priority) == same), None)


def group_hours(request: Any) -> Hours:
    """The working hours of its group by the calendar that the group has, or the office."""
    group = request.provider_group
    own = group.calendar_id if group else None
    read = read_with(request, "calendars")
    if read is None:
        return hours_of(group.calendar if own else None)
    return next((hours_of(one) for one in read if one.pk == own), None) or _office_hours(read)


def _office_hours(calendars: list[Calendar]) -> Hours:
    return next((hours_of(one) for one in calendars if one.is_default), STANDARD)


def _hours(request: Any) -> Hours:
    """Those of its group, unless it never works: such a group keeps no promise of its own."""
    hours = group_hours(request)
    if any(hours.week):
        return hours
    read = read_with(request, "calendars")
    return hours_of(None) if read is None else _office_hours(read)


def reckon(request: Any, events: Iterable[Event]) -> dict[str, Any]:
    """The clock's columns, from the events alone; the same whenever it is asked.

    First response is the moment it left triage, or before that the first thing that one of us
    said to the customer.
    """
    told = story_of(events, request.created_at)
    hours = _hours(request)
    target = target_of(request, told)
    due = risk = None
    if target.fulfillment is not None:
        span = timedelta(hours=target.fulfillment)
        due = reach(told.start, span, told.pauses, hours)
        risk = reach(told.start, span * AT_RISK / 100, told.pauses, hours)
    response = timedelta(hours=target.response)
    return {
        "response_due_at": reach(told.start, response, told.pauses, hours),
        "responded_at": told.responded_at,
        "due_at": due,
        "at_risk_at": risk,
        "target_source": target.source,
        "paused_since": told.paused_since,
        "paused_for": told.paused_for,
    }


def _markers(request: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What depends on the present: whether it is overdue, and when somebody is to be told next.

    A level is told once in a pass. It is armed again when the target moved so that the level lies
    ahead once more: a lower priority, another agreement, other hours. A pause never does that.
    """
    now = clock.now()
    moments = {AT_RISK: values["at_risk_at"], OVERDUE: values["due_at"]}
    told = [one for one in _escalations(request) if one.pass_number == request.pass_number]
    ahead = {level for level, at in moments.items() if at is None or at > now}
    again = [one.pk for one in told if one.level in ahead]
    if again:
        Escalation.objects.filter(pk__in=again).update(rearmed_at=now)
    done = {one.level for one in told} - ahead
    next_at = next((at for level, at in moments.items() if at and level not in done), None)
    running = values["paused_since"] is None
    return {
        "overdue": bool(running and moments[OVERDUE] and moments[OVERDUE] < now),
        "alarm_at": next_at if running else None,
    }


def _escalations(request: Any) -> list[Escalation]:
    """What was told and counts still."""
    read = read_with(request, "escalations")
    if read is None:
        read = list(Escalation.objects.filter(request=request, rearmed_at__isnull=True))
    return [one for one in read if one.rearmed_at is None]


def follow(request: Any, events: Sequence[Event]) -> dict[str, list[Any]]:
    """The one place where clocks are set: called for each event as it joins the history (F1).

    Of the events the last is about to join, those before it have just joined. Sets the columns,
    which the door saves; returns before and after of the due moments, recorded with the event.
    """
    if not any(map(matters, events)):
        return {}
    if request.state in CLOSED_STATES:
        return _set(
            request, {"paused_since": None, "paused_for": "", "overdue": False, "alarm_at": None}
        )
    values = reckon(request, [*_history(request), events[-1]])
    return _set(request, {**values, **_markers(request, values), "stale_since": None})


def _history(request: Any) -> list[Event]:
    """The events of the clock; the door adds to those at hand whatever it writes."""
    read = read_with(request, "history")
    return events_of(request) if read is None else [event for event in read if matters(event)]


def retarget(request: Any) -> dict[str, list[Any]]:
    """Set the clock anew after its calendar, agreement or default was edited; it is locked.

    Returns before and after of the due moments that moved.
    """
    row = type(request)._base_manager.get(pk=request.pk)
    if row.state in CLOSED_STATES:
        values: dict[str, Any] = {"stale_since": None}
    else:
        values = reckon(row, events_of(row))
        values |= {**_markers(row, values), "stale_since": None}
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if changed:
        type(request)._base_manager.filter(pk=row.pk).update(**changed)
    _set(request, values)
    return _said(row, changed)


def _set(request: Any, values: dict[str, Any]) -> dict[str, list[Any]]:
    changed = {name: value for name, value in values.items() if getattr(request, name) != value}
    said = _said(request, changed)
    for name, value in changed.items():
        setattr(request, name, value)
    return said


def _said(before: Any, changed: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [getattr(before, name), changed[name]] for name in SAID if name in changed}
