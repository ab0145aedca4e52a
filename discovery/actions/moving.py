"""When discovery and parts are done, the request moves on by itself (D13)."""

from requests_app.models import Request
from requests_app.states import Kind, S
from workflow.actors import SYSTEM, Actor
from workflow.door import advance
from workflow.machine import blockers


def move_on(request: Request, by: Actor) -> Request:
    """Into the queue of the provider group if nothing stands in the way; else it waits.

    The event names the person whose act was the last one needed.
    """
    request.refresh_from_db()
    if request.state not in (S.DISCOVERY, S.PARTS_MAINTENANCE):
        return request
    step = "queue_assistance" if request.kind == Kind.ASSISTANCE else "await_scheduling"
    if blockers(request, step):
        return request
    return advance(request, step, by=SYSTEM.caused_by(by))
