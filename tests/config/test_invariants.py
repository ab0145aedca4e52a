"""`verify` names each day that is not as the schedule says (I4)."""

import pytest

from config.invariants import days_not_overbooked
from fulfillment.models import DayCapacity, ScheduledDay
from tests import walk
from tests.factories import Office


@pytest.fixture
def booked(office: Office) -> ScheduledDay:
    request = walk.to_scheduled(office)
    return ScheduledDay.objects.filter(entry__request=request).order_by("day").first()


def test_a_schedule_made_through_the_door_has_no_fault(booked: ScheduledDay) -> None:
    assert list(days_not_overbooked()) == []


def test_a_day_that_says_another_number_than_its_entries_hold_is_named(
    booked: ScheduledDay,
) -> None:
    day = DayCapacity.objects.get(group=booked.entry.group, day=booked.day)
    DayCapacity.objects.filter(pk=day.pk).update(booked=day.booked + 30)
    (said,) = days_not_overbooked()
    assert f"entries hold {day.booked} minutes, the day says {day.booked + 30}" in said


def test_a_booked_day_that_the_group_does_not_know_is_named(booked: ScheduledDay) -> None:
    DayCapacity.objects.filter(group=booked.entry.group, day=booked.day).delete()
    (said,) = days_not_overbooked()
    assert str(booked.day) in said
    assert "do not know" in said
