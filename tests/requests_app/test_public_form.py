"""The public form `/new/`: nothing counts before the address is confirmed, then exactly once."""

import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet
from django.test import Client, override_settings

from asd.models import Agency, Contact
from notifications.delivery import sweep
from notifications.models import Notice
from requests_app import public_intake
from requests_app.models import PendingIntake, PublicForm, Request
from requests_app.similar import similar_to
from requests_app.states import S
from requests_app.tasks import purge_forms
from tests.conftest import Sink
from tests.factories import AgencyFactory, ContactFactory, Office
from tests.fulfillment.racing import at_once
from tests.walk import do
from workflow import clock
from workflow.client import client_address

pytestmark = pytest.mark.django_db
EMAIL = "pat@agency.example"


def typed(client: Client, **words: Any) -> dict[str, Any]:
    """The form as a person fills it in, some seconds after opening it."""
    with clock.acting_at(clock.now() - timedelta(seconds=30)):
        form = client.get("/new/").context["form"]
    return {
        "submission_key": str(form["submission_key"].value()),
        "started": form["started"].value(),
        "name": "Pat Person",
        "email": EMAIL,
        "language": "en",
        "service": "unsure",
        "title": "A second line",
        "description": "For the counter.",
        **words,
    }


def link(sink: Sink, address: str = EMAIL) -> str:
    """What the mail says to open."""
    while sweep():
        pass
    body = sink.to(address)[-1].get_payload()[0].get_payload(decode=True).decode()
    return re.search(r"/new/confirm/\S+", body).group()


def confirmed(client: Client, sink: Sink, address: str = EMAIL) -> Any:
    """Follow the link of the mail and press the button."""
    assert client.get(link(sink, address))["Location"] == "/new/confirm/"
    assert client.get("/new/confirm/").status_code == 200
    return client.post("/new/confirm/")


