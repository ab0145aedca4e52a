"""Intake by a representative: known and new customers, bad input, and the form sent twice."""

import threading
import unicodedata
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from asd.models import Agency, Contact
from requests_app.models import Attachment, Request
from tests.factories import AgencyFactory, ContactFactory, Office, UserFactory
from tests.requests_app.test_list import as_user
from workflow import clock

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def facts(office: Office, **changes: Any) -> dict[str, Any]:
    given = {
        "submission_key": str(uuid.uuid4()),
        "customer": "existing",
        "agency": office.agency.pk,
        "contact": office.contact.pk,
        "service": office.service.pk,
        "title": "A line for the front desk",
        "description": "One line with a handset.",
        "impact": "2",
        "urgency": "1",
    }
    return {**given, **changes}


def new_customer(office: Office, **changes: Any) -> dict[str, Any]:
    given = {
        "customer": "new",
        "agency": "",
        "contact": "",
        "new_agency": "Council of Bridges",
        "contact_name": "Noa Lindqvist",
        "contact_email": "noa@bridges.example",
    }
    return facts(office, **{**given, **changes})


def post(user: Any, data: dict[str, Any]) -> Any:
    return as_user(user).post("/requests/new/", data)


def errors(response: Any) -> dict[str, Any]:
    assert response.status_code == 422
    return response.context["form"].errors


def test_a_request_is_taken_in_for_a_contact_of_an_agency(office):
    """X10: on behalf of the customer, who is told."""
    response = post(office.rep, facts(office))
    request = Request.objects.get()
    assert response.status_code == 302
    assert response["Location"] == request.get_absolute_url()
    assert (request.state, request.contact, request.taken_in_by) == (
        "triage",
        office.contact,
        office.rep,
    )
    assert request.priority == 2
    assert request.events.get().name == "take_in"


@pytest.mark.parametrize("role", ["specialist", "lead", "billing", "asd", "auditor", "stranger"])
def test_only_representatives_take_in(office, role):
    user = getattr(office, role)
    assert as_user(user).get("/requests/new/").status_code == 403
    assert post(user, facts(office)).status_code == 403
    assert as_user(user).get("/requests/new/contacts/").status_code == 403
    assert as_user(user).get("/requests/new/agencies/").status_code == 403
    assert not Request.objects.exists()


def test_an_administrator_may_too(office):
    assert post(UserFactory(admin=True), facts(office)).status_code == 302


def test_files_come_with_the_request(office):
    files = [SimpleUploadedFile("plan.pdf", PDF), SimpleUploadedFile("list.csv", b"a,b\n1,2\n")]
    post(office.rep, facts(office, files=files))
    assert {a.name for a in Attachment.objects.all()} == {"plan.pdf", "list.csv"}


def test_a_service_that_is_not_known_is_left_open(office):
    post(office.rep, facts(office, service=""))
    assert Request.objects.get().service is None


def test_a_new_contact_of_a_known_agency_is_made_in_place(office):
    post(
        office.rep,
        facts(office, contact="", contact_name="Kim Osei", contact_email="kim@a.example"),
    )
    request = Request.objects.get()
    assert (request.contact.name, request.contact.agency) == ("Kim Osei", office.agency)


def test_a_new_agency_is_made_in_place_as_prospective_with_its_contact(office):
    """D4: a new customer; no agreement, represented by who took it in."""
    assert post(office.rep, new_customer(office)).status_code == 302
    request = Request.objects.get()
    assert request.agency.name == "Council of Bridges"
    assert request.agency.code
    assert not request.agency.is_current()
    assert (request.agency.representative, request.representative) == (office.rep, office.rep)
    assert request.contact.email == "noa@bridges.example"


def test_an_agency_whose_name_is_composed_otherwise_is_the_same_agency(office):
    """A name in NFD is the same name: refused, with the agency that is meant."""
    AgencyFactory(name=unicodedata.normalize("NFC", "Büro für Gewässer"), code="GEW")
    data = new_customer(office, new_agency=unicodedata.normalize("NFD", "büro  für Gewässer"))
    response = post(office.rep, data)
    assert "(GEW) exists already" in errors(response)["new_agency"][0]
    assert not Request.objects.exists()
    assert not Contact.objects.filter(email="noa@bridges.example").exists()


def test_an_agency_with_the_same_number_is_the_same_agency(office):
    AgencyFactory(name="Something else", code="BR-7")
    assert "new_agency" in errors(post(office.rep, new_customer(office, new_code="br-7")))


