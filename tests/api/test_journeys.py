"""The four journeys from intake to closed through the API alone, each step by whose it is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from rest_framework.test import APIClient

from asd.models import AgencyService
from fulfillment.models import ScheduledDay, ScheduleEntry
from notifications.models import Notice
from requests_app.models import Request
from requests_app.triage import CHECKLIST
from tests.factories import AgencyFactory, AgreementFactory, ContactFactory, Office
from tests.walk import later, next_working_day
from workflow import clock

Api = Callable[[Any], APIClient]
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
STANDARD = {key: True for key, _ in CHECKLIST}


class Journey:
    """One request on its way; everything is asked of the API, nothing of the database."""

    def __init__(self, api: Api, office: Office) -> None:
        self.api = api
        self.office = office
        self.reference = ""
        self.state = ""

    def take_in(self, **given: Any) -> None:
        office = self.office
        answer = self.api(office.rep).post(
            "/api/v1/requests/",
            {
                "title": "Two lines for the front desk",
                "description": "Two lines, two handsets.",
                "agency": office.agency.code,
                "contact": office.contact.pk,
                "service": office.service.slug,
                **given,
            },
        )
        assert answer.status_code == 201, answer.json()
        self.reference, self.state = answer.json()["reference"], answer.json()["state"]

    def do(self, who: str, name: str, /, **facts: Any) -> dict[str, Any]:
        """One action by one person, as JSON, or as a form where there is a file."""
        has_file = any(hasattr(value, "read") for value in facts.values())
        answer = self.api(getattr(self.office, who)).post(
            f"/api/v1/requests/{self.reference}/actions/{name}/",
            facts,
            format="multipart" if has_file else "json",
        )
        assert answer.status_code == 200, f"{who}: {name}: {answer.json()}"
        self.state = answer.json()["state"]
        return answer.json()

    def refused(self, who: str, name: str, /, **facts: Any) -> str:
        """The sentence with which the process says no."""
        before = self.shown("rep")["state_since"]
        answer = self.api(getattr(self.office, who)).post(
            f"/api/v1/requests/{self.reference}/actions/{name}/", facts
        )
        assert answer.status_code == 409, f"{who}: {name}: {answer.json()}"
        assert self.shown("rep")["state_since"] == before
        return answer.json()["detail"]

    def shown(self, who: str) -> dict[str, Any]:
        answer = self.api(getattr(self.office, who)).get(f"/api/v1/requests/{self.reference}/")
        assert answer.status_code == 200
        return answer.json()

    def choice(self, who: str, name: str, field: str, place: int = 0) -> str:
        """An id that the API itself offers for a field of an action."""
        actions = {a["name"]: a for a in self.shown(who)["available_actions"]}
        fields = {f["name"]: f for f in actions[name]["fields"]}
        return fields[field]["choices"][place]["value"]

    def told(self, address: str) -> list[str]:
        """What was said to somebody, in order."""
        return list(
            Notice.objects.filter(context__reference=self.reference, address=address)
            .order_by("event__number", "event_id")
            .values_list("template", flat=True)
        )

    def to_testing(self) -> None:
        """From awaiting scheduling to testing, by lead and specialist (F2, F6, F9)."""
        self.do("specialist", "pull")
        self.refused("specialist", "start_work")
        self.do("specialist", "add_plan_item", title="Lay the lines", estimate_hours="4")
        self.do("specialist", "start_work")
        item = self.choice("specialist", "finish_plan_item", "item")
        self.do("specialist", "log_time", item=item, hours="3.5", on=str(clock.today()))
        self.refused("specialist", "submit_for_testing")
        self.do("specialist", "finish_plan_item", item=item)
        self.do("specialist", "submit_for_testing")
        assert self.state == "testing"


@pytest.fixture
def journey(api: Api, office: Office) -> Journey:
    return Journey(api, office)


def test_journey_a_assistance(journey: Journey, office: Office) -> None:
    """A: triage, pending, taken, fulfilled, case closed, customer told (D15, F5, F7, F8)."""
    journey.take_in()
    journey.do("rep", "triage", service=office.service.pk, service_known=True, **STANDARD)
    assert journey.state == "pending"
    pending = journey.api(office.specialist).get(f"/api/v1/queues/{office.group.slug}/pending/")
    assert [r["reference"] for r in pending.json()["results"]] == [journey.reference]
    journey.do("specialist", "take")
    done = journey.do("specialist", "fulfill", resolution="Reset together, it works.")
    assert (done["state"], done["kind"]) == ("closed", "assistance")
    case = journey.api(office.rep).get(f"/api/v1/cases/{done['case']}/").json()
    assert case["closed_at"]
    assert case["entries"][-1]["text"] == "Reset together, it works."
    assert journey.told(office.contact.email) == ["received", "routed", "assistance_fulfilled"]
    assert journey.told(office.lead.email) == ["queue_new"]
    call_command("verify")


def test_journey_b_enhancement_without_charge(journey: Journey, office: Office) -> None:
    """B: a failing test goes back to the work; no charge; the representative closes (F9-F11)."""
    journey.take_in()
    journey.do("rep", "triage", service=office.service.pk, service_known=True,
               **{**STANDARD, "solution": False})  # fmt: skip
    assert journey.state == "awaiting_scheduling"
    journey.do("lead", "schedule", day=str(next_working_day()), hours="4", charge_expected=False)
    journey.to_testing()
    journey.refused("specialist", "forward_to_representative", basis="included",
                    no_charge_reason="Included.")  # fmt: skip
    journey.do("specialist2", "record_test_run", result="failed", cases="Calls: failed",
               findings="The second line is silent.")  # fmt: skip
    journey.do("specialist2", "fail_test")
    assert journey.state == "in_fulfillment"
    journey.do("specialist", "submit_for_testing")
    journey.refused("specialist", "open_billing")
    journey.do("specialist2", "record_test_run", result="passed", cases="Calls: passed")
    journey.do("specialist", "forward_to_representative", basis="included",
               no_charge_reason="Included in the agreement.")  # fmt: skip
    assert journey.state == "customer_notice"
    assert "notice_due" in journey.told(office.rep.email)
    assert "test_failed" in journey.told(office.specialist.email)
    journey.do("rep", "notify_and_close", message="Both lines are ready for you to use.")
    assert journey.state == "closed"
    assert journey.told(office.contact.email) == [
        "received", "routed", "scheduled", "rfc_fulfilled",
    ]  # fmt: skip
    call_command("verify")


def test_journey_c_charge_on_the_rates_of_the_sla(journey: Journey, office: Office) -> None:
    """C: charge, billing case, billing initiated, ASD updated, customer told (F12-F15)."""
    journey.take_in()
    journey.do("rep", "triage", service=office.service.pk, service_known=True,
               **{**STANDARD, "solution": False})  # fmt: skip
    journey.do("lead", "schedule", day=str(next_working_day()), hours="4", charge_expected=True)
    journey.to_testing()
    journey.do("specialist2", "record_test_run", result="passed", cases="Calls: passed")
    journey.do("specialist", "prefill_charge")
    journey.do("specialist", "open_billing")
    assert journey.state == "billing"
    assert "billing_opened" in journey.told(office.rep.email)
    journey.refused("rep", "settle")
    journey.do("rep", "initiate_billing", avenue="change_order", finance_number="FIN-7",
               starts_on=str(clock.today()))  # fmt: skip
    assert "ASD" in journey.refused("rep", "settle")
    journey.do("rep", "request_asd_update", change="Two lines more.",
               starts_on=str(clock.today()), quantity=2)  # fmt: skip
    journey.refused("rep", "settle")
    journey.do("asd", "apply_asd_update")
    journey.do("rep", "settle")
    journey.do("rep", "notify_and_close", message="Both lines are ready for you to use.")
    assert journey.state == "closed"
    used = AgencyService.objects.get(agency=office.agency, service=office.service)
    assert used.quantity == 2
    cases = journey.api(office.billing).get("/api/v1/billing-cases/").json()["results"]
    assert [(c["request"], c["state"], c["total"]) for c in cases] == [
        (journey.reference, "initiated", "332.50")
    ]
    assert journey.told(office.contact.email)[-1] == "rfc_fulfilled"
    call_command("verify")


def test_journey_d_new_customer_new_service_parts(journey: Journey, office: Office) -> None:
    """D: discovery to the last part, a declined and an accepted proposal, a new service.

    D1-D3, D4-D7, D8-D10, D11-D13, F10, F12-F15, X4.
    """
    agency = AgencyFactory(representative=office.rep, known_to_billing=False)
    contact = ContactFactory(agency=agency)
    journey.take_in(agency=agency.code, contact=contact.pk, service=None)
    journey.do("rep", "triage", service=None, service_known=True, **STANDARD)
    assert journey.state == "discovery"
    _discover(journey, office)
    _propose(journey)
    _state_outcome(journey, office)
    AgreementFactory(agency=agency)
    journey.do("rep", "complete_discovery")
    if journey.state == "discovery":
        journey.do("rep", "start_parts_maintenance")
    assert journey.state == "parts_maintenance"
    _provide_parts(journey)
    assert journey.state == "awaiting_scheduling"
    journey.do("lead", "schedule", day=str(next_working_day()), hours="4", charge_expected=True)
    journey.to_testing()
    journey.do("specialist2", "record_test_run", result="passed", cases="Display: passed")
    journey.do("specialist", "prefill_charge")
    journey.do("specialist", "open_billing")
    _bill(journey, contact.email)
    assert journey.told(contact.email) == [
        "received", "discovery_started", "proposal_issued", "proposal_declined",
        "proposal_issued", "proposal_accepted", "routed", "scheduled", "rfc_fulfilled",
    ]  # fmt: skip
    call_command("verify")


def _discover(journey: Journey, office: Office) -> None:
    """Documented, team, findings say more, one need split off (D4, D5, D6, D7, X4)."""
    journey.do("rep", "document", requested_service="A public queue display",
               why_outside_scope="We offer nothing like it.", new_customer=True,
               needs="A display\nA ticket printer")  # fmt: skip
    journey.refused("rep", "start_client_discovery")
    journey.do("rep", "add_team_member", user=office.specialist.pk, role="technical")
    journey.do("rep", "start_client_discovery")
    assert "team_invited" in journey.told(office.specialist.email)
    journey.refused("specialist", "finalise_discovery")
    journey.do("specialist", "add_finding", kind="meeting", on=str(clock.today()),
               text="Two displays are needed, not one.")  # fmt: skip
    needs = [journey.choice("specialist", "judge_need", "need", n) for n in (0, 1)]
    journey.do("specialist", "judge_need", need=needs[0], verdict="more", quantity_after=2)
    journey.do("specialist", "judge_need", need=needs[1], verdict="as_requested")
    split = journey.do("rep", "split_need", need=needs[1], title="A ticket printer")
    assert Request.objects.get(reference=split["result"]["reference"]).state == "triage"
    journey.do("specialist", "determine", determination="more",
               revised_scope="Two displays with one queue.")  # fmt: skip
    journey.do("specialist", "finalise_discovery", confirmed_by="The contact, by telephone.")


def _propose(journey: Journey) -> None:
    """Declined once, revised, accepted; the purchase order attached (D8, D9)."""
    journey.do("specialist", "draft_proposal", summary="Two displays.", valid_until=later(30),
               new_service_name="Queue display")  # fmt: skip
    journey.refused("rep", "issue_proposal")
    journey.do("specialist", "add_proposal_line", kind="one_off", description="Set-up",
               quantity=1, unit="piece", rate="2000")  # fmt: skip
    journey.do("rep", "issue_proposal")
    journey.do("rep", "record_decline", answered_by="The contact", reason="Too expensive.")
    journey.do("rep", "revise_proposal")
    journey.do("rep", "issue_proposal")
    journey.do("rep", "record_acceptance", answered_by="The contact", note="Signed on paper.",
               evidence=SimpleUploadedFile("signed.pdf", PDF))  # fmt: skip
    journey.refused("rep", "complete_discovery")
    journey.do("rep", "record_purchase_order", number="PO-7", amount="9000",
               issued_on=str(clock.today()), file=SimpleUploadedFile("po.pdf", PDF))  # fmt: skip
    case = journey.api(journey.office.rep).get(f"/api/v1/cases/{journey.shown('rep')['case']}/")
    purposes = {a["purpose"] for a in case.json()["attachments"]}
    assert {"proposal", "purchase_order"} <= purposes


def _state_outcome(journey: Journey, office: Office) -> None:
    """A new ASD service, the parts question, the outcome (D3, D10, D11)."""
    made = journey.do("rep", "initiate_service", name="Queue display",
                      provider_group=office.group.pk)  # fmt: skip
    journey.do("rep", "parts_question", parts_required=True, note="Displays.")
    journey.do("rep", "add_part_line", change="add", name="Display", quantity=5, to_order=True,
               proposed_rate="300")  # fmt: skip
    journey.do("rep", "state_outcome", ending="proposal", kind="enhancement",
               service=made["result"]["id"], provider_group=office.group.pk,
               service_level="one_off", estimate_hours="12")  # fmt: skip


def _provide_parts(journey: Journey) -> None:
    """Rated, coded, listed; ordered, received in two deliveries; then it moves by itself (D12)."""
    line = journey.choice("billing", "rate_part", "line")
    journey.do("billing", "rate_part", line=line, rate="280", basis="Vendor price.", number="D-1")
    journey.do("billing", "code_part", line=line, billing_code="BC-1")
    journey.do("billing", "list_part", line=line)
    journey.do("rep", "order_part", line=line, order_number="O-1", vendor="A vendor")
    journey.do("billing", "receive_part", line=line, quantity=2, on=str(clock.today()))
    assert journey.state == "parts_maintenance"
    journey.do("billing", "receive_part", line=line, quantity=3, on=str(clock.today()))


def _bill(journey: Journey, address: str) -> None:
    """Known to billing, initiated, live, ASD updated; only then is the customer told (F13-F15)."""
    journey.refused("rep", "initiate_billing", avenue="new_service", finance_number="FIN-8",
                    starts_on=str(clock.today()))  # fmt: skip
    journey.do("billing", "mark_customer_known")
    journey.do("rep", "initiate_billing", avenue="new_service", finance_number="FIN-8",
               starts_on=str(clock.today()))  # fmt: skip
    journey.refused("rep", "request_asd_update", change="Displays.", quantity=5,
                    starts_on=str(clock.today()))  # fmt: skip
    journey.do("asd", "go_live", live_on=str(clock.today()))
    journey.do("rep", "request_asd_update", change="Displays.", quantity=5,
               starts_on=str(clock.today()))  # fmt: skip
    journey.do("asd", "apply_asd_update")
    journey.do("rep", "settle")
    assert "rfc_fulfilled" not in journey.told(address)
    journey.do("rep", "notify_and_close", message="Your displays are ready.")
    assert journey.state == "closed"


def test_back_to_discovery_from_the_work_and_back_again(journey: Journey, office: Office) -> None:
    """F17: the slot is released by choice, the way back leads to the right queue."""
    journey.take_in()
    journey.do("rep", "triage", service=office.service.pk, service_known=True,
               **{**STANDARD, "solution": False})  # fmt: skip
    journey.do("lead", "schedule", day=str(next_working_day()), hours="4", charge_expected=False)
    journey.do("specialist", "pull")
    journey.do("specialist", "add_plan_item", title="Lay the lines", estimate_hours="4")
    journey.do("specialist", "start_work")
    journey.do("specialist", "send_to_discovery", reason="More is needed than was said.",
               keep_slot=False)  # fmt: skip
    assert journey.state == "discovery"
    assert not ScheduleEntry.objects.active().exists()
    assert not ScheduledDay.objects.filter(entry__state__in=["booked", "started"]).exists()
    assert "discovery_started" in journey.told(office.contact.email)
    journey.do("rep", "shorten_discovery", reason="It is within the service after all.")
    journey.do("rep", "state_outcome", ending="existing_service", kind="enhancement",
               service=office.service.pk, provider_group=office.group.pk,
               service_level="in_sla", estimate_hours="6")  # fmt: skip
    journey.do("rep", "parts_question", parts_required=False)
    journey.do("rep", "complete_discovery")
    if journey.state == "discovery":
        journey.do("rep", "await_scheduling")
    assert journey.state == "awaiting_scheduling"
    call_command("verify")
