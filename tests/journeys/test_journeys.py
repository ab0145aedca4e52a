"""The four journeys from intake to closed, each step by the person whose step it is."""

from pathlib import Path
from typing import Any

import pytest

from asd.models import Agency, AgencyService
from notifications.models import Notice
from requests_app.models import Request
from requests_app.states import S
from requests_app.triage import CHECKLIST
from tests.browser import press
from tests.conftest import Sink
from tests.factories import Office
from tests.journeys.desks import Desks, a_pdf, mailed
from tests.walk import later, next_working_day
from workflow import clock

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

YES = {key: "yes" for key, _ in CHECKLIST}
NOT_STANDARD = {**YES, "solution": "no"}


def intake(desks: Desks, town: Office, title: str, service: Any = None) -> Request:
    """A representative takes a request in on behalf of an agency's contact (X10)."""
    page = desks.page(town.rep)
    page.goto(f"/requests/new/?agency={town.agency.pk}")
    form = page.locator("main form").last
    Desks._fill(form, "agency", town.agency.pk)
    page.goto(f"/requests/new/?agency={town.agency.pk}")
    form = page.locator("main form").last
    Desks._fill(form, "contact", town.contact.pk)
    if service is not None:
        Desks._fill(form, "service", service.pk)
    Desks._fill(form, "title", title)
    Desks._fill(form, "description", "As talked over with the help line.")
    form.locator("button[type=submit]").last.click()
    page.wait_for_url("**/requests/REQ-*/")
    return Request.objects.latest("pk")


def schedule_and_pull(desks: Desks, town: Office, request: Request, charge: str) -> None:
    desks.act(town.lead, request, "schedule", day=next_working_day().isoformat(), hours="4",
              charge_expected=charge)  # fmt: skip
    assert request.state == S.SCHEDULED
    desks.act(town.specialist, request, "pull")
    assert request.state == S.PLANNING


def plan_and_work(desks: Desks, town: Office, request: Request) -> None:
    desks.act(town.specialist, request, "add_plan_item", title="Do it", estimate_hours="4")
    desks.act(town.specialist, request, "start_work")
    item = request.plan_items.get()
    desks.act(town.specialist, request, "log_time", hours="3.5", on=clock.today().isoformat())
    desks.act(town.specialist, request, "finish_plan_item", row={"item": item.pk})
    desks.act(town.specialist, request, "submit_for_testing")
    assert request.state == S.TESTING


def passes(desks: Desks, town: Office, request: Request) -> None:
    desks.act(town.specialist2, request, "record_test_run", result="passed",
              cases="It works: passed")  # fmt: skip


def test_journey_a_assistance(desks: Desks, town: Office, smtp_sink: Sink) -> None:
    """D15, F2, F5, F7, F8: intake, triage, pending, taken, fulfilled, closed, customer mailed."""
    request = intake(desks, town, "A new handset", town.service)
    assert not desks.offered(town.rep2, request, "triage")
    desks.act(town.rep, request, "triage", service=town.service.pk, **YES)
    assert (request.state, request.kind) == (S.PENDING, "assistance")
    desks.act(town.specialist, request, "take")
    assert request.specialist == town.specialist
    desks.act(town.specialist, request, "fulfill", resolution="Set up and tried out together.")
    assert request.state == S.CLOSED
    assert request.case.closed_at is not None
    assert mailed(smtp_sink, town.contact.email, "is fulfilled")
    closing = smtp_sink.to(town.contact.email)[-1]
    link = next(
        w for w in closing.get_payload()[0].get_payload(decode=True).decode().split()
        if "/track/" in w and not w.endswith("/rate/")
    )  # fmt: skip
    page = desks.page(town.rep)
    page.goto(link)
    assert "Set up and tried out together." in page.inner_text("main")


def test_journey_b_enhancement_without_charge(desks: Desks, town: Office, smtp_sink: Sink) -> None:
    """F2, F6, F9, F10, F11: the test fails once, is fixed, passes; the CAR notifies."""
    request = intake(desks, town, "Another queue", town.service)
    desks.act(town.rep, request, "triage", service=town.service.pk, **NOT_STANDARD)
    assert (request.state, request.kind) == (S.AWAITING_SCHEDULING, "enhancement")
    schedule_and_pull(desks, town, request, "no")
    plan_and_work(desks, town, request)
    desks.act(town.specialist2, request, "record_test_run", result="failed",
              cases="Second site: failed", findings="Does not ring at the second.")  # fmt: skip
    desks.act(town.specialist2, request, "fail_test")
    assert request.state == S.IN_FULFILLMENT
    desks.act(town.specialist, request, "submit_for_testing")
    passes(desks, town, request)
    desks.act(town.specialist, request, "forward_to_representative", basis="included",
              no_charge_reason="Included in the agreement.")  # fmt: skip
    assert request.state == S.CUSTOMER_NOTICE
    desks.act(town.rep, request, "notify_and_close", message="Your Request for Change is done.")
    assert request.state == S.CLOSED
    assert mailed(smtp_sink, town.contact.email, "Request for Change")
    assert mailed(smtp_sink, town.contact.email, "is scheduled for")


