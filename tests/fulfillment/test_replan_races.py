"""A plan asked for, made and applied by many at the same moment; each race with its control (F2).

Whatever wins: one plan is applied at most, all of it or nothing of it, no booking is lost, and no
day holds more than the group can do.
"""

import threading
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from fulfillment import capacity, replan
from fulfillment.actions import placing
from fulfillment.models import Replan, ScheduledDay
from requests_app.states import S
from tests import walk
from tests.factories import MembershipFactory, Office
from tests.fulfillment.racing import WAIT, at_once
from tests.fulfillment.test_many_at_once import book, overbooked
from tests.fulfillment.test_replan import crowded, made, slot
from workflow import door
from workflow.machine import Refused
from workflow.models import Event
from workflow.registry import InvalidFacts

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = [1, pytest.param(12, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]


@pytest.fixture
def office(transactional_db: None, settings: Any) -> Office:
    settings.THROUGHLINE = {**settings.THROUGHLINE, "REPLAN_SECONDS": 2}
    return Office()


def applied(office: Office) -> int:
    return Replan.objects.filter(group=office.group, state="applied").count()


def steps(row: Replan) -> list[str]:
    """What has happened to a plan, in order."""
    events = Event.objects.filter(subject_id=row.pk, subject_type__model="replan")
    return list(events.order_by("pk").values_list("name", flat=True))


def never(answers: list[Any], *but: type[Exception]) -> None:
    """Nobody got an error page: whoever lost was told so in a sentence."""
    odd = [a for a in answers if isinstance(a, Exception) and not isinstance(a, but)]
    assert not odd, odd


@contextmanager
def constraint_lifted(name: str) -> Any:
    """As if the database did not insist; put back at the end, over tidied rows."""
    index = next(c for c in Replan._meta.constraints if c.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Replan, index)
    try:
        yield
    finally:
        Replan.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Replan, index)


def unlocked_together(met: threading.Barrier) -> Any:
    """The door without its lock: everybody reads the plan before anybody goes on."""

    def fresh(subject: Any, step: str = "") -> Any:
        row = type(subject)._base_manager.get(pk=subject.pk)
        here = threading.current_thread()
        if isinstance(row, Replan) and not getattr(here, "met", False):
            here.met = True  # type: ignore[attr-defined]
            met.wait(WAIT)
        return row

    return fresh


# asked for


def test_of_many_who_ask_at_once_one_plan_is_asked_for(office: Office) -> None:
    """F2: the others read that one is being made."""
    answers = at_once(*[partial(placing.ask, office.group, by=office.lead)] * 6)
    never(answers, Refused)
    assert [str(a) for a in answers if isinstance(a, Refused)] == [placing.BUSY] * 5
    assert Replan.objects.open().count() == 1


def test_control_without_the_constraint_many_are_asked_for(office: Office) -> None:
    with constraint_lifted("one_open_replan_per_group"):
        at_once(*[partial(placing.ask, office.group, by=office.lead)] * 6)
        assert Replan.objects.open().count() == 6


# made


def test_a_plan_delivered_to_many_workers_is_made_by_one(office: Office) -> None:
    crowded(office)
    row = placing.ask(office.group, by=office.lead)
    answers = at_once(*[partial(placing.make, row.pk)] * 4)
    assert sorted(answers) == [False, False, False, True]
    assert steps(row) == ["ask_for_plan", "begin", "finish"]


def test_control_without_the_lock_two_workers_begin_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded(office)
    row = placing.ask(office.group, by=office.lead)
    monkeypatch.setattr(door, "lock", unlocked_together(threading.Barrier(2)))
    answers = at_once(*[partial(placing.make, row.pk)] * 2)
    collided = [a for a in answers if isinstance(a, DatabaseError)]
    assert collided or steps(row).count("begin") == 2


# applied


def test_of_many_who_apply_it_at_once_one_does(office: Office) -> None:
    """F2: all of it once; the others read that it is applied. No day is overbooked."""
    other = MembershipFactory(group=office.group, is_lead=True).user
    low, urgent = crowded(office)
    row = made(office)
    charges = {urgent.pk: False}
    answers = at_once(
        *[partial(placing.apply_plan, row, by=p, charges=charges) for p in [office.lead, other] * 2]
    )
    never(answers, Refused)
    assert [a for a in answers if not isinstance(a, Exception)] == [2]
    assert "applied" in str(next(a for a in answers if isinstance(a, Refused)))
    assert (applied(office), overbooked(office)) == (1, [])
    assert low.events.filter(name="replan").count() == 1
    assert urgent.events.filter(name="schedule").count() == 1


