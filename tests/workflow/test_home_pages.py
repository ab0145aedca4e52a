"""Own work: what waits for whom, why, and that it costs the same for ten as for one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.models import Notice
from requests_app.own_keys import tasks_for
from tests.factories import MembershipFactory, Office, UserFactory
from tests.walk import (
    do,
    later,
    passed,
    to_assigned,
    to_awaiting,
    to_billing,
    to_customer_notice,
    to_discovery,
    to_in_fulfillment,
    to_pending,
    to_planning,
    to_scheduled,
    to_testing,
)
from workflow import clock


def said(user) -> dict[str, str]:
    """What waits for a person, by reference."""
    fresh = type(user).objects.get(pk=user.pk)
    return {task.req.reference: task.what for task in tasks_for(fresh)}


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_triage_waits_for_the_representative_of_the_agency_only(office: Office):
    request = office.request()
    assert said(office.rep) == {request.reference: "Decide triage"}
    assert said(office.rep2) == said(office.specialist) == said(office.auditor) == {}


def test_an_unassigned_request_waits_for_every_representative(office: Office):
    office.agency.representative = None
    office.agency.save()
    request = office.request()
    assert said(office.rep) == said(office.rep2) == {request.reference: "Claim and triage"}


def test_a_deputy_sees_what_waits_only_while_the_representative_is_away(office: Office):
    """X5."""
    request = office.request()
    office.rep.deputy = office.rep2
    office.rep.save()
    assert said(office.rep2) == {}
    office.rep.away_from = clock.today()
    office.rep.save()
    assert said(office.rep2) == {request.reference: "Decide triage"}


@pytest.mark.parametrize(
    ("walk", "what"),
    [
        (to_assigned, "Fulfill it"),
        (to_planning, "Plan the work"),
        (to_in_fulfillment, "Do the work"),
        (to_testing, "Test it"),
        (passed, "Decide on the charge"),
    ],
)
def test_the_specialist_is_told_what_to_do_next(office: Office, walk, what):
    """F6, F7, F9, F10."""
    request = walk(office)
    assert said(office.specialist) == {request.reference: what}
    assert said(office.specialist2) == {}


def test_a_lead_assigns_and_schedules(office: Office):
    """F2, F5."""
    pending, awaiting = to_pending(office), to_awaiting(office)
    assert said(office.lead) == {
        pending.reference: "Assign it",
        awaiting.reference: "Schedule it",
    }
    assert said(office.specialist) == said(office.stranger) == {}


def test_a_slot_whose_day_has_come_waits_for_the_group(office: Office):
    """F6."""
    request = to_scheduled(office)
    assert said(office.specialist) == {}
    day = request.schedule_entries.get().first_day
    with clock.acting_at(clock.now() + (day - clock.today())):
        assert said(office.specialist)[request.reference] == "Pull it for planning"
        assert request.reference not in said(office.stranger)


def test_a_plan_item_waits_for_its_assignee(office: Office):
    """F6."""
    request = to_planning(office)
    do(request, "add_plan_item", office.specialist, title="Cable", estimate_hours="2",
       assignee=office.specialist2.pk)  # fmt: skip
    assert said(office.specialist2) == {request.reference: "Do your part"}


def test_an_overdue_request_in_work_waits_for_the_lead(office: Office):
    request = to_assigned(office)
    assert said(office.lead) == {}
    with clock.acting_at(request.due_at + timedelta(hours=1)):
        assert said(office.lead) == {request.reference: "Look into it"}


def test_a_hold_comes_back_on_its_review_date(office: Office):
    """X1."""
    request = to_assigned(office)
    do(
        request,
        "hold",
        office.specialist,
        reason="Budget",
        review_on=later(3),
        waiting_for="budget",
    )
    assert said(office.specialist) == said(office.rep) == {}
    with clock.acting_at(clock.now() + timedelta(days=3)):
        assert said(office.specialist) == {request.reference: "Look again"}
        assert said(office.rep) == {request.reference: "Look again"}


def test_discovery_waits_for_the_representative_stage_by_stage(office: Office):
    """D4."""
    request = to_discovery(office)
    assert said(office.rep) == {request.reference: "Document the service"}


def test_the_notice_waits_for_the_representative(office: Office):
    """F11."""
    request = to_customer_notice(office)
    assert said(office.rep) == {request.reference: "Notify the customer"}


def test_billing_waits_for_the_representative_once_the_customer_is_known(office: Office):
    """F12, F13."""
    request = to_billing(office)
    assert said(office.rep) == {request.reference: "Initiate billing"}
    assert said(office.billing) == {}
    office.agency.known_to_billing = False
    office.agency.save()
    assert said(office.rep) == {}
    assert said(office.billing) == {request.reference: "Record the customer"}


def test_billing_goes_on_to_the_asd_and_back(office: Office):
    """F14."""
    request = to_billing(office)
    do(request, "initiate_billing", office.rep, avenue="change_order", finance_number="F-1",
       starts_on=clock.today().isoformat())  # fmt: skip
    assert said(office.rep) == {request.reference: "Ask for the ASD update"}
    do(request, "request_asd_update", office.rep, change="One more", quantity="1",
       starts_on=clock.today().isoformat())  # fmt: skip
    assert said(office.rep) == {}
    assert said(office.asd) == {request.reference: "Apply the ASD update"}


def test_the_most_urgent_comes_first(office: Office):
    """F4: overdue, then priority, then date, then age."""
    low = to_assigned(office, impact=3, urgency=3)
    critical = to_assigned(office, impact=1, urgency=1)
    assert list(said(office.specialist)) == [critical.reference, low.reference]


def test_every_line_says_why_and_leads_to_its_request(office: Office):
    request = office.request()
    page = signed_in(office.rep).get("/").content.decode()
    assert "Decide triage" in page
    assert f'href="/requests/{request.reference}/#next-title"' in page
    assert "Came in and waits for its way" in page


def test_the_first_are_shown_and_all_are_a_page_of_their_own(office: Office, monkeypatch):
    """However much waits: the most urgent first, the rest one click away."""
    monkeypatch.setattr("requests_app.home.SHOWN", 2)
    monkeypatch.setattr("requests_app.home.CANDIDATES", 3)
    made = [to_assigned(office) for _ in range(4)]
    client = signed_in(office.specialist)
    page = client.get("/")
    assert [task.req for task in page.context["tasks"]] == made[:2]
    assert 'href="?tasks=all"' in page.content.decode()
    everything = client.get("/?tasks=all")
    assert [task.req for task in everything.context["tasks"]] == made
    assert 'href="?tasks=all"' not in everything.content.decode()


def test_what_is_others_turn_hides_nothing_that_waits_for_me(office: Office, monkeypatch):
    """The first that could be mine are none of mine to do: one looks further."""
    monkeypatch.setattr("requests_app.home.SHOWN", 2)
    monkeypatch.setattr("requests_app.home.CANDIDATES", 1)
    other = to_billing(office)
    do(other, "initiate_billing", office.rep, avenue="change_order", finance_number="F-1",
       starts_on=clock.today().isoformat())  # fmt: skip
    do(other, "request_asd_update", office.rep, change="One more", quantity="1",
       starts_on=clock.today().isoformat())  # fmt: skip
    type(other).objects.filter(pk=other.pk).update(priority=1)
    mine = office.request()
    page = signed_in(office.rep).get("/")
    assert [task.req for task in page.context["tasks"]] == [mine]


def test_what_others_have_is_listed_below_with_what_it_waits_for(office: Office):
    request = to_pending(office)
    page = signed_in(office.rep).get("/").content.decode()
    assert "Waiting for others" in page
    assert request.reference in page
    assert "A specialist" in page


def test_teams_stand_at_a_glance_for_their_members_and_for_who_oversees(office: Office):
    """F3."""
    to_pending(office)
    mine = signed_in(office.specialist).get("/")
    assert [(t.name, t.pending) for t in mine.context["teams"]] == [(office.group.name, 1)]
    assert len(signed_in(office.auditor).get("/").context["teams"]) >= 2
    assert not signed_in(office.billing).get("/").context["teams"]


def test_a_page_with_nothing_on_it_says_what_would_be_there(db):
    page = signed_in(UserFactory()).get("/").content.decode()
    assert "Nothing waits for you" in page


@pytest.mark.parametrize("role", ["rep", "lead", "specialist", "billing", "asd", "auditor"])
def test_home_costs_the_same_for_ten_requests_as_for_two(office: Office, role):
    user = getattr(office, role)

    def cost() -> int:
        client = signed_in(user)
        client.get("/")  # what is prepared once on a connection is there from now on
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/").status_code == 200
        return len(queries)

    def make() -> None:
        office.request()
        to_pending(office)
        to_assigned(office)
        to_awaiting(office)

    make()
    before = cost()
    make()
    make()
    MembershipFactory(user=office.specialist)
    assert cost() <= before
    assert before <= 8


# The rail


@pytest.mark.parametrize(
    ("role", "there", "not_there"),
    [
        ("rep", {"/queues/", "/discovery/", "/billing/", "/parts/"}, {"/admin/"}),
        ("billing", {"/billing/", "/parts/", "/proposals/"}, {"/discovery/", "/queues/"}),
        ("asd", {"/asd/services/", "/asd/agencies/"}, {"/billing/", "/discovery/", "/parts/"}),
        ("specialist", {"/discovery/", "/parts/"}, {"/billing/", "/queues/", "/admin/"}),
        ("auditor", {"/queues/", "/billing/", "/reports/"}, {"/admin/"}),
    ],
)
def test_the_rail_has_what_the_person_has_use_for(office: Office, role, there, not_there):
    found = {e.get("href") for e in signed_in(getattr(office, role)).get("/").context["rail"]}
    assert there <= found
    assert not not_there & found


@pytest.mark.parametrize("role", ["rep", "lead", "billing", "asd", "auditor"])
def test_no_entry_of_the_rail_is_a_dead_end(office: Office, role):
    client = signed_in(getattr(office, role))
    for entry in client.get("/").context["rail"]:
        if entry.get("href"):
            assert client.get(entry["href"]).status_code == 200, entry["href"]


def test_the_rail_counts_the_queues_and_marks_what_is_overdue(office: Office):
    """F3."""
    request = to_pending(office)

    def pending() -> dict:
        rail = signed_in(office.specialist).get("/").context["rail"]
        return next(e for e in rail if e.get("href", "").endswith("/pending/"))

    assert (pending()["count"], pending()["late"], pending()["risk"]) == (1, 0, 0)
    rows = type(request).objects.filter(pk=request.pk)
    rows.update(at_risk_at=clock.now())
    assert (pending()["late"], pending()["risk"]) == (0, 1)
    rows.update(due_at=clock.now() - timedelta(days=1))
    assert (pending()["late"], pending()["risk"]) == (1, 0)


def test_the_page_one_is_on_is_marked_once(office: Office):
    for address in ("/", "/requests/", "/reports/"):
        page = signed_in(office.rep).get(address).content.decode()
        assert page.count('aria-current="page"') == 1


def test_the_representative_hears_of_what_did_not_reach_somebody(office: Office):
    """F8: a notice that failed for good is somebody's task."""
    request = office.request()
    notice = Notice.objects.filter(event__stream_id=request.pk).first()
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.FAILED)
    page = signed_in(office.rep).get("/").content.decode()
    assert "Could not be delivered" in page
    assert notice.address in page
    assert "Could not be delivered" not in signed_in(office.rep2).get("/").content.decode()


@pytest.mark.parametrize(
    ("walk", "role"),
    [
        (to_discovery, "rep"),
        (to_planning, "specialist"),
        (to_testing, "specialist"),
        (to_billing, "rep"),
        (to_customer_notice, "rep"),
        (to_awaiting, "lead"),
    ],
)
def test_every_line_leads_to_a_place_that_is_on_the_page(office: Office, walk, role):
    walk(office)
    client = signed_in(getattr(office, role))
    for task in client.get("/").context["tasks"]:
        page = client.get(task.req.get_absolute_url()).content.decode()
        assert f'id="{task.place}"' in page, task.what
