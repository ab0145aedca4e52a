"""Stories that go through discovery: new services, new customers, parts (D1-D13)."""

import uuid
from datetime import timedelta

from asd.models import Agency, Agreement
from config.demo.enhancement_stories import billed, triaged, worked
from config.demo.teller import Story, Teller
from notifications.models import Notice
from requests_app import public_intake
from requests_app.states import S
from workflow import clock

IDEAS = [
    (
        "Queue display for the public counter",
        "A screen that shows who is next, at {count} counters.",
    ),
    ("Sensors for the archive rooms", "Temperature of {count} rooms, with an alarm."),
    ("Kiosk for permit applications", "{count} kiosks where people apply without an appointment."),
    ("Badge readers for the annex", "Readers at {count} doors, kept by somebody who knows how."),
]


def discovered(t: Teller, agencies: list[Agency] | None = None) -> Story:
    """From intake to client discovery finalised (D4-D7)."""
    title, text = t.rng.choice(IDEAS)
    t.begin(agencies or t.org.others + t.org.current[:3], None, title, text)
    yield t.hours(1, 8)
    t.do("triage", t.rep, service="", service_known="yes", decision="discovery",
         override_reason="Nothing in the catalogue comes near it.")  # fmt: skip
    yield t.hours(2, 16)
    new = "" if t.request.agency.is_current() else "on"
    t.do("document", t.rep, requested_service=title, new_customer=new,
         why_outside_scope="No service of the catalogue covers it.")  # fmt: skip
    yield t.hours(1, 12)
    helper = t.rng.choice([p for name, p in t.org.people.items() if name.startswith("specialist")])
    t.do("add_team_member", t.rep, user=helper.pk, role="technical")
    t.do("start_client_discovery", t.rep)
    yield t.hours(4, 24)
    t.do("add_finding", helper, kind="meeting", on=clock.today().isoformat(), hours="1.5",
         participants="the contact and a colleague",
         text="Power is there, a network socket is not.")  # fmt: skip
    need = t.request.discovery.needs.first()
    t.do("judge_need", helper, need=need.pk, verdict="more", quantity_after="2",
         why="A second place is needed.")  # fmt: skip
    t.do("determine", helper, determination="more",
         revised_scope="Two places instead of one, with the network socket.")  # fmt: skip
    t.do("finalise_discovery", helper)
    yield t.hours(3, 20)


def offered(t: Teller, new_service: str) -> Story:
    """The proposal, its purchase order, and the outcome (D8-D11)."""
    group = t.rng.choice(list(t.org.groups.values()))
    t.do("draft_proposal", t.rep, summary="Set-up at both places and care from then on.",
         valid_until=(clock.today() + timedelta(days=60)).isoformat(),
         new_service_name=new_service)  # fmt: skip
    t.do("add_proposal_line", t.rep, kind="labour", description="Set-up", quantity="12",
         unit="hour", rate="85")  # fmt: skip
    t.do("add_proposal_line", t.rep, kind="recurring", description="Care", quantity="2",
         unit="place", rate="40")  # fmt: skip
    t.do("issue_proposal", t.rep)
    yield t.hours(8, 50)
    if t.rng.random() < 0.3:
        t.do("record_decline", t.rep, answered_by="Sam Signatory", reason="Too dear as it stands.")
        yield t.hours(3, 20)
        t.do("revise_proposal", t.rep)
        t.do("issue_proposal", t.rep)
        yield t.hours(8, 30)
    t.do("record_acceptance", t.rep, answered_by="Sam Signatory, director",
         note="Signed paper of today.")  # fmt: skip
    t.do("record_purchase_order", t.rep, number=f"PO-{t.rng.randint(1000, 9999)}", amount="5000",
         issued_on=clock.today().isoformat(), file=t.paper("purchase-order.pdf"))  # fmt: skip
    service = t.do("initiate_service", t.rep, name=new_service, provider_group=group.pk)
    yield t.hours(1, 8)
    agency = t.request.agency
    if not agency.agreements.exists():
        Agreement.objects.create(
            agency=agency,
            kind=Agreement.Kind.ONE_OFF,
            reference=f"MOU-{agency.code}-{t.request.pk}",
            starts_on=clock.today(),
        )
    t.do("state_outcome", t.rep, ending="proposal", kind="enhancement", service=service.pk,
         provider_group=group.pk, service_level="one_off", estimate_hours="12")  # fmt: skip


