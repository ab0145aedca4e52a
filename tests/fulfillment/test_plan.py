"""Work plans, time and tests, and the decision that follows them (F6, F9-F12)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from fulfillment import lists, sections
from fulfillment.work_models import ChargeDecision, PlanItem
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office
from workflow import clock
from workflow.machine import Refused
from workflow.registry import InvalidFacts

pytestmark = pytest.mark.django_db


def plan(request: Request, office: Office, *titles: str, hours: str = "2") -> list[PlanItem]:
    for title in titles:
        walk.do(request, "add_plan_item", office.specialist, title=title, estimate_hours=hours)
    return list(request.plan_items.order_by("position"))


def errors(act: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidFacts) as refused:
        act()
    return {name: list(e) for name, e in refused.value.form.errors.items()}


def test_work_waits_for_a_plan_with_every_item_estimated(office: Office) -> None:
    """F6, F9: the guard's sentence, then an item without estimate, then it starts."""
    request = walk.to_planning(office)
    with pytest.raises(Refused, match="at least one item, and every item estimated"):
        walk.do(request, "start_work", office.specialist)
    walk.do(request, "add_plan_item", office.specialist, title="Survey")
    with pytest.raises(Refused, match="every item estimated"):
        walk.do(request, "start_work", office.specialist)
    item = request.plan_items.get()
    walk.do(
        request, "edit_plan_item", office.specialist, item=item.pk, title="Survey the site",
        estimate_hours="1.5", test_criterion="Drawing approved",
    )  # fmt: skip
    event = request.events.get(name="edit_plan_item")
    assert event.changes["title"] == ["Survey", "Survey the site"]
    walk.do(request, "start_work", office.specialist)
    assert request.state == S.IN_FULFILLMENT


@pytest.mark.parametrize("hours", ["0", "-1", "lots", "100000"])
def test_an_estimate_is_a_positive_number(office: Office, hours: str) -> None:
    """F6."""
    request = walk.to_planning(office)
    said = errors(
        lambda: walk.do(
            request, "add_plan_item", office.specialist, title="x", estimate_hours=hours
        )
    )
    assert list(said) == ["estimate_hours"]


def test_a_piece_is_for_a_member_of_the_group(office: Office) -> None:
    """F6."""
    request = walk.to_planning(office)
    said = errors(
        lambda: walk.do(
            request, "add_plan_item", office.specialist, title="x", assignee=office.stranger.pk
        )
    )
    assert list(said) == ["assignee"]


def test_another_estimate_needs_its_reason_once_work_has_begun(office: Office) -> None:
    """F6: the history says why."""
    request = walk.to_in_fulfillment(office)
    item = request.plan_items.get()
    change = {"item": item.pk, "title": item.title, "estimate_hours": "9"}
    said = errors(lambda: walk.do(request, "edit_plan_item", office.specialist, **change))
    assert said == {"reason": ["Say why the estimate changes: work has begun."]}
    item.refresh_from_db()
    assert item.estimate_hours == Decimal(4)
    walk.do(request, "edit_plan_item", office.specialist, reason="Two more rooms.", **change)
    event = request.events.filter(name="edit_plan_item").get()
    assert (event.changes["estimate_hours"], event.reason) == (["4.00", "9"], "Two more rooms.")


def test_pieces_move_up_and_down_and_stop_at_the_ends(office: Office) -> None:
    """F6."""
    request = walk.to_planning(office)
    one, two, three = plan(request, office, "one", "two", "three")
    walk.do(request, "move_plan_item_up", office.specialist, item=three.pk)
    walk.do(request, "move_plan_item_down", office.specialist, item=one.pk)
    walk.do(request, "move_plan_item_up", office.specialist, item=three.pk)
    walk.do(request, "move_plan_item_down", office.specialist, item=two.pk)
    order = request.plan_items.order_by("position").values_list("title", flat=True)
    assert list(order) == ["three", "one", "two"]
    row = lists.work_rows(lists.worklist(office.group, office.lead))[0]
    assert [i.title for i in row.items] == ["three", "one", "two"]
    shown = sections.plan_section(request, office.specialist)["plan"]
    assert [i.title for i in shown] == ["three", "one", "two"]


