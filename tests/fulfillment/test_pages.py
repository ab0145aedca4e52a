"""The pages of a provider group: who may open them, what they say, how few queries they take."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fulfillment.models import QueueCheck
from fulfillment.totals import of
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office, UserFactory
from workflow import clock

pytestmark = pytest.mark.django_db
PAGES = ["", "pending/", "schedule/", "worklist/"]


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def address(office: Office, page: str) -> str:
    return f"/queues/{office.group.slug}/{page}"


def soup(response: Any) -> BeautifulSoup:
    assert response.status_code == 200, response.status_code
    return BeautifulSoup(response.content, "html.parser")


@pytest.mark.parametrize("page", PAGES)
def test_members_representatives_and_auditors_may_open_it(office: Office, page: str) -> None:
    """F2, F3: and for everybody else the group does not exist."""
    admin = UserFactory(admin=True)
    for person in (office.lead, office.specialist, office.rep, office.auditor, admin):
        assert client_of(person).get(address(office, page)).status_code == 200
    for person in (office.stranger, office.billing, office.asd):
        assert client_of(person).get(address(office, page)).status_code == 404
    assert Client().get(address(office, page)).status_code == 302


def test_exports_and_buttons_are_behind_the_same_door(office: Office) -> None:
    """F2, TD: the second path is no hole."""
    request = walk.to_pending(office)
    for page in ("pending/?export=csv", "worklist/?export=csv", "worklist/?view=print"):
        assert client_of(office.stranger).get(address(office, page)).status_code == 404
    for page in ("take-next/", "assign/", "schedule/take-next/"):
        assert client_of(office.stranger).post(address(office, page)).status_code == 404
        assert client_of(office.lead).get(address(office, page)).status_code == 405
    for page in ("take-next/", "schedule/take-next/"):
        for person in (office.rep, office.auditor):
            assert client_of(person).post(address(office, page)).status_code == 403
    data = {"request": [request.reference], "specialist": office.specialist.pk}
    for person in (office.rep, office.auditor):
        client_of(person).post(address(office, "assign/"), data)
    request.refresh_from_db()
    assert request.state == S.PENDING


def test_who_only_reads_sees_no_buttons(office: Office) -> None:
    """F2: auditors and representatives read."""
    walk.to_pending(office)
    walk.to_awaiting(office)
    walk.to_scheduled(office)
    for person in (office.auditor, office.rep):
        for page in ("pending/", "schedule/"):
            text = soup(client_of(person).get(address(office, page)))
            assert not text.select("main [data-action]")


def test_the_pending_page_says_its_rule_and_keeps_to_it(office: Office) -> None:
    """F4: the rule in words, the rows in its order, one big button."""
    low, high = walk.to_pending(office), walk.to_pending(office)
    Request.objects.filter(pk=low.pk).update(priority=4)
    Request.objects.filter(pk=high.pk).update(priority=1)
    text = soup(client_of(office.specialist).get(address(office, "pending/")))
    assert "Overdue first, then by priority, then by due date" in text.get_text()
    links = [a["href"] for a in text.select("td.title a")]
    assert links == [high.get_absolute_url(), low.get_absolute_url()]
    assert len(text.select("form[data-action=take_next] button.btn-lg")) == 1
    rows = text.select_one("button[data-action=take]").find_parent("form")
    assert rows.has_attr("novalidate"), "Take must not wait for the choice of another specialist"


def test_take_next_leads_to_the_request_or_says_that_nothing_is_left(office: Office) -> None:
    """F4."""
    request = walk.to_pending(office)
    client = client_of(office.specialist)
    response = client.post(address(office, "take-next/"))
    assert response["Location"] == request.get_absolute_url()
    response = client.post(address(office, "take-next/"), follow=True)
    assert "Nothing is left to take" in response.content.decode()
    request.refresh_from_db()
    assert request.specialist == office.specialist


def test_several_are_assigned_each_with_its_own_answer(office: Office) -> None:
    """F5, S2.5b: what cannot be assigned is said by reference; the others are."""
    one, two, gone = (walk.to_pending(office) for _ in range(3))
    walk.do(gone, "take", office.specialist2)
    references = [one.reference, two.reference, gone.reference, "REQ-0000-000000"]
    response = client_of(office.lead).post(
        address(office, "assign/"),
        {"request": references, "specialist": office.specialist.pk},
        follow=True,
    )
    text = response.content.decode()
    assert f"Assigned to {office.specialist}: " in text
    assert f"{gone.reference}: Not possible any more: it is assigned now" in text
    for request, who in (
        (one, office.specialist),
        (two, office.specialist),
        (gone, office.specialist2),
    ):
        request.refresh_from_db()
        assert request.specialist == who


def test_one_row_is_assigned_by_its_own_button(office: Office) -> None:
    """F5: the ticks of others do not count then."""
    one, two = walk.to_pending(office), walk.to_pending(office)
    client_of(office.lead).post(
        address(office, "assign/"),
        {
            "request": [two.reference],
            "only": one.reference,
            "specialist": office.specialist.pk,
        },
    )
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.state, two.state) == (S.ASSIGNED, S.PENDING)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Choose the specialist"),
        ({"specialist": "999999", "request": "REQ-1"}, "Choose the specialist"),
        ({"specialist": "x\x00"}, "Choose the specialist"),
    ],
)
def test_bad_input_to_assign_gets_a_sentence(
    office: Office, data: dict[str, str], said: str
) -> None:
    """F5."""
    response = client_of(office.lead).post(address(office, "assign/"), data, follow=True)
    assert said in response.content.decode()
    response = client_of(office.lead).post(
        address(office, "assign/"), {"specialist": office.specialist.pk}, follow=True
    )
    assert "Tick at least one request." in response.content.decode()


def test_requests_of_another_group_cannot_be_assigned_here(office: Office) -> None:
    """F5, TD: their references do nothing."""
    request = walk.to_pending(office)
    Request.objects.filter(pk=request.pk).update(provider_group=office.other_group)
    client_of(office.lead).post(
        address(office, "assign/"),
        {"request": [request.reference], "specialist": office.specialist.pk},
    )
    request.refresh_from_db()
    assert request.state == S.PENDING


def test_opening_a_queue_counts_as_checking_it(office: Office) -> None:
    """F3: by members only; the group's home shows who and when, and what nobody checked."""
    walk.to_pending(office)
    client_of(office.rep).get(address(office, "pending/"))
    assert not QueueCheck.objects.exists()
    text = soup(client_of(office.rep).get("/queues/")).get_text()
    assert text.count("Nobody of the group has") == 4, "two queues of two groups"
    client_of(office.specialist).get(address(office, "pending/"))
    text = soup(client_of(office.rep).get("/queues/")).get_text()
    assert text.count("Nobody of the group has") == 3
    assert f"by {office.specialist}" in text


