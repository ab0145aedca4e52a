"""Search, the three reports, and the pages that say what went wrong."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from requests_app import report_counting
from requests_app.search import SHOWN
from tests.factories import AgencyFactory, ContactFactory, Office, UserFactory
from tests.walk import to_billing, to_cancelled, to_closed, to_customer_notice, to_pending
from workflow import clock


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


# /search/


@pytest.mark.parametrize("shape", ["{}", "{} ", " {}", "lower", "spaced", "short"])
def test_a_reference_goes_straight_to_its_request(office: Office, shape):
    request = office.request()
    year, number = request.reference.split("-")[1:]
    text = {
        "lower": request.reference.lower(),
        "spaced": f"req {year} {number}",
        "short": f"REQ-{year}-{int(number)}",
    }.get(shape, shape.format(request.reference))
    answer = signed_in(office.rep).get("/search/", {"q": text})
    assert answer.status_code == 302
    assert answer["Location"] == request.get_absolute_url()


def test_the_references_of_its_records_lead_to_the_request_too(office: Office):
    request = to_billing(office)
    client = signed_in(office.rep)
    for reference in (request.case.reference, request.billing_cases.get().reference):
        assert client.get("/search/", {"q": reference})["Location"] == request.get_absolute_url()


def test_a_reference_that_is_not_mine_is_not_found(office: Office):
    """TD03: search is no second way to what one may not see."""
    request = office.request()
    answer = signed_in(office.stranger).get("/search/", {"q": request.reference})
    assert answer.status_code == 200
    assert request.title not in answer.content.decode()


def test_words_find_titles_agencies_and_contacts_that_one_may_see(office: Office):
    request = to_pending(office, title="Wireless bridge to the annex")
    client = signed_in(office.specialist)
    for text in ("bridge", "WIRELESS", request.agency.name, request.contact.name, "wireles brige"):
        assert request.reference in client.get("/search/", {"q": text}).content.decode(), text
    hidden = signed_in(office.stranger).get("/search/", {"q": "bridge"}).content.decode()
    assert request.reference not in hidden
    assert "Nothing found" in hidden


def test_the_newest_come_first_and_what_is_old_is_found_where_they_are_few(office: Office):
    """What has a word is read no further back than it takes to fill the page."""
    with clock.acting_at(clock.now() - timedelta(days=2000)):
        old = office.request(title="Quiet lamp of old")
    with clock.acting_at(clock.now() - timedelta(days=400)):
        office.request(title="Quiet fan")
    lately = [office.request(title="Loud fan") for _ in range(SHOWN + 1)]
    client = signed_in(office.rep)
    page = client.get("/search/", {"q": "quiet"}).content.decode()
    assert page.index("Quiet fan") < page.index("Quiet lamp")
    assert old.reference in client.get("/search/", {"q": "lamp"}).content.decode()
    page = client.get("/search/", {"q": "fan"}).content.decode()
    assert "There are more" in page
    assert "Quiet fan" not in page
    assert lately[-1].reference in page
    by_agency = client.get("/search/", {"q": f"quiet {old.agency.name}"}).content.decode()
    assert old.reference in by_agency


@pytest.mark.parametrize(
    "text", ["%", "_", "'", '"', "\\", "<script>alert(1)</script>", "🦉", "‮abc"]
)
def test_strange_words_are_only_words(office: Office, text):
    """TC01, TC05: nothing matches everything, nothing is run."""
    office.request(title="Quiet")
    page = signed_in(office.rep).get("/search/", {"q": text})
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()
    assert "Quiet" not in page.content.decode()


def test_a_nul_byte_is_a_bad_request_and_a_long_text_is_cut(office: Office):
    """TC02, TC08."""
    client = signed_in(office.rep)
    assert client.get("/search/?q=%00").status_code == 400
    assert client.get("/search/?q=a&page=%00").status_code == 400
    page = client.get("/search/", {"q": "word " * 2000})
    assert page.status_code == 200
    assert "Only the first 100 characters" in page.content.decode()


def test_an_empty_search_says_what_can_be_searched_for(office: Office):
    page = signed_in(office.rep).get("/search/").content.decode()
    assert "What are you looking for?" in page


def test_search_costs_the_same_for_many_as_for_one(office: Office):
    client = signed_in(office.rep)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/search/", {"q": "front desk"})
        return len(queries)

    office.request()
    cost()
    before = cost()
    for _ in range(4):
        agency = AgencyFactory(representative=office.rep)
        office.request(agency=agency, contact=ContactFactory(agency=agency))
    assert cost() == before


# /reports/


def read(client: Client, name: str, **query) -> list[list[str]]:
    """A report as CSV, counted just now."""
    report_counting.count()
    response = client.get(f"/reports/{name}/", {"export": "csv", **query})
    assert response["Content-Type"].startswith("text/csv")
    text = b"".join(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_all_three_reports_stand_on_one_page(office: Office):
    office.request()
    page = signed_in(office.auditor).get("/reports/").content.decode()
    for title in ("Open by age and group", "Closed by month and kind", "Charged and not charged"):
        assert title in page


def test_reports_without_anything_say_so(db):
    page = signed_in(UserFactory(auditor=True)).get("/reports/")
    assert page.status_code == 200
    assert "No open requests" in page.content.decode()


def test_open_requests_are_counted_by_age_and_group(office: Office):
    with clock.acting_at(clock.now() - timedelta(days=40)):
        to_pending(office)
    to_pending(office)
    client = signed_in(office.auditor)
    head, row = read(client, "open-by-age")
    found = dict(zip(head, row, strict=True))
    assert found["Provider group"] == office.group.name
    assert (found["Up to 7 days"], found["31 to 60"], found["Open"]) == ("1", "1", "2")
    assert found["Overdue"] == "1"


def test_ended_requests_are_counted_by_month_and_kind(office: Office):
    """F16."""
    to_closed(office)
    to_cancelled(office)
    head, first, *rest = read(signed_in(office.auditor), "closed-by-month", months="3")
    found = dict(zip(head, first, strict=True))
    assert found["Month"] == f"{clock.today():%b %Y}"
    assert (found["Assistance fulfilled"], found["Cancelled"], found["Ended"]) == ("1", "1", "2")
    assert len(rest) == 2


def test_charged_and_not_charged_stand_side_by_side_with_the_money(office: Office):
    """F10, F13."""
    to_customer_notice(office)
    request = to_billing(office)
    client = signed_in(office.auditor)

    def now() -> dict[str, str]:
        head, first, *_ = read(client, "charged")
        return dict(zip(head, first, strict=True))

    assert (now()["Charged"], now()["Not charged"], now()["Initiated USD"]) == ("1", "1", "0.00")
    case = request.billing_cases.get()
    type(case).objects.filter(pk=case.pk).update(state="initiated", initiated_at=clock.now())
    assert now()["Initiated USD"] == f"{case.total:.2f}"


def test_reports_count_only_what_one_may_see(office: Office):
    """TD03: an export is no second way either."""
    to_pending(office)
    assert len(read(signed_in(office.stranger), "open-by-age")) == 1
    assert len(read(signed_in(office.specialist), "open-by-age")) == 2


def test_an_unknown_report_or_period_does_no_harm(office: Office):
    client = signed_in(office.rep)
    assert client.get("/reports/secrets/").status_code == 404
    for months in ("0", "-1", "99999999", "x", "12; drop"):
        assert client.get("/reports/", {"months": months}).status_code == 200


def test_reports_cost_the_same_for_many_as_for_one(office: Office):
    client = signed_in(office.auditor)

    def cost() -> int:
        report_counting.count()
        with CaptureQueriesContext(connection) as queries:
            client.get("/reports/")
        return len(queries)

    to_closed(office)
    cost()
    before = cost()
    for _ in range(3):
        to_pending(office)
        to_closed(office)
    assert cost() == before


# Errors


def test_what_is_not_there_and_what_is_not_mine_look_the_same(office: Office):
    request = office.request()
    client = signed_in(office.stranger)
    missing = client.get("/requests/REQ-1999-000001/")
    hidden = client.get(request.get_absolute_url())
    assert missing.status_code == hidden.status_code == 404
    assert "not yours to see" in hidden.content.decode()
    assert request.title not in hidden.content.decode()


def test_a_form_without_its_token_is_refused_with_a_way_out(db):
    """TE02."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory())
    for address in (
        "/account/",
        "/account/tokens/",
        "/filters/",
        "/logout/",
        "/account/hand-over/",
    ):
        answer = client.post(address, {"name": "x"})
        assert answer.status_code == 403
        assert "Nothing was changed" in answer.content.decode()


def test_a_crash_shows_a_page_without_its_reason(office: Office, monkeypatch):
    def crash(*args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("requests_app.home.tasks_of", crash)
    client = signed_in(office.rep)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
    assert "secret detail" not in answer.content.decode()


def test_nobody_gets_in_without_signing_in(db, client):
    for address in ("/", "/search/?q=x", "/reports/", "/reports/charged/", "/account/",
                    "/account/hand-over/", "/account/password/"):  # fmt: skip
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith("/login/?next=")