def test_journey_c_enhancement_with_charge(desks: Desks, town: Office, smtp_sink: Sink) -> None:
    """F10, F12, F13, F14, F15: charged on the SLA's rates, billed, ASD updated, customer told."""
    request = intake(desks, town, "More lines", town.service)
    desks.act(town.rep, request, "triage", service=town.service.pk, **NOT_STANDARD)
    schedule_and_pull(desks, town, request, "yes")
    plan_and_work(desks, town, request)
    passes(desks, town, request)
    desks.act(town.specialist, request, "prefill_charge")
    desks.act(town.specialist, request, "open_billing")
    assert request.state == S.BILLING
    assert request.billing_case.total == town.rate.rate * 7 / 2
    assert not desks.offered(town.rep, request, "settle")
    desks.act(town.rep, request, "initiate_billing", avenue="change_order",
              finance_number="FIN-1", starts_on=clock.today().isoformat())  # fmt: skip
    desks.act(town.rep, request, "request_asd_update", change="Two more lines.", quantity="2",
              starts_on=clock.today().isoformat())  # fmt: skip
    desks.act(town.asd, request, "apply_asd_update")
    assert AgencyService.objects.get(agency=town.agency, service=town.service).quantity == 2
    desks.act(town.rep, request, "settle")
    desks.act(town.rep, request, "notify_and_close", message="Your Request for Change is done.")
    assert request.state == S.CLOSED
    assert mailed(smtp_sink, town.contact.email, "Request for Change")


def new_customer_intake(desks: Desks, town: Office) -> Request:
    """A prospective agency and its contact are made in place."""
    page = desks.page(town.rep)
    page.goto("/requests/new/")
    form = page.locator("main form").last
    for name, value in {
        "customer": "new",
        "new_agency": "Bureau of Journeys",
        "new_code": "J-1",
        "contact_name": "Jo Journey",
        "contact_email": "jo@journeys.example",
        "title": "A queue display",
        "description": "One display at the counter.",
    }.items():
        Desks._fill(form, name, value)
    form.locator("button[type=submit]").last.click()
    page.wait_for_url("**/requests/REQ-*/")
    return Request.objects.latest("pk")


def test_journey_d_new_customer_new_service_parts(
    desks: Desks, town: Office, smtp_sink: Sink, tmp_path: Path
) -> None:
    """D1-D13, F9-F15: from an unknown agency to a live service that is billed and in the ASD."""
    request = new_customer_intake(desks, town)
    agency = Agency.objects.get(code="J-1")
    assert request.agency == agency
    if request.representative is None:
        desks.act(town.rep, request, "claim")
    desks.act(town.rep, request, "triage", service="", **YES)
    assert request.state == S.DISCOVERY
    discover(desks, town, request)
    propose_and_accept(desks, town, request, tmp_path)
    conclude(desks, town, request)
    assert request.state == S.PARTS_MAINTENANCE
    bring_parts(desks, town, request)
    assert request.state == S.AWAITING_SCHEDULING
    schedule_and_pull(desks, town, request, "yes")
    plan_and_work(desks, town, request)
    passes(desks, town, request)
    desks.act(town.specialist, request, "prefill_charge")
    desks.act(town.specialist, request, "open_billing")
    bill_and_go_live(desks, town, request)
    desks.act(town.rep, request, "settle")
    desks.act(town.rep, request, "notify_and_close", message="Your display is live.")
    assert request.state == S.CLOSED
    assert mailed(smtp_sink, "jo@journeys.example", "Request for Change")
    assert not Notice.objects.exclude(state="sent").exists()


def discover(desks: Desks, town: Office, request: Request) -> None:
    desks.act(town.rep, request, "document", requested_service="A queue display",
              why_outside_scope="Nothing of ours covers it.", new_customer=True)  # fmt: skip
    desks.act(town.rep, request, "add_team_member", user=town.specialist.pk)
    desks.act(town.rep, request, "start_client_discovery")
    desks.act(town.specialist, request, "add_finding", kind="meeting",
              text="They need two, and a ticket printer.")  # fmt: skip
    need = request.discovery.needs.first()
    desks.act(town.specialist, request, "judge_need", row={"need": need.pk}, verdict="more",
              quantity_after="2")  # fmt: skip
    desks.act(town.specialist, request, "add_need", description="A ticket printer",
              quantity_before="0", quantity_after="1", verdict="more")  # fmt: skip
    printer = request.discovery.needs.get(description="A ticket printer")
    desks.act(town.rep, request, "split_need", row={"need": printer.pk})
    assert Request.objects.filter(channel="split", title="A ticket printer").exists()
    desks.act(town.specialist, request, "determine", determination="more",
              revised_scope="Two displays; the printer is a request of its own.")  # fmt: skip
    desks.act(town.specialist, request, "finalise_discovery")


