"""Proposals and purchase orders at their edges (D8, D9, D15)."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from discovery.models import Proposal
from discovery.tasks import expire_proposals
from requests_app.models import Request
from requests_app.states import S
from tests.discovery.steps import accepted, drafted, finalised, ordered, outcome, pdf_file
from tests.factories import Office, PartFactory, PartRateFactory
from tests.walk import do, later, to_awaiting, to_discovery, to_pending
from workflow import clock
from workflow.machine import Refused
from workflow.registry import InvalidFacts


def settled(office: Office) -> Request:
    """After discovery: a proposal of 1,500 accepted, its PO on the case, awaiting scheduling."""
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    ordered(request, office.rep)
    outcome(request, office)
    do(request, "parts_question", office.rep, parts_required="no")
    do(request, "complete_discovery", office.rep)
    assert request.state == S.AWAITING_SCHEDULING
    return request


def test_d8_a_representative_can_propose_on_any_open_request(office: Office) -> None:
    request = to_awaiting(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    assert request.accepted_proposal.version == 1


def test_d8_in_discovery_the_proposal_waits_until_the_findings_are_final(office: Office) -> None:
    request = to_discovery(office)
    with pytest.raises(Refused, match="Finalise client discovery first"):
        drafted(request, office.rep)


def test_d8_only_the_representative_and_the_team_build_it(office: Office) -> None:
    request = to_pending(office)
    with pytest.raises(PermissionDenied):
        drafted(request, office.specialist)


def test_d8_a_draft_can_be_given_up(office: Office) -> None:
    """Else a draft nobody wants would keep the request in its place for ever."""
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "withdraw_proposal", office.rep, reason="Another way was found.")
    assert request.proposals.get().state == "withdrawn"
    do(request, "revise_proposal", office.rep)
    assert request.proposals.get(state="draft").version == 2


def test_d8_a_part_line_keeps_the_rate_version_it_was_priced_with(office: Office) -> None:
    part = PartFactory()
    rate = PartRateFactory(part=part)
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "add_proposal_line", office.rep, kind="part", part=part.pk, quantity="2")
    line = request.proposals.get().lines.get(kind="part")
    assert (line.part_rate, line.rate, line.unit) == (rate, rate.rate, part.unit)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ({"kind": "labour", "quantity": "1"}, {"description", "rate"}),
        ({"kind": "one_off", "description": "x", "quantity": "0", "rate": "1"}, {"quantity"}),
        ({"kind": "one_off", "description": "x", "quantity": "1", "rate": "-1"}, {"rate"}),
        ({"kind": "one_off", "description": "x" * 201, "quantity": "1", "rate": "1"},
         {"description"}),
    ],
)  # fmt: skip
def test_d8_bad_lines_are_errors_beside_their_fields(
    office: Office, line: dict[str, str], wrong: set[str]
) -> None:
    request = finalised(office)
    do(request, "draft_proposal", office.rep, summary="x", valid_until=later(10))
    with pytest.raises(InvalidFacts) as refused:
        do(request, "add_proposal_line", office.rep, **line)
    assert set(refused.value.form.errors) == wrong


def test_d8_a_proposal_is_not_valid_until_yesterday(office: Office) -> None:
    request = finalised(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "draft_proposal", office.rep, summary="x", valid_until=later(-1))
    assert set(refused.value.form.errors) == {"valid_until"}


def test_d8_the_event_keeps_the_checksum_of_what_was_sent(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    proposal = request.proposals.get()
    event = request.events.get(name="issue")
    assert event.facts["sha256"] == proposal.pdf.sha256
    assert event.notices.filter(template="proposal_issued").count() == 1


def test_d9_an_acceptance_needs_its_evidence(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "record_acceptance", office.rep, answered_by="Sam", note="")
    assert set(refused.value.form.errors) == {"note"}
    do(request, "record_acceptance", office.rep, answered_by="Sam",
       files={"evidence": pdf_file("signed.pdf")})  # fmt: skip
    assert request.accepted_proposal.evidence.purpose == "evidence"


def test_d9_what_was_not_answered_in_time_expires_once_and_cannot_be_accepted(
    office: Office,
) -> None:
    request = finalised(office)
    drafted(request, office.rep, valid_until=later(2))
    do(request, "issue_proposal", office.rep)
    with clock.acting_at(clock.now() + timedelta(days=4)):
        with pytest.raises(Refused, match="expired"):
            do(request, "record_acceptance", office.rep, answered_by="Sam", note="Late.")
        assert expire_proposals() == 1
        assert expire_proposals() == 0
    assert request.proposals.get().state == "expired"
    assert request.events.get(name="expire").actor_kind == "system"
    do(request, "revise_proposal", office.rep)
    assert request.proposals.get(state="draft").valid_until > clock.today()


def test_d9_after_a_declined_proposal_the_request_can_end_as_declined(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    with pytest.raises(Refused):
        do(request, "decline_after_proposal", office.rep, reason="Too early.")
    do(request, "record_decline", office.rep, answered_by="Sam", reason="Too dear.")
    do(request, "decline_after_proposal", office.rep, reason="They do not want it.")
    assert (request.state, request.outcome) == (S.DECLINED, "proposal_declined")
    assert request.discoveries.get().state == "abandoned"


def test_d9_the_purchase_order_may_come_before_the_acceptance(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    ordered(request, office.rep)
    do(request, "record_acceptance", office.rep, answered_by="Sam", note="Signed.")
    assert request.accepted_proposal.has_purchase_order


def test_d9_a_purchase_order_that_covers_a_new_version_goes_along(office: Office) -> None:
    request = settled(office)
    do(request, "revise_proposal", office.rep)
    assert request.accepted_proposal is None
    accepted(request, office.rep)
    assert request.accepted_proposal.version == 2
    assert request.accepted_proposal.has_purchase_order
    assert request.events.get(name="carry_purchase_order").facts["number"] == "PO-1"


def test_d9_a_purchase_order_that_does_not_cover_it_stays_behind(office: Office) -> None:
    request = settled(office)
    do(request, "revise_proposal", office.rep)
    do(request, "add_proposal_line", office.rep, kind="one_off", description="Much more",
       quantity="1", rate="9000")  # fmt: skip
    accepted(request, office.rep)
    assert not request.accepted_proposal.has_purchase_order
    assert not request.has_charge_basis or request.agency.is_current()


def test_d9_a_charged_proposal_cannot_do_without_a_purchase_order(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "record_purchase_order", office.rep, not_needed_because="We know them.")
    assert set(refused.value.form.errors) == {"not_needed_because"}
    with pytest.raises(InvalidFacts) as refused:
        do(request, "record_purchase_order", office.rep, issued_on=later(1))
    assert set(refused.value.form.errors) == {"number", "amount", "file", "issued_on"}


def test_f17_an_earlier_proposal_stands_over_a_second_discovery(office: Office) -> None:
    """D1, D9: the second pass needs no new proposal, and asking for one voids nothing yet."""
    request = settled(office)
    first = request.accepted_proposal
    do(request, "send_to_discovery", office.lead, reason="The room is another one.")
    assert request.discovery.number == 2
    do(request, "shorten_discovery", office.rep, reason="The offer stands.")
    do(request, "revise_proposal", office.rep)
    assert request.accepted_proposal == first
    do(request, "withdraw_proposal", office.rep, reason="Not needed.")
    outcome(request, office, ending="earlier_proposal", earlier_proposal=first.pk)
    do(request, "parts_question", office.rep, parts_required="no")
    do(request, "complete_discovery", office.rep)
    assert request.state == S.AWAITING_SCHEDULING


def test_f17_a_newer_acceptance_takes_the_place_of_the_earlier_one(office: Office) -> None:
    request = settled(office)
    do(request, "send_to_discovery", office.lead, reason="The room is another one.")
    do(request, "shorten_discovery", office.rep, reason="Known.")
    do(request, "revise_proposal", office.rep)
    accepted(request, office.rep)
    assert [p.state for p in request.proposals.order_by("version")] == ["superseded", "accepted"]
    assert Proposal.objects.filter(request=request, state="accepted").count() == 1


def test_d3_an_assistance_request_cannot_come_out_of_a_charged_discovery(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    ordered(request, office.rep)
    do(request, "parts_question", office.rep, parts_required="no")
    outcome(request, office, kind="assistance")
    with pytest.raises(Refused, match="so this is an enhancement"):
        do(request, "complete_discovery", office.rep)
    assert request.discovery.state == "proposing"


def test_d3_the_outcome_is_complete_or_refused_beside_its_fields(office: Office) -> None:
    request = finalised(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "state_outcome", office.rep, ending="earlier_proposal")
    wrong = {"kind", "service", "service_level", "estimate_hours", "earlier_proposal"}
    assert set(refused.value.form.errors) == wrong


def test_d7_nothing_needed_is_closed_in_one_step(office: Office) -> None:
    request = finalised(office)
    do(request, "state_outcome", office.rep, ending="nothing_needed")
    do(request, "complete_discovery", office.rep)
    assert request.state == S.DISCOVERY
    do(request, "decline_nothing_needed", office.rep, reason="You have it already.")
    assert (request.state, request.outcome) == (S.DECLINED, "nothing_needed")


def test_d10_a_similar_name_is_refused_until_it_is_said_to_be_another(office: Office) -> None:
    request = finalised(office)
    office.service.name = "Queue display"
    office.service.save(update_fields=["name"])
    with pytest.raises(InvalidFacts) as refused:
        do(request, "initiate_service", office.rep, name="Queue displays",
           provider_group=office.group.pk)  # fmt: skip
    assert "Similar in the catalogue: Queue display" in str(refused.value.form.errors["name"])
    made = do(request, "initiate_service", office.rep, name="Queue displays",
              provider_group=office.group.pk, unlike_others="on")  # fmt: skip
    assert (made.state, made.origin_request) == ("proposed", request)
