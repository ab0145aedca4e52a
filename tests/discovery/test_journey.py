"""Journey D as far as discovery and parts go: a new customer, a new service, two deliveries."""

from requests_app.models import Link
from requests_app.states import S
from tests.discovery.steps import drafted, ordered
from tests.factories import AgencyFactory, ContactFactory, Office
from tests.walk import STANDARD_NO, do, later
from workflow import clock


def test_journey_d_from_discovery_to_awaiting_scheduling(office: Office) -> None:
    """D1-D13: documented, more found and split, declined once, revised, accepted, parts in two."""
    agency = AgencyFactory(representative=office.rep)
    request = office.request(
        agency=agency, contact=ContactFactory(agency=agency), service=None, title="Queue display"
    )
    today = clock.today().isoformat()
    do(request, "triage", office.rep, service="", service_known="yes", **STANDARD_NO)
    assert request.state == S.DISCOVERY
    do(request, "document", office.rep, requested_service="A queue display", new_customer="on",
       why_outside_scope="No agreement and no such service.",
       needs="A display\nA second site")  # fmt: skip
    do(request, "add_team_member", office.rep, user=office.specialist.pk, role="technical")
    do(request, "start_client_discovery", office.rep)
    do(request, "add_finding", office.specialist, kind="meeting", on=today, text="Two counters.",
       hours="1.5")  # fmt: skip
    display, site = request.discovery.needs.order_by("pk")
    do(request, "judge_need", office.specialist, need=display.pk, verdict="more",
       quantity_after="2")  # fmt: skip
    do(request, "judge_need", office.specialist, need=site.pk, verdict="as_requested")
    part = do(request, "split_need", office.rep, need=site.pk)
    assert Link.objects.get(source=part).relation == Link.Relation.SPLIT_FROM
    do(request, "determine", office.specialist, determination="more", revised_scope="Two of them.")
    do(request, "finalise_discovery", office.specialist, confirmed_by="Sam, by mail")

    drafted(request, office.specialist, new_service_name="Queue display")
    do(request, "issue_proposal", office.rep)
    do(request, "record_decline", office.rep, answered_by="Sam", reason="Too dear.")
    do(request, "revise_proposal", office.rep)
    line = request.proposals.get(state="draft").lines.get()
    do(request, "remove_proposal_line", office.rep, line=line.pk)
    do(request, "add_proposal_line", office.rep, kind="labour", description="Set-up",
       quantity="10", rate="90")  # fmt: skip
    do(request, "issue_proposal", office.rep)
    do(request, "record_acceptance", office.rep, answered_by="Sam", note="Signed.")
    ordered(request, office.rep)
    service = do(request, "initiate_service", office.rep, name="Queue display",
                 provider_group=office.group.pk)  # fmt: skip
    do(request, "parts_question", office.rep, parts_required="yes", note="Two screens")
    do(request, "add_part_line", office.rep, change="add", name="Screen", quantity="2",
       to_order="on")  # fmt: skip
    do(request, "state_outcome", office.rep, ending="proposal", kind="enhancement",
       service=service.pk, service_level="one_off", estimate_hours="10")  # fmt: skip
    do(request, "complete_discovery", office.rep)
    assert request.state == S.PARTS_MAINTENANCE
    assert (request.service, request.provider_group) == (service, office.group)

    screens = request.part_lines.get()
    do(request, "rate_part", office.billing, line=screens.pk, rate="300", basis="Vendor price",
       number="SCR-1")  # fmt: skip
    do(request, "code_part", office.billing, line=screens.pk, billing_code="B-SCR")
    do(request, "list_part", office.billing, line=screens.pk)
    do(request, "order_part", office.rep, line=screens.pk, order_number="O-1", vendor="Vendor",
       expected_on=later(5))  # fmt: skip
    do(request, "receive_part", office.rep, line=screens.pk, quantity="1", on=today)
    assert request.state == S.PARTS_MAINTENANCE
    do(request, "receive_part", office.rep, line=screens.pk, quantity="1", on=today)
    assert request.state == S.PARTS_MAINTENANCE  # a new customer without an agreement waits

    office.agreement.pk, office.agreement.reference = None, "MOU-1"
    office.agreement.agency, office.agreement.kind = agency, "one_off"
    office.agreement.save()
    do(request, "await_scheduling", office.rep)
    assert request.state == S.AWAITING_SCHEDULING
