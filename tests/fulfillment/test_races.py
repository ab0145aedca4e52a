"""People who press at the same moment, each race with its control (TA01, TA07).

A control takes the lock out and must see the damage; otherwise the test would prove nothing.
"""

import threading
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Sum

from fulfillment import capacity
from fulfillment.models import DayCapacity, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office
from tests.fulfillment.racing import WAIT, at_once
from workflow import door, registry
from workflow.machine import Refused
from workflow.registry import perform

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 15


@pytest.fixture
def office(transactional_db: None) -> Office:
    return Office()


def _back_to_pending(request: Request, office: Office) -> None:
    request.refresh_from_db()
    if request.state == S.ASSIGNED:
        walk.do(request, "unassign", office.lead, reason="Again.")


def test_of_two_who_take_the_same_request_one_gets_it(office: Office) -> None:
    """TA01, F4, F5: one assignee, one event; the loser reads who has it."""
    request = walk.to_pending(office)
    for number in range(ROUNDS):
        answers = at_once(
            lambda: perform(request, "take", by=office.specialist),
            lambda: perform(request, "take", by=office.specialist2),
        )
        lost = [a for a in answers if isinstance(a, Refused)]
        assert len(lost) == 1, answers
        request.refresh_from_db()
        assert request.specialist in (office.specialist, office.specialist2)
        assert str(lost[0]).startswith(
            f"Not possible any more: it is assigned now, with {request.specialist}."
        )
        assert request.events.filter(name="assign").count() == number + 1
        _back_to_pending(request, office)


def test_control_without_the_lock_both_take_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA01: both think they have it, or collide on the event's number."""
    request = walk.to_pending(office)
    meeting = threading.Barrier(2)

    def fresh(subject: Any, step: str = "") -> Any:
        row = type(subject)._base_manager.get(pk=subject.pk)
        if row.state == S.PENDING and not getattr(threading.current_thread(), "met", False):
            threading.current_thread().met = True
            meeting.wait(WAIT)
        return row

    monkeypatch.setattr(door, "lock", fresh)
    monkeypatch.setattr(registry, "lock", fresh)
    answers = at_once(
        lambda: perform(request, "take", by=office.specialist),
        lambda: perform(request, "take", by=office.specialist2),
    )
    told_clearly = [a for a in answers if isinstance(a, Refused)]
    assert not told_clearly
    won = [a for a in answers if not isinstance(a, Exception)]
    assert len(won) == 2 or any(isinstance(a, IntegrityError) for a in answers)


def _book(office: Office, day: Any, minutes: int) -> list[capacity.Slice]:
    with transaction.atomic():
        slices = capacity.book(office.group, day, minutes)
        request = walk.to_awaiting(office)
        made = ScheduleEntry.objects.create(
            request=request,
            group=office.group,
            minutes=minutes,
            first_day=slices[0][0],
            last_day=slices[-1][0],
        )
        ScheduledDay.objects.bulk_create(
            [ScheduledDay(entry=made, day=d, minutes=m) for d, m in slices]
        )
        return slices


def _overbooked(office: Office) -> list[Any]:
    """Days on which more is scheduled than the group can do, counted from the slices (I4)."""
    rows = []
    for row in DayCapacity.objects.filter(group=office.group):
        used = ScheduledDay.objects.filter(entry__group=office.group, day=row.day)
        total = used.aggregate(s=Sum("minutes"))["s"] or 0
        if total > row.capacity or total != row.booked:
            rows.append((row.day, total, row.booked, row.capacity))
    return rows


def _one_man_group(office: Office) -> None:
    """Eight hours a day and no more: only the specialist works, at full focus."""
    office.group.memberships.exclude(user=office.specialist).update(hours_per_day=0)
    office.group.focus = 1
    office.group.save(update_fields=["focus"])


def test_two_bookings_of_five_hours_never_overbook_a_day_of_eight(office: Office) -> None:
    """TA07, I4, F2: the second one goes on to the next day."""
    _one_man_group(office)
    for round_number in range(ROUNDS):
        day = walk.next_working_day(3 + round_number % 5)
        ScheduledDay.objects.all().delete()
        DayCapacity.objects.update(booked=0)
        answers = at_once(*[partial(_book, office, day, 300)] * 2)
        assert all(isinstance(a, list) for a in answers), answers
        assert sorted(slices[0][1] for slices in answers) == [180, 300]
        assert _overbooked(office) == []


def test_control_without_the_lock_the_day_is_overbooked(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA07: only the constraint in the database still stands in the way."""
    _one_man_group(office)
    day = walk.next_working_day(3)
    with transaction.atomic():
        capacity.lock_days(office.group, day, capacity.window_end())
    meeting = threading.Barrier(2)
    fill = capacity.fill

    def fill_together(rows: Any, minutes: int, most: int | None = None) -> Any:
        found = fill(list(rows), minutes, most)
        meeting.wait(WAIT)
        return found

    monkeypatch.setattr(capacity, "locked", lambda rows: rows.order_by("day"))
    monkeypatch.setattr(capacity, "fill", fill_together)
    answers = at_once(*[partial(_book, office, day, 300)] * 2)
    stopped = [a for a in answers if isinstance(a, DatabaseError)]
    assert len(stopped) == 1
    assert "day_not_overbooked" in str(stopped[0])


def test_two_moves_across_each_other_do_not_deadlock(office: Office) -> None:
    """F2: days are locked in the order of the calendar, whichever way one moves."""
    one, two = walk.to_scheduled(office), walk.to_scheduled(office)
    near, far = walk.next_working_day(2), walk.next_working_day(20)

    def move(request: Request, day: Any) -> Any:
        return perform(
            request, "reschedule", by=office.lead, data={"day": day.isoformat(), "hours": "4"}
        )

    for _ in range(ROUNDS):
        answers = at_once(partial(move, one, near), partial(move, two, far))
        assert not [a for a in answers if isinstance(a, Exception)], answers
        near, far = far, near
    assert _overbooked(office) == []


def test_the_database_itself_refuses_an_overbooked_day(office: Office) -> None:
    """F2: even who writes past the program cannot overbook a day."""
    row = DayCapacity.objects.create(
        group=office.group, day=walk.next_working_day(), capacity=480, booked=480
    )
    with pytest.raises(IntegrityError, match="day_not_overbooked"):
        DayCapacity.objects.filter(pk=row.pk).update(booked=F("booked") + 1)
