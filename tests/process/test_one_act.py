"""One act locks a request once and reads with the lock what its steps need; nothing of it is
believed once it may have changed."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import prefetch_related_objects
from django.test.utils import CaptureQueriesContext

from requests_app.models import Request, Watcher
from requests_app.states import S
from tests import walk
from tests.factories import ContactFactory, Office
from workflow.acting import act, lock, owe
from workflow.actors import SYSTEM
from workflow.door import advance, digest_of, record
from workflow.machine import Refused


def asked(run: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        run()
    return len(queries)


def chain_holds(request: Request) -> bool:
    """Numbers without a gap, each event with the digest of the one before it."""
    events = list(request.events.order_by("number"))
    before = ["", *(event.digest for event in events)]
    return [e.number for e in events] == list(range(1, len(events) + 1)) and all(
        event.previous_digest == last and digest_of(event) == event.digest
        for event, last in zip(events, before, strict=False)
    )


@pytest.fixture
def request_of(office: Office) -> Request:
    return walk.to_assigned(office)


def test_the_lock_is_taken_once_and_brings_what_steps_read(request_of: Request) -> None:
    with act():
        row = lock(request_of)
        assert asked(lambda: lock(request_of)) == 0
        assert lock(request_of) is row
        sets = ("part_lines", "billing_cases", "schedule_entries", "proposals", "watchers")
        assert asked(lambda: [list(getattr(row, name).all()) for name in sets]) == 0
        assert asked(lambda: (row.agency, row.contact, row.service, row.case)) == 0


def test_what_is_at_hand_is_what_django_finds_prefetched(request_of: Request) -> None:
    """Whoever prefetches more, or narrows a set, meets ordinary sets."""
    with act():
        row = lock(request_of)
        assert asked(lambda: prefetch_related_objects([row], "part_lines", "schedule_entries")) == 0
        assert list(row.triage_decisions.filter(decided="discovery")) == []
        assert [d.decided for d in row.triage_decisions.all()] == ["assistance"]


def test_what_is_written_is_read_anew(office: Office, request_of: Request) -> None:
    """By whatever way it is written, and of that table alone."""
    other = ContactFactory(agency=office.agency)
    with act():
        row = lock(request_of)
        assert not row.watchers.all()
        Watcher.objects.create(request_id=row.pk, contact=other)
        assert [w.contact for w in row.watchers.all()] == [other]
        assert asked(lambda: list(row.part_lines.all())) == 0
        Watcher.objects.filter(request_id=row.pk).delete()
        assert not row.watchers.all()
        office.agency.representative = office.rep2
        office.agency.save()
        assert row.agency.representative == office.rep2


def test_after_the_act_nothing_is_kept(office: Office, request_of: Request) -> None:
    """Who goes on with the row asks the database."""
    with act():
        row = lock(request_of)
        assert not row.watchers.all()
    Watcher.objects.create(request_id=row.pk, contact=ContactFactory(agency=office.agency))
    assert len(row.watchers.all()) == 1


def test_what_was_undone_never_happened(office: Office, request_of: Request) -> None:
    """A part that is rolled back takes its events with it: the next one has the next number."""
    with act():
        row = lock(request_of)
        point = transaction.savepoint()
        record(row, "comment", by=office.rep)
        advance(row, "fulfill", by=office.specialist, resolution="Done.")
        transaction.savepoint_rollback(point)
        again = lock(request_of)
        assert again is not row
        assert again.state == S.ASSIGNED
        record(again, "comment", by=office.rep)
        record(again, "comment", by=office.rep)
    assert chain_holds(request_of)


def test_a_refused_part_does_not_spoil_the_act_that_expects_it(
    office: Office, request_of: Request
) -> None:
    with act():
        lock(request_of)
        with pytest.raises(Refused), transaction.atomic():
            advance(request_of, "start_work", by=office.specialist)
        done = advance(request_of, "fulfill", by=office.specialist, resolution="Done.")
    assert done.state == S.CLOSED
    assert chain_holds(request_of)


def test_what_is_written_waits_and_goes_together(office: Office, request_of: Request) -> None:
    """Until somebody asks the database anything: then it is there, in one statement."""
    events = request_of.events.count()
    with act():
        row = lock(request_of)
        with CaptureQueriesContext(connection) as seen:
            first = record(row, "comment", by=office.rep, facts={"message": "Soon."}, public=True)
            done = advance(row, "fulfill", by=office.specialist, resolution="Done.")
            assert len(seen) == 0
            assert first.pk is None
            assert row.events.count() == events + 2
        words = [query["sql"].split()[0] for query in seen]
        assert words in (["WITH", "SELECT"], ["PREPARE", "SELECT"], ["EXECUTE", "SELECT"])
        second = record(row, "comment", by=office.rep)
    assert 0 < first.pk < second.pk
    assert chain_holds(request_of)
    told = request_of.events.get(name="fulfill").notices.get()
    assert told.address == done.contact.email
    request_of.refresh_from_db()
    assert (request_of.state, request_of.resolution) == (S.CLOSED, "Done.")
    assert request_of.case.closed_at is not None


def test_outside_an_act_the_notices_of_an_event_go_together(office: Office) -> None:
    """As the scheduler records: the event, who is to be told, and one statement for them all."""
    request = walk.to_assigned(office)
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        event = record(request, "escalate", by=SYSTEM, tell=("overdue",))
    writing = ("WITH", "PREPARE", "EXECUTE write_")
    assert len([query for query in seen if query["sql"].startswith(writing)]) == 2
    assert event.notices.count() > 1
    assert chain_holds(request)


def test_one_row_in_two_hands_has_what_both_wrote(request_of: Request) -> None:
    other = Request.objects.get(pk=request_of.pk)
    with act():
        row = lock(request_of)
        row.title, other.description = "One", "Two"
        owe(row, ["title"])
        owe(other, ["description"])
    request_of.refresh_from_db()
    assert (request_of.title, request_of.description) == ("One", "Two")


def test_what_went_wrong_is_not_owed_any_more(office: Office, request_of: Request) -> None:
    """Neither by the act that ends with it, nor by the next one."""

    def fail() -> None:
        with act():
            record(lock(request_of), "comment", by=office.rep)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not request_of.events.filter(name="comment").exists()
    owe(request_of.case, ["closed_at"])  # outside an act nobody waits
    with act():
        lock(request_of)
    assert chain_holds(request_of)


def test_in_another_group_what_hangs_on_the_group_is_read_anew(office: Office) -> None:
    """The leads who are told are those of the group that has it by now."""
    request = walk.to_pending(office)
    walk.do(request, "transfer", office.rep, provider_group=office.other_group.pk, reason="Theirs.")
    event = request.events.order_by("number").last()
    assert not event.notices.filter(recipient=office.lead).exists()
    walk.do(request, "transfer", office.rep, provider_group=office.group.pk, reason="Ours.")
    event = request.events.order_by("number").last()
    assert event.notices.get().recipient == office.lead
