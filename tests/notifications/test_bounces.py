"""An address that takes no mail is written to no more, and somebody knows (TB14, TC12)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from config.invariants import failures_are_told
from notifications import bounces, delivery, reporting
from notifications.models import Notice, UndeliverableAddress
from notifications.outbox import Recipient, enqueue
from requests_app.models import Request
from requests_app.notice_section import notices_of
from tests import walk
from tests.factories import Office
from tests.notifications.conftest import queue
from tests.notifications.post import Post
from workflow.registry import InvalidFacts, offers, perform

State = Notice.State
GONE = "550 5.1.1 No such person"


def as_person(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def bounced(office: Office, post: Post) -> Request:
    """A request whose contact's mailbox does not exist."""
    request = office.request()
    post.answers = [GONE]
    delivery.sweep()
    return request


def test_a_mailbox_that_does_not_exist_is_marked_and_its_representative_told(
    bounced: Request, office: Office, post: Post
) -> None:
    """Once per mark, with what the mail server said."""
    mark = UndeliverableAddress.objects.get()
    assert (mark.address, mark.notice.template) == (office.contact.email, "received")
    assert "No such person" in mark.why
    delivery.sweep()
    [alert] = post.messages
    assert alert["To"] == office.rep.email
    text = alert.get_body(["plain"]).get_content()
    assert office.contact.email in text
    assert "No such person" in text
    assert bounced.get_absolute_url() in text


def test_further_notices_are_not_sent_and_say_so(
    bounced: Request, office: Office, post: Post
) -> None:
    walk.do(bounced, "comment", office.rep, text="News", public="yes")
    delivery.sweep()
    notice = notices_of(bounced).get(template="comment")
    assert notice.state == State.FAILED
    assert bounces.REFUSED in notice.last_error
    assert [m["To"] for m in post.messages] == [office.rep.email]


def test_marking_again_tells_nobody_again(bounced: Request, office: Office) -> None:
    before = bounced.events.count()
    bounces.mark_undeliverable(office.contact.email.upper(), "again")
    assert UndeliverableAddress.objects.count() == 1
    assert bounced.events.count() == before
    assert bounces.is_undeliverable(office.contact.email.title())


def test_one_alert_per_representative_and_a_line_in_every_history(office: Office) -> None:
    requests = [office.request() for _ in range(3)]
    Notice.objects.all().delete()
    bounces.mark_undeliverable(office.contact.email, "It came back.")
    assert Notice.objects.filter(template="address_undeliverable").count() == 1
    for request in requests:
        assert request.events.latest("number").name == "address_undeliverable"


def test_a_mail_that_comes_back_counts_as_failed(post: Post, office: Office) -> None:
    """A delivery status notification that arrives by mail names the notice."""
    request = office.request()
    delivery.sweep()
    notice = notices_of(request).get(template="received")
    assert notice.state == State.SENT
    bounces.mark_undeliverable(notice.address, "mailbox unknown", notice)
    notice.refresh_from_db()
    assert (notice.state, notice.last_error) == (State.FAILED, "It came back: mailbox unknown")


@pytest.mark.parametrize(
    "answer", ["550 5.7.1 Relaying denied", "552 5.2.2 Mailbox full", "554 Transaction failed"]
)
def test_an_answer_that_is_not_about_the_mailbox_marks_nothing(
    answer: str, post: Post, event: Any
) -> None:
    """Else a server that does not take our mail for a day costs us every address."""
    notice = queue(event)
    post.answers = [answer]
    delivery.sweep()
    notice.refresh_from_db()
    assert notice.state == State.FAILED
    assert not UndeliverableAddress.objects.exists()


def test_the_pages_show_it_and_only_who_represents_clears_it(
    bounced: Request, office: Office, post: Post
) -> None:
    page = as_person(office.rep).get(bounced.get_absolute_url()).content.decode()
    assert f"Mail does not arrive at {office.contact.email}" in page
    assert 'data-action="try_address_again"' in page
    agency = as_person(office.rep).get(office.agency.get_absolute_url()).content.decode()
    assert "Mail does not arrive: correct it." in agency
    with pytest.raises(PermissionDenied):
        perform(bounced, "try_address_again", by=office.specialist,
                data={"address": office.contact.email})  # fmt: skip
    with pytest.raises(InvalidFacts, match="not marked"):
        walk.do(bounced, "try_address_again", office.rep, address="other@agency.example")
    walk.do(bounced, "try_address_again", office.rep, address=office.contact.email)
    assert not bounces.is_undeliverable(office.contact.email)
    assert "try_address_again" not in [o.name for o in offers(bounced, office.rep)]
    delivery.sweep()
    assert sorted(m["To"] for m in post.messages) == [office.contact.email, office.rep.email]


