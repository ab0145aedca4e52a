"""Discovery and proposals: D1 to D11, D13 to D15."""

import io

import pytest
from django.core.exceptions import PermissionDenied
from pypdf import PdfReader

from discovery.models import Discovery
from requests_app.models import Request
from requests_app.states import S
from tests.discovery.steps import (
    accepted,
    documented,
    drafted,
    finalised,
    in_client_discovery,
    ordered,
    outcome,
    pdf_file,
)
from tests.factories import Office
from tests.walk import do, later, to_discovery, to_scheduled
from workflow.machine import Refused
from workflow.registry import InvalidFacts


def test_d1_each_pass_has_a_record_of_its_own_with_the_original_frozen(office: Office) -> None:
    request = to_discovery(office)
    first = request.discovery
    assert first.original["title"] == request.title
    do(request, "edit", office.rep, title="Other words", description="x", contact=office.contact.pk)
    assert request.discovery.original["title"] != request.title


def test_d4_the_stage_cannot_be_left_without_documentation(office: Office) -> None:
    request = to_discovery(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "document", office.rep, requested_service="", why_outside_scope="")
    assert set(refused.value.form.errors) == {"requested_service", "why_outside_scope"}
    assert request.discovery.state == "documenting"


def test_d5_client_discovery_needs_a_team_and_its_members_are_told(office: Office) -> None:
    request = documented(office)
    with pytest.raises(Refused, match="Assemble a team"):
        do(request, "start_client_discovery", office.rep)
    do(request, "add_team_member", office.rep, user=office.stranger.pk, role="technical")
    event = request.events.get(name="add_team_member")
    assert [n.address for n in event.notices.all()] == [office.stranger.email]
    assert Request.objects.visible_to(office.stranger).filter(pk=request.pk).exists()


def test_d5_only_the_team_and_the_representative_record_findings(office: Office) -> None:
    request = in_client_discovery(office)
    with pytest.raises(PermissionDenied):
        do(request, "add_finding", office.specialist2, kind="note", on=later(0), text="Mine")


def test_d6_d7_finalising_is_refused_while_findings_and_verdicts_are_missing(
    office: Office,
) -> None:
    request = in_client_discovery(office)
    with pytest.raises(Refused) as refused:
        do(request, "finalise_discovery", office.rep)
    assert len(refused.value.sentences) == 3
    assert request.discovery.state == "client_discovery"


def test_d7_a_verdict_agrees_with_the_quantities(office: Office) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    with pytest.raises(InvalidFacts) as refused:
        do(request, "judge_need", office.rep, need=need.pk, verdict="more", quantity_after="1")
    assert "quantity_after" in refused.value.form.errors


def test_d7_more_can_be_split_into_a_linked_request(office: Office) -> None:
    request = in_client_discovery(office)
    do(request, "add_need", office.specialist, description="A second site", source="added",
       quantity_before="0", quantity_after="1", verdict="more")  # fmt: skip
    need = request.discovery.needs.get(description="A second site")
    part = do(request, "split_need", office.rep, need=need.pk)
    assert part.state == S.TRIAGE
    assert part.links_out.get().target == request


def test_d7_less_revises_the_request_and_keeps_both_versions(office: Office) -> None:
    request = in_client_discovery(office)
    before = request.title
    do(request, "revise_request", office.rep, title="Only one", description="Only one after all.")
    assert request.title == "Only one"
    assert request.discovery.original["title"] == before
    assert request.events.get(name="edit").changes["title"] == [before, "Only one"]


def test_d8_a_proposal_is_a_pdf_on_the_case_that_reads_as_it_was_typed(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep, summary="Two displays #panic() *bold* <b>x</b>")
    do(request, "issue_proposal", office.rep)
    proposal = request.proposals.get()
    assert proposal.pdf.public
    text = PdfReader(io.BytesIO(proposal.pdf.file.read())).pages[0].extract_text()
    assert "#panic() *bold* <b>x</b>" in text
    assert "USD 1,500.00" in text


