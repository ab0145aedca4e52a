"""Working time against a slow oracle that looks at the wall clock minute by minute (F1, TB20)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fulfillment import capacity
from tests.factories import Office
from workflow import clock
from workflow.models import Calendar, CalendarException, WorkingHours
from workflow.worktime import (
    STANDARD,
    Hours,
    add_minutes,
    add_working_days,
    hours_of,
    joined,
    knows_holidays,
    minutes_between,
    moment_of,
)

ZONE = ZoneInfo("America/Chicago")
MINUTE = timedelta(minutes=1)
ROUND_THE_CLOCK = Hours(tuple(((time(0), time(23, 59)),) for _ in range(7)), "", frozenset())


def at(*parts: int, fold: int = 0) -> datetime:
    """A moment by the wall clock in Chicago."""
    return datetime(*parts, tzinfo=ZONE, fold=fold).astimezone(UTC)


def worked_minutes(day: date, hours: Hours) -> set[datetime]:
    """The oracle: every minute of a local day at which somebody works, one look at the wall each.

    A stretch is on from the first look that shows its opening time or more, and off from the
    first that shows its closing time or more.
    """
    moment = datetime.combine(day, time(), ZONE).astimezone(UTC)
    found: set[datetime] = set()
    begun: set[tuple[time, time]] = set()
    over: set[tuple[time, time]] = set()
    while (local := moment.astimezone(ZONE)).date() == day:
        for stretch in hours.on(day):
            if local.time() >= stretch[0]:
                begun.add(stretch)
            if local.time() >= stretch[1]:
                over.add(stretch)
        if begun - over:
            found.add(moment)
        moment += MINUTE
    return found


def oracle_between(start: datetime, end: datetime, hours: Hours) -> int:
    day, last = start.astimezone(ZONE).date(), end.astimezone(ZONE).date()
    total = 0
    while day <= last:
        total += sum(1 for m in worked_minutes(day, hours) if start <= m < end)
        day += timedelta(days=1)
    return total


times = st.integers(0, 23 * 60 + 59).map(lambda m: time(m // 60, m % 60))
stretches = st.lists(
    st.tuples(times, times).filter(lambda pair: pair[0] < pair[1]), max_size=3
).map(joined)
STARTS = [
    date(2026, 3, 7), date(2026, 10, 31), date(2026, 12, 30), date(2027, 3, 13), date(2026, 11, 25),
]  # fmt: skip


@st.composite
def calendars(draw: st.DrawFn) -> Hours:
    near = draw(st.sampled_from(STARTS))
    closed = draw(st.frozensets(st.integers(0, 3).map(lambda n: near + timedelta(n)), max_size=2))
    return Hours(
        tuple(draw(stretches) for _ in range(7)), draw(st.sampled_from(["", "US-OK"])), closed,
        {near + timedelta(days=2): draw(stretches)},
    )  # fmt: skip


spans = st.tuples(st.sampled_from(STARTS), st.integers(0, 3 * 1440), st.integers(0, 2 * 1440))


@settings(max_examples=25, deadline=None)
@given(calendars(), spans)
@example(ROUND_THE_CLOCK, (date(2026, 3, 7), 1380, 300))
@example(ROUND_THE_CLOCK, (date(2026, 10, 31), 1380, 300))
@example(STANDARD, (date(2026, 12, 30), 600, 2880))
def test_counting_agrees_with_looking_at_the_clock(
    hours: Hours, span: tuple[date, int, int]
) -> None:
    """Over weekends, holidays, days of their own hours, both changes of the clock, a year's end."""
    start = datetime.combine(span[0], time(), ZONE).astimezone(UTC) + span[1] * MINUTE
    end = start + span[2] * MINUTE
    assert minutes_between(start, end, hours) == oracle_between(start, end, hours)
    assert minutes_between(end, start, hours) == -minutes_between(start, end, hours)


@settings(max_examples=60, deadline=None)
@given(calendars(), spans, st.integers(1, 1200))
def test_adding_is_the_reverse_of_counting(
    hours: Hours, span: tuple[date, int, int], minutes: int
) -> None:
    """So many minutes later exactly so many have been worked, and a minute before not yet."""
    start = datetime.combine(span[0], time(), ZONE).astimezone(UTC) + span[1] * MINUTE
    if not any(hours.week):
        return
    end = add_minutes(start, minutes, hours)
    assert minutes_between(start, end, hours) == minutes
    assert minutes_between(start, end - MINUTE, hours) == minutes - 1


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (at(2026, 11, 20, 16), 60, at(2026, 11, 20, 17)),  # closing time is still that day
        (at(2026, 11, 20, 16), 61, at(2026, 11, 23, 8, 1)),  # one more is Monday
        (at(2026, 11, 20, 17), 1, at(2026, 11, 23, 8, 1)),  # at closing time nobody works
        (at(2026, 11, 21, 12), 0, at(2026, 11, 23, 8)),
        (at(2026, 11, 23, 8), 540, at(2026, 11, 23, 17)),
        (at(2026, 12, 24, 16), 120, at(2026, 12, 28, 9)),  # over Christmas Day
        (at(2026, 12, 31, 16), 120, at(2027, 1, 4, 9)),  # over the end of the year
        (at(2026, 3, 6, 16), 120, at(2026, 3, 9, 9)),  # over the lost hour
        (at(2026, 10, 30, 16), 120, at(2026, 11, 2, 9)),  # over the hour that comes twice
    ],
)
def test_the_edges_of_a_day(start: datetime, minutes: int, end: datetime) -> None:
    """Half-open: from opening on, until closing and not at it."""
    assert add_minutes(start, minutes, STANDARD) == end


