"""The customer's page: plain words for whoever has the address, nothing internal, no decision.

The address is the key: it is made per contact, expires, can be revoked, and is told to nobody.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.datastructures import MultiValueDict

from requests_app.case_models import TrackingToken
from requests_app.models import Attachment, Request
from requests_app.states import State
from requests_app.tracking import tracking_url
from requests_app.tracking_views import WORDS
from tests import walk
from tests.factories import ContactFactory, Office
from workflow import clock
from workflow.models import Event

MARKS = ("MARK-INTERNAL", "MARK-FINDING", "MARK-HOLD", "MARK-PLAN")
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def address(request: Request, settings: Any) -> str:
    settings.BASE_URL = ""
    return tracking_url(request, request.contact)


def read(path: str) -> tuple[Any, str]:
    response = Client().get(path)
    return response, BeautifulSoup(response.content, "html.parser").get_text(" ", strip=True)


def add_file(request: Request, office: Office, name: str, public: bool) -> Attachment:
    data = {"public": "on"} if public else {}
    files = MultiValueDict({"files": [SimpleUploadedFile(name, PDF)]})
    walk.do(request, "upload_file", office.rep, files=files, **data)
    return Attachment.objects.latest("pk")


def test_it_says_where_the_request_is_and_what_comes_next(office: Office, settings: Any) -> None:
    """F8, F15: without an account, in words that are not ours."""
    request = walk.to_scheduled(office)
    response, text = read(address(request, settings))
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
    response, text = read(address(request, settings))
    assert response.status_code == 200
    assert str(WORDS[State(request.state)][0]) in text
    page = BeautifulSoup(response.content, "html.parser")
    assert len(page.select("ol.line li[aria-current=step]")) == 1
    assert page.select("form") == []


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
    response, text = read(address(request, settings))
    whole = response.content.decode()
    assert not [mark for mark in MARKS if mark in whole]
    assert f"/files/{hidden.pk}/" not in whole
    assert f"/files/{shown.pk}/" in whole
    assert "PUBLIC news" in text
    assert "It is on hold." in text


def test_why_it_ended_is_said_as_the_notice_said_it(office: Office, settings: Any) -> None:
    _, text = read(address(walk.to_declined(office), settings))
    assert "We do not offer this." in text
    _, text = read(address(walk.to_closed(office), settings))
    assert "Done and tried out together." in text


def test_public_files_leave_as_downloads_and_others_do_not_exist(
    office: Office, settings: Any
) -> None:
    """TC06, TD03: attachment, nosniff, sandbox; no internal file, none of another request."""
    request, other = office.request(), office.request(title="Another one")
    shown = add_file(request, office, "offer.pdf", public=True)
    hidden = add_file(request, office, "notes.pdf", public=False)
    foreign = add_file(other, office, "theirs.pdf", public=True)
    base = address(request, settings)
    response = Client().get(f"{base}files/{shown.pk}/")
    assert b"".join(response.streaming_content) == PDF
    assert response["Content-Disposition"] == 'attachment; filename="offer.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    for pk in (hidden.pk, foreign.pk, 999_999):
        assert Client().get(f"{base}files/{pk}/").status_code == 404
    walk.do(request, "withdraw_file", office.rep, attachment=shown.pk, reason="Wrong version.")
    assert Client().get(f"{base}files/{shown.pk}/").status_code == 404


def test_a_file_that_is_gone_from_the_disk_is_not_found(office: Office, settings: Any) -> None:
    """TF05: no stack trace."""
    request = office.request()
    file = add_file(request, office, "offer.pdf", public=True)
    Path(file.file.path).unlink()
    assert Client().get(f"{address(request, settings)}files/{file.pk}/").status_code == 404


def test_wrong_expired_and_revoked_addresses_look_alike(office: Office, settings: Any) -> None:
    """Nobody learns whether an address ever was one."""
    request = office.request()
    good = address(request, settings)
    token = TrackingToken.objects.get(request=request, contact=request.contact)
    wrong = [f"/track/{token.pk}-{'0' * 40}/", f"/track/{token.pk}-/", "/track/x/",
             "/track/99999999999999999999-a/", "/track/%00/", f"{good}files/1/"]  # fmt: skip
    bodies = {Client().get(path).content for path in wrong}
    TrackingToken.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    bodies.add(Client().get(good).content)
    TrackingToken.objects.update(expires_at=clock.now() + timedelta(days=1), revoked_at=clock.now())
    answer = Client().get(good)
    assert answer.status_code == 404
    bodies.add(answer.content)
    assert len(bodies) == 1


def test_each_contact_has_an_address_of_its_own_for_each_request(
    office: Office, settings: Any
) -> None:
    settings.BASE_URL = ""
    first, second = office.request(), office.request(title="Another one")
    other = ContactFactory(agency=office.agency)
    made = {tracking_url(r, c) for r in (first, second) for c in (office.contact, other)}
    assert len(made) == 4
    assert tracking_url(first, other) in made, "the same again"
    assert not TrackingToken.objects.filter(digest__startswith="new-").exists()
    _, text = read(tracking_url(second, other))
    assert "Another one" in text
    assert first.reference not in text


def test_the_page_is_told_to_nobody_and_kept_nowhere(office: Office, settings: Any) -> None:
    """The address is a key: no referrer, no cache, no index, no script of others."""
    base = address(office.request(), settings)
    for path in (base, "/track/wrong/"):
        response = Client().get(path)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Robots-Tag"] == "noindex, nofollow"
        assert "unsafe" not in response["Content-Security-Policy"]


def test_looking_decides_nothing_and_nothing_can_be_sent(office: Office, settings: Any) -> None:
    """TE02: mail scanners follow links."""
    request = office.request()
    base = address(request, settings)
    before = Event.objects.count(), TrackingToken.objects.count()
    Client().get(base)
    Client().head(base)
    assert (Event.objects.count(), TrackingToken.objects.count()) == before
    assert Client().post(base).status_code == 405
    request.refresh_from_db()
    assert request.state == "triage"


def test_what_people_typed_is_text(office: Office, settings: Any) -> None:
    """TC05."""
    request = office.request(title="<script>alert(1)</script>")
    walk.do(request, "comment", office.rep, text="<img src=x onerror=alert(1)>", public="yes")
    page = BeautifulSoup(Client().get(address(request, settings)).content, "html.parser")
    assert page.select_one("h1").get_text() == "<script>alert(1)</script>"
    assert page.select("main img, main script") == []


def test_the_number_of_queries_does_not_grow(
    office: Office, settings: Any, django_assert_max_num_queries: Any
) -> None:
    request = office.request()
    for number in range(6):
        walk.do(request, "comment", office.rep, text=f"News {number}", public="yes")
    base = address(request, settings)
    Client().get(base)
    with django_assert_max_num_queries(10):
        Client().get(base)
