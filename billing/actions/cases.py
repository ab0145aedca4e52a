"""The billing case on its way: to the representative, back, initiated, credited (F12-F14)."""

from datetime import date
from typing import Any

from asd.actions import mark_known_to_billing
from billing import forms
from billing.guards import case_forwarded, customer_unknown, has_initiated_case, of_case
from billing.models import (
    BillingCase,
    BillingState,
    customer_known,
    has_lines,
    parts_known,
    service_known,
)
from requests_app.models import Request
from requests_app.states import S, State
from requests_app.who import billing_office, car
from workflow.action_forms import ReasonForm
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.registry import action

REQUEST = "requests_app.request"


@action("open_billing", "Charge: open billing", model=REQUEST, at=[S.TESTING],
        place="next", order=15)  # fmt: skip
def open_billing(request: Request, *, by: Actor) -> Request:
    """The charge is written: the billing case goes to the representative (F10, F12)."""
    case = request.billing_case
    fresh = advance(request, "open_billing", by=by)
    advance(case, "forward", by=by)
    return fresh


@action("return_billing", "Return to the provider", model=REQUEST, at=[S.BILLING],
        form=ReasonForm, order=30)  # fmt: skip
def return_billing(request: Request, *, by: Actor, reason: str) -> Request:
    """Wrong amount or missing purchase order: the provider may edit again (F12)."""
    case = request.billing_case
    if case is not None and case.state == BillingState.FORWARDED:
        times = case.times_returned + 1
        advance(case, "send_back", by=by, reason=reason, times_returned=times)
    return advance(request, "return_billing", by=by, reason=reason)


@action("initiate_billing", "Initiate billing", model=REQUEST, at=[S.BILLING],
        form=forms.InitiateForm, who=[car], when=case_forwarded,
        given=[case_forwarded, of_case(has_lines), of_case(customer_known), of_case(service_known),
               of_case(parts_known)],
        place="next", order=10)  # fmt: skip
def initiate_billing(
    request: Request, *, by: Actor, avenue: str, finance_number: str, starts_on: date
) -> BillingCase:
    """Avenue, number and date; from now on the charge changes by a credit only (F13)."""
    return advance(
        request.billing_case,
        "initiate",
        by=by,
        avenue=avenue,
        finance_number=finance_number,
        starts_on=starts_on,
        initiated_by=by.person,
    )


@action("credit_billing", "Credit in full", model=REQUEST, at=State, form=forms.CreditForm,
        who=[car, billing_office], given=[has_initiated_case], when=has_initiated_case,
        on_hold=True, place="billing", order=40, danger=True)  # fmt: skip
def credit_billing(request: Request, *, by: Actor, case: Any, reason: str) -> BillingCase:
    """The whole charge is taken back, with the reason; a new case may follow (F13)."""
    return advance(case, "credit", by=by, reason=reason)


@action("settle", "Billing settled", model=REQUEST, at=[S.BILLING], place="next", order=40)
def settle(request: Request, *, by: Actor) -> Request:
    """Billing is initiated and the ASD says what is live: the customer can be told (F14)."""
    return advance(request, "settle", by=by)


@action("mark_customer_known", "Customer is known to billing", model=REQUEST,
        at=[S.TESTING, S.BILLING, S.CUSTOMER_NOTICE], who=[billing_office],
        when=customer_unknown, on_hold=True, place="next", order=8)  # fmt: skip
def mark_customer_known(request: Request, *, by: Actor) -> None:
    """The billing office has made the customer's record: the charge can be billed (F13)."""
    if mark_known_to_billing(request.agency, by=by):
        record(
            request,
            "mark_customer_known",
            by=by,
            changes={"known_to_billing": [False, True]},
            facts={"agency": request.agency.name},
        )
