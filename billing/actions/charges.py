"""Writing the charge while the request is in testing: each line on a basis (F10, F12)."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError

from billing import forms
from billing.bases import RELATION, B, Basis, fitting, paid_proposal, prefilled
from billing.guards import has_charge_basis, nothing_charged_yet, something_charged
from billing.models import BillingCase, ChargeLine
from requests_app.guards import test_passed
from requests_app.models import Request
from requests_app.states import S
from requests_app.who import member
from workflow import clock
from workflow.actors import Actor
from workflow.door import record
from workflow.machine import Refused
from workflow.models import next_reference
from workflow.registry import action

REQUEST = "requests_app.request"
NOTHING = (
    "Nothing to fill in: the accepted proposal has no charged line, no hours were logged on days "
    "with an hourly rate in the agency's SLA, and no part has a rate. Add a charge line instead."
)


def draft_case(request: Request, currency: str) -> BillingCase:
    """The billing case that the provider writes on, made when the first line needs it (F12)."""
    case = request.billing_case
    if case is None:
        proposal = paid_proposal(request)
        return BillingCase.objects.create(
            request=request,
            pass_number=request.pass_number,
            reference=next_reference("BIL"),
            currency=currency,
            purchase_order=proposal.purchase_orders.last() if proposal else None,
            opened_at=clock.now(),
            state_since=clock.now(),
        )
    if case.state != "draft":
        raise Refused(f"{case} is with the representative: its lines cannot be changed.")
    return case


def _own_currency(case: BillingCase, basis: Basis) -> None:
    if case.currency == basis.currency:
        return
    if case.lines.exists():
        raise _another_currency(case, basis)
    case.currency = basis.currency
    case.save(update_fields=["currency"])


def _another_currency(case: BillingCase, basis: Basis) -> ValidationError:
    said = f"{case} is in {case.currency}; this basis is in {basis.currency}."
    return ValidationError({"basis": said})


@action("prefill_charge", "Charge: fill in the lines", model=REQUEST, at=[S.TESTING],
        who=[member], given=[test_passed, has_charge_basis], when=nothing_charged_yet,
        place="next", order=13)  # fmt: skip
def prefill_charge(request: Request, *, by: Actor) -> BillingCase:
    """The lines that the records call for: the proposal as accepted, else hours and parts (F10)."""
    found = list(prefilled(request))
    if not found:
        raise Refused(NOTHING)
    there = request.billing_case
    case = draft_case(request, found[0][0].currency)
    before = case.total if there else Decimal(0)
    if there:
        case.lines.all().delete()
    _own_currency(case, found[0][0])
    for basis, _, _ in found:
        if basis.currency != case.currency:
            raise _another_currency(case, basis)
    ChargeLine.objects.bulk_create(
        ChargeLine(case=case, **basis.line(quantity, said)) for basis, quantity, said in found
    )
    fresh = list(ChargeLine.objects.filter(case=case))
    total = sum((line.amount for line in fresh), Decimal(0))
    record(
        request,
        "prefill_charge",
        by=by,
        changes={"total": [before, total]},
        facts={"billing_case": case.reference, "lines": len(found)},
    )
    return BillingCase.objects.get(pk=case.pk) if there else case


@action("refill_charge", "Fill in again, replacing the lines", model=REQUEST,
        at=[S.TESTING], who=[member], given=[test_passed, has_charge_basis],
        when=something_charged, place="billing", order=26)  # fmt: skip
def refill_charge(request: Request, *, by: Actor) -> BillingCase:
    """The same once more, when hours or parts came on top: what was there is replaced (F10)."""
    return prefill_charge(request, by=by)


@action("add_charge_line", "Add a charge line", model=REQUEST, at=[S.TESTING],
        form=forms.AddLineForm, who=[member], given=[test_passed, has_charge_basis],
        place="billing", order=20)  # fmt: skip
def add_charge_line(
    request: Request,
    *,
    by: Actor,
    basis: Basis,
    quantity: Decimal,
    evidence: str,
    description: str = "",
) -> ChargeLine:
    """One more charge on a basis of this request; the rate is the basis's own (F12, F13)."""
    case = draft_case(request, basis.currency)
    _own_currency(case, basis)
    _within(request, basis, quantity)
    line = ChargeLine.objects.create(case=case, **basis.line(quantity, evidence, description))
    record(request, "add_charge_line", by=by, facts=_facts(line))
    return line


def _within(
    request: Request, basis: Basis, quantity: Decimal, but: ChargeLine | None = None
) -> None:
    """What the customer accepted is not exceeded: more needs a new proposal version."""
    left = forms.quantity_left(request, basis, but)
    if left is not None and quantity > left:
        raise ValidationError(
            {
                "quantity": f"The customer accepted {basis.at_most} of this, of which {left} is "
                "not charged yet: more needs a new version of the proposal."
            }
        )


def _facts(line: ChargeLine) -> dict[str, Any]:
    return {
        "line": line.description,
        "quantity": line.quantity,
        "unit": line.unit,
        "rate": line.rate,
        "basis": line.get_basis_display(),
        "evidence": line.evidence,
    }


@action("edit_charge_line", "Change", model=REQUEST, at=[S.TESTING], form=forms.EditLineForm,
        who=[member], when=something_charged, place="billing", order=21)  # fmt: skip
def edit_charge_line(
    request: Request,
    *,
    by: Actor,
    line: ChargeLine,
    quantity: Decimal,
    evidence: str,
    description: str,
) -> ChargeLine:
    """Another quantity needs its own evidence; rate and basis stay as they are (F12)."""
    basis = fitting(request).get(f"{line.basis}:{getattr(line, RELATION[B(line.basis)]).pk}")
    if basis is not None:
        _within(request, basis, quantity, but=line)
    given = {"quantity": quantity, "evidence": evidence, "description": description}
    changes = {k: [getattr(line, k), v] for k, v in given.items() if getattr(line, k) != v}
    if changes:
        for name, value in given.items():
            setattr(line, name, value)
        line.save(update_fields=list(given))
        record(
            request, "edit_charge_line", by=by, changes=changes, facts={"line": line.description}
        )
    return line


@action("remove_charge_line", "Remove", model=REQUEST, at=[S.TESTING],
        form=forms.RemoveLineForm, who=[member], when=something_charged, place="billing",
        order=22)  # fmt: skip
def remove_charge_line(request: Request, *, by: Actor, line: ChargeLine) -> None:
    """Not charged after all; the event keeps what it was (F12)."""
    facts = _facts(line)
    line.delete()
    record(request, "remove_charge_line", by=by, facts=facts)
