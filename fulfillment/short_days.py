"""Days that hold more than the people there can do, since hours or leave changed (F1, F2).

A booking never overbooks a day; but people may be missing on a day that is booked. Such a day
keeps what is booked (its row never says less), takes nothing more, and is listed here.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from django.db import transaction

from fulfillment import capacity
from fulfillment.models import DayCapacity, ProviderGroup, ScheduledDay
from workflow import clock
from workflow.upkeep import after_edit

if TYPE_CHECKING:
    from workflow.models import User

HOLDING = ["booked", "started"]


@dataclass(frozen=True)
class ShortDay:
    """A day from today on: what the people there can do, what is booked, and for what."""

    day: date
    available: int
    booked: int
    slices: list[ScheduledDay]

    @property
    def missing(self) -> int:
        """Minutes booked beyond what can be done."""
        return self.booked - self.available


def days_short(group: ProviderGroup, force: capacity.Workforce | None = None) -> list[ShortDay]:
    """The days of a group that became overbooked, with their entries. Reads only."""
    rows = DayCapacity.objects.filter(group=group, day__gte=clock.today(), booked__gt=0)
    days = list(rows.order_by("day"))
    if not days:
        return []
    force = force or capacity.Workforce(group)
    there = {row.day: force.minutes(row.day) for row in days}
    short = [row for row in days if there[row.day] < row.booked]
    if not short:
        return []
    by_day: dict[date, list[ScheduledDay]] = {}
    slices = ScheduledDay.objects.filter(
        entry__group=group, entry__state__in=HOLDING, day__in=[row.day for row in short]
    ).select_related("entry__request__agency")
    for one in slices.order_by("day", "entry__request__priority", "entry_id"):
        by_day.setdefault(one.day, []).append(one)
    return [ShortDay(r.day, there[r.day], r.booked, by_day.get(r.day, [])) for r in short]


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
