"""What a step of the request does to its unfinished charge and its ASD update, inside the door."""

from typing import Any

from asd.models import UpdateState
from billing.models import BillingState
from requests_app.models import Request
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, consequence

WHY = {
    "cancel": "The request was cancelled",
    "decline": "The request was declined",
    "send_to_discovery": "The request was sent to discovery",
    "forward_to_representative": "Nothing is charged",
}


def _undoing(step: str) -> None:
    @consequence(step, order=50)
    def drop_unbilled_charge(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
        """A charge that was never initiated ends with what it was for (X2, F17)."""
        case = request.billing_case
        if case is not None and case.state in (BillingState.DRAFT, BillingState.FORWARDED):
            reason = f"{WHY[step]}: {facts.get('reason', '')}".strip(": ") + "."
            advance(case, "cancel_billing", by=SYSTEM.caused_by(actor), reason=reason)


for _step in WHY:
    _undoing(_step)


@consequence("cancel", "decline", "send_to_discovery", order=51)
def drop_open_update(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Nobody waits for the update of a request that ended or starts over (X2)."""
    for update in request.service_updates.all():
        waits = update.state in (UpdateState.REQUESTED, UpdateState.REFUSED)
        if waits and update.pass_number == request.pass_number:
            advance(update, "cancel_update", by=SYSTEM.caused_by(actor))
