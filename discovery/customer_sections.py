"""What a proposal shows on the customer's tracking page."""

from typing import TYPE_CHECKING, Any

from discovery.proposal_models import may_decide, signatories_of
from requests_app.customer_sections import customer_section
from requests_app.models import Request

if TYPE_CHECKING:
    from requests_app.case_models import TrackingToken


def _last(request: Request, *states: str) -> Any:
    return request.proposals.filter(state__in=states).order_by("version").last()


@customer_section("proposal", template="tracking/_proposal.html", order=10, urgent=True)
def waiting_proposal(request: Request, visitor: "TrackingToken | None") -> dict[str, Any] | None:
    """A proposal waits: for this person's decision, or for whose it is (D9)."""
    proposal = _last(request, "issued")
    if proposal is None or proposal.is_past:
        return None
    return {
        "proposal": proposal,
        "decides": visitor is None or may_decide(request, visitor.contact),
        "signatories": list(signatories_of(request)),
    }


@customer_section("answered-proposal", template="tracking/_answered.html", order=10)
def answered_proposal(request: Request, visitor: "TrackingToken | None") -> dict[str, Any] | None:
    """What was decided, and the purchase order that is still to come (D9)."""
    if _last(request, "issued") is not None:
        return None
    proposal = _last(request, "accepted", "declined")
    if proposal is None:
        return None
    order_due = (
        proposal.state == "accepted"
        and request.is_open
        and not proposal.has_purchase_order
        and visitor is not None
        and may_decide(request, visitor.contact)
    )
    return {"proposal": proposal, "order_due": order_due}
