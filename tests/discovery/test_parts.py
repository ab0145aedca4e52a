"""Parts maintenance: D11 to D13."""

import pytest
from django.core.exceptions import PermissionDenied

from discovery.models import PartLine, PublishedList
from requests_app.models import Request
from requests_app.states import S
from tests.discovery.steps import accepted, drafted, finalised, ordered, outcome
from tests.factories import Office, PartFactory, PartRateFactory
from tests.walk import do, later, to_planning
from workflow import clock
from workflow.machine import Refused
from workflow.registry import InvalidFacts


def with_parts(office: Office, **line: object) -> tuple[Request, PartLine]:
    """In parts maintenance with one line."""
    request = finalised(office)
    drafted(request, office.rep)
    accepted(request, office.rep)
    ordered(request, office.rep)
    do(request, "parts_question", office.rep, parts_required="yes", note="Displays")
    do(request, "add_part_line", office.rep, **{"change": "add", "name": "Display",
                                                "quantity": "4", **line})  # fmt: skip
    outcome(request, office)
    do(request, "complete_discovery", office.rep)
    assert request.state == S.PARTS_MAINTENANCE
    return request, request.part_lines.get()


def listed(request: Request, line: PartLine, office: Office, rate: str = "100") -> None:
    do(request, "rate_part", office.billing, line=line.pk, rate=rate, basis="Vendor price",
       number="DSP-1")  # fmt: skip
    do(request, "code_part", office.billing, line=line.pk, billing_code="B-1")
    do(request, "list_part", office.billing, line=line.pk)


def test_d12_rated_coded_and_listed_and_the_request_moves_on_by_itself(office: Office) -> None:
    request, line = with_parts(office)
    listed(request, line, office)
    line.refresh_from_db()
    assert line.state == "listed"
    assert PublishedList.objects.first().rows[0]["part"] == "DSP-1"
    assert request.state == S.AWAITING_SCHEDULING
    event = request.events.get(name="await_scheduling")
    assert (event.actor_kind, event.actor) == ("system", office.billing)


def test_d12_only_the_billing_office_rates(office: Office) -> None:
    request, line = with_parts(office)
    with pytest.raises(PermissionDenied):
        do(request, "rate_part", office.rep, line=line.pk, rate="1", basis="x", number="1")


def test_d12_two_deliveries_complete_an_order(office: Office) -> None:
    request, line = with_parts(office, to_order="on")
    listed(request, line, office)
    assert request.state == S.PARTS_MAINTENANCE
    do(request, "order_part", office.rep, line=line.pk, order_number="O-1", vendor="Vendor",
       expected_on=later(10))  # fmt: skip
    today = clock.today().isoformat()
    do(request, "receive_part", office.rep, line=line.pk, quantity="1", on=today)
    assert request.state == S.PARTS_MAINTENANCE
    with pytest.raises(InvalidFacts) as refused:
        do(request, "receive_part", office.rep, line=line.pk, quantity="4", on=today)
    assert "Only 3 are outstanding" in str(refused.value.form.errors)
    do(request, "receive_part", office.rep, line=line.pk, quantity="3", on=today)
    line.refresh_from_db()
    assert line.state == "received"
    assert request.state == S.AWAITING_SCHEDULING


def test_d13_released_lines_are_named_and_the_request_goes_on(office: Office) -> None:
    request, line = with_parts(office, to_order="on")
    do(request, "release_parts", office.rep, lines=line.pk, reason="They come later.")
    assert request.state == S.AWAITING_SCHEDULING
    assert "4 × Display" in request.events.get(name="release_parts").facts["outstanding"]


def test_d12_a_higher_rate_makes_a_new_version_that_must_be_accepted(office: Office) -> None:
    request, line = with_parts(office, proposed_rate="100")
    listed(request, line, office, rate="150")
    assert request.state == S.PARTS_MAINTENANCE
    assert request.proposals.get(version=1).state == "superseded"
    do(request, "edit_proposal", office.rep, summary="Dearer", valid_until=later(20))
    accepted(request, office.rep)
    assert request.state == S.AWAITING_SCHEDULING


