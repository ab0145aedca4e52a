"""The customer's answer to a proposal: on their page, or recorded by the representative (D9)."""

import hashlib
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from discovery import customer_forms, proposal_forms
from discovery.actions.settling import go_on, settle
from discovery.answer_models import ProposalAnswer
from discovery.current import given_of, issued_of, who_of
from discovery.models import Proposal, PurchaseOrder
from discovery.proposal_models import SIGNATORY, signatories_of, still_valid
from requests_app.case import add_entry
from requests_app.files import store
from requests_app.models import Attachment, Request
from requests_app.states import OPEN, S, State
from requests_app.who import FOLLOWER, car
from workflow import clock
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.machine import Refused, guard
from workflow.registry import action

REQUEST = "requests_app.request"
BEFORE_NOTICE = [s for s in OPEN if s not in (S.BILLING, S.CUSTOMER_NOTICE)]
Verdict = ProposalAnswer.Verdict
GONE = {
    "superseded": gettext_lazy("A newer version has taken the place of this one."),
    "withdrawn": gettext_lazy("This proposal was withdrawn."),
    "expired": gettext_lazy("This proposal was not answered in time and has expired."),
}


@guard("No proposal waits for the customer's answer.")
def is_issued(request: Request) -> bool:
    return issued_of(request) is not None


@guard("There is no proposal.")
def was_issued(request: Request) -> bool:
    return any(proposal.state != "draft" for proposal in request.proposals.all())


# On the customer's page


@action("accept_proposal", "Accept the proposal", model=REQUEST, at=State,
        form=customer_forms.AcceptProposalForm, who=[SIGNATORY], given=[was_issued],
        place="proposal-page", order=60, on_hold=True)  # fmt: skip
def accept_proposal(
    request: Request,
    *,
    by: Actor,
    proposal: Proposal,
    sha256: str,
    origin: customer_forms.Origin,
    name: str,
    title: str,
    authority: bool,
    order: str = "",
    number: str = "",
    amount: Any = None,
    issued_on: Any = None,
    file: Any = None,
) -> ProposalAnswer:
    """The signatory accepts exactly what the page showed; the first decision stands (S1.7e)."""
    before = _decided(request, proposal, by, Verdict.ACCEPTED, name)
    if before is not None:
        return before
    _same_document(proposal, sha256)
    accepted = advance(proposal, "accept", by=by, answered_by=f"{name}, {title}", sha256=sha256,
                       signatory=by.contact.pk)  # fmt: skip
    made = _written(accepted, by, Verdict.ACCEPTED, origin, name=name, title=title)
    if order == customer_forms.NOW and not accepted.has_purchase_order:
        _order(request, accepted, by, number, amount, issued_on, file)
    _answered(request, by)
    settle(request, accepted, by)
    return made


@action("decline_proposal", "Decline the proposal", model=REQUEST, at=State,
        form=customer_forms.DeclineProposalForm, who=[SIGNATORY], given=[was_issued],
        place="proposal-page", order=61, on_hold=True)  # fmt: skip
def decline_proposal(
    request: Request,
    *,
    by: Actor,
    proposal: Proposal,
    sha256: str,
    origin: customer_forms.Origin,
    name: str,
    title: str,
    reason: str,
) -> ProposalAnswer:
    """The signatory declines, with the reason: revised, or the request ends (D9, S1.7e)."""
    before = _decided(request, proposal, by, Verdict.DECLINED, name, reason)
    if before is not None:
        return before
    _same_document(proposal, sha256)
    declined = advance(proposal, "decline_proposal", by=by, reason=reason, answer_note=reason,
                       answered_by=f"{name}, {title}", sha256=sha256,
                       signatory=by.contact.pk)  # fmt: skip
    made = _written(declined, by, Verdict.DECLINED, origin, name=name, title=title, note=reason)
    _answered(request, by)
    return made