def test_sending_one_again_is_a_decision_about_the_address_too(
    bounced: Request, office: Office, post: Post
) -> None:
    """No dead button: what is sent again is really tried."""
    notice = notices_of(bounced).get(template="received")
    walk.do(bounced, "resend_notice", office.rep, notice=str(notice.pk))
    delivery.sweep()
    notice.refresh_from_db()
    assert notice.state == State.SENT


def test_an_alert_that_fails_raises_no_alert(office: Office, post: Post) -> None:
    """The representative's own mailbox is gone too: it ends there."""
    office.request()
    Notice.objects.exclude(template="received").delete()
    post.answers = [GONE, GONE]
    assert [delivery.sweep(), delivery.sweep(), delivery.sweep()] == [2, 0, 0]
    assert {s for s, e in Notice.objects.values_list("state", "last_error")} == {State.FAILED}, (
        list(Notice.objects.values("state", "template", "address", "last_error"))
    )


def test_headers_for_answers_threads_and_hearing_no_more(event: Any, post: Post) -> None:
    """Reply-To, one thread per request, List-Unsubscribe with one click (RFC 8058)."""
    stop = "http://127.0.0.1:8000/track/stop/1-x/"
    facts = {"reference": "REQ-2026-000001", "title": "A line"}
    extra = {"reply_to": "reply+1-x@desk.example", "unsubscribe": stop}
    enqueue(event, "received", [Recipient("w@agency.example", context=extra)], facts)
    delivery.sweep()
    [mail] = post.messages
    assert mail["Reply-To"] == "reply+1-x@desk.example"
    assert mail["List-Unsubscribe"] == f"<{stop}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["References"] == mail["In-Reply-To"] == "<REQ-2026-000001@127.0.0.1>"
    for kind in ("plain", "html"):
        assert stop in mail.get_body([kind]).get_content()


def test_headers_take_nothing_that_breaks_out(event: Any, post: Post) -> None:
    bad = "http://x/>\r\nBcc: thief@evil.example"
    extra = {"reply_to": "a@b.example\r\nBcc: thief@evil.example", "unsubscribe": bad}
    enqueue(event, "received", [Recipient("w@agency.example", context=extra)], {"reference": bad})
    delivery.sweep()
    assert "w@agency.example" not in [m["To"] for m in post.messages], "it is told, not sent"
    for mail in post.messages:
        assert mail["Bcc"] is None
        assert mail["List-Unsubscribe"] is None


def test_a_failed_notice_is_told_to_the_representative_once(office: Office, post: Post) -> None:
    """No failure stays silent, and one about another is not told again (DESIGN, Notices)."""
    request = office.request()
    post.after_data = ["554 5.6.0 Content not wanted"]
    assert delivery.sweep() == 2
    notice = notices_of(request).get(template="received")
    assert notice.reported_at is not None
    assert [(m["To"], str(m["Subject"])) for m in post.messages] == [
        (office.rep.email, f"Not delivered: a notice about {request.reference}")
    ]
    assert delivery.sweep() == 0
    assert list(failures_are_told()) == []
    old = timezone.now() - timedelta(minutes=9)
    Notice.objects.filter(pk=notice.pk).update(reported_at=None, next_try_at=old)
    [sentence] = failures_are_told()
    assert "nobody was told" in sentence


def test_trouble_in_telling_about_one_request_silences_no_other(
    office: Office, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is told as soon as it can be."""
    requests = [office.request(), office.request()]
    Notice.objects.filter(template="received").update(state=State.FAILED, last_error="554 No")
    told, tell = [], reporting._reporters[0]

    def first_fails(notices: list[Notice]) -> None:
        told.append(notices)
        if len(told) == 1:
            raise ZeroDivisionError
        tell(notices)

    monkeypatch.setattr(reporting, "_reporters", [first_fails])
    assert reporting.report_failed() == 1
    assert reporting.report_failed() == 1
    for request in requests:
        assert request.events.latest("number").name == "notice_failed"