def test_testing_waits_for_every_piece_done_or_dropped(office: Office) -> None:
    """F9: at least one is done; a dropped one has its reason."""
    request = walk.to_planning(office)
    one, two = plan(request, office, "one", "two")
    walk.do(request, "start_work", office.specialist)
    with pytest.raises(Refused, match="Finish every plan item"):
        walk.do(request, "submit_for_testing", office.specialist)
    said = errors(
        lambda: walk.do(request, "cancel_plan_item", office.specialist, item=two.pk, reason="")
    )
    assert list(said) == ["reason"]
    walk.do(request, "cancel_plan_item", office.specialist, item=two.pk, reason="There already.")
    with pytest.raises(Refused):
        walk.do(request, "submit_for_testing", office.specialist)
    walk.do(request, "finish_plan_item", office.specialist, item=one.pk)
    with pytest.raises(Refused, match="No item is open"):
        walk.do(request, "finish_plan_item", office.specialist, item=one.pk)
    walk.do(request, "reopen_plan_item", office.specialist, item=one.pk)
    one.refresh_from_db()
    assert (one.state, one.done_at) == ("open", None)
    walk.do(request, "finish_plan_item", office.specialist, item=one.pk)
    walk.do(request, "submit_for_testing", office.specialist)
    assert request.state == S.TESTING


def test_a_piece_of_another_request_is_not_there(office: Office) -> None:
    """F6, TD: a foreign id is an error, not a way in."""
    mine, other = walk.to_in_fulfillment(office), walk.to_in_fulfillment(office)
    foreign = other.plan_items.get()
    said = errors(lambda: walk.do(mine, "finish_plan_item", office.specialist, item=foreign.pk))
    assert list(said) == ["item"]


def test_only_members_plan_and_log(office: Office) -> None:
    """F6, F7."""
    request = walk.to_planning(office)
    for person in (office.rep, office.stranger, office.auditor):
        with pytest.raises(PermissionDenied):
            walk.do(request, "add_plan_item", person, title="x")
        with pytest.raises(PermissionDenied):
            walk.do(request, "log_time", person, hours="1")


def test_hours_are_logged_on_the_day_they_were_worked(office: Office) -> None:
    """F6, F7: not ahead, not before the request, not more than a day has."""
    request = walk.to_in_fulfillment(office)
    today = clock.today()

    def log(**data: str) -> Any:
        return lambda: walk.do(request, "log_time", office.specialist, **data)

    assert errors(log(hours="1", on=walk.later(1))) == {
        "on": ["Log hours on the day they were worked, not ahead."]
    }
    before = (today - timedelta(days=9)).isoformat()
    assert errors(log(hours="1", on=before)) == {"on": ["That is before the request was taken in."]}
    for hours in ("0", "-2", "25", ""):
        assert list(errors(log(hours=hours))) == ["hours"]
    log(hours="20")()
    assert errors(log(hours="5")) == {
        "hours": ["A day has 24 hours: 20.00 are logged on that day already."]
    }
    entry = request.time_entries.get()
    assert (entry.user, entry.on, entry.hours) == (office.specialist, today, Decimal(20))


def test_assistance_has_its_hours_too(office: Office) -> None:
    """F7: work notes and time on an assigned request."""
    request = walk.to_assigned(office)
    walk.do(request, "log_time", office.specialist, hours="0.5", note="Called back")
    assert request.time_entries.get().note == "Called back"


def test_the_work_list_adds_up(office: Office) -> None:
    """F6: estimated, spent, left and done, the moment they are written."""
    request = walk.to_planning(office)
    one, two = plan(request, office, "one", "two", hours="4")
    walk.do(request, "start_work", office.specialist)
    walk.do(request, "log_time", office.specialist, hours="3", item=one.pk)
    walk.do(request, "log_time", office.specialist2, hours="2.5")
    walk.do(request, "finish_plan_item", office.specialist, item=one.pk)
    row = lists.work_rows(lists.worklist(office.group, office.lead))[0]
    assert (row.estimated, row.spent, row.left, row.percent) == (
        Decimal(8), Decimal("5.5"), Decimal("2.5"), 50,
    )  # fmt: skip
    walk.do(request, "cancel_plan_item", office.specialist, item=two.pk, reason="Not needed.")
    row = lists.work_rows(lists.worklist(office.group, office.lead))[0]
    assert (row.estimated, row.left, row.over, row.percent) == (
        Decimal(4), Decimal(0), Decimal("1.5"), 100,
    )  # fmt: skip


# tests of the solution


def record(request: Request, office: Office, by: Any = None, **data: Any) -> Any:
    files = data.pop("files", None)
    return walk.do(request, "record_test_run", by or office.specialist2, files=files, **data)


def test_a_failure_leads_back_with_its_findings_and_stays_on_record(office: Office) -> None:
    """F9: fails once, fixed, passes."""
    request = walk.to_testing(office)
    with pytest.raises(Refused, match="failed"):
        walk.do(request, "fail_test", office.specialist)
    record(request, office, result="failed", cases="Ping: passed\nSpeed: failed", findings="Slow")
    with pytest.raises(Refused, match="must have passed"):
        walk.do(
            request, "forward_to_representative", office.specialist, basis="included",
            no_charge_reason="x",
        )  # fmt: skip
    walk.do(request, "fail_test", office.specialist2)
    assert request.state == S.IN_FULFILLMENT
    walk.do(request, "submit_for_testing", office.specialist)
    with pytest.raises(Refused):
        walk.do(request, "fail_test", office.specialist2)
    record(request, office, result="passed", cases="Speed: passed")
    runs = list(request.test_runs.values_list("number", "result", "findings"))
    assert runs == [(1, "failed", "Slow"), (2, "passed", "")]


