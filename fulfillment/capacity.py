"""What a group can do on each day, and the booking of it: no day is ever overbooked (F2).

A day's capacity is its members' hours times the group's focus, on working days of its calendar.
Day rows are made when a booking first needs them and brought up to date whenever one is locked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Case, F, QuerySet, Value, When

from fulfillment.days_off import DaysOff
from fulfillment.models import DayCapacity, ProviderGroup
from fulfillment.workforce import Workforce
from workflow import clock
from workflow.together import is_read
from workflow.worktime import Hours, hours_of

Slice = tuple[date, int]
Bar = tuple[date, str]


class Room(Protocol):
    """A day with what is free on it, in minutes."""

    day: date
    capacity: int

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


@dataclass(frozen=True)
class Wish:
    """What somebody wants booked: so many minutes from a day on, or exactly these days.

    `most` caps the minutes of one day, so that work can be spread thin over many.
    """

    day: date
    minutes: int
    most: int | None = None
    exact: tuple[Slice, ...] = ()

    @classmethod
    def exactly(cls, slices: Iterable[Slice]) -> "Wish":
        """These days and no others. Raises ValidationError where there are none."""
        days = tuple(sorted(slices))
        if not days:
            raise ValidationError({"split": "Name at least one day with its hours."})
        return cls(days[0][0], sum(minutes for _, minutes in days), None, days)


def in_words(day: date) -> str:
    """A date as people say it."""
    return f"{day:%a} {day.day} {day:%b}"


def hours_in_words(minutes: int) -> str:
    """Minutes as hours, without needless zeros."""
    return f"{(Decimal(minutes) / 60).quantize(Decimal('0.01')).normalize():f} h"


def window_end() -> date:
    """The last day of the rolling window in which slots are booked."""
    return clock.today() + timedelta(days=settings.THROUGHLINE["SCHEDULE_WINDOW_DAYS"])


def days_ahead(
    group: ProviderGroup, first: date, last: date, *, without: Iterable[Slice] = ()
) -> list[Day]:
    """The working days from first to last with what is free on them. Reads only.

    `without` are slices to think away: what an entry holds now, when it is about to move.
    """
    return days_of(Workforce(group), first, last, without=without)


def days_for(request: Any) -> list[Day]:
    """The days of the window for a request's group; a page reads them once."""
    if not is_read(request):
        return days_ahead(request.provider_group, clock.today(), window_end())
    kept: dict[str, list[Day]] = request.__dict__
    if "_days_for" not in kept:
        kept["_days_for"] = days_ahead(request.provider_group, clock.today(), window_end())
    return kept["_days_for"]


def days_of(
    force: Workforce, first: date, last: date, *, without: Iterable[Slice] = ()
) -> list[Day]:
    """As `days_ahead`, of a workforce that was read already."""
    booked = booked_of(force.group, first, last)
    for day, minutes in without:
        booked[day] = max(0, booked.get(day, 0) - minutes)
    return days_loaded(force, first, last, booked)


def booked_of(group: ProviderGroup, first: date, last: date) -> dict[date, int]:
    """The minutes booked on each day that has any."""
    rows = DayCapacity.objects.filter(group=group, day__range=(first, last), booked__gt=0)
    return dict(rows.order_by().values_list("day", "booked"))


def days_loaded(force: Workforce, first: date, last: date, booked: Mapping[date, int]) -> list[Day]:
    """As `days_of`, where the minutes booked were read already."""
    return [
        Day(day, max(force.minutes(day), booked.get(day, 0)), booked.get(day, 0))
        for day in force.working_days(first, last)
    ]


def lock_days(
    group: ProviderGroup, first: date, last: date, force: Workforce | None = None
) -> list[DayCapacity]:
    """The day rows of a span, made where missing, locked in the order of the calendar.

    Everybody locks in the same order, so nobody deadlocks; the second booking of a day waits here
    and then sees what the first one took.
    """
    force = force or Workforce(group)
    span = DayCapacity.objects.filter(group=group, day__range=(first, last))
    there = set(span.values_list("day", flat=True)) if force.made is None else force.made
    DayCapacity.objects.bulk_create(
        [
            DayCapacity(group=group, day=day, capacity=force.minutes(day))
            for day in force.working_days(first, last)
            if day not in there
        ],
        ignore_conflicts=True,
    )
    rows = list(locked(span))
    for row in rows:
        fresh = max(row.booked, force.minutes(row.day))
        if fresh != row.capacity and row.day >= clock.today():
            row.capacity = fresh
            row.save(update_fields=["capacity"])
    return rows


