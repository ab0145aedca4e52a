"""The list of requests: who sees what, filters, order, export, and the same for many at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from asd.models import Agreement
from requests_app.models import Request
from tests.factories import AgencyFactory, ContactFactory, Office, UserFactory
from tests.walk import do, later, to_closed, to_pending
from workflow import clock


def as_user(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def listed(client: Client, **query: Any) -> set[str]:
    response = client.get("/requests/", query)
    assert response.status_code == 200
    return {row.reference for row in response.context["page"]}


@pytest.fixture
def mixed(office: Office) -> dict[str, Request]:
    """One in triage, one pending, one on hold, one closed, one of another representative."""
    held = to_pending(office, title="Held until the vendor answers")
    do(held, "hold", office.rep, reason="Vendor.", review_on=later(7), waiting_for="vendor")
    other = AgencyFactory(representative=office.rep2)
    return {
        "triage": office.request(title="A shared mailbox"),
        "pending": to_pending(office, title="Telephone at the front desk"),
        "held": held,
        "closed": to_closed(office, title="Headset"),
        "other": office.request(
            agency=other, contact=ContactFactory(agency=other), service=None, title="Wireless"
        ),
    }


def test_a_representative_begins_with_their_own_open_requests(office, mixed):
    assert listed(as_user(office.rep)) == {
        mixed[k].reference for k in ("triage", "pending", "held")
    }


def test_a_member_begins_with_the_requests_of_their_groups(office, mixed):
    assert mixed["pending"].reference in listed(as_user(office.specialist))
    assert listed(as_user(office.stranger)) == set()


def test_nobody_lists_what_is_not_theirs_to_see_whatever_they_ask_for(office, mixed):
    """TD03 on the second path: scope, search, export."""
    stranger = as_user(office.stranger)
    for query in ({"scope": "all", "status": "any"}, {"q": "Telephone", "scope": "all"}):
        assert listed(stranger, **query) == set()
    export = stranger.get("/requests/", {"scope": "all", "status": "any", "export": "csv"})
    assert b"REQ-" not in b"".join(export.streaming_content)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"scope": "all", "status": "any"}, {"triage", "pending", "held", "closed", "other"}),
        ({"q": "telephone"}, {"pending"}),
        ({"state": ["triage"]}, {"triage"}),
        ({"state": ["triage", "closed"]}, {"triage", "closed"}),
        ({"lane": "queue"}, {"pending", "held"}),
        ({"kind": "undecided"}, {"triage"}),
        ({"kind": "assistance"}, {"pending", "held"}),
        ({"attention": "held"}, {"held"}),
        ({"attention": "overdue"}, set()),
        ({"status": "closed"}, {"closed"}),
        ({"current": "no", "scope": "all"}, {"other"}),
        ({"current": "yes", "scope": "all"}, {"triage", "pending", "held"}),
        ({"priority": ["1"]}, set()),
        ({"created_from": "2999-01-01"}, set()),
        ({"created_to": "2000-01-01"}, set()),
    ],
)
def test_the_filters_narrow_the_list(office, mixed, query, found):
    assert listed(as_user(office.rep), **query) == {mixed[name].reference for name in found}


def test_overdue_counts_open_requests_past_their_date_that_are_not_on_hold(office, mixed):
    Request.objects.update(due_at=clock.now() - timedelta(days=1))
    assert listed(as_user(office.rep), attention="overdue") == {
        mixed["triage"].reference,
        mixed["pending"].reference,
    }


def test_a_reference_is_found_by_a_part_of_it(office, mixed):
    reference = mixed["pending"].reference
    assert listed(as_user(office.rep), q=reference[-6:].lower()) == {reference}


@pytest.mark.parametrize(
    "query",
    [
        {"scope": "everybody"},
        {"sort": "password"},
        {"sort": "agency__representative__password"},
        {"state": ["nonsense"]},
        {"agency": "0"},
        {"agency": "99999999999999999999"},
        {"priority": ["x"]},
        {"created_from": "yesterday"},
        {"page": "minus one"},
        {"q": "x" * 5000},
        {"q": "%_\\'\"<script>"},
        {"agency__name": "x", "password__startswith": "a"},
    ],
)
def test_what_the_filter_does_not_know_is_never_a_crash(office, mixed, query):
    assert as_user(office.rep).get("/requests/", query).status_code == 200


def test_a_null_byte_is_a_bad_request(office):
    assert as_user(office.rep).get("/requests/?q=%00").status_code == 400


def test_unassigned_requests_in_triage_come_first(office, mixed):
    agency = AgencyFactory(representative=None)
    unassigned = office.request(
        agency=agency, contact=ContactFactory(agency=agency), service=None, title="From nowhere"
    )
    page = as_user(office.rep).get("/requests/", {"scope": "all"}).context["page"]
    assert page[0].reference == unassigned.reference


def test_the_number_of_queries_does_not_grow_with_the_rows(office):
    client = as_user(office.rep)
    office.request()
    client.get("/requests/")
    counts = []
    for more in (0, 29):
        for _ in range(more):
            office.request()
        with CaptureQueriesContext(connection) as queries:
            client.get("/requests/")
        counts.append(len(queries))
    assert counts[1] <= counts[0]
    assert counts[0] <= 8


def test_a_row_drawn_before_is_as_it_is_now(office):
    """A row is drawn once for what it shows: whatever changes about it shows on the next look."""
    request = to_pending(office)
    client = as_user(office.rep)

    def row() -> str:
        page = client.get("/requests/", {"scope": "all"}).content.decode()
        return next(part for part in page.split("<tr")[1:] if request.reference in part)

    assert row() == row()
    assert "At risk" not in row()
    rows = Request.objects.filter(pk=request.pk)
    rows.update(at_risk_at=clock.now())
    assert "At risk" in row()
    rows.update(due_at=clock.now() - timedelta(days=3))
    assert "Overdue since" in row()
    type(request.agency).objects.filter(pk=request.agency_id).update(name="Renamed & Sons")
    assert "Renamed &amp; Sons" in row()
    assert "nobody represents it" not in row()
    rows.update(representative=None)
    assert "nobody represents it" in row()
    Agreement.objects.filter(agency=request.agency).update(suspended_from=clock.today())
    assert "not current" in row()


def test_the_fields_for_many_are_fetched_when_they_are_unfolded(office, mixed):
    client = as_user(office.rep)
    assert "New representative" not in client.get("/requests/").content.decode()
    assert "New representative" in client.get("/requests/bulk/").content.decode()


def test_without_a_script_the_selected_are_kept_until_it_is_said_what_to_do(office, mixed):
    client = as_user(office.rep)
    chosen = [mixed["triage"].reference]
    asked = client.post("/requests/bulk/", {"ask": "1", "requests": chosen})
    assert asked.status_code == 200
    page = asked.content.decode()
    assert "New representative" in page
    assert f'name="requests" value="{chosen[0]}"' in page
    assert "alert-danger" not in page
    nothing = client.post("/requests/bulk/", {"ask": "1"})
    assert nothing.status_code == 422
    assert "Select at least one request." in nothing.content.decode()


def test_the_export_has_every_row_of_the_filter_and_runs_no_formula(office):
    for _ in range(27):
        office.request(title="=cmd|' /C calc'!A0")
    response = as_user(office.rep).get("/requests/", {"export": "csv"})
    text = b"".join(response.streaming_content).decode()
    assert response["Content-Disposition"] == 'attachment; filename="requests.csv"'
    assert text.count("REQ-") == 27
    assert ",'=cmd" in text or ",\"'=cmd" in text


def test_titles_are_shown_as_typed_and_never_run(office):
    """TC05, the basic part."""
    office.request(title='<script>alert(1)</script> & "quotes"')
    html = as_user(office.rep).get("/requests/").content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot;" in html


def bulk(client: Client, do: str, requests: list[Any], **facts: Any) -> Any:
    references = [getattr(r, "reference", r) for r in requests]
    return client.post("/requests/bulk/", {"do": do, "requests": references, **facts})


def test_many_change_priority_at_once_each_with_its_own_answer(office, mixed):
    """X8: one that is closed is refused and stops none of the others."""
    chosen = [mixed["triage"], mixed["closed"], mixed["held"], mixed["pending"]]
    response = bulk(as_user(office.rep), "change_priority", chosen, impact="1", urgency="1")
    results = {r.request.reference: r for r in response.context["results"]}
    assert results[mixed["triage"].reference].done
    assert results[mixed["pending"].reference].done
    assert "closed" in results[mixed["closed"].reference].sentence
    assert "on hold" in results[mixed["held"].reference].sentence
    mixed["pending"].refresh_from_db()
    assert mixed["pending"].priority == 1


def test_many_are_handed_to_another_representative(office, mixed):
    """X5; what belongs to another representative is refused."""
    chosen = [mixed["triage"], mixed["other"]]
    response = bulk(
        as_user(office.rep), "reassign_representative", chosen, representative=office.rep2.pk
    )
    results = {r.request.reference: r.done for r in response.context["results"]}
    assert results == {mixed["triage"].reference: True, mixed["other"].reference: False}


def test_a_selection_of_what_is_not_visible_is_no_choice(office, mixed):
    response = bulk(as_user(office.stranger), "claim", [mixed["triage"]])
    assert response.status_code == 422
    mixed["triage"].refresh_from_db()
    assert mixed["triage"].representative == office.rep


def test_facts_that_are_missing_are_said_per_row(office, mixed):
    response = bulk(as_user(office.rep), "change_priority", [mixed["triage"]])
    assert response.status_code == 200
    assert "required" in response.context["results"][0].sentence


@pytest.mark.parametrize("facts", [{"impact": "x"}, {"impact": "9", "urgency": "9"}])
def test_facts_of_the_wrong_sort_are_refused_for_all(office, mixed, facts):
    response = bulk(as_user(office.rep), "change_priority", [mixed["triage"]], **facts)
    assert response.status_code == 422
    assert "Select a valid choice" in response.content.decode()


def test_nothing_selected_is_said(office):
    response = bulk(as_user(office.rep), "claim", [])
    assert response.status_code == 422
    assert "Select at least one request." in response.content.decode()


def test_a_wild_name_of_an_action_is_refused(office, mixed):
    assert bulk(as_user(office.rep), "cancel", [mixed["triage"]]).status_code == 422


def test_the_auditor_is_not_offered_to_change_many(office, mixed):
    response = as_user(UserFactory(auditor=True)).get("/requests/", {"scope": "all"})
    assert "With the selected" not in response.content.decode()


def test_signing_in_comes_first(office):
    response = Client().get("/requests/")
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")