def propose_and_accept(desks: Desks, town: Office, request: Request, folder: Path) -> None:
    desks.act(town.rep, request, "draft_proposal", summary="Two displays.", valid_until=later(30),
              new_service_name="Queue display")  # fmt: skip
    desks.act(town.rep, request, "add_proposal_line", kind="one_off", description="Set-up",
              quantity="1", unit="piece", rate="1500")  # fmt: skip
    desks.act(town.rep, request, "issue_proposal")
    desks.act(town.rep, request, "record_decline", answered_by="Jo Journey", reason="Too dear.")
    desks.act(town.rep, request, "revise_proposal")
    line = request.proposals.get(state="draft").lines.get()
    desks.act(town.rep, request, "remove_proposal_line", row={"line": line.pk})
    desks.act(town.rep, request, "add_proposal_line", kind="one_off", description="Set-up",
              quantity="1", unit="piece", rate="1200")  # fmt: skip
    desks.act(town.rep, request, "issue_proposal")
    desks.act(town.rep, request, "record_acceptance", answered_by="Jo Journey",
              note="Signed paper.", evidence=a_pdf(folder, "signed.pdf"))  # fmt: skip
    desks.act(town.rep, request, "record_purchase_order", number="PO-1", amount="2000",
              file=a_pdf(folder, "po.pdf"))  # fmt: skip


def conclude(desks: Desks, town: Office, request: Request) -> None:
    desks.act(town.rep, request, "initiate_service", name="Queue display",
              provider_group=town.group.pk)  # fmt: skip
    service = request.proposed_services.get()
    record_agreement(desks, town, request.agency)
    desks.act(town.rep, request, "state_outcome", ending="proposal", kind="enhancement",
              service=service.pk, provider_group=town.group.pk, service_level="one_off",
              estimate_hours="4")  # fmt: skip
    desks.act(town.rep, request, "parts_question", parts_required="yes", note="Displays")
    desks.act(town.rep, request, "add_part_line", change="add", name="Display", quantity="2",
              to_order=True)  # fmt: skip
    desks.act(town.rep, request, "complete_discovery")


def record_agreement(desks: Desks, town: Office, agency: Agency) -> None:
    """The one-off agreement with the new customer, on the agency's page."""
    page = desks.page(town.rep)
    page.goto(f"/asd/agencies/{agency.code}/")
    page.get_by_role("link", name="agreement").first.click()
    form = page.locator("main form").last
    Desks._fill(form, "kind", "one_off")
    Desks._fill(form, "reference", "MOU-J-1")
    Desks._fill(form, "starts_on", clock.today().isoformat())
    press(page, form.locator("button[type=submit]").last)
    assert agency.agreements.filter(reference="MOU-J-1").exists()


def bring_parts(desks: Desks, town: Office, request: Request) -> None:
    line = request.part_lines.get()
    row = {"line": line.pk}
    desks.act(town.billing, request, "rate_part", row=row, rate="600", basis="Vendor price",
              number="DSP-1")  # fmt: skip
    desks.act(town.billing, request, "code_part", row=row, billing_code="B-1")
    desks.act(town.billing, request, "list_part", row=row)
    desks.act(town.rep, request, "order_part", row=row, order_number="O-1", vendor="Vendor")
    desks.act(town.rep, request, "receive_part", row=row, quantity="1")
    assert request.state == S.PARTS_MAINTENANCE
    desks.act(town.rep, request, "receive_part", row=row, quantity="1")


def bill_and_go_live(desks: Desks, town: Office, request: Request) -> None:
    desks.act(town.billing, request, "mark_customer_known")
    desks.act(town.rep, request, "initiate_billing", avenue="new_service", finance_number="F-2",
              starts_on=clock.today().isoformat())  # fmt: skip
    desks.act(town.asd, request, "go_live", live_on=clock.today().isoformat())
    desks.act(town.rep, request, "request_asd_update", change="New: two displays.", quantity="2",
              starts_on=clock.today().isoformat())  # fmt: skip
    desks.act(town.asd, request, "apply_asd_update")


def test_f17_back_to_discovery_from_the_work_and_back_to_the_right_queue(
    desks: Desks, town: Office
) -> None:
    """F17, D15: the slot is released, and the way back leads to the right queue."""
    request = intake(desks, town, "Not routine after all", town.service)
    desks.act(town.rep, request, "triage", service=town.service.pk, **NOT_STANDARD)
    schedule_and_pull(desks, town, request, "no")
    desks.act(town.specialist, request, "add_plan_item", title="Do it", estimate_hours="4")
    desks.act(town.specialist, request, "start_work")
    desks.act(town.specialist, request, "send_to_discovery", reason="Much more than was asked.")
    assert request.state == S.DISCOVERY
    assert not request.schedule_entries.active().exists()
    desks.act(town.rep, request, "document", requested_service="The whole floor",
              why_outside_scope="The agreement covers one room.")  # fmt: skip
    desks.act(town.rep, request, "shorten_discovery", reason="Within the service after all.")
    desks.act(town.rep, request, "parts_question", parts_required="no")
    desks.act(town.rep, request, "state_outcome", ending="existing_service", kind="enhancement",
              service=town.service.pk, provider_group=town.group.pk, service_level="in_sla",
              estimate_hours="6")  # fmt: skip
    desks.act(town.rep, request, "complete_discovery")
    assert request.state == S.AWAITING_SCHEDULING
    assert request.provider_group == town.group