def test_one_sees_own_groups_and_a_representative_all(office: Office) -> None:
    """F2, F3."""
    mine = soup(client_of(office.specialist).get("/queues/")).select("main section")
    assert len(mine) == 1
    everybodys = soup(client_of(office.rep).get("/queues/")).select("main section")
    assert len(everybodys) == 2
    assert "in no provider group" in soup(client_of(office.billing).get("/queues/")).get_text()


def test_the_schedule_shows_missed_intake_and_days(office: Office) -> None:
    """F2: missed on top, the days with their load, what is to be placed with its form."""
    missed = walk.to_scheduled(office, title="The one nobody pulled")
    missed.schedule_entries.update(first_day=clock.today() - timedelta(days=1), carried_over=2)
    walk.to_awaiting(office, title="The one to be placed")
    placed = walk.to_scheduled(office, title="The one on its day")
    page = soup(client_of(office.lead).get(address(office, "schedule/")))
    assert [h.get_text(" ", strip=True) for h in page.select("main h2")] == [
        "Missed 1",
        "The next 60 days",
        "To be placed 1",
        "In your calendar",
    ]
    assert page.select_one("[data-label='Missed before']").get_text(strip=True) == "2"
    form = page.select_one("form[data-action=schedule]")
    assert form.select_one("[name=day]")["value"] >= clock.today().isoformat()
    entry = placed.schedule_entries.get()
    card = page.select_one(f"[data-slot='{placed.reference}']")
    assert card["data-from"] == entry.first_day.isoformat()
    loads = [m for m in page.select(".day meter") if m["value"] != "0"]
    assert sum(int(m["value"]) for m in loads) >= entry.minutes
    plain = soup(client_of(office.specialist).get(address(office, "schedule/")))
    assert not plain.select("form[data-action=schedule], [data-slot], [data-move]")


