"""What was written down in discovery is put right, by those whose it is (D4-D7)."""

import pytest
from django.core.exceptions import PermissionDenied

from tests.discovery.steps import documented, finalised, in_client_discovery, pdf_file
from tests.factories import Office
from tests.walk import do, later, to_discovery
from workflow.machine import Refused
from workflow.registry import InvalidFacts, offers


def test_d6_the_points_of_a_request_become_its_first_needs(office: Office) -> None:
    request = to_discovery(office, description="Please:\n- one line\n- one handset\n\nThank you")
    assert [n.description for n in request.discovery.needs.all()] == ["one line", "one handset"]


def test_d6_a_request_without_points_has_its_title_as_need(office: Office) -> None:
    request = to_discovery(office)
    assert request.discovery.needs.get().description == request.title


def test_d4_documenting_lists_the_needs_one_a_line(office: Office) -> None:
    request = to_discovery(office)
    do(request, "document", office.rep, requested_service="x", why_outside_scope="y",
       needs="A line\n\n* A handset\nA line")  # fmt: skip
    assert [n.description for n in request.discovery.needs.all()] == ["A line", "A handset"]


def test_d4_a_need_too_long_is_an_error_beside_the_field(office: Office) -> None:
    request = to_discovery(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "document", office.rep, requested_service="x", why_outside_scope="y",
           needs="n" * 301)  # fmt: skip
    assert set(refused.value.form.errors) == {"needs"}
    assert request.discovery.requested_service == ""


def test_d4_documentation_is_changed_with_before_and_after_on_record(office: Office) -> None:
    request = documented(office)
    do(request, "edit_documentation", office.rep, requested_service="Two displays",
       why_outside_scope="No service of ours covers it.")  # fmt: skip
    changes = request.events.get(name="edit_documentation").changes
    assert changes == {"requested_service": ["A public queue display", "Two displays"]}


def test_d5_who_joins_later_is_told_alone(office: Office) -> None:
    request = in_client_discovery(office)
    do(request, "add_team_member", office.rep, user=office.stranger.pk, role="security")
    event = request.events.filter(name="add_team_member").last()
    assert [n.address for n in event.notices.all()] == [office.stranger.email]


def test_d5_who_left_the_team_cannot_write_findings_any_more(office: Office) -> None:
    request = in_client_discovery(office)
    do(request, "remove_team_member", office.rep, member=request.discovery.team.get().pk)
    with pytest.raises(PermissionDenied):
        do(request, "add_finding", office.specialist, kind="note", on=later(0), text="Late")
    assert request.discovery.team.get().left_at is not None


def test_d5_an_auditor_cannot_be_put_on_the_team(office: Office) -> None:
    request = documented(office)
    with pytest.raises(InvalidFacts):
        do(request, "add_team_member", office.rep, user=office.auditor.pk, role="other")


def test_d6_a_finding_is_changed_and_carries_a_file(office: Office) -> None:
    request = in_client_discovery(office)
    do(request, "add_finding", office.specialist, kind="note", on=later(0), text="One counter.")
    finding = request.discovery.findings.get()
    do(request, "edit_finding", office.specialist, finding=finding.pk, kind="meeting",
       on=later(0), text="Two counters.", files={"attachment": pdf_file("notes.pdf")})  # fmt: skip
    finding.refresh_from_db()
    assert (finding.text, finding.attachment.name) == ("Two counters.", "notes.pdf")
    changed = request.events.get(name="edit_finding").changes["text"]
    assert changed == ["One counter.", "Two counters."]


def test_d6_a_finding_is_not_dated_in_the_future(office: Office) -> None:
    request = in_client_discovery(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "add_finding", office.rep, kind="note", on=later(1), text="Soon", hours="-1")
    assert set(refused.value.form.errors) == {"on", "hours"}


def test_d6_findings_are_final_until_another_round_is_opened(office: Office) -> None:
    request = finalised(office)
    with pytest.raises(Refused, match="during client discovery"):
        do(request, "add_finding", office.rep, kind="note", on=later(0), text="More")
    do(request, "reopen_findings", office.rep, reason="They disagree.")
    do(request, "add_finding", office.rep, kind="note", on=later(0), text="More")
    assert request.discovery.findings.count() == 2


def test_d7_what_was_asked_for_is_judged_and_not_taken_off(office: Office) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    with pytest.raises(InvalidFacts):
        do(request, "remove_need", office.rep, need=need.pk)
    do(request, "add_need", office.rep, description="By mistake", source="added",
       quantity_before="0", quantity_after="1", verdict="more")  # fmt: skip
    added = request.discovery.needs.get(source="added")
    do(request, "remove_need", office.rep, need=added.pk)
    assert request.discovery.needs.get() == need


@pytest.mark.parametrize(
    ("verdict", "after", "wrong"),
    [
        ("less", "1", "quantity_after"),
        ("as_requested", "2", "quantity_after"),
        ("removed", "0", "why"),
        ("", "1", "verdict"),
        ("more", "-1", "quantity_after"),
    ],
)
def test_d7_a_verdict_that_does_not_agree_is_an_error_beside_its_field(
    office: Office, verdict: str, after: str, wrong: str
) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    with pytest.raises(InvalidFacts) as refused:
        do(request, "judge_need", office.rep, need=need.pk, verdict=verdict, quantity_after=after)
    assert wrong in refused.value.form.errors


def test_d7_removed_needs_nothing_and_says_why(office: Office) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    do(request, "judge_need", office.rep, need=need.pk, verdict="removed", why="They have one.")
    need.refresh_from_db()
    assert (need.quantity_after, need.why) == (0, "They have one.")


def test_d7_the_determination_is_suggested_from_the_verdicts(office: Office) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    for verdict, after, told in [
        ("as_requested", "1", "as_requested"), ("more", "2", "more"), ("less", "0", "less"),
    ]:  # fmt: skip
        do(request, "judge_need", office.rep, need=need.pk, verdict=verdict, quantity_after=after)
        (offer,) = offers(request, office.rep, names={"determine"})
        assert offer.form.initial["determination"] == told


def test_d7_more_needs_its_scope(office: Office) -> None:
    request = in_client_discovery(office)
    with pytest.raises(InvalidFacts) as refused:
        do(request, "determine", office.rep, determination="more", revised_scope="")
    assert set(refused.value.form.errors) == {"revised_scope"}
    assert request.discovery.determination == ""


def test_d7_a_need_is_split_off_once_and_a_need_of_another_request_never(office: Office) -> None:
    request, other = in_client_discovery(office), in_client_discovery(office)
    need = request.discovery.needs.get()
    with pytest.raises(InvalidFacts):
        do(other, "split_need", office.rep, need=need.pk)
    do(request, "split_need", office.rep, need=need.pk)
    with pytest.raises(InvalidFacts):
        do(request, "split_need", office.rep, need=need.pk)


def test_d5_the_button_of_the_stage_is_disabled_with_what_is_missing(office: Office) -> None:
    request = in_client_discovery(office)
    (offer,) = offers(request, office.rep, names={"finalise_discovery"})
    assert offer.blockers == [
        "Write down at least one dated finding.",
        "List what the customer needs, and give every need its verdict.",
        "Say whether more or less is needed than was asked, with the revised scope.",
    ]


def test_only_what_belongs_to_the_stage_is_offered(office: Office) -> None:
    request = to_discovery(office)
    found = {o.name for o in offers(request, office.rep)}
    assert "document" in found
    assert not found & {"finalise_discovery", "complete_discovery", "add_finding", "judge_need"}
