"""What customers do on their page: answer, follow, withdraw, reopen, rate, and hear no more."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from config.logs import WithoutKeys, without_keys
from config.settings import LOGGING as settings_of_logging
from notifications.models import Notice
from notifications.rendering import render_notice
from requests_app import link_actions, lost_links, reminders, report_counting
from requests_app.case_models import Attachment, TrackingToken
from requests_app.models import LinkAsked, Question, QuestionReminder, Rating, Request, Watcher
from requests_app.states import S
from tests import walk
from tests.factories import ContactFactory, Office
from tests.fulfillment.racing import at_once
from tests.visiting import link_of, page_of, send, visit
from workflow import clock
from workflow.tokens import digest_of_token
from workflow.worktime import STANDARD, add_working_days

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def told(template: str) -> list[str]:
    """Who was told by a notice of this kind, in order."""
    return list(Notice.objects.filter(template=template).values_list("address", flat=True))


def asked(office: Office, **fields: Any) -> Request:
    """In work, with a question that the customer must answer."""
    request = walk.to_assigned(office, **fields)
    walk.do(request, "ask_customer", office.specialist, question="Which floor?",
            review_on=walk.later(20))  # fmt: skip
    return request


def after_working_days(days: int) -> Any:
    """A moment that many working days from today, in the afternoon."""
    ahead = add_working_days(clock.today(), days, STANDARD) - clock.today()
    return clock.acting_at(clock.now() + ahead)


# Answers


def test_the_answer_resumes_by_itself_and_is_told(office: Office) -> None:
    """X1, X6: held with the clock stopped; several questions; the answer starts it again."""
    request = asked(office)
    walk.do(request, "ask_customer", office.rep, question="And which room?")
    assert request.is_on_hold
    page = visit(request).get(page_of(request)).content.decode()
    assert page.index("Which floor?") < page.index("And which room?") < page.index("Messages")
    answer = send(visit(request), request, "answer", text="The second, room 12.")
    assert answer.status_code == 302
    request.refresh_from_db()
    assert not request.is_on_hold
    assert not Question.objects.waiting().exists()
    assert Question.objects.filter(answer__text="The second, room 12.").count() == 2
    assert set(told("customer_answered")) == {office.rep.email, office.specialist.email}
    assert office.contact.email not in told("comment"), "they need not read themselves"


def test_after_a_resume_by_hand_an_answer_is_an_update(office: Office) -> None:
    request = asked(office)
    walk.do(request, "resume", office.rep)
    send(visit(request), request, "answer", text="Sorry, late: the second.")
    assert told("customer_answered") == []
    assert set(told("customer_wrote")) == {office.rep.email, office.specialist.email}
    with after_working_days(9):
        assert reminders.remind_due() == 0


def test_on_a_closed_request_an_answer_is_kept_and_reopening_offered(
    office: Office, settings: Any
) -> None:
    """X3: the days are a setting, on the page and in the notice."""
    settings.THROUGHLINE = {**settings.THROUGHLINE, "REOPEN_DAYS": 9}
    request = walk.to_closed(office)
    browser = visit(request)
    send(browser, request, "answer", text="It does not work.")
    page = browser.get(page_of(request)).content.decode()
    assert "It does not work." in page
    assert "Within 9 days" in page
    closing = Notice.objects.get(template="assistance_fulfilled")
    assert "within 9 days" in render_notice(closing).text
    assert send(browser, request, "reopen_as_customer", reason="").status_code == 422
    send(browser, request, "reopen_as_customer", reason="Still silent.")
    request.refresh_from_db()
    assert request.state == S.TRIAGE
    assert request.pass_number == 2


def test_too_late_to_reopen_is_not_offered_and_refused(office: Office) -> None:
    request = walk.to_closed(office)
    browser = visit(request)
    with clock.acting_at(clock.now() + timedelta(days=15)):
        assert "reopen_as_customer" not in browser.get(page_of(request)).content.decode()
        late = send(browser, request, "reopen_as_customer", reason="KEPT WORDS")
    assert late.status_code == 409
    assert "KEPT WORDS" in late.content.decode()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("run.exe", b"MZ", "cannot be attached"),
        ("page.svg", b"<svg onload='x()'/>", "cannot be attached"),
        ("a.php", b"<?php", "cannot be attached"),
        (".htaccess", b"Deny", "cannot be attached"),
        ("not.png", b"<html><script>", "not what the name says"),
        ("none.txt", b"", "empty"),
    ],
)
def test_a_file_that_cannot_be_kept_is_named_and_the_text_stays(
    office: Office, name: str, content: bytes, why: str
) -> None:
    """TC06: which and why, nothing stored, nothing lost."""
    request = office.request()
    files = [SimpleUploadedFile("good.png", PNG), SimpleUploadedFile(name, content)]
    answer = send(visit(request), request, "answer", text="KEPT WORDS", files=files)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert why in page
    assert "KEPT WORDS" in page
    assert "Choose the files again" in page
    assert not Attachment.objects.exists()


def test_hostile_files_are_stored_untouched_under_a_name_of_ours(office: Office) -> None:
    """TC06, TC10: a bomb stays a file; names lose paths and direction marks; 300 letters fit."""
    bomb = b"PK\x03\x04" + b"\0" * 5000
    names = ["bomb.zip", "..\\..\\x.txt", "a\u202etxt.pdf", "n" * 300 + ".txt", "con.txt"]
    contents = [bomb, b"a", b"%PDF-1.7 /JS (app.alert(1))", b"b", b"c"]
    request = office.request()
    files = [SimpleUploadedFile(n, c) for n, c in zip(names, contents, strict=True)]
    browser = visit(request)
    assert send(browser, request, "answer", text="", files=files).status_code == 302
    kept = list(Attachment.objects.order_by("pk"))
    assert [f.file.read() for f in kept] == contents
    assert all(f.public and "\u202e" not in f.name and "\\" not in f.name for f in kept)
    assert all(f.file.name.split("/")[-1].isalnum() for f in kept)
    for file in kept:
        answer = browser.get(f"{page_of(request)}files/{file.pk}/")
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert b"".join(answer.streaming_content) == contents[kept.index(file)]


def test_too_many_files_or_nothing_at_all_is_said(office: Office) -> None:
    request = office.request()
    many = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(11)]
    browser = visit(request)
    assert "At most 10 files" in send(browser, request, "answer", files=many).content.decode()
    nothing = send(browser, request, "answer", text=" ").content.decode()
    assert "Write a message or choose a file." in nothing


# Rights


def test_followers_read_and_write_but_the_requester_decides(office: Office) -> None:
    """X2, X9."""
    request = office.request()
    colleague = ContactFactory(agency=office.agency)
    stranger = ContactFactory()
    mine, theirs = visit(request), None
    assert (
        "no colleague" in send(mine, request, "add_follower", email=stranger.email).content.decode()
    )
    send(mine, request, "add_follower", email=colleague.email.upper())
    assert told("follower_added") == [colleague.email]
    theirs = visit(request, colleague)
    assert send(theirs, request, "answer", text="I follow.").status_code == 302
    for name, data in [("ask_to_withdraw", {"reason": "x"}), ("add_follower", {"email": "a@b.c"}),
                       ("resume", {}), ("cancel", {"reason": "x"}), ("nonsense", {})]:  # fmt: skip
        assert send(theirs, request, name, **data).status_code == 409, name
    watcher = Watcher.objects.get(contact=colleague)
    send(mine, request, "remove_follower", watcher=watcher.pk)
    assert theirs.get(page_of(request)).status_code == 404, "their link ends with it"
    send(mine, request, "ask_to_withdraw", reason="We moved.")
    assert told("withdrawal_asked") == [office.rep.email]
    assert send(mine, request, "ask_to_withdraw", reason="Again.").status_code == 409
    request.refresh_from_db()
    assert request.state == S.TRIAGE, "cancelling is the representative's"


def test_the_api_gains_no_power_of_customers(office: Office) -> None:
    request = walk.to_closed(office)
    office.rep.is_superuser = True
    office.rep.save()
    office.rep.api_tokens.create(name="t", digest=digest_of_token("t"))
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION="Bearer t")
    base = f"/api/v1/requests/{request.reference}/"
    names = {a["name"] for a in api.get(base).json()["available_actions"]}
    customers = {"answer", "ask_to_withdraw", "reopen_as_customer", "add_follower", "rate",
                 "remove_follower"}  # fmt: skip
    assert not names & customers
    facts = {"text": "x", "reason": "x", "score": "5"}
    for name in ("answer", "reopen_as_customer", "rate"):
        assert api.post(f"{base}actions/{name}/", facts, format="json").status_code == 403


# Reminders


def test_reminders_come_after_three_and_seven_working_days_once_each(office: Office) -> None:
    """TB22: two beats, a day without one, and then the representative is told."""
    request = asked(office)
    with after_working_days(2):
        assert reminders.remind_due() == 0
    with after_working_days(3):
        assert [reminders.remind_due(), reminders.remind_due()] == [1, 0]
    assert told("no_answer") == []
    with after_working_days(8):
        assert [reminders.remind_due(), reminders.remind_due()] == [1, 0]
    with after_working_days(15):
        assert reminders.remind_due() == 0
    assert told("answer_reminder") == [office.contact.email] * 2
    assert told("no_answer") == [office.rep.email]
    request.refresh_from_db()
    assert request.is_on_hold


def test_a_beat_that_was_down_for_long_is_made_up_for_once(office: Office) -> None:
    asked(office)
    with after_working_days(12):
        assert [reminders.remind_due(), reminders.remind_due()] == [1, 0]
    assert sorted(QuestionReminder.objects.values_list("days", flat=True)) == [3, 7]
    assert told("answer_reminder") == [office.contact.email]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False], ids=["locked", "control"])
def test_two_beats_at_the_same_moment_remind_once(
    office: Office, guarded: bool, monkeypatch: Any
) -> None:
    """The control shows that it is the row's lock and the key that hold them apart."""
    asked(office)
    question = Question.objects.get()
    Question.objects.update(asked_at=clock.now() - timedelta(days=6))
    question.refresh_from_db()
    if not guarded:
        monkeypatch.setattr(reminders, "claim", lambda question, due: True)
    answers = at_once(lambda: reminders.remind(question), lambda: reminders.remind(question))
    assert len(told("answer_reminder")) == (1 if guarded else 2), answers


