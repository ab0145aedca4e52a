"""The delivery log of a request: who was told, whom it did not reach, and sending it again."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from notifications import delivery
from notifications.models import Notice
from requests_app.home import OwnWork
from requests_app.models import Request
from requests_app.notice_section import address_today, notice_section, notices_of
from tests import walk
from tests.factories import ContactFactory, Office, UserFactory
from tests.notifications.post import Post
from workflow.machine import Refused
from workflow.registry import InvalidFacts, offers, perform

State = Notice.State


@pytest.fixture
def request_(office: Office) -> Request:
    return walk.to_pending(office)


def fail(request: Request) -> Notice:
    notice = notices_of(request).get(template="received")
    notice.state, notice.last_error = State.FAILED, "The mail server said 550: no such person"
    notice.save()
    return notice


def as_person(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_page_of_the_request_says_whom_a_notice_did_not_reach(
    request_: Request, office: Office
) -> None:
    """TB14: visible on the request, with what the mail server said and a way to try again."""
    notice = fail(request_)
    page = as_person(office.rep).get(request_.get_absolute_url()).content.decode()
    assert "550: no such person" in page
    assert office.contact.email in page
    assert 'data-action="resend_notice"' in page
    assert str(notice.pk) in page


def test_sending_it_again_is_an_action_of_the_request(
    request_: Request, office: Office, post: Post
) -> None:
    """Recorded like everything else (X7), and delivered."""
    Notice.objects.exclude(template="received").update(state=State.SUPPRESSED)
    notice = fail(request_)
    walk.do(request_, "resend_notice", office.rep, notice=str(notice.pk))
    event = request_.events.latest("number")
    assert (event.name, event.facts["to"]) == ("resend_notice", notice.address)
    assert delivery.sweep() == 1
    assert post.ids() == [f"<{notice.pk}@127.0.0.1>"]
    with pytest.raises(InvalidFacts, match="has not failed"):
        walk.do(request_, "resend_notice", office.rep, notice=str(notice.pk))


def test_it_goes_to_the_address_that_was_corrected_since(
    request_: Request, office: Office, post: Post
) -> None:
    """Who corrects the address and sends it again reaches the person, not the old mailbox."""
    Notice.objects.exclude(template="received").update(state=State.SUPPRESSED)
    notice = fail(request_)
    office.contact.email = "corrected@agency.example"
    office.contact.save()
    walk.do(request_, "resend_notice", office.rep, notice=str(notice.pk))
    assert request_.events.latest("number").facts["to"] == "corrected@agency.example"
    assert delivery.sweep() == 1
    assert [m["To"] for m in post.messages] == ["corrected@agency.example"]


def test_what_was_said_to_the_corrected_address_already_is_not_said_twice(
    request_: Request, office: Office
) -> None:
    notice = fail(request_)
    office.contact.email = "corrected@agency.example"
    office.contact.save()
    Notice.objects.create(
        event=notice.event, template=notice.template, address="Corrected@agency.example"
    )
    with pytest.raises(Refused, match="already"):
        walk.do(request_, "resend_notice", office.rep, notice=str(notice.pk))
    notice.refresh_from_db()
    assert notice.state == State.FAILED


def test_of_two_people_of_one_name_nobody_is_guessed(request_: Request, office: Office) -> None:
    notice = fail(request_)
    office.contact.email = "corrected@agency.example"
    office.contact.save()
    ContactFactory(agency=office.agency, name=office.contact.name, email="other@agency.example")
    assert address_today(request_, notice) == notice.address


def test_a_notice_of_another_request_cannot_be_named(request_: Request, office: Office) -> None:
    """TD03."""
    other = fail(walk.to_pending(office))
    with pytest.raises(InvalidFacts):
        walk.do(request_, "resend_notice", office.rep, notice=str(other.pk))


def test_who_does_not_see_the_request_and_who_only_reads_cannot_resend(
    request_: Request, office: Office
) -> None:
    notice = fail(request_)
    for person in (office.stranger, office.auditor):
        with pytest.raises(PermissionDenied):
            perform(request_, "resend_notice", by=person, data={"notice": str(notice.pk)})
        assert "resend_notice" not in [o.name for o in offers(request_, person)]


def test_it_can_be_sent_again_after_the_end_and_on_hold(office: Office) -> None:
    closed = walk.to_closed(office)
    notice = notices_of(closed).get(template="assistance_fulfilled")
    Notice.objects.filter(pk=notice.pk).update(state=State.FAILED)
    walk.do(closed, "resend_notice", office.rep, notice=str(notice.pk))
    notice.refresh_from_db()
    assert notice.state == State.QUEUED


def test_failed_notices_come_first_and_the_log_is_short(request_: Request, office: Office) -> None:
    for number in range(20):
        walk.do(request_, "comment", office.rep, text=f"News {number}", public="yes")
    notice = fail(request_)
    shown = notice_section(request_, office.rep)
    first, cells = shown["notices"][0]
    assert first == notice
    assert "Received" in cells
    assert "Failed" in cells
    assert len(shown["notices"]) == 15
    assert shown["more_notices"]
    assert shown["failed_notices"] == 1


def test_the_representative_is_asked_to_see_to_failed_notices(
    request_: Request, office: Office
) -> None:
    notice = fail(request_)
    assert [found for _, _, found in OwnWork(office.rep).undelivered] == [notice]
    assert OwnWork(UserFactory()).undelivered == []