def test_d12_a_listed_part_is_confirmed_with_its_rate_version(office: Office) -> None:
    part = PartFactory()
    rate = PartRateFactory(part=part)
    request, line = with_parts(office, change="listed", part=part.pk, name="")
    do(request, "confirm_part", office.billing, line=line.pk)
    line.refresh_from_db()
    assert (line.state, line.rate) == ("listed", rate)


def test_d12_cancelling_the_last_line_moves_the_request_on(office: Office) -> None:
    request, line = with_parts(office)
    do(request, "cancel_part", office.rep, line=line.pk, reason="Not to be had.")
    assert request.state == S.AWAITING_SCHEDULING


def test_d12_a_substitute_stands_on_a_line_of_its_own(office: Office) -> None:
    part = PartFactory()
    PartRateFactory(part=part)
    request, line = with_parts(office)
    do(request, "substitute_part", office.rep, line=line.pk, part=part.pk, quantity="2",
       reason="Discontinued.")  # fmt: skip
    new = request.part_lines.get(substitute_for=line)
    do(request, "confirm_part", office.billing, line=new.pk)
    assert request.state == S.AWAITING_SCHEDULING


def test_d12_parts_end_with_a_cancelled_request(office: Office) -> None:
    request, line = with_parts(office)
    do(request, "cancel", office.rep, reason="Withdrawn.")
    line.refresh_from_db()
    assert line.state == "cancelled"


def test_d12_an_over_delivery_is_flagged_when_it_is_kept(office: Office) -> None:
    request, line = with_parts(office, to_order="on")
    listed(request, line, office)
    do(request, "order_part", office.rep, line=line.pk, order_number="O-1", vendor="Vendor")
    do(request, "receive_part", office.rep, line=line.pk, quantity="5", over_delivery="on",
       on=clock.today().isoformat())  # fmt: skip
    line.refresh_from_db()
    assert (line.state, line.quantity_received) == ("received", 5)
    assert request.events.get(name="receive_part").facts["over_delivery"] is True


def test_d12_a_delivery_is_not_dated_in_the_future(office: Office) -> None:
    request, line = with_parts(office, to_order="on")
    listed(request, line, office)
    do(request, "order_part", office.rep, line=line.pk, order_number="O-1", vendor="Vendor")
    with pytest.raises(InvalidFacts) as refused:
        do(request, "receive_part", office.rep, line=line.pk, quantity="0", on=later(1))
    assert set(refused.value.form.errors) == {"quantity", "on"}


def test_d13_what_was_released_goes_on_being_rated_and_received(office: Office) -> None:
    request, line = with_parts(office, to_order="on")
    do(request, "release_parts", office.rep, lines=line.pk, reason="They come later.")
    assert request.state == S.AWAITING_SCHEDULING
    listed(request, line, office)
    do(request, "order_part", office.specialist, line=line.pk, order_number="O-1", vendor="Vendor")
    do(request, "receive_part", office.specialist, line=line.pk, quantity="4",
       on=clock.today().isoformat())  # fmt: skip
    line.refresh_from_db()
    assert line.state == "received"
    assert request.state == S.AWAITING_SCHEDULING


def test_d13_only_the_representative_releases(office: Office) -> None:
    request, line = with_parts(office)
    with pytest.raises(PermissionDenied):
        do(request, "release_parts", office.billing, lines=line.pk, reason="Quicker.")


def test_d12_a_higher_rate_prices_the_parts_line_of_the_new_version(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "add_proposal_line", office.rep, kind="part", description="Display", quantity="4",
       unit="piece", rate="100")  # fmt: skip
    accepted(request, office.rep)
    ordered(request, office.rep)
    do(request, "parts_question", office.rep, parts_required="yes")
    do(request, "add_part_line", office.rep, change="add", name="Display", quantity="4")
    outcome(request, office)
    do(request, "complete_discovery", office.rep)
    line = request.part_lines.get()
    do(request, "rate_part", office.billing, line=line.pk, rate="130", basis="Vendor price",
       number="DSP-2")  # fmt: skip
    draft = request.proposals.get(state="draft")
    priced = draft.lines.get(kind="part")
    assert (priced.rate, priced.part_rate.part.number) == (130, "DSP-2")
    assert request.proposals.get(version=1).state == "superseded"