# How it went


def test_it_is_rated_once_and_a_low_score_reaches_the_representative(office: Office) -> None:
    request = walk.to_closed(office)
    closing = render_notice(Notice.objects.get(template="assistance_fulfilled"))
    link = link_of(request)
    assert f"{link}rate/" in closing.text
    assert f"{link}rate/2/" in closing.html
    browser = Client()
    asks = browser.get(f"{link}rate/2/", follow=True)
    assert asks.status_code == 200
    assert not Rating.objects.exists(), "one click more: looking is no answer"
    chosen = BeautifulSoup(asks.content, "html.parser").select("input[type=radio][checked]")
    assert [radio["value"] for radio in chosen] == ["2"]
    assert send(browser, request, "rate", score="9").status_code == 422
    send(browser, request, "rate", score="2", comment="Nobody called.")
    assert send(browser, request, "rate", score="5").status_code == 409
    assert [(r.score, r.pass_number) for r in Rating.objects.all()] == [(2, 1)]
    assert told("low_rating") == [office.rep.email]
    staff = Client()
    staff.force_login(office.rep)
    assert "2 of 5" in staff.get(request.get_absolute_url()).content.decode()
    report_counting.count()
    report = staff.get("/reports/").content.decode()
    assert "Nobody called." in report
    rows = staff.get("/reports/ratings-by-group/?export=csv").getvalue().decode()
    assert f"{office.group.name},1,1,100,2.00,1,100" in rows
    staff.force_login(office.stranger)
    assert "Nobody called." not in staff.get("/reports/").content.decode()