def locked(rows: QuerySet[DayCapacity]) -> QuerySet[DayCapacity]:
    """Rows locked until the end of the transaction. Its own function for the race's control."""
    return rows.order_by("day").select_for_update()


def fill(rows: Iterable[Room], minutes: int, most: int | None = None) -> list[Slice] | None:
    """Spread minutes forward over days with room, at most so many a day; None: no room."""
    found: list[Slice] = []
    left = minutes
    for row in rows:
        take = min(left, row.free, most or left)
        if take > 0:
            found.append((row.day, take))
            left -= take
        if left == 0:
            return found
    return None


def nearest(
    rows: Iterable[Room], minutes: int, count: int = 3, most: int | None = None
) -> list[date]:
    """The first days on which the whole would fit; else days from which it could be begun."""
    days = list(rows)
    whole = [row.day for row in days if row.free >= minutes] if not most else []
    if whole:
        return whole[:count]
    return [
        row.day
        for n, row in enumerate(days)
        if row.free > 0 and fill(days[n:], minutes, most) is not None
    ][:count]


def _instead(rows: Iterable[Room], minutes: int, most: int | None = None) -> str:
    days = nearest(rows, minutes, most=most)
    if not days:
        return "Nothing that long is free within the window."
    return f"Free instead: {', '.join(in_words(d) for d in days)}."


def refuse_unfit(
    group: ProviderGroup, wish: Wish, bars: Iterable[Bar] = (), force: Workforce | None = None
) -> None:
    """Raise ValidationError by field where nothing can be booked, whatever the load (F2).

    `bars` are dates with their reason: the earliest date agreed, parts still expected.
    """
    if wish.minutes <= 0 or any(minutes <= 0 for _, minutes in wish.exact):
        field = "split" if wish.exact else "hours"
        raise ValidationError({field: "Give the hours to book: more than zero."})
    if wish.most is not None and wish.most <= 0:
        raise ValidationError({"per_day": "At most how many hours a day? More than zero."})
    bars = list(bars)
    for day in [day for day, _ in wish.exact] or [wish.day]:
        said = _unfit(group, day, bars, force.hours if force else hours_of(group.calendar))
        if said:
            start = max([clock.today(), *(bar for bar, _ in bars)])
            free = days_ahead(group, start, window_end())
            field = "split" if wish.exact else "day"
            raise ValidationError({field: f"{said} {_instead(free, wish.minutes, wish.most)}"})


def _unfit(group: ProviderGroup, day: date, bars: list[Bar], hours: Hours) -> str:
    last = window_end()
    if day < clock.today():
        return f"{in_words(day)} is in the past."
    if day > last:
        days = settings.THROUGHLINE["SCHEDULE_WINDOW_DAYS"]
        return f"{in_words(day)} is beyond the {days} days: the last day is {in_words(last)}."
    if not hours.on(day):
        why = DaysOff(group.calendar).why(day)
        return f"{group} does not work on {in_words(day)}{f' ({why})' if why else ''}."
    return next((why for bar, why in bars if day < bar), "")


def plan(group: ProviderGroup, rows: Sequence[Room], wish: Wish) -> list[Slice]:
    """The days that a wish takes of these rows. Raises ValidationError by field (F2).

    The door calls it with locked rows, a preview with rows that were only read.
    """
    if wish.exact:
        return _as_wished(rows, wish)
    if not rows or rows[0].day != wish.day or rows[0].free <= 0:
        why = "is fully booked" if rows and rows[0].capacity else f"has nobody of {group} at work"
        said = f"{in_words(wish.day)} {why}. {_instead(rows, wish.minutes, wish.most)}"
        raise ValidationError({"day": said})
    return _spread(rows, wish)


def _as_wished(rows: Sequence[Room], wish: Wish) -> list[Slice]:
    free = {row.day: row.free for row in rows}
    for day, minutes in wish.exact:
        if free.get(day, 0) < minutes:
            said = (
                f"{in_words(day)} has {hours_in_words(free.get(day, 0))} free, "
                f"not {hours_in_words(minutes)}. {_with_room(rows, minutes)}"
            )
            raise ValidationError({"split": said})
    return list(wish.exact)


