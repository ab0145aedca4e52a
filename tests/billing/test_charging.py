"""The charge is written on a basis, forwarded, returned, initiated, frozen, credited (F10-F13)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction

from asd.models import RateCardLine
from billing.models import BillingCase, ChargeLine
from discovery.models import PartLine, Proposal, ProposalLine, PurchaseOrder
from requests_app.files import store
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import (
    AgreementFactory,
    Office,
    PartRateFactory,
    RateCardLineFactory,
    ServiceFactory,
)
from tests.walk import do
from workflow import clock
from workflow.door import advance
from workflow.machine import Refused
from workflow.registry import InvalidFacts, offers

FACTS = {"avenue": "change_order", "finance_number": "FIN-1", "starts_on": "2026-12-01"}


def accepted(office: Office, request: Request, *, paid: bool = True) -> Proposal:
    """A proposal as discovery leaves it behind: accepted, with its purchase order or without."""
    proposal = Proposal.objects.create(
        request=request, reference="PRO-2026-000901", valid_until=clock.today() + timedelta(days=9)
    )
    ProposalLine.objects.create(
        proposal=proposal, description="Set up the line", quantity=3, rate=Decimal("110.00")
    )
    ProposalLine.objects.create(
        proposal=proposal, kind="one_off", description="Included", quantity=1, rate=0
    )
    advance(proposal, "issue", by=office.rep)
    proposal = advance(proposal, "accept", by=office.rep, answered_by="Sam Signatory")
    if paid:
        kept = store(request, SimpleUploadedFile("po.txt", b"PO"), by=office.rep)
        PurchaseOrder.objects.create(
            request=request, proposal=proposal, number="PO-77", amount=500, attachment=kept
        )
    return proposal


def initiated(office: Office) -> Request:
    request = walk.to_billing(office)
    do(request, "initiate_billing", office.rep, **FACTS)
    return request


def offer(request: Request, user: Any, name: str) -> Any:
    return next(iter(offers(request, user, names={name})), None)


def test_hours_are_charged_at_the_rate_of_the_sla_f10(office: Office) -> None:
    request = walk.passed(office, charge=True)
    do(request, "log_time", office.specialist2, hours="1.25", on=clock.today().isoformat())
    case = do(request, "prefill_charge", office.specialist)
    line = case.lines.get()
    assert (line.quantity, line.rate, line.unit) == (Decimal("4.75"), Decimal("95.00"), "hour")
    assert line.rate_card_line == office.rate
    assert case.total == Decimal("451.25")
    assert line.evidence.startswith("4.75 h: 2 time entries by ")
    assert case.reference.startswith("BIL-")


def test_hours_take_the_rate_version_of_their_day_f13(office: Office) -> None:
    """A rate that changed in between makes two lines, each at its own version."""
    with clock.acting_at(clock.now() - timedelta(days=2)):
        taken_in = office.request().created_at
    request = walk.passed(office, charge=True)
    Request.objects.filter(pk=request.pk).update(created_at=taken_in)
    RateCardLine.objects.filter(pk=office.rate.pk).update(
        valid_until=clock.today() - timedelta(days=1)
    )
    RateCardLineFactory(
        agreement=office.agreement,
        service=office.service,
        rate=Decimal("99.00"),
        valid_from=clock.today(),
    )
    yesterday = clock.today() - timedelta(days=1)
    do(request, "log_time", office.specialist, hours="2", on=yesterday.isoformat())
    case = do(request, "prefill_charge", office.specialist)
    found = {(line.rate, line.quantity) for line in case.lines.all()}
    assert found == {(Decimal("95.00"), Decimal("2.00")), (Decimal("99.00"), Decimal("3.50"))}


def test_an_accepted_proposal_with_its_po_comes_before_hours_f10(office: Office) -> None:
    request = walk.passed(office, charge=True)
    proposal = accepted(office, request)
    case = do(request, "prefill_charge", office.specialist)
    line = case.lines.get()
    assert line.proposal_line == proposal.lines.first()
    assert line.amount == Decimal("330.00")
    assert "PO-77" in line.evidence
    assert case.purchase_order.number == "PO-77"


def test_parts_are_charged_at_their_rate_version_f13(office: Office) -> None:
    request = walk.passed(office, charge=True)
    rate = PartRateFactory(rate=Decimal("120.00"))
    PartLine.objects.create(request=request, part=rate.part, name="Handset", quantity=2, rate=rate)
    case = do(request, "prefill_charge", office.specialist)
    line = case.lines.get(basis="parts_list")
    assert (line.part_rate, line.quantity, line.amount) == (rate, 2, Decimal("240.00"))
    PartRateFactory(part=rate.part, version=2, rate=Decimal("150.00"))
    assert ChargeLine.objects.get(pk=line.pk).rate == Decimal("120.00")


def test_a_charge_without_a_basis_is_refused_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    RateCardLine.objects.all().delete()
    with pytest.raises(Refused, match="A charge needs a basis"):
        do(request, "prefill_charge", office.specialist)
    with pytest.raises(Refused, match="A charge needs a basis"):
        do(request, "add_charge_line", office.specialist, basis="rate_card:1", quantity="1",
           evidence="As agreed")  # fmt: skip
    assert not BillingCase.objects.exists()


def test_a_proposal_without_its_purchase_order_is_no_basis_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    RateCardLine.objects.all().delete()
    accepted(office, request, paid=False)
    with pytest.raises(Refused, match="purchase order"):
        do(request, "prefill_charge", office.specialist)


def test_no_hours_and_no_parts_fill_nothing_in_f10(office: Office) -> None:
    request = walk.passed(office, charge=True)
    request.time_entries.all().delete()
    with pytest.raises(Refused, match="Nothing to fill in"):
        do(request, "prefill_charge", office.specialist)
    assert not BillingCase.objects.exists()


def test_a_basis_of_another_agency_or_service_does_not_fit_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    strange = [
        RateCardLineFactory(agreement=AgreementFactory(), service=office.service),
        RateCardLineFactory(agreement=office.agreement, service=ServiceFactory()),
    ]
    keys = [f"rate_card:{rate.pk}" for rate in strange]
    for key in [*keys, f"parts_list:{PartRateFactory().pk}", "rate_card:x", ""]:
        with pytest.raises(InvalidFacts) as caught:
            do(request, "add_charge_line", office.specialist, basis=key, quantity="1",
               evidence="As agreed")  # fmt: skip
        assert "basis" in caught.value.form.errors
    assert not ChargeLine.objects.exists()


def test_a_rate_that_ended_or_has_not_begun_does_not_fit_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    tomorrow = clock.today() + timedelta(days=1)
    ended = RateCardLineFactory(
        agreement=office.agreement, service=office.service, unit="month",
        valid_until=clock.today() - timedelta(days=1),
    )  # fmt: skip
    future = RateCardLineFactory(
        agreement=office.agreement, service=office.service, unit="piece", valid_from=tomorrow
    )
    for rate in (ended, future):
        with pytest.raises(InvalidFacts, match="no basis for this request"):
            do(request, "add_charge_line", office.specialist, basis=f"rate_card:{rate.pk}",
               quantity="1", evidence="As agreed")  # fmt: skip


def test_the_rate_comes_from_the_basis_and_is_never_typed_f13(office: Office) -> None:
    request = walk.passed(office, charge=True)
    line = do(request, "add_charge_line", office.specialist, basis=f"rate_card:{office.rate.pk}",
              quantity="2", evidence="Two hours on site", rate="1.00")  # fmt: skip
    assert line.rate == Decimal("95.00")


@pytest.mark.parametrize("quantity", ["0", "-1", "0.001", "many", "", "99999999"])
def test_a_quantity_must_be_a_number_above_zero_f12(office: Office, quantity: str) -> None:
    request = walk.passed(office, charge=True)
    with pytest.raises(InvalidFacts) as caught:
        do(request, "add_charge_line", office.specialist, basis=f"rate_card:{office.rate.pk}",
           quantity=quantity, evidence="As agreed")  # fmt: skip
    assert "quantity" in caught.value.form.errors


def test_no_more_than_the_customer_accepted_is_charged_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    proposal = accepted(office, request)
    key = f"proposal:{proposal.lines.first().pk}"
    do(request, "add_charge_line", office.specialist, basis=key, quantity="2", evidence="Part one")
    with pytest.raises(InvalidFacts, match="new version of the proposal"):
        do(request, "add_charge_line", office.specialist, basis=key, quantity="2", evidence="Rest")
    line = do(request, "add_charge_line", office.specialist, basis=key, quantity="1",
              evidence="The rest")  # fmt: skip
    with pytest.raises(InvalidFacts, match="new version of the proposal"):
        do(request, "edit_charge_line", office.specialist, line=line.pk, quantity="1.5",
           evidence="More", description="More")  # fmt: skip


def test_lines_are_changed_and_removed_with_a_trace_x7(office: Office) -> None:
    request = walk.passed(office, charge=True)
    line = do(request, "prefill_charge", office.specialist).lines.get()
    do(request, "edit_charge_line", office.specialist, line=line.pk, quantity="3",
       evidence="Half an hour was ours", description=line.description)  # fmt: skip
    event = request.events.get(name="edit_charge_line")
    assert event.changes["quantity"] == ["3.50", "3"]
    do(request, "remove_charge_line", office.specialist, line=line.pk)
    assert not ChargeLine.objects.exists()
    assert request.events.get(name="remove_charge_line").facts["quantity"] == "3.00"
    with pytest.raises(Refused, match="at least one charge line"):
        do(request, "open_billing", office.specialist)


def test_filling_in_again_replaces_what_was_there_f10(office: Office) -> None:
    request = walk.passed(office, charge=True)
    do(request, "prefill_charge", office.specialist)
    do(request, "log_time", office.specialist, hours="0.5", on=clock.today().isoformat())
    assert offer(request, office.specialist, "prefill_charge") is None
    case = do(request, "refill_charge", office.specialist)
    assert case.lines.get().quantity == Decimal("4.00")


def test_nothing_is_charged_before_the_test_passed_f10(office: Office) -> None:
    request = walk.to_testing(office, charge=True)
    with pytest.raises(Refused, match="must have passed"):
        do(request, "prefill_charge", office.specialist)


def test_who_is_not_of_the_group_writes_no_charge_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    for person in (office.rep, office.stranger, office.billing, office.asd, office.auditor):
        with pytest.raises(PermissionDenied):
            do(request, "prefill_charge", person)


def test_open_billing_forwards_the_case_with_the_request_f12(office: Office) -> None:
    request = walk.to_billing(office)
    assert request.state == S.BILLING
    assert request.billing_case.state == "forwarded"
    assert request.charge_decisions.get().charged


def test_open_billing_without_lines_is_refused_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    with pytest.raises(Refused, match="at least one charge line"):
        do(request, "open_billing", office.specialist)
    assert request.state == S.TESTING


def test_no_charge_is_refused_while_lines_are_written_f10(office: Office) -> None:
    request = walk.passed(office, charge=True)
    line = do(request, "prefill_charge", office.specialist).lines.get()
    free = {"basis": "included", "no_charge_reason": "Included in the agreement."}
    with pytest.raises(Refused, match="Charge lines are written"):
        do(request, "forward_to_representative", office.specialist, **free)
    do(request, "remove_charge_line", office.specialist, line=line.pk)
    do(request, "forward_to_representative", office.specialist, **free)
    assert BillingCase.objects.get().state == "cancelled"


def test_return_billing_gives_the_lines_back_to_the_provider_f12(office: Office) -> None:
    request = walk.to_billing(office)
    with pytest.raises(InvalidFacts):
        do(request, "return_billing", office.rep, reason=" ")
    do(request, "return_billing", office.rep, reason="The second site is missing.")
    case = request.billing_case
    assert (request.state, case.state, case.times_returned) == (S.TESTING, "draft", 1)
    do(request, "edit_charge_line", office.specialist, line=case.lines.get().pk, quantity="4",
       evidence="With the second site", description="Both sites")  # fmt: skip
    do(request, "open_billing", office.specialist)
    assert request.billing_case.state == "forwarded"


def test_initiating_needs_avenue_number_and_date_f13(office: Office) -> None:
    request = walk.to_billing(office)
    for missing in FACTS:
        with pytest.raises(InvalidFacts) as caught:
            do(request, "initiate_billing", office.rep, **{**FACTS, missing: ""})
        assert missing in caught.value.form.errors
    case = do(request, "initiate_billing", office.rep, **FACTS)
    assert (case.state, case.avenue, case.finance_number) == ("initiated", "change_order", "FIN-1")
    assert case.initiated_by == office.rep
    assert case.initiated_at


def test_only_the_representative_initiates_f13(office: Office) -> None:
    request = walk.to_billing(office)
    for person in (office.specialist, office.lead, office.billing, office.asd, office.rep2):
        with pytest.raises(PermissionDenied):
            do(request, "initiate_billing", person, **FACTS)


def test_a_customer_billing_does_not_know_is_recorded_first_f13(office: Office) -> None:
    office.agency.known_to_billing = False
    office.agency.save()
    request = walk.to_billing(office)
    with pytest.raises(Refused, match="not known to billing"):
        do(request, "initiate_billing", office.rep, **FACTS)
    with pytest.raises(PermissionDenied):
        do(request, "mark_customer_known", office.rep)
    do(request, "mark_customer_known", office.billing)
    do(request, "initiate_billing", office.rep, **FACTS)
    assert request.events.filter(name="mark_customer_known").count() == 1


def test_a_part_without_billing_code_is_coded_first_f13(office: Office) -> None:
    request = walk.passed(office, charge=True)
    rate = PartRateFactory(billing_code="")
    PartLine.objects.create(request=request, part=rate.part, name="Handset", rate=rate)
    PartLine.objects.update(released_at=clock.now(), released_reason="Charged now")
    request.part_lines.update(to_order=False)
    do(request, "prefill_charge", office.specialist)
    request.part_lines.all().delete()
    do(request, "open_billing", office.specialist)
    with pytest.raises(Refused, match="no billing code"):
        do(request, "initiate_billing", office.rep, **FACTS)


def test_forwarded_and_initiated_lines_are_frozen_even_in_the_database_f13(office: Office) -> None:
    request = walk.to_billing(office)
    line = ChargeLine.objects.get()

    def refused(write: Any) -> None:
        with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
            write()

    for _ in range(2):
        refused(lambda: ChargeLine.objects.update(rate=Decimal("1.00")))
        refused(lambda: ChargeLine.objects.filter(pk=line.pk).delete())
        refused(lambda: ChargeLine.objects.create(
            case=line.case, description="More", quantity=1, rate=1, basis="rate_card",
            rate_card_line=office.rate, evidence="None"))  # fmt: skip
        with connection.cursor() as cursor:
            refused(lambda: cursor.execute("UPDATE billing_chargeline SET quantity = 1"))  # noqa: B023
        if request.billing_case.state == "forwarded":
            do(request, "initiate_billing", office.rep, **FACTS)
    assert ChargeLine.objects.get().rate == Decimal("95.00")


def test_the_provider_cannot_edit_what_was_forwarded_f12(office: Office) -> None:
    request = walk.to_billing(office)
    line = ChargeLine.objects.get()
    with pytest.raises(Refused):
        do(request, "edit_charge_line", office.specialist, line=line.pk, quantity="1",
           evidence="Less", description="Less")  # fmt: skip


def test_a_charge_is_corrected_by_a_credit_only_f13(office: Office) -> None:
    request = initiated(office)
    with pytest.raises(Refused, match="credit it in full"):
        do(request, "return_billing", office.rep, reason="Wrong amount")
    with pytest.raises(Refused, match="credit it in full"):
        do(request, "cancel", office.rep, reason="Withdrawn")
    do(request, "credit_billing", office.rep, reason="Wrong site")
    assert BillingCase.objects.get().state == "credited"
    do(request, "return_billing", office.rep, reason="Wrong site")
    do(request, "prefill_charge", office.specialist)
    do(request, "open_billing", office.specialist)
    do(request, "initiate_billing", office.rep, **FACTS)
    assert sorted(BillingCase.objects.values_list("state", flat=True)) == ["credited", "initiated"]


def test_a_credit_says_why_f13(office: Office) -> None:
    request = initiated(office)
    with pytest.raises(InvalidFacts):
        do(request, "credit_billing", office.rep, reason="")
    with pytest.raises(PermissionDenied):
        do(request, "credit_billing", office.specialist, reason="Mine")
    do(request, "credit_billing", office.billing, reason="The agency was charged twice.")
    assert request.events.get(name="credit").reason == "The agency was charged twice."


def test_cancelling_closes_a_case_that_was_never_billed_x2(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, change="One more", starts_on="2026-12-01",
       quantity="1")  # fmt: skip
    do(request, "cancel", office.rep, reason="Budget is gone")
    case = BillingCase.objects.get()
    assert case.state == "cancelled"
    assert request.service_updates.get().state == "cancelled"
    event = request.events.get(name="cancel_billing")
    assert (event.actor_kind, event.actor) == ("system", office.rep)


def test_going_back_to_discovery_drops_the_draft_charge_f17(office: Office) -> None:
    request = walk.passed(office, charge=True)
    do(request, "prefill_charge", office.specialist)
    do(request, "send_to_discovery", office.specialist, reason="More is needed than was asked")
    assert BillingCase.objects.get().state == "cancelled"


def test_two_open_cases_of_one_pass_cannot_be(office: Office) -> None:
    request = walk.to_billing(office)
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingCase.objects.create(request=request, reference="BIL-2026-999999")


def test_a_charge_of_an_earlier_pass_stands_and_holds_nothing_up_x3(office: Office) -> None:
    """Guards read the current pass only: reopened work can be cancelled, its old charge stays."""
    request = initiated(office)
    do(request, "waive_asd_update", office.rep, reason="Nothing changes there.")
    do(request, "settle", office.rep)
    do(request, "notify_and_close", office.rep, message="Fulfilled.")
    do(request, "reopen", office.rep, reason="One place does not work.")
    assert request.billing_case is None
    do(request, "cancel", office.rep, reason="It was the wrong plug.")
    assert BillingCase.objects.get().state == "initiated"
    do(request, "credit_billing", office.billing, reason="Goodwill for the trouble.")
    assert BillingCase.objects.get().state == "credited"
