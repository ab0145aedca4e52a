"""What a group can do on each day, and the booking of it: no day is ever overbooked (F2).

A day's capacity is its members' hours times the group's focus, on working days of its calendar.
Day rows are made when a booking first needs them and brought up to date whenever one is locked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet

from fulfillment.models import DayCapacity, Membership, ProviderGroup
from workflow import clock
from workflow.worktime import Hours, hours_of

Slice = tuple[date, int]


class Room(Protocol):
    """A day with what is free on it, in minutes."""

    day: date

    @property
    def free(self) -> int: ...


@dataclass
class Day:
    """One working day of a group: minutes it has and minutes booked."""

    day: date
    capacity: int
    booked: int

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.booked)


def in_words(day: date) -> str:
    """A date as people say it."""
    return f"{day:%a} {day.day} {day:%b}"


def hours_in_words(minutes: int) -> str:
    """Minutes as hours, without needless zeros."""
    return f"{(Decimal(minutes) / 60).quantize(Decimal('0.01')).normalize():f} h"


def window_end() -> date:
    """The last day of the rolling window in which slots are booked."""
    return clock.today() + timedelta(days=settings.THROUGHLINE["SCHEDULE_WINDOW_DAYS"])


class Workforce:
    """A group's members, focus and calendar, read once, to say what each day holds."""

    def __init__(self, group: ProviderGroup) -> None:
        self.group = group
        self.hours: Hours = hours_of(group.calendar)
        self.members = list(
            Membership.objects.filter(group=group, user__is_active=True).select_related("user")
        )

    def minutes(self, day: date) -> int:
        """Minutes of planned work the group can take on: none on days off."""
        open_for = self.hours.minutes_on(day)
        if not open_for:
            return 0
        there = (m for m in self.members if not _away(m, day))
        own = sum(min(m.hours_per_day * 60, Decimal(open_for)) for m in there)
        return int(own * self.group.focus)

    def working_days(self, first: date, last: date) -> list[date]:
        """The days from first to last on which the group works."""
        span = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in span if self.hours.on(day)]


def _away(membership: Membership, day: date) -> bool:
    person = membership.user
    return bool(
        person.away_from
        and person.away_from <= day
        and (person.away_until is None or day <= person.away_until)
    )


def days_ahead(group: ProviderGroup, first: date, last: date) -> list[Day]:
    """The working days from first to last with what is free on them. Reads only."""
    force = Workforce(group)
    booked = dict(
        DayCapacity.objects.filter(group=group, day__range=(first, last)).values_list(
            "day", "booked"
        )
    )
    return [
        Day(day, max(force.minutes(day), booked.get(day, 0)), booked.get(day, 0))
        for day in force.working_days(first, last)
    ]


def lock_days(group: ProviderGroup, first: date, last: date) -> list[DayCapacity]:
    """The day rows of a span, made where missing, locked in the order of the calendar.

    Everybody locks in the same order, so nobody deadlocks; the second booking of a day waits here
    and then sees what the first one took.
    """
    force = Workforce(group)
    days = force.working_days(first, last)
    there = set(DayCapacity.objects.filter(group=group, day__in=days).values_list("day", flat=True))
    DayCapacity.objects.bulk_create(
        [
            DayCapacity(group=group, day=day, capacity=force.minutes(day))
            for day in days
            if day not in there
        ],
        ignore_conflicts=True,
    )
    rows = list(locked(DayCapacity.objects.filter(group=group, day__range=(first, last))))
    for row in rows:
        fresh = max(row.booked, force.minutes(row.day))
        if fresh != row.capacity and row.day >= clock.today():
            row.capacity = fresh
            row.save(update_fields=["capacity"])
    return rows


def locked(rows: QuerySet[DayCapacity]) -> QuerySet[DayCapacity]:
    """Rows locked until the end of the transaction. Its own function for the race's control."""
    return rows.order_by("day").select_for_update()