# Links


def test_the_secret_is_in_no_log() -> None:
    """Neither in ours nor in the web server's lines of access."""
    secret = "17-" + "a" * 64
    for line in (f"GET /track/{secret}/ 302", f'"GET /unsubscribe/{secret}/?x=1 HTTP/1.1"',
                 f"https://desk.example/track/{secret}/rate/"):  # fmt: skip
        assert secret not in without_keys(line)
    record = logging.makeLogRecord({"msg": "Not Found: %s", "args": (f"/track/{secret}/x",)})
    assert WithoutKeys().filter(record)
    assert record.getMessage() == "Not Found: /track/[left out]/x"
    assert without_keys("/track/ /tracked/REQ-2026-000001/") == "/track/ /tracked/REQ-2026-000001/"
    handlers = settings_of_logging["handlers"].values()
    assert all("without keys" in handler["filters"] for handler in handlers)


def test_a_watcher_unsubscribes_by_one_post_and_the_requester_has_no_such_link(
    office: Office,
) -> None:
    """RFC 8058: asked on GET, done on POST without a page or a cookie, harmless twice."""
    request = office.request()
    watcher = Watcher.objects.create(request=request, contact=ContactFactory(agency=office.agency))
    Watcher.objects.create(request=request, contact=office.contact)
    walk.do(request, "comment", office.rep, text="News", public="yes")
    notices = {n.address: n for n in Notice.objects.filter(template="comment")}
    assert "unsubscribe" not in notices[office.contact.email].context
    text = render_notice(notices[watcher.contact.email]).text
    link = next(w for w in text.split() if "/unsubscribe/" in w)
    path = link[link.index("/unsubscribe/") :]
    browser = Client(enforce_csrf_checks=True)
    assert browser.get(path).status_code == browser.head(path).status_code == 200
    assert Watcher.objects.filter(pk=watcher.pk).exists()
    for _ in range(2):
        answer = browser.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert not Watcher.objects.filter(pk=watcher.pk).exists()
    assert browser.post(path[:-4] + "xyz/").status_code == 200
    assert Watcher.objects.count() == 1