def test_control_without_the_lock_two_are_in_the_middle_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it the second is told before it has read anything, and nobody comes to meet."""
    crowded(office)
    row = made(office)
    meeting, read, inside = threading.Barrier(2), replan.read, []

    def read_together(*args: Any, **options: Any) -> Any:
        meeting.wait(WAIT)
        inside.append(threading.current_thread())
        return read(*args, **options)

    monkeypatch.setattr(placing, "lock", lambda one: Replan.objects.get(pk=one.pk))
    monkeypatch.setattr(placing, "locked_requests", lambda pks: None)
    monkeypatch.setattr(capacity, "locked", lambda rows: rows.order_by("day"))
    monkeypatch.setattr(replan, "read", read_together)
    at_once(*[partial(placing.apply_plan, row, by=office.lead, charges={})] * 2)
    assert len(inside) == 2


@pytest.mark.parametrize("rounds", ROUNDS)
def test_asked_for_made_and_applied_at_once_ends_in_one_applied_plan(
    office: Office, rounds: int
) -> None:
    """F2: a worker makes, two apply, one asks anew, all at once; then the person goes on."""
    other = MembershipFactory(group=office.group, is_lead=True).user
    for number in range(1, rounds + 1):
        low, urgent = crowded(office)
        row = made(office)
        charges = {urgent.pk: False}
        answers = at_once(
            partial(placing.apply_plan, row, by=office.lead, charges=charges),
            partial(placing.apply_plan, row, by=other, charges=charges),
            partial(placing.make, row.pk),
            partial(placing.ask, office.group, by=other, anew=True),
        )
        never(answers, Refused)
        assert overbooked(office) == []
        row.refresh_from_db()
        assert row.state in ("applied", "discarded")
        for fresh in Replan.objects.open():
            assert fresh.state == "queued"
            assert placing.make(fresh.pk)
            placing.apply_plan(fresh, by=office.lead, charges=charges)
        urgent.refresh_from_db()
        assert urgent.state == S.SCHEDULED
        assert urgent.events.filter(name="schedule").count() == 1
        assert applied(office) >= number
        assert (Replan.objects.open().count(), overbooked(office)) == (0, [])
        for done in (low, urgent):
            walk.do(done, "unschedule", office.lead, reason="Again.")
            walk.do(done, "cancel", office.rep, reason="Again.")


# booked meanwhile


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_booking_made_while_a_plan_is_applied_is_neither_lost_nor_too_much(
    office: Office, rounds: int
) -> None:
    """F2, I4: whichever comes first. Second comes a refusal with days, or a plan out of date."""
    for _ in range(rounds):
        low, urgent = crowded(office)
        row = made(office)
        wanted = walk.to_awaiting(office)
        first = slot(low).first_day
        taken = replan.slices_from(
            next(r["after"] for r in row.result["rows"] if r["pk"] == low.pk)
        )[0][0]
        booked, done = at_once(
            book(wanted, office, taken),
            partial(placing.apply_plan, row, by=office.lead, charges={urgent.pk: False}),
        )
        never([booked, done], Refused, InvalidFacts, ValidationError)
        row.refresh_from_db()
        wanted.refresh_from_db()
        assert overbooked(office) == []
        held = ScheduledDay.objects.filter(entry__request=wanted)
        if isinstance(booked, Exception):
            assert (wanted.state, held.count()) == (S.AWAITING_SCHEDULING, 0)
        else:
            assert (wanted.state, [(d.day, d.minutes) for d in held]) == (
                S.SCHEDULED, [(taken, 300)],
            )  # fmt: skip
        if isinstance(done, Exception):
            assert (row.state, slot(low).first_day) == ("stale", first), done
        else:
            assert (row.state, slot(low).first_day) == ("applied", taken)
        assert not (isinstance(booked, Exception) and isinstance(done, Exception))
        for request in (low, urgent, wanted):
            request.refresh_from_db()
            if request.state == S.SCHEDULED:
                walk.do(request, "unschedule", office.lead, reason="Again.")
            walk.do(request, "cancel", office.rep, reason="Again.")


def test_control_without_the_locks_only_the_constraint_stops_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: both read the same free hours; the database alone says no to one of them."""
    office.group.memberships.exclude(user=office.specialist).update(hours_per_day=0)
    office.group.focus = 1
    office.group.save(update_fields=["focus"])
    low, urgent = crowded(office)
    row = made(office)
    wanted = walk.to_awaiting(office)
    [[day, _], *_] = next(r["after"] for r in row.result["rows"] if r["pk"] == low.pk)
    with transaction.atomic():
        capacity.lock_days(office.group, walk.next_working_day(1), capacity.window_end())
    meeting, read, plan = threading.Barrier(2), replan.read, capacity.plan
    planned, met = threading.Barrier(2), threading.Event()

    def read_together(*args: Any, **options: Any) -> Any:
        found = read(*args, **options)
        meeting.wait(WAIT)
        return found

    def plan_together(group: Any, rows: Any, wish: Any) -> Any:
        found = plan(group, rows, wish)
        if wish.minutes == 300:
            meeting.wait(WAIT)
            planned.wait(WAIT)  # neither writes before both have planned
        elif not met.is_set():
            met.set()
            planned.wait(WAIT)
        return found

    monkeypatch.setattr(capacity, "locked", lambda rows: rows.order_by("day"))
    monkeypatch.setattr(replan, "read", read_together)
    monkeypatch.setattr(capacity, "plan", plan_together)
    answers = at_once(
        book(wanted, office, replan.slices_from([[day, 0]])[0][0]),
        partial(placing.apply_plan, row, by=office.lead, charges={urgent.pk: False}),
    )
    stopped = [a for a in answers if isinstance(a, DatabaseError)]
    assert stopped or overbooked(office), answers
