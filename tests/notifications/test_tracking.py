"""The customer's page: plain words for whoever has the link, and nothing internal.

The link is the key: it is made per contact, expires, can be revoked, and is told to nobody.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.datastructures import MultiValueDict

from asd.models import Contact
from notifications.models import Notice
from notifications.rendering import render_notice
from requests_app.case_models import TrackingToken
from requests_app.customer_page import WORDS
from requests_app.models import Attachment, Request, Watcher
from requests_app.states import State
from requests_app.tracking import tracking_url
from tests import walk
from tests.factories import ContactFactory, Office
from tests.visiting import link_of, page_of, send, visit
from workflow import clock
from workflow.models import Event

MARKS = ("MARK-INTERNAL", "MARK-FINDING", "MARK-HOLD", "MARK-PLAN")
QUERIES = 16
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def read(request: Request) -> tuple[Any, str]:
    response = visit(request).get(page_of(request))
    return response, BeautifulSoup(response.content, "html.parser").get_text(" ", strip=True)


def add_file(request: Request, office: Office, name: str, public: bool) -> Attachment:
    data = {"public": "on"} if public else {}
    files = MultiValueDict({"files": [SimpleUploadedFile(name, PDF)]})
    walk.do(request, "upload_file", office.rep, files=files, **data)
    return Attachment.objects.latest("pk")


def test_it_says_where_the_request_is_and_what_comes_next(office: Office, settings: Any) -> None:
    """F8, F15: without an account, in words that are not ours."""
    request = walk.to_scheduled(office)
    response, text = read(request)
    assert response.status_code == 200
    for said in (request.reference, request.title, "It has a date.", "Scheduled", "We aim for",
                 str(office.rep)):  # fmt: skip
        assert said in text
    assert "triage" not in text.lower()
    assert "enhancement" not in text.lower()


@pytest.mark.parametrize("state", State)
def test_there_are_plain_words_for_every_state(state: State) -> None:
    here, _next = WORDS[state]
    assert str(here).endswith(".")


@pytest.mark.parametrize(
    "to",
    [
        walk.to_discovery, walk.to_pending, walk.to_assigned, walk.to_awaiting, walk.to_planning,
        walk.passed, walk.to_billing, walk.to_customer_notice, walk.to_closed, walk.to_declined,
        walk.to_cancelled,
    ],
    ids=lambda to: to.__name__,
)  # fmt: skip
def test_it_opens_in_every_state_and_marks_one_place(
    office: Office, settings: Any, to: Any
) -> None:
    request = to(office)
    response, text = read(request)
    assert response.status_code == 200
    assert str(WORDS[State(request.state)][0]) in text
    page = BeautifulSoup(response.content, "html.parser")
    assert len(page.select("ol.line li[aria-current=step]")) == 1


def test_nothing_internal_is_said(office: Office, settings: Any) -> None:
    """Markers in everything that staff write for each other; none of them on the page."""
    request = walk.to_planning(office)
    walk.do(request, "comment", office.specialist, text="MARK-INTERNAL note")
    walk.do(request, "comment", office.specialist, text="PUBLIC news", public="yes")
    walk.do(request, "add_plan_item", office.specialist, title="MARK-PLAN", estimate_hours="2")
    hidden = add_file(request, office, "MARK-INTERNAL.pdf", public=False)
    shown = add_file(request, office, "offer.pdf", public=True)
    walk.do(request, "hold", office.rep, reason="MARK-HOLD: they are difficult",
            review_on=walk.later(5), waiting_for="budget")  # fmt: skip
    response, text = read(request)
    whole = response.content.decode()
    assert not [mark for mark in MARKS if mark in whole]
    people = (office.rep, office.lead, office.specialist, office.specialist2)
    assert not [person for person in people if person.email in whole or person.username in whole]
    assert f"/files/{hidden.pk}/" not in whole
    assert f"/files/{shown.pk}/" in whole
    assert "PUBLIC news" in text
    assert "It is on hold." in text


def test_why_it_ended_is_said_as_the_notice_said_it(office: Office, settings: Any) -> None:
    _, text = read(walk.to_declined(office))
    assert "We do not offer this." in text
    _, text = read(walk.to_closed(office))
    assert "Done and tried out together." in text


def test_public_files_leave_as_downloads_and_others_do_not_exist(
    office: Office, settings: Any
) -> None:
    """TC06, TD03: attachment, nosniff, sandbox; no internal file, none of another request."""
    request, other = office.request(), office.request(title="Another one")
    shown = add_file(request, office, "offer.pdf", public=True)
    hidden = add_file(request, office, "notes.pdf", public=False)
    foreign = add_file(other, office, "theirs.pdf", public=True)
    base, browser = page_of(request), visit(request)
    response = browser.get(f"{base}files/{shown.pk}/")
    assert b"".join(response.streaming_content) == PDF
    assert response["Content-Disposition"] == 'attachment; filename="offer.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    for pk in (hidden.pk, foreign.pk, 999_999, 10**30):
        assert browser.get(f"{base}files/{pk}/").status_code == 404
    assert Client().get(f"{base}files/{shown.pk}/").status_code == 404
    walk.do(request, "withdraw_file", office.rep, attachment=shown.pk, reason="Wrong version.")
    assert browser.get(f"{base}files/{shown.pk}/").status_code == 404


def test_a_file_that_is_gone_from_the_disk_is_not_found(office: Office, settings: Any) -> None:
    """TF05: no stack trace."""
    request = office.request()
    file = add_file(request, office, "offer.pdf", public=True)
    Path(file.file.path).unlink()
    assert visit(request).get(f"{page_of(request)}files/{file.pk}/").status_code == 404


def words_of(path: str) -> tuple[Any, ...]:
    """What an address leads to, without the form's own token."""
    answer = Client().get(path)
    after = Client().get(answer["Location"]) if answer.status_code == 302 else answer
    text = BeautifulSoup(after.content, "html.parser").get_text(" ", strip=True)
    return answer.status_code, answer.get("Location"), after.status_code, text