def test_d8_an_issued_version_cannot_be_changed(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    with pytest.raises(Refused):
        do(request, "add_proposal_line", office.rep, kind="one_off", description="More",
           quantity="1", rate="5")  # fmt: skip


def test_d8_an_empty_proposal_is_not_issued(office: Office) -> None:
    request = finalised(office)
    do(request, "draft_proposal", office.rep, summary="Nothing yet", valid_until=later(10))
    with pytest.raises(Refused, match="at least one line"):
        do(request, "issue_proposal", office.rep)
    assert not request.case.attachments.exists()


def test_d9_declined_is_revised_as_the_next_version_and_accepted(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    do(request, "record_decline", office.rep, answered_by="Sam", reason="Too dear.")
    do(request, "revise_proposal", office.rep)
    line = request.proposals.get(state="draft").lines.get()
    do(request, "remove_proposal_line", office.rep, line=line.pk)
    do(request, "add_proposal_line", office.rep, kind="one_off", description="Less", quantity="1",
       rate="900")  # fmt: skip
    accepted(request, office.rep)
    first, second = request.proposals.order_by("version")
    assert (first.state, second.state) == ("declined", "accepted")
    assert first.reference == second.reference


def test_d9_discovery_completes_only_with_proposal_and_purchase_order_on_the_case(
    office: Office,
) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    outcome(request, office)
    do(request, "parts_question", office.rep, parts_required="no")
    with pytest.raises(Refused, match="accept the proposal"):
        do(request, "complete_discovery", office.rep)
    accepted(request, office.rep)
    with pytest.raises(Refused, match="purchase order"):
        do(request, "complete_discovery", office.rep)
    ordered(request, office.rep)
    do(request, "complete_discovery", office.rep)
    assert request.state == S.AWAITING_SCHEDULING
    event = request.events.get(name="await_scheduling")
    assert (event.actor_kind, event.actor) == ("system", office.rep)


def test_d9_a_purchase_order_below_the_total_is_refused_beside_the_field(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "record_purchase_order", office.rep, number="PO-1", amount="10",
           files={"file": pdf_file()})  # fmt: skip
    assert "amount" in refused.value.form.errors


def test_d9_no_po_is_needed_only_where_the_total_is_zero(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep, rate="0")
    accepted(request, office.rep)
    do(request, "record_purchase_order", office.rep, not_needed_because="Nothing is charged.")
    assert request.accepted_proposal.has_purchase_order


def test_d10_a_proposed_new_service_must_be_initiated_in_the_asd(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep, new_service_name="Queue display")
    accepted(request, office.rep)
    ordered(request, office.rep)
    do(request, "parts_question", office.rep, parts_required="no")
    outcome(request, office)
    with pytest.raises(Refused, match="initiate it in the ASD"):
        do(request, "complete_discovery", office.rep)
    with pytest.raises(InvalidFacts):
        do(request, "initiate_service", office.rep, name=office.service.name.upper(),
           provider_group=office.group.pk)  # fmt: skip
    service = do(request, "initiate_service", office.rep, name="Queue display",
                 provider_group=office.group.pk)  # fmt: skip
    assert service.state == "proposed"
    outcome(request, office, service=service.pk)
    do(request, "complete_discovery", office.rep)
    assert request.service == service


def test_d11_the_parts_question_has_no_default(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    ordered(request, office.rep)
    outcome(request, office)
    with pytest.raises(Refused, match="parts and equipment"):
        do(request, "complete_discovery", office.rep)


def test_d3_d13_the_outcome_becomes_the_requests(office: Office) -> None:
    request = finalised(office)
    do(request, "parts_question", office.rep, parts_required="no")
    outcome(request, office, ending="existing_service", kind="assistance", service_level="in_sla")
    do(request, "complete_discovery", office.rep)
    assert (request.state, request.kind) == (S.PENDING, "assistance")
    assert request.service_level == "in_sla"


def test_d15_an_early_end_within_an_existing_service_needs_no_findings(office: Office) -> None:
    request = documented(office)
    do(request, "shorten_discovery", office.rep, reason="It is covered after all.")
    do(request, "parts_question", office.rep, parts_required="no")
    outcome(request, office, ending="existing_service", service_level="in_sla")
    do(request, "complete_discovery", office.rep)
    assert request.state == S.AWAITING_SCHEDULING


def test_nothing_needed_waits_for_the_decline(office: Office) -> None:
    request = finalised(office)
    outcome(request, office, ending="nothing_needed", kind="", service="", provider_group="",
            service_level="", estimate_hours="")  # fmt: skip
    do(request, "complete_discovery", office.rep)
    assert request.state == S.DISCOVERY
    do(request, "decline", office.rep, outcome="nothing_needed", reason="They have it already.")
    assert request.state == S.DECLINED


def test_d13_a_new_customer_needs_an_agreement_before_the_queue(office: Office) -> None:
    office.agency.agreements.all().update(ends_on="2020-12-31", starts_on="2020-01-01")
    request = to_discovery(office)
    do(request, "document", office.rep, requested_service="x", why_outside_scope="y",
       new_customer="on")  # fmt: skip
    do(request, "shorten_discovery", office.rep, reason="Known already.")
    do(request, "parts_question", office.rep, parts_required="no")
    outcome(request, office, ending="existing_service")
    do(request, "complete_discovery", office.rep)
    assert request.state == S.DISCOVERY
    with pytest.raises(Refused, match="one-off agreement"):
        do(request, "await_scheduling", office.rep)


def test_f17_sending_to_discovery_releases_the_slot_and_a_second_pass_begins(
    office: Office,
) -> None:
    request = to_scheduled(office)
    do(request, "send_to_discovery", office.specialist, reason="It is much more than was asked.")
    assert not request.schedule_entries.active().exists()
    assert Discovery.objects.filter(request=request, state="documenting").count() == 1


def test_x2_cancelling_closes_discovery_proposal_and_draft_service(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep, new_service_name="Queue display")
    service = do(request, "initiate_service", office.rep, name="Queue display",
                 provider_group=office.group.pk)  # fmt: skip
    do(request, "cancel", office.rep, reason="Withdrawn.")
    service.refresh_from_db()
    assert service.state == "cancelled"
    assert request.proposals.get().state == "withdrawn"
    assert request.discoveries.get().state == "abandoned"