def _with_room(rows: Iterable[Room], minutes: int) -> str:
    days = [in_words(row.day) for row in rows if row.free >= minutes][:3]
    if not days:
        return "No single day within the window has that much free."
    return f"Free instead: {', '.join(days)}."


def _spread(rows: Sequence[Room], wish: Wish) -> list[Slice]:
    slices = fill(rows, wish.minutes, wish.most)
    if slices is None:
        free = sum(min(row.free, wish.most or row.free) for row in rows)
        a_day = f" at {hours_in_words(wish.most)} a day" if wish.most else ""
        raise ValidationError(
            {
                "hours": f"{hours_in_words(wish.minutes)} do not fit: {hours_in_words(free)} are "
                f"free{a_day} until {in_words(window_end())}. Book fewer hours or an earlier day."
            }
        )
    return slices


def book(
    group: ProviderGroup, first_day: date, minutes: int, most: int | None = None
) -> list[Slice]:
    """Take minutes from first_day on, over as many working days as it needs (F2)."""
    return book_wish(group, Wish(first_day, minutes, most))


def book_wish(
    group: ProviderGroup, wish: Wish, bars: Iterable[Bar] = (), force: Workforce | None = None
) -> list[Slice]:
    """Take what is wished for, or raise ValidationError by field (F2).

    Call it inside a transaction: it locks the day rows.
    """
    force = force or Workforce(group)
    refuse_unfit(group, wish, bars, force)
    slices = plan(group, lock_days(group, wish.day, window_end(), force), wish)
    take(group, slices)
    return slices


def book_next_free(
    force: Workforce, not_before: date, minutes: int, most: int | None = None
) -> list[Slice]:
    """As `book`, but on the next days that have room, wherever they are (X1)."""
    first = max(not_before, clock.today())
    rows = lock_days(force.group, first, window_end(), force)
    slices = _spread(rows, Wish(first, minutes, most))
    take(force.group, slices)
    return slices


def take(group: ProviderGroup, slices: Iterable[Slice]) -> None:
    """Write down what was planned on rows that are locked; the constraint has the last word."""
    minutes: dict[date, int] = {}
    for day, part in slices:
        minutes[day] = minutes.get(day, 0) + part
    _add(group, minutes)


def exchange(
    group: ProviderGroup, gone: Iterable[Slice], wishes: Sequence[Wish]
) -> list[list[Slice]]:
    """Give back and book anew in one go: all of it or nothing (F2).

    All days concerned are locked together first, so that two moves never wait for each other.
    What the wishes take is planned in their order. Call it inside a transaction.
    """
    gone = list(gone)
    first = min([day for day, _ in gone] + [wish.day for wish in wishes])
    force = Workforce(group)
    rows = lock_days(group, first, max([window_end(), *(day for day, _ in gone)]), force)
    by_day = {row.day: row for row in rows}
    before = {row.day: (row.booked, row.capacity) for row in rows}
    for day, part in gone:
        by_day[day].booked -= part
    for row in rows:
        if row.day >= clock.today():
            row.capacity = max(row.booked, force.minutes(row.day))
    found = []
    for wish in wishes:
        found.append(plan(group, [row for row in rows if row.day >= wish.day], wish))
        for day, part in found[-1]:
            by_day[day].booked += part
    changed = [row for row in rows if (row.booked, row.capacity) != before[row.day]]
    DayCapacity.objects.bulk_update(changed, ["booked", "capacity"])
    return found


def give_back(group: ProviderGroup | int, slices: Iterable[Slice]) -> None:
    """What was booked is free for others again."""
    parts = dict(slices)
    list(locked(DayCapacity.objects.filter(group=group, day__in=parts)))
    _add(group, {day: -minutes for day, minutes in parts.items()})


def _add(group: ProviderGroup | int, minutes: dict[date, int]) -> None:
    """To what is booked on these days, which are locked."""
    if not minutes:
        return
    own = Case(*(When(day=day, then=Value(part)) for day, part in minutes.items()))
    rows = DayCapacity.objects.filter(group=group, day__in=minutes)
    rows.update(booked=F("booked") + own)