def test_wrong_expired_revoked_and_replaced_links_look_alike(office: Office) -> None:
    """Nobody learns whether an address ever was one; nor whether a request exists."""
    request = office.request()
    good = link_of(request)
    token = TrackingToken.objects.get(request=request, contact=request.contact)
    wrong = [f"/track/{token.pk}-{'0' * 64}/", f"/track/{token.pk}-/", "/track/x/",
             "/track/99999999999999999999-a/", f"{good[:-1]}0/files/1/"]  # fmt: skip
    seen = {words_of(path) for path in wrong}
    TrackingToken.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    seen.add(words_of(good))
    TrackingToken.objects.update(expires_at=clock.now() + timedelta(days=1), revoked_at=clock.now())
    seen.add(words_of(good))
    assert len(seen) == 1
    assert next(iter(seen))[:3] == (302, "/track/", 404)
    here = {words_of(f"/tracked/{name}/") for name in (request.reference, "REQ-2000-000001", "x")}
    assert len(here) == 1
    assert next(iter(here))[2:] == next(iter(seen))[2:]
    assert Client().get("/track/%00/").status_code in (400, 404)


def test_each_contact_has_a_link_of_their_own_for_each_request(office: Office) -> None:
    first, second = office.request(), office.request(title="Another one")
    other = ContactFactory(agency=office.agency)
    made = {tracking_url(r, c) for r in (first, second) for c in (office.contact, other)}
    assert len(made) == 4
    assert tracking_url(first, other) in made, "the same again"
    text = visit(second, other).get(page_of(second)).content.decode()
    assert "Another one" in text
    assert first.reference not in text


def test_the_secret_is_kept_nowhere(office: Office, settings: Any) -> None:
    """Neither in the token's row nor in the notice that carries it: only the mail has it."""
    request = walk.to_assigned(office)
    secret = link_of(request).strip("/").split("-", 1)[1]
    assert len(secret) == 64
    for row in [*TrackingToken.objects.values(), *Notice.objects.values()]:
        assert secret not in str(row)
    told = Notice.objects.filter(address=request.contact.email).first()
    assert secret in render_notice(told).text
    assert secret in render_notice(told).html
    settings.SECRET_KEY = "another key altogether"
    assert link_of(request) != f"/track/{secret}/"
    assert Client().get(link_of(request)).status_code == 302


def test_the_link_becomes_a_cookie_and_is_told_to_nobody(office: Office, settings: Any) -> None:
    """No referrer, no cache, no index; the page has no script at all and no secret in it."""
    settings.SECURE = True
    request = office.request()
    link, browser = link_of(request), Client()
    moved = browser.get(link)
    secret = link.strip("/").split("-", 1)[1]
    assert moved["Referrer-Policy"] == "no-referrer"
    assert secret not in moved["Location"] + moved.content.decode()
    (cookie,) = moved.cookies.values()
    assert cookie["path"] == page_of(request)
    assert cookie["httponly"] is True
    assert cookie["secure"] is True
    assert cookie["samesite"] == "Lax"
    assert secret not in cookie.value
    page = browser.get(page_of(request))
    for response in (moved, page):
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Robots-Tag"] == "noindex, nofollow"
        assert "unsafe" not in response["Content-Security-Policy"]
    assert secret not in page.content.decode()
    assert BeautifulSoup(page.content, "html.parser").select("script, style, [style]") == []
    assert "sessionid" not in browser.cookies


