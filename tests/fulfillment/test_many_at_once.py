"""Many who book and many who press Take next at the same moment, on connections of their own.

TA02 and TA07 at the size of an office; each race with its control, and a long edition as soak.
"""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum

from fulfillment import capacity
from fulfillment.actions import queue, schedule
from fulfillment.models import DayCapacity, ScheduledDay
from requests_app.models import Request
from tests import walk
from tests.factories import MembershipFactory, Office
from tests.fulfillment.racing import WAIT, at_once
from workflow import door
from workflow.machine import Refused
from workflow.models import Event
from workflow.registry import InvalidFacts, perform

pytestmark = pytest.mark.django_db(transaction=True)
FIVE_HOURS = 300


@pytest.fixture
def office(transactional_db: None) -> Office:
    return Office()


def one_man(office: Office) -> None:
    """Eight hours a day and no more."""
    office.group.memberships.exclude(user=office.specialist).update(hours_per_day=0)
    office.group.focus = 1
    office.group.save(update_fields=["focus"])


def book(request: Request, office: Office, day: date) -> Callable[[], Any]:
    """Press Schedule: five hours on that very day, through the door."""
    facts = {"split": f"{day.isoformat()} 5", "charge_expected": "no"}
    return lambda: perform(request, "schedule", by=office.lead, data=facts)


def overbooked(office: Office) -> list[Any]:
    """Days on which more is scheduled than the group can do, counted from the slices (I4)."""
    wrong = []
    for row in DayCapacity.objects.filter(group=office.group):
        used = ScheduledDay.objects.filter(entry__group=office.group, day=row.day)
        total = used.aggregate(s=Sum("minutes"))["s"] or 0
        if total > row.capacity or total != row.booked:
            wrong.append((row.day, total, row.booked, row.capacity))
    return wrong


def book_all(office: Office, days: int, times: int) -> Counter[str]:
    """So many people book five of eight hours on each of so many days, all at once."""
    one_man(office)
    wanted = [walk.next_working_day(2 + n % days) for n in range(days * times)]
    requests = [walk.to_awaiting(office) for _ in wanted]
    answers = at_once(*[book(r, office, d) for r, d in zip(requests, wanted, strict=True)])
    count: Counter[str] = Counter()
    for answer in answers:
        if isinstance(answer, InvalidFacts):
            [said] = answer.form.errors["split"]
            assert "has 3 h free, not 5 h. Free instead: " in said
            count["refused with a sentence"] += 1
        elif isinstance(answer, Exception):
            raise answer
        else:
            count["won"] += 1
    count["overbooked days"] = len(overbooked(office))
    return count