@action("ask_changes", "Ask for changes", model=REQUEST, at=OPEN,
        form=customer_forms.AskChangesForm, who=[FOLLOWER], given=[is_issued],
        place="proposal-page", order=62, on_hold=True)  # fmt: skip
def ask_changes(request: Request, *, by: Actor, proposal: Proposal, text: str) -> None:
    """On the conversation and to the team; the version waits on until a newer one is issued."""
    if proposal.state != "issued":
        raise Refused(_gone(proposal), code="wrong_state")
    add_entry(request, _("Changes to proposal %s:") % proposal + f" {text}", by=by, public=True)
    record(
        proposal,
        "ask_changes",
        by=by,
        facts={"proposal": str(proposal), "message": text},
        tell=("changes_asked",),
        public=True,
    )
    _answered(request, by)


@action("give_purchase_order", "Send the purchase order", model=REQUEST, at=OPEN,
        form=customer_forms.GivePurchaseOrderForm, who=[SIGNATORY], given=[was_issued],
        place="proposal-page", order=63, on_hold=True)  # fmt: skip
def give_purchase_order(
    request: Request, *, by: Actor, proposal: Proposal, number: str, amount: Any, issued_on: Any,
    file: Any,
) -> PurchaseOrder:  # fmt: skip
    """The purchase order that was promised with the acceptance arrives (D9, S1.8c)."""
    if proposal.state != "accepted":
        raise Refused(_gone(proposal), code="wrong_state")
    if proposal.has_purchase_order:
        return proposal.purchase_orders.last()  # type: ignore[return-value]
    made = _order(request, proposal, by, number, amount, issued_on, file)
    _answered(request, by)
    go_on(request, by)
    return made


def _decided(
    request: Request, proposal: Proposal, by: Actor, verdict: str, name: str, why: str = ""
) -> ProposalAnswer | None:
    """The decision that stands already: the same person's own, or an earlier one.

    Two clicks are one decision. Another answer after it is kept as a comment and the sentence
    says whose stands. Raises Refused; what it wrote stays, for it is no failure of the process.
    """
    first = ProposalAnswer.objects.filter(proposal=proposal).first()
    if first is None:
        if proposal.state != "issued" or not still_valid(proposal):
            raise Refused(_gone(proposal), code="wrong_state")
        return None
    same = first.contact_id == by.contact.pk and first.verdict == verdict
    said = _("%(name)s answered “%(verdict)s” to proposal %(proposal)s after %(first)s had.") % {
        "name": name,
        "verdict": Verdict(verdict).label,
        "proposal": proposal,
        "first": first.signed,
    }
    kept = request.events.filter(name="answer_late", facts__proposal=str(proposal),
                                 facts__contact=by.contact.pk)  # fmt: skip
    if not same and not kept.exists():
        add_entry(request, f"{said} {why}".strip(), by=by, public=True)
        facts = {"proposal": str(proposal), "contact": by.contact.pk, "message": f"{said} {why}"}
        record(proposal, "answer_late", by=by, facts=facts, tell=("changes_asked",), public=True)
    return first


def _gone(proposal: Proposal) -> str:
    """Why this version cannot be answered any more."""
    if proposal.state == "issued":
        return str(GONE["expired"])
    return str(GONE.get(proposal.state) or _("It has been answered already."))


def _same_document(proposal: Proposal, sha256: str) -> None:
    """What is accepted is what lies on the case, byte for byte (D9)."""
    if proposal.pdf is None or sha256 != proposal.pdf.sha256:
        raise ValidationError(_("This is not the document that the page showed. Read it again."))
    try:
        with proposal.pdf.file.open("rb") as kept:
            intact = hashlib.file_digest(kept, "sha256").hexdigest() == sha256
    except OSError:
        intact = False
    if not intact:
        raise ValidationError(
            _("The document cannot be read at present. Tell your account representative.")
        )


