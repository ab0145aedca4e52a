"""The review list, one message, its actions, and mail in the conversation of a request."""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from asd.models import Agency, Contact
from notifications.models import Notice
from requests_app.models import BlockedSender, CaseEntry, InboundMessage, Request
from requests_app.tasks import purge_mail
from tests.browser import barriers
from tests.factories import ContactFactory, Office, UserFactory
from tests.mail_in.letters import PDF, deliver, letter
from tests.mail_in.test_routing import answered
from workflow import clock
from workflow.registry import actions_of


@pytest.fixture
def rep(office: Office) -> Client:
    client = Client()
    client.force_login(office.rep)
    return client


@pytest.fixture
def message(office: Office) -> InboundMessage:
    """From somebody nobody knows, with a file that may be kept and one that may not."""
    files = {"plan.pdf": PDF, "run.exe": b"MZ"}
    return deliver(letter(sender="Pat <pat@new.example>", subject="Re: A new line", files=files))


def act(client: Client, message: InboundMessage, name: str, /, **facts: Any) -> Any:
    answer = client.post(f"/mail/{message.pk}/actions/{name}/", facts)
    message.refresh_from_db()
    return answer


def words(client: Client, address: str) -> str:
    page = BeautifulSoup(client.get(address).content, "html.parser")
    return page.get_text(" ", strip=True)


def test_the_list_says_who_when_what_and_why(message: InboundMessage, rep: Client) -> None:
    said = words(rep, "/mail/")
    for word in ("Pat <pat@new.example>", "Re: A new line", "Is it done yet?", "2 files",
                 "Nobody we know has this address.", "today"):  # fmt: skip
        assert word in said
    assert "Mail to review 1" in said


