"""Proposals from the first line to the customer's answer, and the purchase order (D8, D9)."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

from discovery import pdf, proposal_forms
from discovery.actions.moving import move_on
from discovery.current import (
    discovery_of,
    draft_of,
    given_of,
    latest,
    proposals_of,
    who_of,
)
from discovery.models import Proposal, ProposalLine, PurchaseOrder, Stage
from requests_app.files import store, store_bytes
from requests_app.models import Attachment, Request
from requests_app.process import INTAKE
from requests_app.states import OPEN, OutOf, S
from requests_app.who import car, team
from workflow import clock
from workflow.action_forms import NothingForm, ReasonForm
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, record
from workflow.machine import blockers, guard
from workflow.models import next_reference
from workflow.registry import action

REQUEST = "requests_app.request"
BEFORE_NOTICE = [s for s in OPEN if s not in (S.BILLING, S.CUSTOMER_NOTICE)]


@guard("There is no draft of a proposal.")
def has_draft(request: Request) -> bool:
    return draft_of(request) is not None


@guard("There is no draft and no proposal that waits for an answer.")
def is_open(request: Request) -> bool:
    return latest(request, "draft", "issued") is not None


@guard("There is no earlier version to revise.")
def can_revise(request: Request) -> bool:
    return draft_of(request) is None and bool(proposals_of(request))


@guard("Issue a proposal first: the purchase order answers it.")
def answers_something(request: Request) -> bool:
    return latest(request, "issued", "accepted") is not None


@guard("There are proposals already: revise the last one.")
def never_proposed(request: Request) -> bool:
    return not proposals_of(request)


@guard("Finalise client discovery first: then the team builds the proposal.")
def needs_are_final(request: Request) -> bool:
    """In discovery the proposal answers its findings; elsewhere it needs none (D8)."""
    if request.state != S.DISCOVERY:
        return True
    discovery = discovery_of(request)
    return discovery is not None and discovery.state in (Stage.PROPOSING, Stage.COMPLETE)


def _new_version(request: Request, last: Proposal | None, **values: Any) -> Proposal:
    """The next version under one reference; a version that was issued never changes (D8)."""
    discovery: Any = request.discovery
    if discovery is None or not discovery.is_open:
        discovery = last.discovery if last else None
    proposal = Proposal(
        request=request,
        discovery=discovery,
        pass_number=request.pass_number,
        reference=last.reference if last else next_reference("PRO"),
        version=last.version + 1 if last else 1,
        state_since=clock.now(),
        **values,
    )
    proposal.save(force_insert=True)
    return proposal


@action("draft_proposal", "Draft a proposal", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.ProposalForm, who=[car, team], given=[never_proposed, needs_are_final],
        when=never_proposed, place="proposals", order=54)  # fmt: skip
def draft_proposal(request: Request, *, by: Actor, **values: Any) -> Proposal:
    """A representative can propose on any open request, in discovery or not (D8)."""
    proposal = _new_version(request, None, **values)
    record(proposal, "draft_proposal", by=by, facts={"proposal": str(proposal)})
    return proposal


@action("edit_proposal", "Edit the draft", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.ProposalForm, who=[car, team], given=[has_draft], when=has_draft,
        place="proposals", order=55)  # fmt: skip
def edit_proposal(request: Request, *, by: Actor, **values: Any) -> Proposal:
    """Only a draft can be edited (D8)."""
    proposal = draft_of(request)
    assert proposal is not None
    for name, value in values.items():
        setattr(proposal, name, value)
    proposal.save(update_fields=list(values))
    record(proposal, "edit_proposal", by=by, facts={"proposal": str(proposal)})
    return proposal


@action("add_proposal_line", "Add a line", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.LineForm, who=[car, team], given=[has_draft], when=has_draft,
        place="proposals", order=56)  # fmt: skip
def add_proposal_line(
    request: Request, *, by: Actor, part: Any = None, **values: Any
) -> ProposalLine:
    """Labour by hours, a part by its rate version, one-off, or recurring (D8)."""
    line = ProposalLine.objects.create(proposal=draft_of(request), **values)
    record(
        line.proposal,
        "add_proposal_line",
        by=by,
        facts={"line": line.description, "quantity": line.quantity, "rate": line.rate},
    )
    return line


@action("remove_proposal_line", "Remove", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.RemoveLineForm, who=[car, team], given=[has_draft], when=has_draft,
        place="proposals", order=57)  # fmt: skip
def remove_proposal_line(request: Request, *, by: Actor, line: ProposalLine) -> None:
    """A line leaves the draft (D8)."""
    record(line.proposal, "remove_proposal_line", by=by, facts={"line": line.description})
    line.delete()


@action("issue_proposal", "Issue the proposal", model=REQUEST, at=BEFORE_NOTICE,
        form=NothingForm, who=who_of(Proposal, "issue"),
        given=given_of(Proposal, "issue", draft_of), when=has_draft, place="next",
        order=58)  # fmt: skip
def issue_proposal(request: Request, *, by: Actor) -> Proposal:
    """The customer gets it; its PDF lies on the case (D8, D9)."""
    proposal = draft_of(request)
    assert proposal is not None
    if blockers(proposal, "issue"):
        return advance(proposal, "issue", by=by)
    proposal.pdf = store_bytes(
        request,
        pdf.proposal_pdf(proposal),
        f"{proposal.reference}-v{proposal.version}.pdf",
        by=by,
        purpose=Attachment.Purpose.PROPOSAL,
        public=True,
    )
    proposal.save(update_fields=["pdf"])
    return advance(proposal, "issue", by=by, sha256=proposal.pdf.sha256)


@guard("The last proposal was not declined, or another one is open.")
def was_declined(request: Request) -> bool:
    versions = proposals_of(request)
    return bool(versions) and versions[-1].state == "declined"


@action("decline_after_proposal", "Close it: the proposal was declined", model=REQUEST,
        at=INTAKE, form=ReasonForm, step="decline", given=[was_declined], when=was_declined,
        place="proposals", order=61)  # fmt: skip
def decline_after_proposal(request: Request, *, by: Actor, reason: str) -> Request:
    """The customer does not want it at this price: the request ends as declined (D9, X2)."""
    return advance(request, "decline", by=by, reason=reason, outcome=OutOf.PROPOSAL_DECLINED)


@action("revise_proposal", "Revise the proposal", model=REQUEST, at=BEFORE_NOTICE,
        form=NothingForm, who=[car, team], given=[can_revise, needs_are_final], when=can_revise,
        place="proposals", order=61)  # fmt: skip
def revise_proposal(request: Request, *, by: Actor) -> Proposal:
    """A new version with the lines of the last one, as a draft (D8, D9)."""
    return new_draft_from(request, by)


def _stands(request: Request, proposal: Proposal) -> bool:
    """Accepted before this discovery or pass: it stands until a newer one is accepted (D9, F17)."""
    discovery = request.discovery
    earlier = discovery is not None and discovery.is_open and discovery != proposal.discovery
    return proposal.pass_number != request.pass_number or earlier


def new_draft_from(request: Request, by: Actor, *, void: bool = False) -> Proposal:
    """Copy the last version into a new draft; an open or accepted one is superseded (D9, D12).

    `void`: the acceptance does not count any more, whenever it was given.
    """
    last = request.proposals.order_by("version").last()
    if last is None:
        raise ValidationError("There is no proposal to revise.")
    stands = last.state == "accepted" and not void and _stands(request, last)
    if last.state in ("draft", "issued", "accepted") and not stands:
        advance(last, "supersede", by=SYSTEM.caused_by(by))
    draft = _new_version(
        request,
        last,
        summary=last.summary,
        assumptions=last.assumptions,
        terms=last.terms,
        valid_until=last.valid_until if last.valid_until and last.valid_until >= clock.today()
        else clock.today() + timedelta(days=30),
        currency=last.currency,
        new_service_name=last.new_service_name,
    )  # fmt: skip
    ProposalLine.objects.bulk_create(
        ProposalLine(
            proposal=draft,
            kind=line.kind,
            description=line.description,
            quantity=line.quantity,
            unit=line.unit,
            rate=line.rate,
            part_rate=line.part_rate,
        )
        for line in last.lines.all()
    )
    record(draft, "revise_proposal", by=by, facts={"proposal": str(draft)})
    return draft


@action("withdraw_proposal", "Withdraw the proposal", model=REQUEST, at=BEFORE_NOTICE,
        form=ReasonForm, who=who_of(Proposal, "withdraw"), given=[is_open], when=is_open,
        place="proposals", order=62, danger=True)  # fmt: skip
def withdraw_proposal(request: Request, *, by: Actor, reason: str) -> Proposal:
    """A draft is given up, or the offer taken back before it was answered (X2)."""
    proposal = latest(request, "draft", "issued")
    withdrawn = advance(proposal, "withdraw", by=by, reason=reason)
    move_on(request, by)
    return withdrawn


@action("record_purchase_order", "Record the purchase order", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.PurchaseOrderForm, who=[car], given=[answers_something],
        when=answers_something, place="proposals", order=63)  # fmt: skip
def record_purchase_order(
    request: Request, *, by: Actor, proposal: Proposal, file: Any = None, **values: Any
) -> PurchaseOrder:
    """The PO lies on the case with its number and amount; or why none is needed (D9)."""
    kept = None
    if file and not values.get("not_needed_because"):
        kept = store(request, file, by=by, purpose=Attachment.Purpose.PURCHASE_ORDER)
    if values.get("not_needed_because"):
        values.update(number="", amount=None, issued_on=None)
    order = PurchaseOrder.objects.create(
        request=request, proposal=proposal, attachment=kept, recorded_by=by.user,
        currency=proposal.currency, at=clock.now(), **values,
    )  # fmt: skip
    record(proposal, "record_purchase_order", by=by,
           facts={"number": order.number, "amount": str(order.amount or ""),
                  "not_needed_because": order.not_needed_because})  # fmt: skip
    return order