def test_seconds_are_not_lost() -> None:
    start = at(2026, 11, 20, 16, 59) + timedelta(seconds=30)
    assert add_minutes(start, 1, STANDARD) == at(2026, 11, 23, 8) + timedelta(seconds=30)


def test_a_time_that_is_skipped_or_comes_twice() -> None:
    """The skipped one is the moment of the change; of two the first counts."""
    assert moment_of(date(2026, 3, 8), time(2, 30)) == at(2026, 3, 8, 3)
    assert moment_of(date(2026, 11, 1), time(1, 30)) == at(2026, 11, 1, 1, 30, fold=0)
    night = Hours(tuple(((time(0), time(4)),) for _ in range(7)), "", frozenset())
    assert minutes_between(at(2026, 3, 8), at(2026, 3, 9), night) == 180
    assert minutes_between(at(2026, 11, 1), at(2026, 11, 2), night) == 300


def test_working_days_leave_out_weekends_and_holidays() -> None:
    """Thanksgiving and the day after are holidays of Oklahoma."""
    assert add_working_days(date(2026, 11, 25), 1, STANDARD) == date(2026, 11, 30)
    assert add_working_days(date(2026, 12, 31), 1, STANDARD) == date(2027, 1, 4)
    assert add_working_days(date(2026, 11, 21), 0, STANDARD) == date(2026, 11, 21)


@pytest.mark.django_db
class TestCalendars:
    """How rows become hours."""

    def _calendar(self, **fields: object) -> Calendar:
        made = Calendar.objects.create(name="Ours", **fields)
        for weekday in range(5):
            WorkingHours.objects.create(calendar=made, weekday=weekday, opens=time(9),
                                        closes=time(12))  # fmt: skip
        return made

    def test_the_default_counts_until_a_group_has_its_own(self) -> None:
        assert hours_of(None) == STANDARD
        default = self._calendar(is_default=True)
        assert hours_of(None).minutes_on(date(2026, 11, 23)) == 180
        assert hours_of(default) == hours_of(None)

    def test_overlapping_stretches_are_worked_once(self) -> None:
        made = self._calendar()
        WorkingHours.objects.create(calendar=made, weekday=0, opens=time(11), closes=time(15))
        assert hours_of(made).minutes_on(date(2026, 11, 23)) == 360

    def test_a_day_of_its_own_hours_beats_the_holiday_and_a_closed_day_the_week(self) -> None:
        made = self._calendar(holidays="US-OK")
        CalendarException.objects.create(calendar=made, day=date(2026, 12, 25), note="Moving",
                                         opens=time(10), closes=time(11))  # fmt: skip
        CalendarException.objects.create(calendar=made, day=date(2026, 12, 23), note="Closed")
        hours = hours_of(made)
        assert hours.minutes_on(date(2026, 12, 25)) == 60
        assert hours.on(date(2026, 12, 23)) == ()
        assert hours.minutes_on(date(2026, 11, 27)) == 0  # the day after Thanksgiving, in Oklahoma

    def test_holidays_go_by_the_subdivision(self) -> None:
        assert knows_holidays("US-OK")
        assert knows_holidays("")
        assert not knows_holidays("XX")
        assert not knows_holidays("US-XX")


@pytest.mark.django_db
@pytest.mark.parametrize("around", [date(2026, 3, 8), date(2026, 11, 1)])
@pytest.mark.parametrize(("hour", "minute", "before"), [(23, 30, 1), (0, 30, 0), (1, 30, 0)])
def test_sixty_days_over_a_change_of_the_clock(
    office: Office, around: date, hour: int, minute: int, before: int
) -> None:
    """TB20: whatever the hour, today is the local day and the window has each day once."""
    day = around - timedelta(days=before)
    for fold in (0, 1):  # in autumn 01:30 comes twice
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE, fold=fold)
        with time_machine.travel(moment.astimezone(UTC), tick=False):
            assert clock.today() == day
            force = capacity.Workforce(office.group)
            force.hours = ROUND_THE_CLOCK
            days = force.working_days(clock.today(), capacity.window_end())
            assert len(days) == len(set(days)) == 61
            assert days == [day + timedelta(days=n) for n in range(61)]
            request = office.request()
            assert request.response_due_at == add_minutes(request.created_at, 480, STANDARD)
            assert request.response_due_at.astimezone(ZONE).time() <= time(17)
    monday = around + timedelta(days=1)
    assert add_minutes(at(day.year, day.month, day.day, 23), 480, STANDARD) == at(
        monday.year, monday.month, monday.day, 16
    )