def test_a_pass_from_before_the_last_submission_does_not_count(office: Office) -> None:
    """F9, F17: what was changed since is tested again."""
    request = walk.passed(office)
    walk.do(request, "send_to_discovery", office.specialist, reason="More is wanted.",
            keep_specialist="on")  # fmt: skip
    Request.objects.filter(pk=request.pk).update(state=S.IN_FULFILLMENT)
    walk.do(request, "submit_for_testing", office.specialist)
    assert request.last_test_run is None
    with pytest.raises(Refused, match="must have passed"):
        walk.do(request, "forward_to_representative", office.specialist, basis="included",
                no_charge_reason="Old pass.")  # fmt: skip


def test_the_doer_may_test_but_it_is_recorded(office: Office) -> None:
    """F9: by having it, by hours, by a piece of the plan."""
    request = walk.to_testing(office)
    record(request, office, by=office.specialist, result="passed", cases="It works")
    assert request.test_runs.last().tester_did_the_work is True
    record(request, office, by=office.specialist2, result="passed", cases="It works")
    assert request.test_runs.last().tester_did_the_work is False
    walk.do(request, "log_time", office.specialist2, hours="1")
    record(request, office, by=office.specialist2, result="passed", cases="It works")
    assert request.test_runs.last().tester_did_the_work is True


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"result": "failed", "cases": "Speed: failed"}, "findings"),
        ({"result": "passed", "cases": ""}, "cases"),
        ({"result": "passed", "cases": " \n : \n"}, "cases"),
        ({"result": "", "cases": "x"}, "result"),
        ({"result": "passed", "cases": "Ping: passed\nSpeed: blocked"}, "result"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(
    office: Office, data: dict[str, str], field: str
) -> None:
    """F9."""
    request = walk.to_testing(office)
    assert list(errors(lambda: record(request, office, **data))) == [field]
    assert not request.test_runs.exists()


def test_cases_are_kept_with_their_results_and_evidence(office: Office) -> None:
    """F9."""
    request = walk.to_testing(office)
    upload = SimpleUploadedFile("measured.txt", b"940 Mbit/s")
    record(
        request, office, result="passed",
        cases="Ratio 3:1 holds: passed\nGuest network: n/a\nLine is up",
        files=MultiValueDict({"evidence": [upload]}),
    )  # fmt: skip
    run = request.test_runs.get()
    assert run.cases == [
        {"criterion": "Ratio 3:1 holds", "result": "passed"},
        {"criterion": "Guest network", "result": "n/a"},
        {"criterion": "Line is up", "result": "passed"},
    ]
    assert (run.evidence.name, run.evidence.purpose) == ("measured.txt", "evidence")


def test_evidence_of_a_forbidden_kind_is_refused_beside_its_field(office: Office) -> None:
    """F9, TC."""
    request = walk.to_testing(office)
    files = MultiValueDict({"evidence": [SimpleUploadedFile("x.html", b"<b>")]})
    said = errors(lambda: record(request, office, result="passed", cases="It works", files=files))
    assert list(said) == ["evidence"]
    assert not request.case.attachments.exists()


# the charge decision


def test_no_charge_is_recorded_with_basis_and_reason(office: Office) -> None:
    """F10, F11: the reason is required and kept; the slot is done."""
    request = walk.passed(office)
    for data in ({"basis": "included"}, {"no_charge_reason": "x"}, {"basis": "charged"}):
        assert errors(
            lambda data=data: walk.do(
                request, "forward_to_representative", office.specialist, **data
            )
        )
    assert not request.charge_decisions.exists()
    walk.do(request, "forward_to_representative", office.specialist, basis="warranty",
            no_charge_reason="Our own mistake last month.")  # fmt: skip
    decision = request.charge_decisions.get()
    assert (decision.charged, decision.basis, decision.by) == (
        False, ChargeDecision.Basis.WARRANTY, office.specialist,
    )  # fmt: skip
    assert decision.reason == "Our own mistake last month."
    assert request.schedule_entries.get().state == "done"


def test_a_charge_is_recorded_as_a_decision_too(office: Office) -> None:
    """F10, F12: opening billing decides."""
    request = walk.to_billing(office)
    decision = request.charge_decisions.get()
    assert (decision.charged, decision.basis) == (True, "charged")
    assert request.schedule_entries.get().state == "done"