@pytest.mark.parametrize(
    "near",
    [{"name": "The Council of Bridges"}, {"contact": "NOA@bridges.example"}],
)
def test_agencies_like_it_are_shown_and_asked_about_before_one_is_made(office, near):
    agency = AgencyFactory(name=near.get("name", "Ministry of Quarries"), code="NEAR")
    if "contact" in near:
        ContactFactory(agency=agency, email=near["contact"])
    response = post(office.rep, new_customer(office))
    assert "not_a_duplicate" in errors(response)
    assert agency.name in response.content.decode()
    assert not Agency.objects.filter(name="Council of Bridges").exists()
    assert post(office.rep, new_customer(office, not_a_duplicate="on")).status_code == 302
    assert Agency.objects.filter(name="Council of Bridges").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "   "}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"description": ""}, "description"),
        ({"description": "x" * 20_001}, "description"),
        ({"agency": ""}, "agency"),
        ({"agency": "2147483646"}, "agency"),
        ({"agency": "9" * 300}, "agency"),
        ({"agency": "²"}, "agency"),
        ({"contact": ""}, "contact"),
        ({"contact": "2147483646"}, "contact"),
        ({"contact": "none"}, "contact"),
        ({"service": "2147483646"}, "service"),
        ({"needed_by": "someday"}, "needed_by"),
        ({"impact": "7"}, "impact"),
        ({"urgency": ""}, "urgency"),
        ({"customer": "other"}, "customer"),
        ({"submission_key": "not-a-key"}, "submission_key"),
        ({"contact_name": "Kim"}, "contact_email"),
        ({"contact_name": "Kim", "contact_email": "kim"}, "contact_email"),
        ({"customer": "new", "new_agency": ""}, "new_agency"),
        ({"customer": "new", "new_agency": "x" * 201}, "new_agency"),
        ({"customer": "new", "new_agency": "Quay", "new_code": "x" * 21}, "new_code"),
        ({"customer": "new", "new_agency": "Quay"}, "contact_name"),
    ],
)
def test_bad_input_is_an_error_beside_its_field_and_nothing_is_lost(office, changes, field):
    response = post(office.rep, facts(office, **changes))
    assert field in errors(response)
    assert not Request.objects.exists()
    html = response.content.decode()
    if "description" not in changes:
        assert "One line with a handset." in html


def test_a_date_in_the_past_is_refused_and_today_is_not(office):
    yesterday = (clock.today() - timedelta(days=1)).isoformat()
    assert "needed_by" in errors(post(office.rep, facts(office, needed_by=yesterday)))
    assert post(office.rep, facts(office, needed_by=clock.today().isoformat())).status_code == 302


def test_a_contact_of_another_agency_is_no_choice(office):
    """TD03: a foreign key typed into the form."""
    assert "contact" in errors(post(office.rep, facts(office, contact=ContactFactory().pk)))


def test_a_contact_that_exists_is_not_made_again(office):
    data = facts(
        office, contact="", contact_name="Same", contact_email=office.contact.email.upper()
    )
    assert "contact_email" in errors(post(office.rep, data))


def test_files_must_be_chosen_again_and_the_page_says_so(office):
    data = facts(office, title="", files=[SimpleUploadedFile("plan.pdf", PDF)])
    html = post(office.rep, data).content.decode()
    assert "Choose the files again" in html
    assert "plan.pdf" in html


def test_a_file_that_cannot_be_kept_is_an_error_beside_the_field(office):
    data = facts(office, files=[SimpleUploadedFile("run.svg", b"<svg onload=alert(1)>")])
    assert "run.svg" in str(errors(post(office.rep, data))["files"])
    assert not Request.objects.exists()


def test_without_script_the_contacts_are_shown_by_a_button_that_keeps_what_was_typed(office):
    response = post(office.rep, facts(office, contact="", show_contacts="1"))
    html = response.content.decode()
    assert response.status_code == 200
    assert office.contact.name in html
    assert "One line with a handset." in html


def test_the_contacts_of_the_chosen_agency_are_reloaded(office):
    client = as_user(office.rep)
    other = ContactFactory()
    html = client.get("/requests/new/contacts/", {"agency": office.agency.pk}).content.decode()
    assert office.contact.name in html
    assert other.name not in html
    for wild in ("", "x", "9" * 300, "²"):
        assert client.get("/requests/new/contacts/", {"agency": wild}).status_code == 200


def test_agencies_are_found_by_name_or_number(office):
    found = AgencyFactory(name="Ferry Office", code="FERRY-1")
    client = as_user(office.rep)
    for text in ("ferry", "FERRY-1"):
        html = client.get("/requests/new/agencies/", {"agency_search": text}).content.decode()
        assert found.name in html
        assert office.agency.name not in html


def test_a_null_byte_is_a_bad_request(office):
    assert post(office.rep, facts(office, title="a\x00b")).status_code == 400


def test_the_form_sent_again_leads_to_the_same_request(office):
    """TA03: back button and a second press."""
    data = new_customer(office)
    first, second = post(office.rep, data), post(office.rep, {**data, "not_a_duplicate": "on"})
    assert Request.objects.count() == 1
    assert first["Location"] == second["Location"]


def _both_at_once(user: Any, first: dict[str, Any], second: dict[str, Any]) -> list[Any]:
    """Two real connections, released together."""
    together = threading.Barrier(2)
    answers: list[Any] = []

    def send(data: dict[str, Any]) -> None:
        client = as_user(user)
        together.wait()
        try:
            answers.append(client.post("/requests/new/", data))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(data,)) for data in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [facts, new_customer])
def test_the_form_sent_twice_at_once_is_one_request(make):
    """TA03: two parallel posts with the same key; both answers lead to the one request."""
    office = Office()
    for _ in range(5):
        data = make(office, new_agency=f"Agency of {uuid.uuid4()}",
                    contact_name="Noa", contact_email=f"{uuid.uuid4()}@a.example",
                    not_a_duplicate="on")  # fmt: skip
        before = Request.objects.count()
        answers = _both_at_once(office.rep, data, data)
        assert Request.objects.count() == before + 1
        assert [a.status_code for a in answers] == [302, 302]
        assert answers[0]["Location"] == answers[1]["Location"]


@pytest.mark.django_db(transaction=True)
def test_without_the_same_key_two_at_once_are_two_requests():
    """TA03, negative control: it is the key that makes them one, not the machine being slow."""
    office = Office()
    data = facts(office)
    other = {**data, "submission_key": str(uuid.uuid4())}
    answers = _both_at_once(office.rep, data, other)
    assert Request.objects.count() == 2
    assert answers[0]["Location"] != answers[1]["Location"]
