"""What follows an acceptance, however it was given: the rest moves on by itself (D9, D13)."""

from django.db import transaction
from django.utils.translation import gettext as _

from discovery.actions.discovery import complete_discovery
from discovery.actions.moving import move_on
from discovery.models import Ending, Proposal, PurchaseOrder, Stage
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, record
from workflow.machine import Refused, blockers


def settle(request: Request, accepted: Proposal, by: Actor) -> Request:
    """Older acceptances are void, a purchase order that covers it goes along, discovery moves."""
    for other in request.proposals.filter(state="accepted", pass_number=request.pass_number):
        if other.pk != accepted.pk:
            advance(other, "supersede", by=SYSTEM.caused_by(by))
    carry_purchase_order(request, accepted, by)
    return go_on(request, by)


def go_on(request: Request, by: Actor) -> Request:
    """The discovery completes if nothing else is missing, and the request moves on (D9, D13)."""
    request.refresh_from_db()
    discovery = request.discovery if request.state == S.DISCOVERY else None
    ready = (
        discovery is not None
        and discovery.state == Stage.PROPOSING
        and discovery.ending == Ending.PROPOSAL
        and not request.is_on_hold
        and not blockers(discovery, "complete")
    )
    if ready:
        try:
            with transaction.atomic():
                return complete_discovery(request, by=SYSTEM.caused_by(by))
        except Refused:  # the outcome does not fit the proposal: the representative sees to it
            request.refresh_from_db()
    return move_on(request, by)


def carry_purchase_order(request: Request, proposal: Proposal, by: Actor) -> None:
    """The PO of an earlier version answers this one too where it covers the new total (D9, D12)."""
    if proposal.has_purchase_order:
        return
    if not proposal.is_charged:
        _none_needed(request, proposal, by)
        return
    covering = request.purchase_orders.filter(
        proposal__pass_number=request.pass_number,
        attachment__isnull=False,
        currency=proposal.currency,
        amount__gte=proposal.total,
    ).last()
    if covering is None:
        return
    PurchaseOrder.objects.create(
        request=request,
        proposal=proposal,
        number=covering.number,
        amount=covering.amount,
        currency=covering.currency,
        issued_on=covering.issued_on,
        attachment=covering.attachment,
        recorded_by=by.user,
        at=clock.now(),
    )
    facts = {"number": covering.number, "amount": covering.amount, "proposal": str(proposal)}
    record(proposal, "carry_purchase_order", by=SYSTEM.caused_by(by), facts=facts)


def _none_needed(request: Request, proposal: Proposal, by: Actor) -> None:
    """What costs nothing needs no purchase order, and the case says so (D9)."""
    why = _("The proposal comes to zero.")
    PurchaseOrder.objects.create(
        request=request, proposal=proposal, currency=proposal.currency, not_needed_because=why,
        recorded_by=by.user, at=clock.now(),
    )  # fmt: skip
    record(proposal, "record_purchase_order", by=SYSTEM.caused_by(by),
           facts={"not_needed_because": why})  # fmt: skip
