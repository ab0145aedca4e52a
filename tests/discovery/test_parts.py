"""Parts maintenance: D11 to D13."""

import pytest
from django.core.exceptions import PermissionDenied

from discovery.models import PartLine, PublishedList
from requests_app.models import Request
from requests_app.states import S
from tests.discovery.steps import accepted, drafted, finalised, ordered, outcome
from tests.factories import Office, PartFactory, PartRateFactory
from tests.walk import do, later
from workflow import clock
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