def test_one_button_books_what_is_known(office: Office) -> None:
    """F2: the next free slot is proposed and can be sent as it stands."""
    request = walk.to_awaiting(office)
    Request.objects.filter(pk=request.pk).update(estimate_hours="6", charge_expected=False)
    client = client_of(office.lead)
    page = soup(client.get(address(office, "schedule/")))
    form = page.select_one("form[data-action=schedule]")
    assert form.select_one("button").get_text().startswith("Book ")
    data = {i["name"]: i.get("value", "") for i in form.select("input[name]")}
    response = client.post(form["action"], data)
    assert response.status_code == 302, response.content.decode()[:500]
    request.refresh_from_db()
    assert request.state == S.SCHEDULED
    assert request.schedule_entries.get().minutes == 360


def test_the_work_list_and_its_csv_and_print_view_agree(office: Office) -> None:
    """F6: estimated, spent, left."""
    request = walk.to_in_fulfillment(office, title="=cmd|' /C calc'!A0")
    walk.do(request, "log_time", office.specialist, hours="1.5")
    client = client_of(office.specialist)
    text = soup(client.get(address(office, "worklist/"))).get_text(" ", strip=True)
    assert "4 h" in text
    assert "2.5 h" in text
    printed = soup(client.get(address(office, "worklist/?view=print"))).get_text(" ", strip=True)
    assert "4 h estimated, 1.5 h spent, 2.5 h left, 0 % done" in printed
    rows = b"".join(client.get(address(office, "worklist/?export=csv"))).decode().splitlines()
    assert rows[1].split(",")[1].startswith("'=cmd"), "neutralised for spreadsheets"
    assert "4.00,1.50,2.50,0" in rows[1]


def test_a_long_work_list_is_added_up_for_itself(office: Office, monkeypatch: Any) -> None:
    """F6: beside the page, which costs the same however long the list is; and without script."""
    for _ in range(3):
        walk.to_in_fulfillment(office)
    lead, page = client_of(office.lead), address(office, "worklist/")
    short = soup(lead.get(page)).select_one("dl.work-totals")
    monkeypatch.setattr("fulfillment.totals.AT_ONCE", 2)
    long = soup(lead.get(page))
    assert long.select_one("dl.work-totals[aria-label]") is None
    fetched = long.select_one(".work-totals")
    assert (fetched["hx-get"], "3" in fetched.text) == ("?totals=all", True)
    alone = lead.get(page + fetched["hx-get"], headers={"HX-Request": "true"})
    whole = lead.get(page + long.select_one(".work-totals a")["href"])
    assert soup(alone).select_one("dl") == soup(whole).select_one("dl.work-totals") == short
    assert b"<h1" not in alone.content
    filtered = soup(lead.get(page, {"state": "planning"})).select_one(".work-totals")
    assert filtered is None or "state=planning" in filtered.get("hx-get", "state=planning")


def test_the_sums_of_a_very_long_list_say_of_how_many_they_are() -> None:
    """Never less than the whole under the name of the whole."""
    assert not of([(1, 1, 1)] * 7, 7).of_first
    assert of([(1, 1, 1)] * 1000, 1001).of_first
    assert of([(1, 1, 1)] * 1000, 1001).counted == "1,000+"


