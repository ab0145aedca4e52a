"""Requests closed long ago leave the working lists; search, pages, history and checks keep them."""

import io
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction
from django.test import Client

from config.invariants import CHECKS
from notifications.models import Notice
from requests_app import archive
from requests_app.models import NoticeArchive, Request
from requests_app.notice_section import notices_of
from requests_app.tasks import archive_closed
from tests import walk
from tests.factories import Office
from tests.visiting import page_of, visit
from workflow import clock
from workflow.machine import Refused

LONG_AGO, DAYS = timedelta(days=300), 200


def old(office: Office, walked=walk.to_closed, **fields) -> Request:
    """A request of last year, at its end."""
    with clock.acting_at(clock.now() - LONG_AGO):
        return walked(office, **fields)


def archived(office: Office, walked=walk.to_closed, **fields) -> Request:
    request = old(office, walked, **fields)
    archive.archive(request)
    request.refresh_from_db()
    return request


def page(person, path: str) -> str:
    client = Client()
    client.force_login(person)
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_only_what_was_closed_long_ago_is_archived(office):
    gone, fresh, is_open = old(office), walk.to_closed(office), old(office, walk.to_pending)
    assert archive.run(DAYS) == 1
    assert set(Request.objects.filter(archived_at__isnull=False)) == {gone}
    assert archive.run(DAYS) == 0
    assert {fresh.archived_at, is_open.archived_at} == {None}


def test_it_is_on_record_with_what_was_packed(office):
    request = old(office)
    said = notices_of(request).count()
    assert said > 0
    archive.archive(request)
    event = request.events.order_by("number").last()
    kept = NoticeArchive.objects.get(request=request)
    assert (event.name, event.actor_kind) == ("archive", "system")
    assert event.facts == {"notices": said, "sha256": kept.sha256}
    assert kept.count == said
    assert not notices_of(request).exists()


def test_archiving_twice_is_once(office):
    request = archived(office)
    before = (request.archived_at, request.events.count())
    archive.archive(request)
    request.refresh_from_db()
    assert (request.archived_at, request.events.count()) == before


def test_a_request_in_work_is_never_archived(office):
    request = walk.to_pending(office)
    archive.archive(request)
    request.refresh_from_db()
    assert request.archived_at is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Request.objects.filter(pk=request.pk).update(archived_at=clock.now())


def test_what_still_has_to_be_sent_stays_in_the_outbox(office):
    request = old(office)
    waiting = notices_of(request).first()
    Notice.objects.filter(pk=waiting.pk).update(state=Notice.State.QUEUED)
    archive.archive(request)
    assert list(notices_of(request)) == [waiting]


def test_the_auditor_and_the_search_find_it_and_say_so(office):
    request = archived(office)
    assert "Archived" in page(office.auditor, request.get_absolute_url())
    assert request.reference in page(office.auditor, "/search/?q=front desk")
    assert "Archived" in page(office.auditor, "/search/?q=front desk")
    for person in (office.auditor, office.rep):
        assert request.reference in page(person, "/requests/?status=any&scope=all")
        assert request.reference in page(person, "/requests/?status=archived&scope=all")


def test_the_list_of_what_was_closed_leaves_it_out(office):
    request, fresh = archived(office), walk.to_closed(office)
    closed = page(office.rep, "/requests/?status=closed")
    assert fresh.reference in closed
    assert request.reference not in closed
    assert fresh.reference not in page(office.rep, "/requests/?status=archived")


def test_its_page_still_says_who_was_told_what(office):
    request = old(office)
    rows = [(n.recipient_name, n.template) for n in notices_of(request)]
    before = page(office.rep, request.get_absolute_url())
    archive.archive(request)
    after = page(office.rep, request.get_absolute_url())
    assert sorted((n.recipient_name, n.template) for n in archive.archived_notices(
        Request.objects.get(pk=request.pk))) == sorted(rows)  # fmt: skip
    log = before.partition('data-label="Notice"')[2].partition("</table>")[0]
    assert log
    assert all(f'data-label="To">{name}' in after for name, _ in rows)


