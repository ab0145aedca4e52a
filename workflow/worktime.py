"""Working time: adding minutes to a moment and counting them between two, by a calendar (F1)."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

import holidays
from django.utils import timezone

from workflow.models import Calendar

MAX_DAYS = 3660  # ten years: a calendar without hours must not loop for ever


class Hours(NamedTuple):
    """A calendar read once: stretches by weekday, the holiday subdivision, days off."""

    week: tuple[tuple[tuple[time, time], ...], ...]
    subdivision: str
    closed: frozenset[date]

    def on(self, day: date) -> tuple[tuple[time, time], ...]:
        """The working stretches of a local day; empty on a day off."""
        if day in self.closed or is_holiday(self.subdivision, day):
            return ()
        return self.week[day.weekday()]

    def minutes_on(self, day: date) -> int:
        """Working minutes of a local day."""
        return sum((b.hour - a.hour) * 60 + b.minute - a.minute for a, b in self.on(day))


STANDARD = Hours(
    tuple(((time(8), time(17)),) if d < 5 else () for d in range(7)), "US-OK", frozenset()
)


@lru_cache(maxsize=64)
def _year(subdivision: str, year: int) -> frozenset[date]:
    if not subdivision:
        return frozenset()
    country, _, part = subdivision.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def is_holiday(subdivision: str, day: date) -> bool:
    """Whether the day is a public holiday there."""
    return day in _year(subdivision, day.year)


def hours_of(calendar: Calendar | None) -> Hours:
    """Read a calendar's rows; without one, the default calendar, else Monday to Friday 8-17."""
    calendar = calendar or Calendar.objects.filter(is_default=True).first()
    if calendar is None:
        return STANDARD
    week: list[list[tuple[time, time]]] = [[] for _ in range(7)]
    for row in calendar.hours.all():
        week[row.weekday].append((row.opens, row.closes))
    return Hours(
        tuple(tuple(sorted(day)) for day in week),
        calendar.holidays,
        frozenset(e.day for e in calendar.exceptions.all()),
    )


def _stretches(start: datetime, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
    """Working stretches from `start` on, as aware moments (exact across daylight saving)."""
    zone = timezone.get_default_timezone()
    first = start.astimezone(zone).date()
    for offset in range(MAX_DAYS):
        day = first + timedelta(days=offset)
        for opens, closes in hours.on(day):
            a = datetime.combine(day, opens, zone).astimezone(timezone.get_fixed_timezone(0))
            b = datetime.combine(day, closes, zone).astimezone(timezone.get_fixed_timezone(0))
            if b > start:
                yield max(a, start), b


def add_minutes(start: datetime, minutes: int, hours: Hours) -> datetime:
    """The moment `minutes` of working time after `start`."""
    left = timedelta(minutes=minutes)
    end = start
    for a, b in _stretches(start, hours):
        if b - a >= left:
            return a + left
        left -= b - a
        end = b
    return end


def minutes_between(start: datetime, end: datetime, hours: Hours) -> int:
    """Working minutes between two moments; negative when `end` is before `start`."""
    if end < start:
        return -minutes_between(end, start, hours)
    total = timedelta()
    for a, b in _stretches(start, hours):
        if a >= end:
            break
        total += min(b, end) - a
    return int(total.total_seconds() // 60)


def add_working_days(start: date, days: int, hours: Hours) -> date:
    """The working day that is `days` working days after `start`."""
    day = start
    for _ in range(MAX_DAYS):
        if days <= 0:
            break
        day += timedelta(days=1)
        if hours.on(day):
            days -= 1
    return day
