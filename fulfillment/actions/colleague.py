"""Work that changes hands without going back: the specialist leaves, or is the wrong one (X5)."""

from typing import TYPE_CHECKING

from fulfillment.forms import HandToColleagueForm
from requests_app.models import Request
from requests_app.states import FULFILLMENT
from requests_app.who import specialist as has_it
from workflow import clock
from workflow.actors import Actor
from workflow.door import record
from workflow.registry import action

if TYPE_CHECKING:
    from workflow.models import User


@action("hand_to_colleague", "Give to a colleague", model="requests_app.request", at=FULFILLMENT,
        form=HandToColleagueForm, who=[has_it], order=53)  # fmt: skip
def hand_to_colleague(request: Request, *, by: Actor, specialist: "User", reason: str) -> Request:
    """Another specialist of the group has it now, with the open plan items of the first (F5)."""
    before = request.specialist
    request.specialist, request.assigned_at = specialist, clock.now()
    request.save(update_fields=["specialist", "assigned_at"])
    items = request.plan_items.filter(
        pass_number=request.pass_number, state="open", assignee=before
    )
    moved = items.update(assignee=specialist)
    record(
        request,
        "hand_to_colleague",
        by=by,
        reason=reason,
        changes={"specialist": [str(before), str(specialist)]},
        facts={"plan_items": moved},
        tell=("assigned",),
    )
    return request