def test_a_new_link_goes_to_the_address_on_record_and_the_answer_tells_nothing(
    office: Office, settings: Any
) -> None:
    request = office.request()
    TrackingToken.objects.update(revoked_at=clock.now())
    pages = {
        Client().post("/track/", {"email": e, "reference": r}).content
        for e in (office.contact.email.upper(), "nobody@else.example")
        for r in ("", request.reference, "REQ-2000-000001")
    }
    assert len(pages) == 1
    assert lost_links.send_asked() == 2
    assert lost_links.send_asked() == 0
    assert set(told("tracking_link")) == {office.contact.email}
    assert visit(request).get(page_of(request)).status_code == 200
    settings.THROUGHLINE = {**settings.THROUGHLINE, "LINKS_PER_CLIENT": 8}
    for number in range(5):
        Client().post("/track/", {"email": f"{number}@other.example"})
        Client().post("/track/", {"email": office.contact.email})
    assert LinkAsked.objects.count() == 8
    assert LinkAsked.objects.filter(email=office.contact.email).count() == 3
    assert "valid email" in Client().post("/track/", {"email": "x"}).content.decode()


def test_the_representative_renews_and_revokes(office: Office) -> None:
    request = office.request()
    old, browser = link_of(request), visit(request)
    walk.do(request, "renew_link", office.rep, contact=office.contact.pk)
    assert browser.get(page_of(request)).status_code == 404
    assert Client().get(old)["Location"] == "/track/", "replayed"
    assert told("tracking_link") == [office.contact.email]
    again = visit(request)
    walk.do(request, "revoke_link", office.rep, contact=office.contact.pk)
    assert again.get(page_of(request)).status_code == 404
    visit(request)
    office.contact.is_active = False
    office.contact.save()
    assert link_actions.revoke_of_the_inactive() == 1


def test_the_page_speaks_the_contacts_language_until_another_is_chosen(office: Office) -> None:
    office.contact.language = "es"
    office.contact.save()
    request = office.request()
    browser = visit(request)
    assert browser.get(page_of(request))["Content-Language"] == "es"
    browser.get(f"{page_of(request)}?language=en")
    page = browser.get(page_of(request))
    assert page["Content-Language"] == "en"
    assert '<html lang="en"' in page.content.decode()