def fill(rows: Iterable[Room], minutes: int) -> list[Slice] | None:
    """Spread minutes forward over days with room; None if they do not fit."""
    found: list[Slice] = []
    left = minutes
    for row in rows:
        take = min(left, row.free)
        if take > 0:
            found.append((row.day, take))
            left -= take
        if left == 0:
            return found
    return None


def nearest(rows: Iterable[Room], minutes: int, count: int = 3) -> list[date]:
    """The first days on which the whole would fit; else days from which it could be begun."""
    days = list(rows)
    whole = [row.day for row in days if row.free >= minutes]
    if whole:
        return whole[:count]
    return [
        row.day
        for n, row in enumerate(days)
        if row.free > 0 and fill(days[n:], minutes) is not None
    ][:count]


def _instead(rows: Iterable[Room], minutes: int) -> str:
    days = nearest(rows, minutes)
    if not days:
        return "Nothing that long is free within the window."
    return f"Free instead: {', '.join(in_words(d) for d in days)}."


def refuse_unfit_day(
    group: ProviderGroup, day: date, minutes: int, *, not_before: Iterable[tuple[date, str]] = ()
) -> None:
    """Raise ValidationError by field where nothing can be booked, whatever the load (F2).

    `not_before` are dates with their reason: the earliest date agreed, parts still expected.
    """
    if minutes <= 0:
        raise ValidationError({"hours": "Give the hours to book: more than zero."})
    today, last = clock.today(), window_end()
    bars = list(not_before)
    start = max([today, *(bar for bar, _ in bars)])
    said = ""
    if day < today:
        said = f"{in_words(day)} is in the past."
    elif day > last:
        days = settings.THROUGHLINE["SCHEDULE_WINDOW_DAYS"]
        said = f"{in_words(day)} is beyond the {days} days: the last day is {in_words(last)}."
    elif not hours_of(group.calendar).on(day):
        said = f"{group} does not work on {in_words(day)}."
    else:
        said = next((why for bar, why in bars if day < bar), "")
    if said:
        raise ValidationError(
            {"day": f"{said} {_instead(days_ahead(group, start, last), minutes)}"}
        )


def book(group: ProviderGroup, first_day: date, minutes: int) -> list[Slice]:
    """Take minutes from first_day on, over as many working days as it needs (F2).

    Call it inside a transaction: it locks the day rows. Raises ValidationError by field.
    """
    refuse_unfit_day(group, first_day, minutes)
    rows = lock_days(group, first_day, window_end())
    if not rows or rows[0].day != first_day or rows[0].free <= 0:
        why = "is fully booked" if rows and rows[0].capacity else f"has nobody of {group} at work"
        raise ValidationError({"day": f"{in_words(first_day)} {why}. {_instead(rows, minutes)}"})
    return _take(group, rows, minutes)


def book_next_free(group: ProviderGroup, not_before: date, minutes: int) -> list[Slice]:
    """As `book`, but on the next days that have room, wherever they are (X1)."""
    rows = lock_days(group, max(not_before, clock.today()), window_end())
    return _take(group, rows, minutes)


def _take(group: ProviderGroup, rows: list[DayCapacity], minutes: int) -> list[Slice]:
    slices = fill(rows, minutes)
    if slices is None:
        free = sum(row.free for row in rows)
        raise ValidationError(
            {
                "hours": f"{hours_in_words(minutes)} do not fit: {hours_in_words(free)} are free "
                f"until {in_words(window_end())}. Book fewer hours or an earlier day."
            }
        )
    for day, part in slices:
        DayCapacity.objects.filter(group=group, day=day).update(booked=F("booked") + part)
    return slices


def give_back(group: ProviderGroup, slices: Iterable[Slice]) -> None:
    """What was booked is free for others again."""
    parts = dict(slices)
    for row in locked(DayCapacity.objects.filter(group=group, day__in=parts)):
        row.booked = F("booked") - parts[row.day]
        row.save(update_fields=["booked"])
