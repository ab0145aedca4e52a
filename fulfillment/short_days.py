"""Days that hold more than the people there can do, since hours or leave changed (F1, F2).

A booking never overbooks a day; but people may be missing on a day that is booked. Such a day
keeps what is booked (its row never says less), takes nothing more, and is listed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import transaction

from fulfillment import board, capacity
from fulfillment.board import Card
from fulfillment.models import DayCapacity, ProviderGroup
from workflow import clock
from workflow.prepared import Sets, reading
from workflow.upkeep import after_edit

if TYPE_CHECKING:
    from workflow.models import User

MOST_DAYS, MOST_CARDS = 5, 5


@dataclass(frozen=True)
class ShortDay:
    """A day from today on: what the people there can do, what is booked, and for what."""

    day: date
    available: int
    booked: int
    cards: list[Card]
    """The first of its entries; none for days that no page shows."""

    @property
    def missing(self) -> int:
        """Minutes booked beyond what can be done."""
        return self.booked - self.available

    @property
    def more(self) -> int:
        """How many entries it has beside those cards."""
        return self.cards[0].on_this_day - len(self.cards) if self.cards else 0


def booked_days(group: Any, today: Any) -> Any:
    """The days from today on with something booked on them: day and minutes."""
    rows = DayCapacity.objects.filter(group=group, day__gte=today, booked__gt=0)
    return rows.order_by("day").values_list("day", "booked")


@reading(group=int, first=date, last=date)
def cards_between(group: Any, first: Any, last: Any) -> Sets:
    """The first cards of each day."""
    return {
        "cards": board.cards_of(group, first, last, MOST_CARDS),
    }


def days_short(
    group: ProviderGroup,
    force: capacity.Workforce | None = None,
    booked: Sequence[tuple[date, int]] | None = None,
    near: tuple[date, list[Card]] | None = None,
) -> list[ShortDay]:
    """The days of a group that became overbooked, with some of their entries. Reads only.

    `booked` are the `booked_days`, where they were read already; `near` the first cards of every
    day until then.
    """
    days = list(booked_days(group, clock.today())) if booked is None else booked
    if not days:
        return []
    force = force or capacity.Workforce(group)
    there = {day: force.minutes(day) for day, _ in days}
    short = [(day, minutes) for day, minutes in days if there[day] < minutes]
    if not short:
        return []
    shown = [day for day, _ in short[:MOST_DAYS]]
    if near is not None and shown[-1] <= near[0]:
        cards = board.by_day(near[1])
    else:
        read = cards_between(group=group.pk, first=shown[0], last=shown[-1])
        cards = board.by_day(board.cards(read["cards"]))
    return [
        ShortDay(day, there[day], minutes, cards.get(day, [])[:MOST_CARDS] if day in shown else [])
        for day, minutes in short
    ]


def refresh_days(group: ProviderGroup) -> None:
    """Bring the stored days up to date with hours and leave, as every booking does (F2)."""
    last = DayCapacity.objects.filter(group=group, day__gte=clock.today()).order_by("day").last()
    if last is not None:
        with transaction.atomic():
            capacity.lock_days(group, clock.today(), last.day)


@after_edit("group")
def after_group(group: ProviderGroup) -> str | None:
    """Its calendar, focus or members changed."""
    refresh_days(group)
    return in_words(group, days_short(group))


@after_edit("calendar")
def after_calendar(calendar: object) -> str | None:
    """Every group that goes by it."""
    groups = ProviderGroup.objects.filter(is_active=True).select_related("calendar")
    for group in groups:
        refresh_days(group)
    said = (in_words(group, days_short(group)) for group in groups)
    return " ".join(filter(None, said)) or None


@after_edit("leave")
def after_leave(user: "User") -> str | None:
    """The days of the person's groups hold less, or more again."""
    groups = ProviderGroup.objects.filter(memberships__user=user, is_active=True)
    said = []
    for group in groups.select_related("calendar"):
        refresh_days(group)
        said.append(in_words(group, days_short(group)))
    return " ".join(filter(None, said)) or None


def in_words(group: ProviderGroup, days: list[ShortDay]) -> str | None:
    """Which days are short, in one sentence; None where there is none."""
    if not days:
        return None
    named = ", ".join(capacity.in_words(d.day) for d in days[:5])
    more = f" and {len(days) - 5} more" if len(days) > 5 else ""
    hold = "holds" if len(days) == 1 else "hold"
    return f"In {group}, {named}{more} {hold} more than the people there can do."
