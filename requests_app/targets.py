"""The clock of a request: its targets in working time, from the SLA or the office's defaults (F1).

The stored columns are a cache that `reckon` rebuilds at any time from events, agreement and
calendar; nothing but `follow` and `retarget` writes them, and `manage.py verify` compares.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asd.models import Agreement, CoveredService
from requests_app.clock_history import Pause, Story, events_of, matters, story_of
from requests_app.clock_models import Escalation, TargetDefault
from requests_app.states import CLOSED_STATES, Kind, Priority
from workflow import clock
from workflow.models import Event
from workflow.worktime import Hours, add_time, hours_of, time_between

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
    if request.service_id:
        in_force = Agreement.objects.filter(agency=request.agency_id).in_force(told.routed_on)
        line = (
            CoveredService.objects.filter(agreement__in=in_force, service=request.service_id)
            .select_related("agreement")
            .order_by("-agreement__starts_on", "pk")
            .first()
        )
        if line is not None:
            assistance = request.kind == Kind.ASSISTANCE
            span = line.assistance_hours if assistance else line.enhancement_hours
            reference = line.agreement.reference
            return Target(line.response_hours, span if request.kind else None, reference)
    if not request.kind:
        return Target(RESPONSE_HOURS, None, OFFICE_DEFAULT)
    row = TargetDefault.objects.filter(kind=request.kind, priority=request.priority).first()
    if row is not None:
        return Target(row.response_hours, row.fulfillment_hours, OFFICE_DEFAULT)
    span = DEFAULT_HOURS[Kind(request.kind)][Priority(request.priority)]
    return Target(RESPONSE_HOURS, span, OFFICE_DEFAULT)


def reckon(request: Any, events: Iterable[Event]) -> dict[str, Any]:
    """The clock's columns, from the events alone; the same whenever it is asked.

    First response is the moment it left triage, or before that the first thing that one of us
    said to the customer.
    """
    told = story_of(events, request.created_at)
    group = request.provider_group
    hours = hours_of(group.calendar if group else None)
    if not any(hours.week):
        hours = hours_of(None)  # a group that never works keeps no promise of its own
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
    told = Escalation.objects.filter(
        request=request, pass_number=request.pass_number, rearmed_at__isnull=True
    )
    ahead = [level for level, at in moments.items() if at is None or at > now]
    told.filter(level__in=ahead).update(rearmed_at=now)
    done = set(told.values_list("level", flat=True))
    next_at = next((at for level, at in moments.items() if at and level not in done), None)
    running = values["paused_since"] is None
    return {
        "overdue": bool(running and moments[OVERDUE] and moments[OVERDUE] < now),
        "alarm_at": next_at if running else None,
    }


def follow(request: Any, event: Event) -> dict[str, list[Any]]:
    """The one place where clocks are set: called for each event as it joins the history (F1).

    Returns before and after of the due moments; they are recorded with the event.
    """
    if not matters(event):
        return {}
    row = _fresh(request)
    if row.state in CLOSED_STATES:
        stopped = {"paused_since": None, "paused_for": "", "overdue": False, "alarm_at": None}
        return _write(request, row, stopped)
    values = reckon(row, [*events_of(row), event])
    return _write(request, row, {**values, **_markers(row, values), "stale_since": None})


def retarget(request: Any) -> dict[str, list[Any]]:
    """Set the clock anew after its calendar, agreement or default was edited; it is locked.

    Returns before and after of the due moments that moved.
    """
    row = _fresh(request)
    if row.state in CLOSED_STATES:
        return _write(request, row, {"stale_since": None})
    values = reckon(row, events_of(row))
    return _write(request, row, {**values, **_markers(row, values), "stale_since": None})


def _fresh(request: Any) -> Any:
    rows = type(request)._base_manager.select_related("provider_group__calendar")
    return rows.get(pk=request.pk)


def _write(request: Any, row: Any, values: dict[str, Any]) -> dict[str, list[Any]]:
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if changed:
        type(request)._base_manager.filter(pk=row.pk).update(**changed)
    for name, value in values.items():
        setattr(request, name, value)
    return {name: [getattr(row, name), changed[name]] for name in SAID if name in changed}