def test_filters_narrow_and_unknown_values_do_no_harm(office: Office) -> None:
    """F2: what the address says reaches the database only through the filter."""
    request = walk.to_pending(office, title="Something about faxes")
    walk.to_pending(office)
    client = client_of(office.specialist)
    for query, count in (
        ("q=faxes", 1),
        (f"q={request.reference}", 1),
        ("priority=1", 0),
        ("attention=overdue", 0),
        ("attention=held", 0),
        ("attention=nonsense", 2),
        ("page=999", 2),
        ("page=x&agency=abc&order_by=password", 2),
    ):
        page = soup(client.get(address(office, f"pending/?{query}")))
        assert len(page.select("td.title")) == count, query


def _queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(url).status_code == 200
    return len(caught)


@pytest.mark.parametrize(
    ("page", "walked"),
    [
        ("pending/", walk.to_pending),
        ("schedule/", walk.to_awaiting),
        ("schedule/", walk.to_scheduled),
        ("worklist/", walk.to_in_fulfillment),
        ("", walk.to_pending),
    ],
)
def test_the_number_of_queries_does_not_grow_with_the_rows(
    office: Office, page: str, walked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row or thirty: the same queries."""
    days, count = walk.next_working_day, itertools.count(6)
    monkeypatch.setattr(walk, "next_working_day", lambda: days(next(count) // 3))
    client = client_of(office.lead)
    walked(office)
    few = _queries(client, address(office, page))
    for _ in range(29):
        walked(office)
    many = _queries(client, address(office, page))
    assert many <= few, (few, many)
    assert many <= 8


def test_empty_pages_say_what_would_be_here(office: Office) -> None:
    """How it gets here, in plain words."""
    client = client_of(office.lead)
    for page, said in (
        ("pending/", "Assistance requests arrive here from triage and discovery"),
        ("schedule/", "the lead places them on a day"),
        ("worklist/", "pulled from the 60-day schedule appear here"),
        ("pending/?q=zzz", "Clear the filter"),
    ):
        assert said in client.get(address(office, page)).content.decode()


@pytest.mark.parametrize(
    ("walked", "said"),
    [
        (walk.to_scheduled, "Slot"),
        (walk.to_planning, "Work can start once it has at least one piece"),
        (walk.to_in_fulfillment, "estimated"),
        (walk.to_testing, "No test run yet"),
        (walk.to_customer_notice, "Not charged"),
    ],
)
def test_the_page_of_a_request_shows_its_part_of_fulfillment(
    office: Office, walked: Any, said: str
) -> None:
    """F6, F9, F10: slot, plan, tests and decision, only where they exist."""
    request = walked(office)
    for person in (office.lead, office.specialist, office.rep, office.auditor):
        response = client_of(person).get(request.get_absolute_url())
        assert said in response.content.decode(), person


def test_the_plan_on_the_page_can_be_worked_with(office: Office) -> None:
    """F6: the row's forms carry its own values; an error keeps what was typed."""
    request = walk.to_in_fulfillment(office)
    item = request.plan_items.get()
    client = client_of(office.specialist)
    page = soup(client.get(request.get_absolute_url()))
    form = page.select_one("form[data-action=edit_plan_item]")
    fields = soup(client.get(form.select_one("[hx-get]")["hx-get"], headers={"hx-request": "true"}))
    assert fields.select_one("[name=title]")["value"] == item.title
    assert form.select_one("[name=item]")["value"] == str(item.pk)
    response = client.post(
        form["action"], {"item": item.pk, "title": "Do more", "estimate_hours": "9"}
    )
    assert response.status_code == 422
    text = response.content.decode()
    assert "Say why the estimate changes" in text
    assert "Do more" in text
    finish = page.select_one("form[data-action=finish_plan_item]")
    assert client.post(finish["action"], {"item": item.pk}).status_code == 302
    item.refresh_from_db()
    assert item.state == "done"
