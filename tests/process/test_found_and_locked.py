"""A row is found, locked and read with what its step needs by one message; what it waited for it
sees."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from requests_app.models import Request, Watcher
from tests import walk
from tests.factories import (
    ContactFactory,
    CoveredServiceFactory,
    MembershipFactory,
    Office,
    ServiceFactory,
)
from tests.fulfillment.racing import WAIT
from tests.process.test_one_act import asked
from workflow import statements
from workflow.acting import act, find_and_lock
from workflow.together import read_with
from workflow.written import Written

BY_KEY = Written(
    lambda pk: Request.objects.filter(pk=pk).select_for_update(of=("self",)).values_list("pk"),
    planned=True,
)
KEPT = "SELECT -1, (SELECT set_config FROM locked)"
WAITS = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"


def test_it_is_the_row_and_what_its_step_reads(office: Office) -> None:
    made = walk.to_assigned(office)
    with act():
        row = find_and_lock(Request, BY_KEY, pk=made.pk)
        assert row is not None
        plain = Request.objects.get(pk=made.pk)
        for field in Request._meta.concrete_fields:
            assert getattr(row, field.attname) == getattr(plain, field.attname), field.name
        sets = ("part_lines", "schedule_entries", "proposals", "watchers", "triage_decisions")
        assert asked(lambda: [list(getattr(row, name).all()) for name in sets]) == 0
        assert asked(lambda: (row.agency, row.contact, row.service, row.provider_group)) == 0
        assert find_and_lock(Request, BY_KEY, pk=made.pk) is row


def test_what_is_not_there_is_not_found(office: Office) -> None:
    """Neither is what the transaction found before."""
    made = office.request()
    with act():
        assert find_and_lock(Request, BY_KEY, pk=made.pk) is not None
        assert find_and_lock(Request, BY_KEY, pk=0) is None


def test_triage_reads_what_the_service_that_was_sent_needs(office: Office) -> None:
    """For the group that it goes to, not for the one that it leaves."""
    service = ServiceFactory(provider_group=office.other_group)
    line = CoveredServiceFactory(agreement=office.agreement, service=service)
    leader = MembershipFactory(group=office.other_group, is_lead=True)
    made = office.request()
    with act():
        row = find_and_lock(Request, BY_KEY, "triage", sent=service.pk, pk=made.pk)
        assert row is not None
        assert read_with(row, "orderable", service_id=service.pk) == [service]
        assert read_with(row, "leads") is None
        row.service, row.provider_group = service, office.other_group
        assert read_with(row, "leads") == [leader]
        assert read_with(row, "covered") == [line]


def test_a_service_that_cannot_be_ordered_brings_nothing_along(office: Office) -> None:
    service = ServiceFactory(provider_group=office.other_group, state="retired")
    made = office.request()
    with act():
        row = find_and_lock(Request, BY_KEY, "triage", sent=service.pk, pk=made.pk)
        assert row is not None
        assert read_with(row, "orderable", service_id=service.pk) == []
        row.service, row.provider_group = service, office.other_group
        assert read_with(row, "leads") is None
        assert read_with(row, "covered") == []


def _waiter_saw(office: Office, request: Request) -> list[str]:
    """Whom a step that waited for another sees as watchers; the other adds one and ends then."""
    contact = ContactFactory(agency=office.agency)
    seen: list[str] = []
    pids: list[int] = []
    held, comes = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            Request.objects.select_for_update().get(pk=request.pk)
            Watcher.objects.create(request=request, contact=contact)
            held.set()
            assert comes.wait(WAIT)
            until = time.monotonic() + WAIT
            with connection.cursor() as cursor:
                while time.monotonic() < until:
                    cursor.execute(WAITS, pids)
                    if cursor.fetchone()[0]:
                        break
                    time.sleep(0.01)
        connection.close()

    def second() -> None:
        held.wait(WAIT)
        connection.ensure_connection()
        pids.append(connection.connection.info.backend_pid)
        comes.set()
        with act():
            row = find_and_lock(Request, BY_KEY, pk=request.pk)
            assert row is not None
            seen.extend(str(watcher.contact) for watcher in row.watchers.all())
        connection.close()

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 2)
    assert not any(thread.is_alive() for thread in threads)
    return seen


@pytest.mark.django_db(transaction=True)
def test_who_waited_for_the_lock_sees_what_the_other_wrote(transactional_db: None) -> None:
    office = Office()
    assert len(_waiter_saw(office, office.request())) == 1


@pytest.mark.django_db(transaction=True)
def test_control_one_statement_that_locks_and_reads_sees_the_old(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why lock and reading are two statements of one message, and not one statement."""

    def as_one(self: Any, first: Any, given: Any, values: Any) -> Any:
        before, own = first.sql, first._with(given)
        rest, more = self.sql.removeprefix("WITH "), self._with([given[0], *values[1:]])
        whole = f"WITH locked AS MATERIALIZED ({before}), {rest} UNION ALL "
        with connection.cursor() as cursor:
            cursor.execute(whole + KEPT, [*own, *more])
            return [row for row in cursor.fetchall() if row[0] >= 0]

    monkeypatch.setattr(statements.Statement, "run_after", as_one)
    office = Office()
    assert _waiter_saw(office, office.request()) == []