def test_a_link_goes_on_to_a_page_below_and_nowhere_else(office: Office) -> None:
    """TE05: whatever stands behind the secret, it stays on the request's own pages."""
    request = office.request()
    link, base = link_of(request), page_of(request)
    assert Client().get(f"{link}rate/4/")["Location"] == f"{base}rate/4/"
    evils = ("%2f%2fevil.example", "..%2f..%2fadmin", "http:evil.example", "a%20b/", "%5cevil")
    for evil in evils:
        answer = Client().get(f"{link}{evil}")
        assert answer["Location"].startswith(base), evil
        assert ".." not in answer["Location"]
    assert Client().get(f"{link}%0d%0aX:1").status_code == 404


def test_several_people_and_requests_live_in_one_browser(office: Office) -> None:
    """The last who came is looked for; a form that was drawn for another counts for them."""
    first, second = office.request(), office.request(title="Another one")
    ann, bob = office.contact, ContactFactory(agency=office.agency, name="Bob Reed")
    browser = visit(first, ann)
    visit(second, bob, browser)
    visit(first, bob, browser)
    assert "you are Bob Reed" in browser.get(page_of(first)).content.decode()
    anns = TrackingToken.objects.get(request=first, contact=ann).pk
    send(browser, first, "answer", text="Drawn for Ann.", visitor=anns)
    assert first.case.entries.get(text="Drawn for Ann.").author_name == ann.name
    bobs = TrackingToken.objects.get(request=second, contact=bob).pk
    assert send(browser, first, "answer", text="Of the other.", visitor=bobs).status_code == 404
    TrackingToken.objects.filter(pk=anns).update(revoked_at=clock.now())
    gone = send(browser, first, "answer", text="KEPT WORDS", visitor=anns)
    assert gone.status_code == 404
    assert "KEPT WORDS" in gone.content.decode(), "what was typed is not lost"


@pytest.mark.parametrize("how", ["revoked", "expired", "inactive", "forged", "of another"])
def test_a_cookie_ends_with_its_token(office: Office, how: str) -> None:
    request = office.request()
    browser = visit(request)
    name = next(n for n in browser.cookies if n.startswith("tracked_"))
    if how == "revoked":
        TrackingToken.objects.update(revoked_at=clock.now())
    elif how == "expired":
        TrackingToken.objects.update(expires_at=clock.now())
    elif how == "inactive":
        Contact.objects.update(is_active=False)
    elif how == "forged":
        browser.cookies[name] = browser.cookies[name].value[:-3] + "abc"
    else:
        other = office.request()
        browser.cookies[name] = visit(other).cookies.popitem()[1].value
    assert browser.get(page_of(request)).status_code == 404


def test_looking_decides_nothing(office: Office) -> None:
    """TE02: mail scanners follow links; what they leave is a record of access."""
    request = office.request()
    link = link_of(request)
    before = Event.objects.count(), TrackingToken.objects.count(), Notice.objects.count()
    for path in (link, f"{link}rate/1/"):
        Client().head(path)
        Client().get(path, follow=True)
    assert (Event.objects.count(), TrackingToken.objects.count(), Notice.objects.count()) == before
    assert Client().post(link).status_code == 405
    assert visit(request).get(f"{page_of(request)}actions/answer/").status_code == 405
    request.refresh_from_db()
    assert request.state == "triage"


def test_what_people_typed_is_text(office: Office, settings: Any) -> None:
    """TC05."""
    request = office.request(title="<script>alert(1)</script>")
    walk.do(request, "comment", office.rep, text="<img src=x onerror=alert(1)>", public="yes")
    page = BeautifulSoup(visit(request).get(page_of(request)).content, "html.parser")
    assert page.select_one("h1").get_text() == "<script>alert(1)</script>"
    assert page.select("main img, main script") == []


@pytest.mark.parametrize("many", [2, 12])
def test_the_number_of_queries_does_not_grow(
    office: Office, django_assert_num_queries: Any, many: int
) -> None:
    request = office.request()
    for number in range(many):
        walk.do(request, "comment", office.rep, text=f"News {number}", public="yes")
        Watcher.objects.create(request=request, contact=ContactFactory(agency=office.agency))
    browser = visit(request)
    browser.get(page_of(request))
    with django_assert_num_queries(QUERIES):
        browser.get(page_of(request))
