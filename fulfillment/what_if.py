"""What a move would do, before it is done: its days, what else is on them, and what it misses (F2).

It plans with the same function as the door, on rows that were only read.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from fulfillment import capacity, slots
from fulfillment.capacity import Wish, hours_in_words, in_words
from fulfillment.models import ScheduledDay, ScheduleEntry
from requests_app.models import Link, Request
from requests_app.states import OPEN
from workflow import clock


@dataclass
class DayAfter:
    """A day that the move takes: its part, and the load it would have."""

    day: date
    minutes: int
    booked: int
    capacity: int
    others: list[ScheduledDay]

    @property
    def full(self) -> bool:
        return self.booked >= self.capacity


@dataclass
class WhatIf:
    """The answer: refused with a sentence, or the days with what they miss and free."""

    entry: ScheduleEntry
    wish: Wish
    refusal: str = ""
    days: list[DayAfter] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def first(self) -> date | None:
        return self.days[0].day if self.days else None

    @property
    def last(self) -> date | None:
        return self.days[-1].day if self.days else None

    @property
    def same(self) -> bool:
        """Nothing would change."""
        now = slots.slices_of(self.entry)
        return [(day.day, day.minutes) for day in self.days] == now


def what_if(entry: ScheduleEntry, wish: Wish) -> WhatIf:
    """What would happen if this entry were moved so. Reads only."""
    found = WhatIf(entry, wish)
    own = slots.slices_of(entry)
    try:
        capacity.refuse_unfit(entry.group, wish, slots.bars(entry.request))
        rows = capacity.days_ahead(entry.group, wish.day, capacity.window_end(), without=own)
        planned = capacity.plan(entry.group, rows, wish)
    except ValidationError as error:
        found.refusal = " ".join(error.messages)
        return found
    loads = {row.day: row for row in rows}
    others = _others(entry, [day for day, _ in planned])
    found.days = [
        DayAfter(day, part, loads[day].booked + part, loads[day].capacity, others.get(day, []))
        for day, part in planned
    ]
    _say_what_is_missed(found)
    _say_what_hangs_on_it(found)
    _say_what_is_free(found, own)
    return found


def _others(entry: ScheduleEntry, days: list[date]) -> dict[date, list[ScheduledDay]]:
    found: dict[date, list[ScheduledDay]] = {}
    rows = ScheduledDay.objects.filter(
        entry__group=entry.group_id, day__in=days, entry__state__in=["booked", "started"]
    ).exclude(entry=entry)
    for one in rows.select_related("entry__request").order_by("day", "entry_id"):
        found.setdefault(one.day, []).append(one)
    return found


def _say_what_is_missed(found: WhatIf) -> None:
    request, last = found.entry.request, found.days[-1].day
    if request.needed_by and last > request.needed_by:
        found.missed.append(
            f"The customer needs it by {in_words(request.needed_by)}: "
            f"it would be finished on {in_words(last)}."
        )
    due = timezone.localdate(request.due_at) if request.due_at else None
    if due and last > due:
        found.missed.append(
            f"It is due on {in_words(due)}: it would be finished on {in_words(last)}."
        )


def _say_what_hangs_on_it(found: WhatIf) -> None:
    """Requests that this one needs first, and those that need this one (X4)."""
    request, first, last = found.entry.request, found.days[0].day, found.days[-1].day
    links = Link.objects.filter(relation=Link.Relation.NEEDS, target__isnull=False)
    for link in links.filter(source=request).select_related("target"):
        slot = _slot(link.target)
        if link.target.state not in OPEN:  # type: ignore[union-attr]
            continue
        if slot is None:
            found.missed.append(f"It needs {link.target} first, which is not on the schedule.")
        elif slot.last_day >= first:
            until = in_words(slot.last_day)
            found.missed.append(f"It needs {link.target} first, which is planned until {until}.")
    for link in links.filter(target=request).select_related("source"):
        slot = _slot(link.source)
        if slot is not None and slot.first_day <= last:
            found.missed.append(
                f"{link.source} needs this one first and is planned from "
                f"{in_words(slot.first_day)}: it would have to move too."
            )


def _slot(request: Request | None) -> Any:
    return request.schedule_entries.active().first() if request else None  # type: ignore[attr-defined]


def _say_what_is_free(found: WhatIf, own: list[capacity.Slice]) -> None:
    taken = {day.day for day in found.days}
    back = [(day, part) for day, part in own if day not in taken and day >= clock.today()]
    if back:
        days = ", ".join(f"{hours_in_words(part)} on {in_words(day)}" for day, part in back)
        found.notes.append(f"Free again: {days}.")
    full = [in_words(day.day) for day in found.days if day.full]
    if full:
        found.notes.append(f"Full then: {', '.join(full)}.")
