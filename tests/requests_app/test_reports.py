"""Reports read what was counted beforehand: it is what a look at every request would say."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from requests_app import report_counting
from requests_app.models import Rating, ReportCount, ReportFigure, Request
from requests_app.report_tables import REPORTS, Figures
from requests_app.states import CLOSED_STATES, OPEN
from tests.factories import Office, UserFactory
from tests.walk import (
    to_billing,
    to_cancelled,
    to_closed,
    to_customer_notice,
    to_declined,
    to_pending,
)
from workflow import clock

pytestmark = pytest.mark.django_db


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def month_of(moment: Any) -> date:
    return timezone.localtime(moment).date().replace(day=1)


def some_history(office: Office) -> None:
    """Five months of ends of every kind, decisions, a bill and ratings."""
    for weeks, walk in enumerate((to_closed, to_cancelled, to_declined, to_closed, to_pending)):
        with clock.acting_at(clock.now() - timedelta(weeks=5 * weeks)):
            walk(office)
    to_customer_notice(office)
    case = to_billing(office).billing_cases.get()
    type(case).objects.filter(pk=case.pk).update(state="initiated", initiated_at=clock.now())
    for score, request in enumerate(Request.objects.filter(state="closed"), start=1):
        Rating.objects.create(request=request, pass_number=1, score=score, given_by="A contact",
                              closed_at=request.closed_at, comment="Well.")  # fmt: skip


def slow_truth() -> dict[str, Any]:
    """By looking at every request, case, event and rating."""
    requests = list(Request.objects.select_related("provider_group"))
    ended = [r for r in requests if r.state in CLOSED_STATES]
    closings = [
        (month_of(event.at), request.provider_group.name)
        for request in requests
        for event in request.events.filter(name__in=["fulfill", "notify_and_close"])
    ]
    return {
        "open": Counter(r.provider_group.name if r.provider_group else "No group yet"
                        for r in requests if r.state in OPEN),
        "ended": Counter(month_of(r.closed_at) for r in ended),
        "closings": Counter(month for month, _ in closings),
        "by group": Counter(name for _, name in closings),
        "decisions": sum(r.charge_decisions.count() for r in requests),
        "money": sum(c.total for r in requests for c in r.billing_cases.filter(state="initiated")),
        "points": sum(r.score for r in Rating.objects.all()),
    }  # fmt: skip


def test_what_was_counted_is_what_a_look_at_everything_says(office: Office) -> None:
    some_history(office)
    assert report_counting.count()
    truth, figures = slow_truth(), Figures(office.rep, 12)

    def column(name: str, title: str) -> list[Any]:
        table = REPORTS[name].read(figures)
        return [row[table.columns.index(title)] for row in table.rows]

    by_age = REPORTS["open-by-age"].read(figures)
    assert {row[0]: row[5] for row in by_age.rows} == truth["open"]
    assert sum(column("closed-by-month", "Ended")) == sum(truth["ended"].values())
    months = sorted({date.fromisoformat(str(m)) for m in truth["ended"]}, reverse=True)
    assert [n for n in column("closed-by-month", "Ended") if n] == [
        truth["ended"][month] for month in months
    ]
    assert [n for n in column("ratings-by-month", "Closed") if n] == [
        truth["closings"][month] for month in sorted(truth["closings"], reverse=True)
    ]
    by_group = REPORTS["ratings-by-group"].read(figures)
    assert {row[0]: row[1] for row in by_group.rows if row[1]} == truth["by group"]
    assert sum(row[2] for row in by_group.rows) == Rating.objects.count()
    decisions = sum(column("charged", "Charged")) + sum(column("charged", "Not charged"))
    assert decisions == truth["decisions"]
    assert sum(column("charged", "Initiated USD")) == truth["money"]
    assert figures.monthly["rating", month_of(clock.now()), "", ""][1] <= truth["points"]


def test_counting_again_replaces_and_adds_nothing_twice(office: Office) -> None:
    some_history(office)

    def kept() -> list[tuple[Any, ...]]:
        fields = ("report", "month", "whole", "group", "service", "key", "number", "amount")
        return sorted(map(str, ReportFigure.objects.values_list(*fields)))

    report_counting.count()
    first = kept()
    assert first
    report_counting.count()  # the last months alone
    assert kept() == first
    report_counting.count(whole=True)
    assert kept() == first
    to_closed(office)
    report_counting.count()
    assert kept() != first
    report_counting.count(whole=True)
    after = kept()
    report_counting.count(whole=True)
    assert kept() == after


def test_a_page_of_reports_reads_no_request_but_those_behind_its_comments(office: Office) -> None:
    some_history(office)
    report_counting.count()
    for person in (office.rep, office.auditor, office.billing):
        client = signed_in(person)
        client.get("/reports/")
        with CaptureQueriesContext(connection) as caught:
            assert client.get("/reports/").status_code == 200
        reading = [q["sql"] for q in caught if 'FROM "requests_app_request"' in q["sql"]]
        assert not reading
        assert len(caught) <= 10


def test_members_read_of_their_groups_and_billing_reads_all_charges(office: Office) -> None:
    """TD03."""
    some_history(office)
    report_counting.count()

    def charged(person: Any) -> int:
        return sum(row[1] for row in REPORTS["charged"].read(Figures(person, 12)).rows)

    def ended(person: Any) -> int:
        return sum(row[5] for row in REPORTS["closed-by-month"].read(Figures(person, 12)).rows)

    for person, charges, ends in (
        (office.rep, 1, 4), (office.lead, 1, 4), (office.billing, 1, 0), (office.stranger, 0, 0)
    ):  # fmt: skip
        assert (charged(person), ended(person)) == (charges, ends), person


def test_the_page_says_how_old_its_figures_are_and_who_may_have_them_counted(
    office: Office,
) -> None:
    page = signed_in(office.rep).get("/reports/").content.decode()
    assert "Nothing is counted yet" in page
    with clock.acting_at(clock.now() - timedelta(hours=3)):
        report_counting.count()
    page = signed_in(office.rep).get("/reports/").content.decode()
    assert "As of" in page
    assert 'action="/reports/count/"' in page
    answer = signed_in(office.rep).post("/reports/count/", follow=True)
    assert "New figures are being counted" in answer.content.decode()
    assert ReportCount.latest().is_awaited
    report_counting.count()
    assert not ReportCount.latest().is_awaited
    for person in (office.lead, office.auditor, UserFactory()):
        assert 'action="/reports/count/"' not in signed_in(person).get("/reports/").content.decode()
        assert signed_in(person).post("/reports/count/").status_code == 403
