"""The window rolls: what lay beyond its sixty days comes into view by itself, on record (F2)."""

from django.db import transaction
from django.utils import timezone

from fulfillment import capacity
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM
from workflow.door import record
from workflow.models import Event

NAME = "came_into_view"


def roll_in() -> int:
    """Record which requests the window has reached since their date was agreed; how many.

    Safe to run as often as one likes: an event is written once for each agreed date.
    """
    rows = Request.objects.filter(
        state=S.AWAITING_SCHEDULING,
        earliest_on__gte=clock.today(),
        earliest_on__lte=capacity.window_end(),
    )
    count = 0
    for request in rows.order_by("pk"):
        with transaction.atomic():
            fresh = lock(request)
            if fresh.state == S.AWAITING_SCHEDULING and _was_beyond(fresh):
                record(fresh, NAME, by=SYSTEM, facts={"earliest_on": fresh.earliest_on})
                count += 1
    return count


def _was_beyond(request: Request) -> bool:
    """Its date lay outside the window when it was agreed, and that it rolled in is not noted."""
    last: Event | None = (
        request.events.filter(name__in=[NAME, "set_earliest"]).order_by("-number").first()
    )
    if last is None or last.name == NAME or request.earliest_on is None:
        return False
    window = capacity.window_end() - clock.today()
    return request.earliest_on > timezone.localdate(last.at) + window
