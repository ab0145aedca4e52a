"""What is asked for without measure costs no more than a page, and is answered by a sentence."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from bs4 import BeautifulSoup
from django.db import connection, connections
from django.test import Client

from asd.models import Agency
from tests.factories import AgencyFactory, ContactFactory, Office, UserFactory


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def box(client: Client, **query) -> tuple[str, str, list[str]]:
    """What stands in the box of the agency, what is said beside it, and what the list shows."""
    answer = client.get("/requests/", {"scope": "all", "status": "any", **query})
    field = BeautifulSoup(answer.content, "html.parser").find(id="id_agency")
    wrong = field.find_parent(class_="field").find(class_="field-error")
    shown = [row.reference for row in answer.context["page"]]
    return field["value"], wrong.text if wrong else "", shown


@pytest.fixture
def harbor(office: Office) -> Agency:
    agency = AgencyFactory(name="Harbor Authority", code="HA-9", representative=office.rep)
    office.request(agency=agency, contact=ContactFactory(agency=agency), title="A crane")
    office.request(title="A lamp")
    return agency


# Names are looked up


@pytest.mark.parametrize("typed", ["harbor", "Harbor Authority", "ha-9", "Harbor Authority (HA-9)"])
def test_an_agency_is_found_by_name_and_code_and_stays_in_the_box(office, harbor, typed):
    value, wrong, shown = box(signed_in(office.rep), agency=typed)
    assert (value, wrong, len(shown)) == ("Harbor Authority (HA-9)", "", 1)


def test_an_address_that_was_kept_names_the_agency_by_its_key(office, harbor):
    value, wrong, shown = box(signed_in(office.rep), agency=str(harbor.pk))
    assert (value, wrong, len(shown)) == ("Harbor Authority (HA-9)", "", 1)


def test_what_fits_several_is_answered_with_their_names(office, harbor):
    AgencyFactory(name="Harbor Police", code="HP-1")
    value, wrong, _ = box(signed_in(office.rep), agency="harbor")
    assert value == "harbor"
    assert "Harbor Authority (HA-9)" in wrong
    assert "Harbor Police (HP-1)" in wrong


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("nowhere", "none of this name"), ("x" * 10_000, "at most 120 characters"), ("%", "none")],
)
def test_a_name_that_leads_nowhere_is_said_beside_the_box(office, harbor, typed, sentence):
    value, wrong, _ = box(signed_in(office.rep), agency=typed)
    assert sentence in wrong
    assert value == typed


def test_names_come_along_while_one_types_and_only_a_few(office, harbor):
    for _ in range(20):
        AgencyFactory()
    client = signed_in(office.rep)
    page = BeautifulSoup(client.get("/requests/lookup/agency/?agency=harb").content, "html.parser")
    assert [o["value"] for o in page.find_all("option")] == ["Harbor Authority (HA-9)"]
    many = client.get("/requests/lookup/agency/").content.decode()
    assert many.count("<option") == 12
    assert client.get("/requests/lookup/secrets/").status_code == 404


def test_only_groups_that_one_may_see_are_named(office: Office):
    stranger = signed_in(office.stranger)
    told = stranger.get("/requests/lookup/group/").content.decode()
    assert office.other_group.name in told
    assert f'"{office.group.name}"' not in told


def test_the_list_draws_no_names_that_nobody_chose(office: Office):
    """However many agencies there are, the page is the same."""
    client = signed_in(office.rep)
    before = len(client.get("/requests/").content)
    for _ in range(30):
        AgencyFactory()
    assert abs(len(client.get("/requests/").content) - before) < 100


# Sizes, depths, lengths


def test_a_text_beyond_measure_is_said_beside_the_box_and_kept(office: Office):
    answer = signed_in(office.rep).get("/requests/", {"q": "word " * 2000})
    assert answer.status_code == 200
    assert "at most 100 characters" in answer.content.decode()
    assert answer.content.decode().count("word word word") > 0


@pytest.mark.parametrize("page", ["999999999999", "-1", "last", "1e9"])
def test_no_offset_is_deeper_than_the_first_thousand(office: Office, page):
    office.request()
    assert len(signed_in(office.rep).get("/requests/", {"page": page}).context["page"]) == 1


def test_the_api_gives_a_hundred_rows_at_most_and_goes_on_from_the_last_one(office: Office):
    made = [office.request().reference for _ in range(5)]
    client = signed_in(office.rep)
    assert len(client.get("/api/v1/requests/?page_size=1000000000").json()["results"]) == 5
    seen, address = [], "/api/v1/requests/?page_size=2"
    while address:
        answer = client.get(address).json()
        seen += [row["reference"] for row in answer["results"]]
        address = answer["next"]
        assert address is None or "after=REQ-" in address
    assert seen == made[::-1]
    assert client.get("/api/v1/requests/?after=REQ-1999-000001").status_code == 400


def test_what_begins_like_a_word_is_found_and_a_wildcard_is_not_one(office: Office):
    request = office.request(title="Wireless bridge, north-west")
    client = signed_in(office.rep)

    def found(text: str) -> bool:
        page = client.get("/requests/", {"q": text, "scope": "all"}).context["page"]
        return request.reference in {row.reference for row in page}

    assert all(map(found, ["wirel", "BRIDGE north", "north-west", "west bridge"]))
    assert not any(map(found, ["%", "_ireless", "w%s", "bridge south", "irel"]))


def test_search_takes_words_of_title_agency_and_contact_together(office, harbor):
    client = signed_in(office.rep)
    assert "A crane" in client.get("/search/", {"q": "harbor crane"}).content.decode()
    assert "A lamp" not in client.get("/search/", {"q": "harbor lamp"}).content.decode()


# Time


@pytest.fixture
def locked(transactional_db: None) -> Iterator[None]:
    """Somebody else holds the table of requests; our statements wait a moment and give up."""
    held, done = Event(), Event()

    def hold() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN; LOCK TABLE requests_app_request")
                held.set()
                done.wait(60)
                cursor.execute("ROLLBACK")
        finally:
            connections.close_all()

    other = Thread(target=hold)
    other.start()
    held.wait(60)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '200ms'")
    yield
    done.set()
    other.join()
    with connection.cursor() as cursor:
        cursor.execute("RESET statement_timeout")


def test_what_takes_too_long_is_answered_by_a_sentence(transactional_db, request):
    client = signed_in(UserFactory(rep=True))
    request.getfixturevalue("locked")
    for address in ("/requests/", "/search/?q=desk", "/"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert "Narrow it" in answer.content.decode()
    answer = client.get("/api/v1/requests/")
    assert (answer.status_code, answer.json()["code"]) == (503, "too_much")


def test_joins_of_a_list_are_planned_quickly(db: None):
    with connection.cursor() as cursor:
        cursor.execute("SHOW join_collapse_limit")
        assert cursor.fetchone() == ("4",)