def test_of_many_who_book_the_same_days_one_a_day_gets_it(office: Office) -> None:
    """TA07, I4, F2: twenty at once for four days of eight hours; nobody gets an error page."""
    assert book_all(office, days=4, times=5) == {
        "won": 4,
        "refused with a sentence": 16,
        "overbooked days": 0,
    }


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_hundred_book_at_once(office: Office) -> None:
    """TA07, I4, F2: as many connections as people; the figures are printed."""
    count = book_all(office, days=10, times=HUNDRED // 10)
    print(f"\n{HUNDRED} bookings at once: {dict(count)}")  # noqa: T201 - the figures of the soak
    assert count == {"won": 10, "refused with a sentence": HUNDRED - 10, "overbooked days": 0}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_who_book_the_same_day_a_hundred_times(office: Office) -> None:
    """TA07: a hundred rounds."""
    one_man(office)
    for number in range(100):
        day = walk.next_working_day(2 + number % 30)
        two = [walk.to_awaiting(office), walk.to_awaiting(office)]
        answers = at_once(*[book(r, office, day) for r in two])
        assert sorted(isinstance(a, InvalidFacts) for a in answers) == [False, True], answers
        assert overbooked(office) == []
        for request in two:
            request.refresh_from_db()
            if request.state == "scheduled":
                walk.do(request, "unschedule", office.lead, reason="Again.")


def test_control_without_the_lock_the_constraint_is_hit(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA07: unlocked, both see eight free hours; only the database says no."""
    one_man(office)
    day = walk.next_working_day(3)
    with transaction.atomic():
        capacity.lock_days(office.group, day, capacity.window_end())
    meeting, plan = threading.Barrier(2), capacity.plan

    def plan_together(*args: Any) -> Any:
        found = plan(*args)
        meeting.wait(WAIT)
        return found

    monkeypatch.setattr(capacity, "locked", lambda rows: rows.order_by("day"))
    monkeypatch.setattr(capacity, "plan", plan_together)
    two = [walk.to_awaiting(office), walk.to_awaiting(office)]
    answers = at_once(*[book(r, office, day) for r in two])
    stopped = [a for a in answers if isinstance(a, DatabaseError)]
    assert [("day_not_overbooked" in str(a)) for a in stopped] == [True]


# Take next


def specialists(office: Office, count: int) -> list[Any]:
    return [MembershipFactory(group=office.group).user for _ in range(count)]


def impatient(act: Callable[[], Any]) -> Callable[[], Any]:
    """Do it on a connection that gives up, with an error, when it waits seconds for any lock."""

    def run() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        return act()

    return run


@pytest.mark.parametrize(
    ("walked", "draw"),
    [(walk.to_pending, queue.take_next), (walk.to_scheduled, schedule.pull_next)],
)
def test_twenty_who_press_at_once_get_twenty_different_ones(
    office: Office, walked: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TA02, F4: and the queue is empty afterwards."""
    days = iter(range(2, 40))
    near = walk.next_working_day
    monkeypatch.setattr(walk, "next_working_day", lambda: near(next(days)))
    rows = {walked(office).pk for _ in range(20)}
    people = specialists(office, 20)
    got = at_once(*[impatient(lambda p=p: draw(office.group, by=p)) for p in people])
    assert not [g for g in got if isinstance(g, Exception)], got
    assert {g.pk for g in got} == rows
    assert {g.specialist_id for g in got} == {p.pk for p in people}
    assert draw(office.group, by=office.lead) is None


def test_four_empty_a_queue_of_forty_and_never_wait_for_a_row(office: Office) -> None:
    """TA02: forty different ones in the order of the rule, none skipped, none twice.

    That nobody waits is not left to the clock: one row is held all the while, and every
    connection would fail if it waited for any lock.
    """
    rows = [walk.to_pending(office).pk for _ in range(41)]
    Request.objects.filter(pk=rows[0]).update(priority=1)
    taken: list[int] = []
    held, done = threading.Event(), threading.Barrier(5)

    def hold_the_first_of_the_rule() -> None:
        with transaction.atomic():
            Request.objects.select_for_update().get(pk=rows[0])
            held.set()
            done.wait(WAIT * 3)  # until all four have found nothing more

    def empty_it(person: Any) -> None:
        assert held.wait(WAIT)
        while True:
            found = queue.take_next(office.group, by=person)
            if found is not None:
                taken.append(found.pk)
            elif queue.next_pending(office.group).count() <= 1:
                done.wait(WAIT * 3)
                return

    people = [office.lead, office.specialist, office.specialist2, *specialists(office, 1)]
    answers = at_once(
        hold_the_first_of_the_rule,
        *[impatient(lambda p=p: empty_it(p)) for p in people],
    )
    assert answers == [None] * 5
    assert sorted(taken) == sorted(rows[1:])
    assert Event.objects.filter(name="assign").count() == 40
    assert queue.take_next(office.group, by=office.lead).pk == rows[0]


def test_control_without_the_lock_two_get_the_same_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA02: drawn without a lock, both come with the same row; one is refused."""
    walk.to_scheduled(office)
    walk.to_scheduled(office)
    meeting = threading.Barrier(2)

    def first_unlocked(rows: Any) -> Any:
        found = rows.first()
        if found is not None:
            meeting.wait(WAIT)
        return found

    monkeypatch.setattr(schedule, "locked_first", first_unlocked)
    answers = at_once(
        lambda: schedule.pull_next(office.group, by=office.specialist),
        lambda: schedule.pull_next(office.group, by=office.specialist2),
    )
    assert len([a for a in answers if isinstance(a, Refused)]) == 1


def test_control_without_any_lock_both_think_they_have_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA02: with the door's lock gone too, they double or collide."""
    walk.to_scheduled(office)
    meeting = threading.Barrier(2)

    def fresh(subject: Any, step: str = "") -> Any:
        row = type(subject)._base_manager.get(pk=subject.pk)
        here = threading.current_thread()
        if isinstance(row, Request) and not getattr(here, "met", False):
            here.met = True  # type: ignore[attr-defined]
            meeting.wait(WAIT)
        return row

    monkeypatch.setattr(schedule, "locked_first", lambda rows: rows.first())
    monkeypatch.setattr(door, "lock", fresh)
    answers = at_once(
        lambda: schedule.pull_next(office.group, by=office.specialist),
        lambda: schedule.pull_next(office.group, by=office.specialist2),
    )
    assert not [a for a in answers if isinstance(a, Refused)]
    won = [a for a in answers if isinstance(a, Request)]
    assert len(won) == 2 or any(isinstance(a, IntegrityError) for a in answers)


def test_swapping_across_each_other_never_deadlocks(office: Office) -> None:
    """F2: who comes second is told to try again, at once."""
    one, two = walk.to_scheduled(office), walk.to_scheduled(office)
    walk.do(two, "reschedule", office.lead, day=walk.next_working_day(9).isoformat(), hours="4")
    for _ in range(6):
        answers = at_once(
            lambda: perform(one, "swap_slot", by=office.lead, data={"other": two.reference}),
            lambda: perform(two, "swap_slot", by=office.lead, data={"other": one.reference}),
        )
        for answer in answers:
            if isinstance(answer, Exception):
                assert "is changing" in str(answer), answer
        assert overbooked(office) == []


HUNDRED = 100