def undecided(t: Teller) -> Story:
    """A proposal that waits for the customer; once it is accepted the request moves on (D9)."""
    yield from discovered(t, t.org.current[:1])
    service = t.rng.choice(t.org.services)
    t.do("draft_proposal", t.rep, summary="Set-up at both places, with the network socket.",
         terms="Payment within 30 days of the work being done.",
         valid_until=(clock.today() + timedelta(days=60)).isoformat())  # fmt: skip
    t.do("add_proposal_line", t.rep, kind="labour", description="Set-up", quantity="12",
         unit="hour", rate="85")  # fmt: skip
    t.do("add_proposal_line", t.rep, kind="recurring", description="Care", quantity="2",
         unit="place", rate="40")  # fmt: skip
    t.do("state_outcome", t.rep, ending="proposal", kind="enhancement", service=service.pk,
         provider_group=service.provider_group_id, service_level="one_off",
         estimate_hours="12")  # fmt: skip
    t.do("parts_question", t.rep, parts_required="no")
    t.do("issue_proposal", t.rep)
    yield 4000


def by_web(t: Teller) -> Story:
    """Sent by the customer's own form and confirmed; the second one sounds like the first (X10)."""
    agency, count = t.org.current[0], t.rng.randint(3, 9)
    intake = public_intake.submit(
        key=uuid.UUID(int=t.rng.getrandbits(128), version=4),
        address="",
        files=[],
        agency=agency,
        name="Nova Newcomer",
        email=f"nova@{agency.contacts.exclude(email='').first().email.partition('@')[2]}",
        phone="555-0199",
        service=None,
        title=f"Screens for {count} meeting rooms",
        description="We would like to show the day's bookings at the door of each room.",
    )
    asked = Notice.objects.get(key__startswith=f"intake:{intake.pk}:")
    t.request = public_intake.confirm(asked.context["link"].rstrip("/").rpartition("/")[2])
    yield 4000


def with_parts(t: Teller) -> Story:
    """A new service with parts, from intake to closed (D1-D13, F13, F14)."""
    yield from discovered(t)
    yield from offered(t, t.org.new_names.pop())
    t.do("parts_question", t.rep, parts_required="yes", note="The unit itself.")
    t.do("add_part_line", t.rep, change="add", name=f"Unit for {t.request.title}"[:110],
         quantity="2", to_order="on")  # fmt: skip
    t.do("complete_discovery", t.rep)
    yield t.hours(2, 16)
    line, billing = t.request.part_lines.get(), t.org.people["billing"]
    t.do("rate_part", billing, line=line.pk, rate="640", basis="Vendor price plus handling.",
         number=f"NEW-{line.pk:04d}")  # fmt: skip
    t.do("code_part", billing, line=line.pk, billing_code=f"B-NEW-{line.pk:04d}")
    t.do("list_part", billing, line=line.pk)
    yield t.hours(1, 8)
    expected = (clock.today() + timedelta(days=9)).isoformat()
    t.do("order_part", t.rep, line=line.pk, order_number=f"O-{line.pk:05d}",
         vendor="Example Supplies", expected_on=expected)  # fmt: skip
    yield t.hours(20, 50)
    t.do("receive_part", t.rep, line=line.pk, quantity="1", on=clock.today().isoformat())
    yield t.hours(10, 30)
    t.do("receive_part", t.rep, line=line.pk, quantity="1", on=clock.today().isoformat())
    yield t.hours(1, 10)
    yield from finished(t)


def finished(t: Teller) -> Story:
    """Fulfilled, charged by the proposal, live in the ASD, told (F9-F15)."""
    yield from worked(t, charge=True)
    manager = t.org.people["asd"]
    t.request.agency.known_to_billing = True
    t.request.agency.save(update_fields=["known_to_billing"])
    t.do("develop_service", manager, service=t.request.service_id)
    t.do("go_live", manager, service=t.request.service_id,
         live_on=clock.today().isoformat())  # fmt: skip
    yield from billed(t)


def sent_back(t: Teller) -> Story:
    """Not routine after all: from the work back to discovery (F17)."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    if t.request.state != S.AWAITING_SCHEDULING:
        return
    group = t.request.provider_group
    t.schedule(8, charge=False)
    yield t.hours(8, 30)
    t.do("send_to_discovery", t.org.lead(group),
         reason="There is no network where it is needed: more than was asked.")  # fmt: skip
    yield 400


DISCOVERY_STORIES = [
    (discovered, "", 5, 2, 7),
    (undecided, "", 1, 20, 21),
    (by_web, "", 2, 3, 5),
    (with_parts, S.PARTS_MAINTENANCE, 4, 14, 18),
    (sent_back, "", 3, 6, 12),
    (with_parts, "", 5, 45, 115),
]
