"""Working time: adding it to a moment and counting it between two, by a calendar (F1).

A stretch begins at the first moment of a local day at which the wall clock shows its opening time
or more, and ends at the first at which it shows its closing time or more. So a time that the
clock skips in spring is the moment of the change, and of an hour that comes twice in autumn the
first one counts. Stretches are half-open: closing time is not worked any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays
from django.utils import timezone

from workflow import clock
from workflow.models import Calendar

MAX_DAYS = 3660  # ten years: a calendar without hours must not loop for ever
MINUTE = timedelta(minutes=1)
Stretches = tuple[tuple[time, time], ...]
NOTHING: Mapping[date, Stretches] = MappingProxyType({})


class Hours(NamedTuple):
    """A calendar read once: stretches by weekday, the holiday subdivision, days unlike others."""

    week: tuple[Stretches, ...]
    subdivision: str
    closed: frozenset[date]
    special: Mapping[date, Stretches] = NOTHING

    def on(self, day: date) -> Stretches:
        """The working stretches of a local day; a day of its own hours is worked on a holiday too.

        Empty on a day off.
        """
        if day in self.special:
            return self.special[day]
        if day in self.closed or is_holiday(self.subdivision, day):
            return ()
        return self.week[day.weekday()]

    def minutes_on(self, day: date) -> int:
        """Working minutes of a local day, as the wall clock counts them."""
        return _minutes(self.on(day))


@lru_cache(maxsize=256)
def _minutes(stretches: Stretches) -> int:
    return sum((b.hour - a.hour) * 60 + b.minute - a.minute for a, b in stretches)


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


def knows_holidays(subdivision: str) -> bool:
    """Whether there are public holidays under this name, such as US-OK; none at all is fine too."""
    try:
        _year(subdivision, 2026)
    except NotImplementedError:
        return False
    return True


def joined(stretches: Iterable[tuple[time, time]]) -> Stretches:
    """In order, and what overlaps or touches as one."""
    found: list[tuple[time, time]] = []
    for opens, closes in sorted(stretches):
        if found and opens <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], closes))
        else:
            found.append((opens, closes))
    return tuple(found)


def hours_of(calendar: Calendar | None) -> Hours:
    """Read a calendar's rows; without one, the default calendar, else Monday to Friday 8-17."""
    calendar = calendar or Calendar.objects.filter(is_default=True).first()
    if calendar is None:
        return STANDARD
    week: list[list[tuple[time, time]]] = [[] for _ in range(7)]
    for row in calendar.hours.all():
        week[row.weekday].append((row.opens, row.closes))
    unlike = list(calendar.exceptions.all())
    return Hours(
        tuple(joined(day) for day in week),
        calendar.holidays,
        frozenset(e.day for e in unlike if e.opens is None),
        {e.day: ((e.opens, e.closes),) for e in unlike if e.opens and e.closes},
    )


def moment_of(day: date, at: time) -> datetime:
    """The first moment of the day at which a clock on the wall shows this time or more (UTC)."""
    return _moment_of(day, at, str(timezone.get_default_timezone()))


@lru_cache(maxsize=20_000)
def _moment_of(day: date, at: time, name: str) -> datetime:
    zone = ZoneInfo(name)
    local = datetime.combine(day, at, zone)
    found = local.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return found
    early = local.replace(fold=1).astimezone(UTC)  # the clock skips it: find where it jumps
    before = early.astimezone(zone).utcoffset()
    while found - early > MINUTE:
        middle = early + (found - early) // 2 // MINUTE * MINUTE
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            found = middle
    return found


def _stretches(start: datetime, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
    """Working stretches from `start` on, as aware moments (exact across daylight saving)."""
    first = start.astimezone(timezone.get_default_timezone()).date()
    for offset in range(MAX_DAYS):
        day = first + timedelta(days=offset)
        for opens, closes in hours.on(day):
            a, b = moment_of(day, opens), moment_of(day, closes)
            if b > start and b > a:
                yield max(a, start), b


def add_time(start: datetime, span: timedelta, hours: Hours) -> datetime:
    """The moment at which `span` of working time has passed since `start`.

    The end of a day's work is that day's closing time, not the next morning. With nothing to add
    it is `start` itself, or the next opening.
    """
    left = span
    end = start
    for a, b in _stretches(start, hours):
        if b - a >= left:
            return a + left
        left -= b - a
        end = b
    return end


def add_minutes(start: datetime, minutes: int, hours: Hours) -> datetime:
    """The moment `minutes` of working time after `start`."""
    return add_time(start, timedelta(minutes=minutes), hours)


def time_between(start: datetime, end: datetime, hours: Hours) -> timedelta:
    """Working time between two moments; negative when `end` is before `start`."""
    if end < start:
        return -time_between(end, start, hours)
    total = timedelta()
    for a, b in _stretches(start, hours):
        if a >= end:
            break
        total += min(b, end) - a
    return total


def minutes_between(start: datetime, end: datetime, hours: Hours) -> int:
    """Whole working minutes between two moments; negative when `end` is before `start`."""
    if end < start:
        return -minutes_between(end, start, hours)
    return time_between(start, end, hours) // MINUTE


def add_working_days(start: date, days: int, hours: Hours) -> date:
    """The working day that is `days` working days after `start`; `start` itself for none."""
    day = start
    for _ in range(MAX_DAYS):
        if days <= 0:
            break
        day += timedelta(days=1)
        if hours.on(day):
            days -= 1
    return day


def over_a_working_day(since: datetime, hours: Hours) -> bool:
    """Whether more than a whole working day has gone since then."""
    day = timezone.localdate(since)
    minutes = hours.minutes_on(add_working_days(day, 1, hours))
    return time_between(since, clock.now(), hours) > timedelta(minutes=minutes)