def test_d12_a_lower_rate_changes_no_proposal(office: Office) -> None:
    request, line = with_parts(office, proposed_rate="100")
    listed(request, line, office, rate="90")
    assert request.accepted_proposal.version == 1
    assert request.state == S.AWAITING_SCHEDULING


def test_d12_a_second_rate_is_a_second_version_and_a_second_publication(office: Office) -> None:
    request, line = with_parts(office)
    listed(request, line, office)
    do(request, "send_to_discovery", office.rep, reason="Again.", keep_parts="on")
    do(request, "add_part_line", office.rep, change="modify", part=PartLine.objects.get().part_id,
       quantity="1")  # fmt: skip
    again = request.part_lines.exclude(pk=line.pk).get()
    do(request, "rate_part", office.billing, line=again.pk, rate="110", basis="New price")
    assert again.part.current_rate.version == 1  # not in force before it is listed
    do(request, "code_part", office.billing, line=again.pk, billing_code="B-2")
    do(request, "list_part", office.billing, line=again.pk)
    line.refresh_from_db()
    again.refresh_from_db()
    assert (line.rate.version, again.rate.version) == (1, 2)
    assert list(PublishedList.objects.values_list("number", flat=True)) == [2, 1]


def test_d12_lines_need_a_part_or_a_name_and_a_number_of_their_own(office: Office) -> None:
    request, line = with_parts(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "add_part_line", office.rep, change="listed", quantity="0")
    assert set(refused.value.form.errors) == {"part", "quantity"}
    with pytest.raises(InvalidFacts) as refused:
        do(request, "add_part_line", office.rep, change="add", quantity="1", needed_by=later(-1))
    assert set(refused.value.form.errors) == {"name", "needed_by"}
    taken = PartFactory(number="TAKEN")
    with pytest.raises(InvalidFacts) as refused:
        do(request, "rate_part", office.billing, line=line.pk, rate="-1", basis="",
           number=taken.number.lower())  # fmt: skip
    assert set(refused.value.form.errors) == {"rate", "basis", "number"}


def test_d12_the_steps_come_in_their_order(office: Office) -> None:
    request, line = with_parts(office)
    with pytest.raises(Refused, match="No part line is rated"):
        do(request, "code_part", office.billing, line=line.pk, billing_code="B-1")
    with pytest.raises(Refused, match="No part line is coded"):
        do(request, "list_part", office.billing, line=line.pk)
    listed(request, line, office)
    with pytest.raises(Refused, match="No listed part is to be ordered"):
        do(request, "order_part", office.rep, line=line.pk, order_number="O-1", vendor="Vendor")


def test_d11_no_parts_after_all_cancels_the_open_lines(office: Office) -> None:
    request = finalised(office)
    do(request, "parts_question", office.rep, parts_required="yes")
    do(request, "add_part_line", office.rep, change="add", name="Display", quantity="1")
    do(request, "parts_question", office.rep, parts_required="no", note="They have one.")
    line = request.part_lines.get()
    assert line.state == "cancelled"
    assert "They have one." in request.events.get(name="cancel_line").reason


def test_f17_open_part_lines_are_cancelled_or_kept_by_choice(office: Office) -> None:
    for keep, state in (({"keep_parts": "on"}, "requested"), ({}, "cancelled")):
        request, line = with_parts(office)
        do(request, "send_to_discovery", office.rep, reason="Another room.", **keep)
        line.refresh_from_db()
        assert line.state == state


def test_d12_members_add_a_part_when_the_plan_shows_that_one_is_missing(office: Office) -> None:
    request = to_planning(office)
    do(request, "add_part_line", office.specialist, change="add", name="Cable", quantity="3")
    assert request.part_lines.get().state == "requested"
    with pytest.raises(PermissionDenied):
        do(request, "add_part_line", office.stranger, change="add", name="Cable", quantity="3")


def test_d12_a_substitute_can_be_new_to_the_list(office: Office) -> None:
    request, line = with_parts(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "substitute_part", office.rep, line=line.pk, quantity="1", reason="Gone.")
    assert "part" in refused.value.form.errors
    do(request, "substitute_part", office.rep, line=line.pk, name="Other display", quantity="4",
       reason="Gone.")  # fmt: skip
    assert request.part_lines.get(substitute_for=line).change == "add"