def test_it_becomes_a_request_in_triage_once_it_is_confirmed(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    """X10: pending, a mail, a page that asks once more, one request, the tracking page."""
    words = typed(client, agency=office.agency.pk, service=office.service.pk,
                  email=office.contact.email.upper(),
                  files=[SimpleUploadedFile("plan.txt", b"a plan")])  # fmt: skip
    answer = client.post("/new/", words)
    assert answer["Location"] == "/new/sent/"
    assert "confirm" in client.get("/new/sent/").content.decode()
    assert not Request.objects.exists()
    done = confirmed(client, smtp_sink, office.contact.email.upper())
    request = Request.objects.get()
    assert (request.state, request.channel) == (S.TRIAGE, "web")
    assert (request.contact, request.service) == (office.contact, office.service)
    assert request.representative == office.rep
    assert request.contact.unverified_since is None
    assert [a.name for a in request.case.attachments.all()] == ["plan.txt"]
    assert request.case.attachments.get().file.read() == b"a plan"
    assert "/track/" in done["Location"]
    while sweep():
        pass
    subjects = [str(m["Subject"]) for m in smtp_sink.to(office.contact.email)]
    assert sum(request.reference in s for s in subjects) == 1
    assert request.events.get(name="take_in").actor_kind == "customer"


def test_opening_the_link_decides_nothing_and_the_token_leaves_the_address(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    """A mail scanner opens every link; only the button counts. Only a hash is kept."""
    client.post("/new/", typed(client, agency=office.agency.pk))
    address = link(smtp_sink)
    for _ in range(2):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert answer.cookies["confirm"]["httponly"]
        assert answer["Referrer-Policy"] == "no-referrer"
    scanner = Client()
    assert scanner.get(address, follow=True).status_code == 200
    assert not Request.objects.exists()
    assert address.split("/")[3] not in PendingIntake.objects.get().digest
    assert Client().post("/new/confirm/").status_code == 404
    wrong = Client()
    wrong.get("/new/confirm/wrong/")
    assert wrong.post("/new/confirm/").status_code == 404


def test_confirming_again_leads_to_the_same_request(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    client.post("/new/", typed(client, agency=office.agency.pk))
    first = confirmed(client, smtp_sink)
    page = client.get("/new/confirm/").content.decode()
    assert "confirmed already" in page
    assert client.post("/new/confirm/")["Location"] == first["Location"]
    assert Request.objects.count() == 1
    assert Notice.objects.get(template="confirm_intake").context["link"] == ""


def race_of_confirmations(office: Office, email: str) -> list[Any]:
    """Four confirmations of one form at once: what each got."""
    intake = public_intake.submit(
        key=uuid.uuid4(), address="", files=[], email=email, agency=office.agency, name="Pat",
        title="A line", description="One.",
    )  # fmt: skip
    token = Notice.objects.get(address=email).context["link"].split("/")[-2]
    assert intake.digest not in token
    return at_once(*[lambda: public_intake.confirm(token)] * 4)


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_at_once_are_one_request_and_not_without_the_lock(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = race_of_confirmations(office, EMAIL)
    request = Request.objects.get()
    assert found == [request] * 4
    assert request.events.filter(name="take_in").count() == 1
    assert Contact.objects.filter(email=EMAIL).count() == 1
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(public_intake, "one_at_a_time", lambda key: None)
    rounds = [race_of_confirmations(office, f"b{n}@agency.example") for n in range(4)]
    assert any(len({str(f) for f in found}) > 1 for found in rounds)


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_twice_at_once_is_one(office: Office, client: Client) -> None:
    """TA03: one row, one mail; both are told the same."""
    words = typed(client, agency=office.agency.pk)
    answers = at_once(*[lambda: Client().post("/new/", words)] * 2)
    assert [a["Location"] for a in answers] == ["/new/sent/"] * 2
    assert PendingIntake.objects.count() == 1
    assert Notice.objects.filter(template="confirm_intake").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_limit_is_exact_for_those_who_send_at_once_and_not_without_the_lock(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five a day for one e-mail: of eight at once five are kept. The control lets more through."""

    def sent(email: str) -> int:
        barrier_client = [typed(Client(), agency=office.agency.pk, email=email) for _ in range(8)]
        at_once(*[lambda w=w: Client().post("/new/", w) for w in barrier_client])
        return PendingIntake.objects.filter(email=email).count()

    assert sent("a@agency.example") == 5
    PendingIntake.objects.all().delete()
    monkeypatch.setattr(public_intake, "one_at_a_time", lambda key: None)
    assert any(sent(f"b{n}@agency.example") > 5 for n in range(4))


def test_an_unknown_address_becomes_a_contact_that_the_office_checks(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    """Nobody learns whether an address is known; the representative does."""
    known = client.post("/new/", typed(client, agency=office.agency.pk, email=office.contact.email))
    unknown = client.post("/new/", typed(client, agency=office.agency.pk))
    assert known["Location"] == unknown["Location"]
    confirmed(client, smtp_sink)
    request = Request.objects.get()
    contact = request.contact
    assert (contact.name, contact.agency) == ("Pat Person", office.agency)
    assert contact not in Contact.objects.signatories()
    client.force_login(office.rep)
    assert "came by web form" in client.get(request.get_absolute_url()).content.decode()
    do(request, "verify_contact", office.rep)
    contact.refresh_from_db()
    assert contact.unverified_since is None
    assert "came by web form" not in client.get(request.get_absolute_url()).content.decode()


def test_a_former_contact_gets_no_old_right_back(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    gone = ContactFactory(agency=office.agency, email=EMAIL, is_active=False, is_signatory=True)
    client.post("/new/", typed(client, agency=office.agency.pk))
    assert "/track/" in confirmed(client, smtp_sink)["Location"]
    gone.refresh_from_db()
    assert gone.is_active
    assert not gone.is_signatory
    assert gone.unverified_since is not None


def test_an_agency_that_is_not_listed_lands_as_prospective(
    office: Office, client: Client, smtp_sink: Sink
) -> None:
    """D4: without agreement and representative; the very same name is the agency we know."""
    words = {"agency": "other", "agency_name": "Bureau of  New Things", "agency_about": "Downtown."}
    client.post("/new/", typed(client, **words))
    confirmed(client, smtp_sink)
    request = Request.objects.get()
    assert request.agency.name == "Bureau of New Things"
    assert not request.agency.is_current()
    assert request.representative is None
    assert "Downtown." in request.case.entries.get(public=False).text
    client.post("/new/", typed(client, **{**words, "agency_name": "bureau of new things"}))
    confirmed(client, smtp_sink)
    assert Agency.objects.filter(name__icontains="new things").count() == 1
    assert Request.objects.filter(agency=request.agency).count() == 2


def test_bad_input_is_said_beside_the_field_and_nothing_typed_is_lost(
    office: Office, client: Client
) -> None:
    words = typed(client, agency="", service="", email="nobody", title=" ", name="Pat",
                  description="Typed with care.", needed_by="2020-01-01",
                  files=[SimpleUploadedFile("run.exe", b"MZ")])  # fmt: skip
    answer = client.post("/new/", words)
    page = answer.content.decode()
    assert answer.status_code == 422
    wrong = {"agency", "service", "email", "title", "needed_by", "files"}
    assert wrong == set(answer.context["form"].errors)
    assert "Typed with care." in page
    assert "Choose the files again" in page
    assert "run.exe" in page
    assert not PendingIntake.objects.exists()
    assert client.post("/new/", {"title": "\x00"}).status_code == 400
    assert client.get("/new/agencies/?agency_search=%00").status_code == 400


def test_programs_are_stopped_by_the_empty_field_and_by_the_time_they_take(
    office: Office, client: Client
) -> None:
    words = typed(client, agency=office.agency.pk)
    assert client.post("/new/", {**words, "website": "http://x"}).status_code == 422
    now = client.get("/new/").context["form"]["started"].value()
    quick = client.post("/new/", {**words, "started": now})
    assert "very quick" in quick.content.decode()
    assert client.post("/new/", {**words, "started": "forged"}).status_code == 422
    assert not PendingIntake.objects.exists()
    page = client.get("/new/").content.decode()
    assert 'aria-hidden="true"' in page
    assert 'tabindex="-1"' in page


def test_limits_by_network_and_by_address(office: Office, client: Client, settings: Any) -> None:
    settings.THROUGHLINE = {**settings.THROUGHLINE, "FORMS_AN_HOUR": 2, "PROXIES": 1}
    for n in range(3):
        answer = client.post(
            "/new/",
            typed(client, agency=office.agency.pk, email=f"p{n}@agency.example"),
            headers={"X-Forwarded-For": "10.9.9.9, 2001:db8::" + str(n + 1)},
        )
    assert answer.status_code == 422
    assert "from your network" in answer.content.decode()
    other = typed(client, agency=office.agency.pk, email="p9@agency.example")
    elsewhere = {"X-Forwarded-For": "2001:db8:1::1"}
    assert client.post("/new/", other, headers=elsewhere).status_code == 302


def test_the_forwarded_address_counts_only_as_far_as_our_proxies_wrote_it(rf: Any) -> None:
    request = rf.get("/", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}, REMOTE_ADDR="9.9.9.9")
    for proxies, address in [(0, "9.9.9.9"), (1, "2.2.2.2"), (2, "1.1.1.1"), (7, "1.1.1.1")]:
        with override_settings(THROUGHLINE={"PROXIES": proxies}):
            assert client_address(request) == address


def test_the_search_shows_little_and_keeps_what_was_chosen(office: Office, client: Client) -> None:
    for n in range(12):
        AgencyFactory(name=f"Bureau {n:02d}")
    AgencyFactory(name="Bureau closed", is_active=False)
    page = client.get("/new/agencies/?agency_search=bureau").content.decode()
    assert page.count('name="agency"') == 9
    assert "closed" not in page
    assert "Bureau" not in client.get("/new/agencies/?agency_search=b").content.decode()
    chosen = Agency.objects.get(name="Bureau 11")
    kept = client.get(f"/new/agencies/?agency_search=bureau&agency={chosen.pk}").content.decode()
    assert f'value="{chosen.pk}" checked' in kept
    words = typed(client, agency_search="Bureau 1", find="agency", title="Kept title")
    page = client.post("/new/", words).content.decode()
    assert "Kept title" in page
    assert "Bureau 10" in page
    assert not PendingIntake.objects.exists()
    office.service.description = "Telephones and lines"
    office.service.save(update_fields=["description"])
    assert office.service.name in client.get("/new/services/?service_search=phone").content.decode()


def test_the_form_can_be_switched_off_and_says_whom_to_ask(client: Client, smtp_sink: Sink,
                                                           office: Office) -> None:  # fmt: skip
    client.post("/new/", typed(client, agency=office.agency.pk))
    PublicForm.objects.create(is_open=False, closed_note="Call 555-0100.")
    answer = client.get("/new/")
    assert answer.status_code == 404
    assert "Call 555-0100." in answer.content.decode()
    assert client.post("/new/", {"title": "x"}).status_code == 404
    assert "/track/" in confirmed(client, smtp_sink)["Location"]


def test_what_is_older_than_seven_days_counts_no_more_and_is_purged(
    office: Office, client: Client, smtp_sink: Sink, settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    client.post("/new/", typed(client, agency=office.agency.pk,
                               files=[SimpleUploadedFile("plan.txt", b"a plan")]))  # fmt: skip
    address = link(smtp_sink)
    assert purge_forms() == 0
    with clock.acting_at(clock.now() + timedelta(days=7, minutes=1)):
        client.get(address)
        assert client.post("/new/confirm/").status_code == 404
        with django_capture_on_commit_callbacks(execute=True):
            assert purge_forms() == 1
        assert purge_forms() == 0
    assert not PendingIntake.objects.exists()
    assert not Notice.objects.exists()
    assert not [p for p in Path(settings.MEDIA_ROOT).rglob("*") if p.is_file()]


def test_requests_that_sound_alike_are_shown_in_triage_and_can_be_the_same(
    office: Office, client: Client
) -> None:
    """X4: same agency, similar title, open or lately closed; another agency's never."""
    first = office.request(title="A second line for the counter")
    other = Office()
    other.request(title="A second line for the counter")
    again = office.request(title="Second line at the counter", channel="web")
    client.force_login(office.rep)
    page = client.get(again.get_absolute_url())
    assert [r.reference for r in similar_to(again)] == [first.reference]
    assert "Asked for already?" in page.content.decode()
    assert first.title in page.content.decode()
    form = client.get(
        f"{again.get_absolute_url()}?form=same_as&other={first.pk}", headers={"HX-Request": "true"}
    )
    assert f"We have this already as {first.reference}" in form.content.decode()
    do(again, "same_as", office.rep, other=first.pk, reason="We have this already.")
    assert (again.state, again.outcome) == (S.DECLINED, "duplicate")
    assert again.links_out.get().target == first


def test_the_form_costs_the_same_with_many_agencies_and_services(
    office: Office, client: Client, django_assert_num_queries: Any
) -> None:
    for n in range(30):
        AgencyFactory(name=f"Bureau {n:02d}")
    with django_assert_num_queries(2):  # the switch, the first services
        client.get("/new/")
    key = uuid.uuid4()
    assert (
        client.get(f"/new/agencies/?agency_search=bureau&submission_key={key}").status_code == 200
    )