def test_it_costs_the_same_for_many_and_is_paged(message: InboundMessage, rep: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            rep.get("/mail/")
        return len(asked)

    few = cost()
    for n in range(30):
        deliver(letter(sender=f"p{n}@new.example", text=f"N{n}"))
    assert cost() == few
    assert "Page 1 of 2" in words(rep, "/mail/")
    assert "p0@new.example" in words(rep, "/mail/?page=2")


def test_it_is_narrowed_by_words_and_by_where_they_are(office: Office, rep: Client) -> None:
    deliver(letter(sender="pat@new.example", subject="Lines"))
    deliver(letter(sender="eve@other.example", subject="Bills"))
    answered(office)
    deliver(letter(Auto_Submitted="auto-replied", subject="Away"))
    assert "Bills" not in words(rep, "/mail/?q=lines")
    assert "Away" in words(rep, "/mail/?show=aside")
    assert "On a case" in words(rep, "/mail/?show=case")
    assert "Bills" in words(rep, "/mail/?show=all")
    assert "Nothing matches" in words(rep, "/mail/?q=nothing")


def test_an_empty_list_says_what_would_be_here(rep: Client) -> None:
    assert "No mail waits" in words(rep, "/mail/")


def test_the_message_as_it_came_is_a_download_that_nothing_runs(
    message: InboundMessage, rep: Client
) -> None:
    answer = rep.get(f"/mail/{message.pk}/raw/")
    assert answer.content == bytes(message.raw.content)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_long_after_it_is_on_a_case_it_is_no_longer_kept_as_it_came(
    message: InboundMessage, office: Office, rep: Client, settings: Any
) -> None:
    """What was read of it and its files stay; what waits for somebody stays whole, however old."""
    request = office.request()
    waiting = deliver(letter(sender="Kim <kim@new.example>", subject="Another line"))
    act(rep, message, "attach", reference=request.reference, public="yes")
    days = settings.THROUGHLINE["RAW_MAIL_DAYS"]
    with clock.acting_at(clock.now() + timedelta(days=days - 1)):
        assert purge_mail() == 0
        assert f"/mail/{message.pk}/raw/" in rep.get(request.get_absolute_url()).text
    with clock.acting_at(clock.now() + timedelta(days=days, minutes=1)):
        settings.THROUGHLINE = {**settings.THROUGHLINE, "RAW_MAIL_DAYS": 0}
        assert purge_mail() == 0
        settings.THROUGHLINE = {**settings.THROUGHLINE, "RAW_MAIL_DAYS": days}
        assert purge_mail() == 1
        assert purge_mail() == 0
        page = rep.get(request.get_absolute_url()).text
    assert f"/mail/{message.pk}/raw/" not in page
    assert "Not kept: run.exe" in page
    assert rep.get(f"/mail/{message.pk}/raw/").status_code == 404
    assert rep.get(f"/mail/{waiting.pk}/raw/").status_code == 200


def test_it_is_put_on_a_case_as_the_customers_message(
    message: InboundMessage, office: Office, rep: Client
) -> None:
    """X6: with its files; what may not be kept is named."""
    request = office.request()
    answer = act(rep, message, "attach", reference=request.reference.lower(), public="yes")
    assert answer["Location"] == request.get_absolute_url()
    entry = CaseEntry.objects.get()
    assert (entry.author_name, entry.public, entry.from_customer) == ("Pat", True, True)
    assert [a.name for a in entry.attachments.all()] == ["plan.pdf"]
    said = words(rep, request.get_absolute_url())
    assert "By e-mail" in said
    assert "Not kept: run.exe" in said
    assert (message.state, message.request) == ("applied", request)


def test_it_is_put_on_a_case_for_staff_only(
    message: InboundMessage, office: Office, rep: Client
) -> None:
    request, before = office.request(), Notice.objects.count()
    act(rep, message, "attach", reference=request.reference)
    assert not CaseEntry.objects.get().public
    assert Notice.objects.count() == before


def test_it_becomes_a_request_of_an_agency_we_know(
    message: InboundMessage, office: Office, rep: Client
) -> None:
    """X10, D4: with a contact made for it; who wrote gets the notice that it was received."""
    facts = {"name": "Pat", "email": "pat@new.example", "title": "A new line"}
    answer = act(rep, message, "make_request", agency=office.agency.pk, **facts)
    request = Request.objects.get()
    assert answer["Location"] == request.get_absolute_url()
    assert (request.title, request.channel, request.agency) == (
        "A new line",
        "email",
        office.agency,
    )
    assert request.contact.email == "pat@new.example"
    assert Notice.objects.get().address == "pat@new.example"
    assert message.state == "request_made"
    assert "unverified mail from pat@new.example" in words(rep, request.get_absolute_url())


def test_it_becomes_a_request_of_a_new_agency_or_says_what_is_missing(
    message: InboundMessage, office: Office, rep: Client
) -> None:
    facts = {"name": "Pat", "email": "pat@new.example", "title": "A new line"}
    answer = act(rep, message, "make_request", **facts)
    assert answer.status_code == 422
    assert "Choose the agency, or name a new one." in answer.content.decode()
    assert 'value="A new line"' in answer.content.decode()
    answer = act(rep, message, "make_request", new_agency=office.agency.name.upper(), **facts)
    assert "choose it above" in answer.content.decode()
    both = {"agency": office.agency.pk, "new_agency": "Another"}
    assert act(rep, message, "make_request", **both, **facts).status_code == 422
    assert not Request.objects.exists()
    act(rep, message, "make_request", new_agency="County Libraries", **facts)
    assert Request.objects.get().agency == Agency.objects.get(name="County Libraries")


def test_a_contact_the_agency_has_is_not_made_twice(
    message: InboundMessage, office: Office, rep: Client
) -> None:
    known = ContactFactory(agency=office.agency, email="PAT@new.example")
    facts = {"name": "Pat", "email": "pat@new.example", "title": "A new line"}
    act(rep, message, "make_request", agency=office.agency.pk, **facts)
    assert Request.objects.get().contact == known
    assert Contact.objects.filter(email__iexact="pat@new.example").count() == 1


def test_it_is_discarded_with_a_reason_and_taken_up_again(
    message: InboundMessage, rep: Client
) -> None:
    assert act(rep, message, "discard", reason=" ").status_code == 422
    act(rep, message, "discard", reason="Advertising.")
    assert message.state == "discarded"
    assert "discarded it: Advertising." in message.why
    assert act(rep, message, "discard", reason="Again.").status_code == 409
    act(rep, message, "take_up")
    assert message.state == "review"
    assert [e.name for e in message.events.order_by("number")] == [
        "set_for_review", "discard", "take_up",
    ]  # fmt: skip


def test_a_blocked_sender_waits_no_more(message: InboundMessage, rep: Client) -> None:
    act(rep, message, "block_sender", reason="Advertising.")
    assert message.state == "discarded"
    assert BlockedSender.objects.get().address == "pat@new.example"
    assert deliver(letter(sender="Pat <PAT@new.example>", text="More")).state == "ignored"


def test_a_wrong_reference_is_said_beside_its_field(message: InboundMessage, rep: Client) -> None:
    answer = act(rep, message, "attach", reference="REQ-2000-000001", public="yes")
    assert answer.status_code == 422
    assert "no request with this reference" in answer.content.decode()


@pytest.mark.parametrize("role", ["auditor", "lead", "billing", "nobody"])
def test_others_do_nothing_about_it(role: str, message: InboundMessage, office: Office) -> None:
    """TD01, TD03: an auditor reads; the rest are not told that it exists."""
    person = UserFactory(is_staff=True) if role == "nobody" else getattr(office, role)
    client = Client()
    client.force_login(person)
    reads = role == "auditor"
    assert client.get("/mail/").status_code == (200 if reads else 403)
    for address in (f"/mail/{message.pk}/", f"/mail/{message.pk}/raw/"):
        assert client.get(address).status_code == (200 if reads else 404)
    for made in actions_of("requests_app.inboundmessage"):
        answer = act(client, message, made.name, reason="x", reference="x")
        assert answer.status_code in (403, 404, 409), made.name
    assert message.state == "review"
    assert "data-action" not in client.get(f"/mail/{message.pk}/").content.decode()


def test_mail_on_a_case_is_read_by_whoever_sees_the_case(office: Office) -> None:
    _, message = answered(office)
    Request.objects.update(provider_group=office.group)
    for person, status in ((office.lead, 200), (office.stranger, 404)):
        client = Client()
        client.force_login(person)
        assert client.get(f"/mail/{message.pk}/raw/").status_code == status


def test_quotes_are_folded_on_the_request(office: Office, rep: Client) -> None:
    text = "Yes.\n\n-- \nJo\n\nOn Monday Desk <d@x.example> wrote:\n> Is it so?\n"
    request, _ = answered(office, text=text, sender="other@agency.example")
    page = BeautifulSoup(rep.get(request.get_absolute_url()).content, "html.parser")
    folds = {f.summary.get_text(): f.get_text() for f in page.select("details.mail-fold")}
    assert "Is it so?" in folds["Quoted text"]
    assert "Came from other@agency.example" in page.get_text(" ", strip=True)
    assert page.select_one(".entry-text").get_text(strip=True) == "Yes."


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_in_the_browser_mail_is_reviewed_without_a_barrier(
    live_server: Any, page: Any, transactional_db: None
) -> None:
    """WCAG 2.2 AA, wide and narrow; hostile words stay words; one mail is made a request."""
    office = Office()
    hostile = "<img src=x onerror=alert(1)>"
    raw = letter(sender="Pat <pat@new.example>", subject=hostile, text=hostile + "\n> old")
    message = deliver(raw)
    client = Client()
    client.force_login(office.rep)
    page.context.add_cookies([
        {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    ])  # fmt: skip
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        for address in ("/mail/", f"/mail/{message.pk}/"):
            page.goto(address)
            assert barriers(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("summary", has_text="Make a request").click()
    form = page.locator("form[data-action=make_request]")
    assert form.get_by_label("E-mail of the contact").input_value() == "pat@new.example"
    form.get_by_label("Agency", exact=True).select_option(str(office.agency.pk))
    form.get_by_role("button").click()
    page.wait_for_url("**/requests/REQ-*/")
    assert "By e-mail" in page.locator("#conversation").inner_text()
    page.reload()
    assert barriers(page) == []
