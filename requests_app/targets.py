"""Response and fulfillment targets in working time, from the SLA or the office's defaults (F1)."""

from typing import TYPE_CHECKING

from requests_app.states import Kind, Priority
from requests_app.triage import scope_of
from workflow import clock
from workflow.worktime import Hours, add_minutes, hours_of, minutes_between

if TYPE_CHECKING:
    from requests_app.models import Request

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


def retarget(request: "Request") -> None:
    """Set the due moments of a request whose kind is known: from its intake, pauses added.

    A cache: it can be rebuilt at any time from the events and the calendar.
    """
    if not request.kind:
        return
    group = request.provider_group
    hours = hours_of(group.calendar if group else None)
    response, fulfillment, source = _hours(request)
    paused = paused_minutes(request, hours)
    request.response_due_at = add_minutes(request.created_at, response * 60 + paused, hours)
    request.due_at = add_minutes(request.created_at, fulfillment * 60 + paused, hours)
    request.target_source = source


def _hours(request: "Request") -> tuple[int, int, str]:
    line = scope_of(request, request.service).coverage
    if line is None:
        default = DEFAULT_HOURS[Kind(request.kind)][Priority(request.priority)]
        return RESPONSE_HOURS, default, "Office default by kind and priority"
    assistance = request.kind == Kind.ASSISTANCE
    hours = line.assistance_hours if assistance else line.enhancement_hours
    return line.response_hours, hours, line.agreement.reference


def paused_minutes(request: "Request", hours: Hours) -> int:
    """Working minutes on hold so far, by the events; an open hold counts until now (X1)."""
    total, since = 0, None
    for name, at in request.events.filter(name__in=["hold", "resume"]).values_list("name", "at"):
        if name == "hold":
            since = at
        elif since is not None:
            total += minutes_between(since, at, hours)
            since = None
    if since is not None:
        total += minutes_between(since, clock.now(), hours)
    return total