def _written(
    proposal: Proposal, by: Actor, verdict: str, origin: customer_forms.Origin, **words: Any
) -> ProposalAnswer:
    return ProposalAnswer.objects.create(
        proposal=proposal,
        verdict=verdict,
        way=ProposalAnswer.Way.PAGE,
        contact=by.contact,
        signatory_named=by.contact.is_signatory,
        given_on=clock.today(),
        at=clock.now(),
        address=origin.address or None,
        user_agent=origin.user_agent[:300],
        language=origin.language[:10],
        sha256=proposal.pdf.sha256 if proposal.pdf else "",
        **words,
    )


def _order(
    request: Request, proposal: Proposal, by: Actor, number: str, amount: Any, issued_on: Any,
    file: Any,
) -> PurchaseOrder:  # fmt: skip
    """The customer's purchase order, with its file where there is one already (D9)."""
    kept = None
    if file:
        kept = store(request, file, by=by, purpose=Attachment.Purpose.PURCHASE_ORDER, public=True)
    made = PurchaseOrder.objects.create(
        request=request, proposal=proposal, number=number, amount=amount, issued_on=issued_on,
        attachment=kept, currency=proposal.currency, at=clock.now(),
    )  # fmt: skip
    facts = {"number": number, "amount": str(amount), "file": kept.name if kept else ""}
    record(proposal, "give_purchase_order", by=by, facts=facts)
    return made


def _answered(request: Request, by: Actor) -> None:
    """A request that waits for the customer's answer goes on: this was one (X1)."""
    request.refresh_from_db()
    if request.is_on_hold and request.waiting_for == Request.WaitingFor.CUSTOMER:
        advance(request, "resume", by=by)
        request.refresh_from_db()


# Recorded by the representative


@action("record_acceptance", "Record the acceptance", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.AcceptForm, who=who_of(Proposal, "accept"),
        given=given_of(Proposal, "accept", issued_of), when=is_issued, place="next",
        order=59)  # fmt: skip
def record_acceptance(
    request: Request, *, by: Actor, answered_by: str, note: str, title: str = "",
    given_on: Any = None, evidence: Any = None,
) -> Proposal:  # fmt: skip
    """The customer accepted, with evidence: on paper, by mail, by word (D9)."""
    accepted = _recorded(request, "accept", by, answered_by, title, given_on, note, evidence)
    settle(request, accepted, by)
    return accepted


@action("record_decline", "Record that it was declined", model=REQUEST, at=BEFORE_NOTICE,
        form=proposal_forms.AnswerNoForm, who=[car], given=[is_issued], when=is_issued,
        place="proposals", order=60)  # fmt: skip
def record_decline(
    request: Request, *, by: Actor, answered_by: str, reason: str, title: str = "",
    given_on: Any = None, evidence: Any = None,
) -> Proposal:  # fmt: skip
    """The customer declined: revise it, or decline the request (D9)."""
    return _recorded(
        request, "decline_proposal", by, answered_by, title, given_on, reason, evidence,
        reason=reason,
    )  # fmt: skip


def _recorded(
    request: Request, step: str, by: Actor, name: str, title: str, given_on: Any, note: str,
    evidence: Any, **facts: Any,
) -> Proposal:  # fmt: skip
    """The same record as of a decision on the page, with who wrote it down and the scan (D9)."""
    kept = (
        store(request, evidence, by=by, purpose=Attachment.Purpose.EVIDENCE) if evidence else None
    )
    signed = ", ".join(filter(None, [name, title]))[:200]
    proposal = advance(issued_of(request), step, by=by, answered_by=signed, answer_note=note,
                       evidence=kept, **facts)  # fmt: skip
    signatory = signatories_of(request).filter(name__iexact=name).first()
    ProposalAnswer.objects.create(
        proposal=proposal,
        verdict=proposal.state,
        way=ProposalAnswer.Way.RECORDED,
        contact=signatory,
        signatory_named=signatory is not None,
        name=name[:120],
        title=title,
        given_on=given_on or clock.today(),
        at=clock.now(),
        sha256=proposal.pdf.sha256 if proposal.pdf else "",
        note=note,
        evidence=kept,
        recorded_by=by.person,
    )
    return proposal
