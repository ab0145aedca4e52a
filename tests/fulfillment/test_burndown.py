"""Estimated, spent, left: added up, going down over time, and fed back as a suggestion (F6)."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from fulfillment import accuracy, burndown, lists, totals
from fulfillment.accuracy import Accuracy, suggest
from requests_app.models import Request
from requests_app.states import S
from tests.factories import Office
from tests.walk import do, to_customer_notice, to_in_fulfillment, to_planning
from workflow import clock
from workflow.machine import Refused

D = Decimal


def at(day: int) -> datetime:
    return timezone.make_aware(datetime(2026, 6, day, 12))  # noqa: DTZ001 - made aware here


def test_estimates_change_by_what_was_recorded() -> None:
    events = [
        ("add_plan_item", at(1), {}, {"item": "A", "estimate_hours": "8.00"}),
        ("add_plan_item", at(1), {}, {"item": "B", "estimate_hours": None}),
        ("edit_plan_item", at(2), {"estimate_hours": [None, "4"]}, {"item": "B"}),
        ("edit_plan_item", at(2), {"title": ["B", "Bb"]}, {"item": "Bb"}),
        ("cancel_plan_item", at(3), {"item_state": ["open", "cancelled"]}, {"item": "A"}),
        ("reopen_plan_item", at(4), {"item_state": ["done", "open"]}, {"item": "Bb"}),
        ("reopen_plan_item", at(5), {"item_state": ["cancelled", "open"]},
         {"item": "A", "estimate_hours": "8"}),
    ]  # fmt: skip
    found = burndown.changes_of(events, {"A": D(8)})
    assert [found[date(2026, 6, n)] for n in (1, 2, 3, 4, 5)] == [8, 4, -8, 0, 8]


def test_what_is_left_goes_down_by_what_is_spent_and_never_below_nothing() -> None:
    days = burndown.burn(
        {date(2026, 6, 1): D(8)}, {date(2026, 6, 2): D(3), date(2026, 6, 4): D(7)}, date(2026, 6, 5)
    )
    assert [d.left for d in days] == [8, 5, 5, 0, 0]
    assert [d.spent for d in days] == [0, 3, 3, 10, 10]
    done = burndown.burn({date(2026, 6, 1): D(8)}, {}, date(2026, 6, 3), done=date(2026, 6, 2))
    assert [d.left for d in done] == [8, 0, 0]


def test_a_chart_is_drawn_in_steps_and_read_as_a_table() -> None:
    days = burndown.burn({date(2026, 6, 1): D(8)}, {date(2026, 6, 3): D(4)}, date(2026, 6, 5))
    chart = burndown.chart(days, "this plan")
    assert chart is not None
    assert chart.left_points == "0.0,0.0 150.0,0.0 300.0,0.0 300.0,60.0 450.0,60.0 600.0,60.0"
    assert [row.day.day for row in chart.rows] == [3, 1]
    assert burndown.chart(days[:1], "one day") is None


def test_a_suggestion_needs_evidence_and_a_difference() -> None:
    known = Accuracy("Web hosting", 12, D("1.3"), D("1.0"), D("1.7"))
    found = suggest(D(8), known)
    assert found is not None
    assert found.suggested == D("10.5")
    assert "took 1.3 times its estimate: 8 h would be 10.5 h" in str(found)
    assert suggest(None, known) is None
    assert suggest(D(8), None) is None
    assert suggest(D(8), Accuracy("Web hosting", 12, D("1.0"), D(1), D(1))) is None
    assert not Accuracy("Web hosting", 4, D("1.3"), D(1), D(2)).is_known


def test_accuracy_is_the_median_with_its_spread() -> None:
    rows = [("A", D(10), D(n)) for n in (8, 10, 13, 13, 30)] + [("B", D(4), D(4))]
    first, second = accuracy.by_service(rows)
    assert (first.service, first.number, first.ratio) == ("A", 5, D("1.3"))
    assert first.low < first.ratio < first.high
    assert (second.number, second.ratio, second.is_known) == (1, D("1.0"), False)


def finished(office: Office, count: int = 5) -> None:
    """Enhancements of four estimated hours that took six, a week apart."""
    for week in range(1, count + 1):
        with clock.acting_at(clock.now() - timedelta(days=7 * week)):
            request = to_in_fulfillment(office)
            item = request.plan_items.get()
            do(request, "log_time", office.specialist, item=item.pk, hours="6",
               on=clock.today().isoformat())  # fmt: skip
            do(request, "finish_plan_item", office.specialist, item=item.pk)
            do(request, "submit_for_testing", office.specialist)
            do(request, "record_test_run", office.lead, result="passed", cases="It works: passed")
            do(request, "forward_to_representative", office.specialist, basis="included",
               no_charge_reason="Included.")  # fmt: skip
            do(request, "notify_and_close", office.rep, message="It is done and tested.")


def test_what_similar_work_took_is_suggested_and_taken_with_one_press_only_once(
    office: Office, client: Client
) -> None:
    finished(office)
    request = to_planning(office)
    do(request, "add_plan_item", office.specialist, title="Set it up", estimate_hours="8")
    item = request.plan_items.get()
    assert item.estimate_hours == 8  # never silently
    client.force_login(office.specialist)
    page = client.get(f"/requests/{request.reference}/").content.decode()
    assert "took 1.5 times its estimate: 8 h would be 12 h" in page
    assert "Take 12 h" in page
    client.post(
        f"/requests/{request.reference}/actions/take_suggested_estimate/",
        {"item": item.pk, "expect": S.PLANNING},
    )
    item.refresh_from_db()
    assert item.estimate_hours == 12
    event = request.events.get(name="take_suggested_estimate")
    assert event.changes["estimate_hours"] == ["8.00", "12.0"]
    assert (
        "Take "
        not in client.get(f"/requests/{request.reference}/")
        .content.decode()
        .split('id="plan"')[1]
        .split("</section>")[0]
    )
    with pytest.raises(Refused, match="Nothing is suggested"):
        do(request, "take_suggested_estimate", office.specialist, item=item.pk)


def test_taking_a_suggestion_does_not_make_estimates_look_better(office: Office) -> None:
    """Accuracy is measured against what was first estimated, or the next one would get none."""
    finished(office)
    request = to_planning(office)
    do(request, "add_plan_item", office.specialist, title="Set it up", estimate_hours="4")
    do(request, "take_suggested_estimate", office.specialist, item=request.plan_items.get().pk)
    do(request, "start_work", office.specialist)
    do(request, "log_time", office.specialist, hours="6", on=clock.today().isoformat())
    Request.objects.filter(pk=request.pk).update(state=S.CLOSED, closed_at=clock.now())
    row = accuracy.finished().get(pk=request.pk)
    assert (row.estimated, row.worked) == (4, 6)


def test_without_enough_evidence_nothing_is_suggested(office: Office) -> None:
    finished(office, count=2)
    request = to_planning(office)
    do(request, "add_plan_item", office.specialist, title="Set it up", estimate_hours="8")
    assert accuracy.suggestions(request, list(request.plan_items.all())) == {}


def test_the_work_list_is_added_up_and_goes_down(office: Office, client: Client) -> None:
    with clock.acting_at(clock.now() - timedelta(days=6)):
        first, second = to_in_fulfillment(office), to_in_fulfillment(office)
    item = first.plan_items.get()
    do(first, "log_time", office.specialist, item=item.pk, hours="5",
       on=clock.today().isoformat())  # fmt: skip
    do(second, "log_time", office.specialist, hours="1", on=clock.today().isoformat())
    do(first, "finish_plan_item", office.specialist, item=item.pk)
    rows = lists.worklist(office.group, office.lead)
    found = totals.of(totals.sums(rows), rows.count())
    assert (found.requests, found.estimated, found.spent, found.left) == (2, 8, 6, 3)
    assert found.percent == 50
    chart = burndown.of_group(office.group, office.lead)
    assert chart is not None
    assert (chart.first.left, chart.last.left) == (8, 3)
    client.force_login(office.lead)
    address = f"/queues/{office.group.slug}/worklist/"
    assert f'href="{address}figures/"' in client.get(address).content.decode()
    page = client.get(f"{address}figures/").content.decode()
    assert "Hours left of all plans" in page
    assert 'role="img"' in page
    assert "style=" not in page.split("<main")[1]
    part = client.get(f"{address}figures/", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div class="work-below" id="figures">')


def test_the_page_costs_the_same_however_many_plans(
    office: Office, client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(office.lead)
    address = f"/queues/{office.group.slug}/worklist/"
    to_in_fulfillment(office)
    found = []
    for page in (address, f"{address}figures/"):
        with django_assert_max_num_queries(60) as one:
            client.get(page)
        found.append((page, len(one.captured_queries)))
    for week in range(1, 4):
        with clock.acting_at(clock.now() - timedelta(days=7 * week)):
            to_in_fulfillment(office)
            to_customer_notice(office)
    for page, number in found:
        with django_assert_max_num_queries(number):
            client.get(page)