def test_the_customer_still_sees_it(office):
    request = archived(office)
    answer = visit(request).get(page_of(request))
    assert answer.status_code == 200
    assert request.title in answer.content.decode()


def test_the_api_says_when(office):
    request = archived(office)
    client = Client()
    client.force_login(office.rep)
    row = client.get(f"/api/v1/requests/{request.reference}/").json()
    assert row["archived_at"]
    listed = client.get("/api/v1/requests/?status=archived").json()["results"]
    assert [r["reference"] for r in listed] == [request.reference]


def test_reopening_brings_it_back_through_the_door(office):
    request = old(office, walk.to_declined)
    before = list(notices_of(request).order_by("pk").values())
    archive.archive(request)
    request.refresh_from_db()
    walk.do(request, "reopen", office.rep, reason="We offer it by now.")
    assert (request.state, request.archived_at) == ("triage", None)
    assert request.events.get(name="reopen").changes["archived_at"][1] is None
    back = list(notices_of(request).filter(event__number__lt=3).order_by("pk").values())
    assert back == before
    assert not NoticeArchive.objects.exists()
    wrong = [sentence for check in CHECKS.values() for sentence in check()]
    assert wrong == []


def test_a_fulfilled_one_stays_closed_to_reopening(office):
    request = archived(office)
    with pytest.raises(Refused, match="Closed too long ago"):
        walk.do(request, "reopen", office.rep, reason="It broke again.")
    assert NoticeArchive.objects.filter(request=request).exists()


def test_a_note_can_still_be_written(office):
    request = archived(office)
    walk.do(request, "comment", office.rep, text="Found the contract.", public="")
    assert "Found the contract." in page(office.rep, request.get_absolute_url())


def test_verify_holds_and_sees_a_changed_past(office):
    request = archived(office)
    assert [sentence for check in CHECKS.values() for sentence in check()] == []
    NoticeArchive.objects.update(notices="[]")
    assert list(CHECKS["archive"]()) == [f"{request}: its archived notices were changed."]


def test_the_command_counts_first_and_then_does_it(office, settings):
    settings.THROUGHLINE = {**settings.THROUGHLINE, "ARCHIVE_DAYS": DAYS}
    request = old(office)

    def said(**options) -> str:
        out = io.StringIO()
        call_command("archive", stdout=out, **options)
        return out.getvalue()

    assert "1 requests closed for 200 days or more would be archived" in said(dry_run=True)
    assert not Request.objects.filter(archived_at__isnull=False).exists()
    assert "0 requests closed for 900 days" in said(older_than=900)
    assert "1 requests archived." in said()
    request.refresh_from_db()
    assert request.archived_at is not None


def test_days_within_which_one_may_reopen_are_refused(office):
    with pytest.raises(CommandError, match="15 days or more"):
        call_command("archive", older_than=14)


def test_the_task_follows_the_policy(office, settings):
    old(office)
    settings.THROUGHLINE = {**settings.THROUGHLINE, "ARCHIVE_DAYS": 0}
    assert archive_closed() == 0
    settings.THROUGHLINE = {**settings.THROUGHLINE, "ARCHIVE_DAYS": DAYS}
    assert archive_closed() == 1


@pytest.mark.django_db(transaction=True)
def test_two_that_archive_at_once_share_the_work():
    """Each request is archived by one of them; alone, one does them all."""
    office = Office()
    for _ in range(6):
        old(office)
    barrier, done = Barrier(2), []

    def work() -> None:
        barrier.wait()
        try:
            done.append(archive.run(DAYS))
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 6
    assert NoticeArchive.objects.count() == 6
    for request in Request.objects.all():
        assert request.events.filter(name="archive").count() == 1
    old(office)
    assert archive.run(DAYS) == 1
