"""What stands on no day of the schedule: missed, without a day, later, or waiting for a slot (F2).

Each list of the page shows its first rows and how many there are.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, QuerySet

from fulfillment import capacity, lists, slots
from fulfillment.models import ProviderGroup, ScheduleEntry
from requests_app.models import Request
from requests_app.querysets import AmongKeys
from requests_app.states import S
from workflow import clock

if TYPE_CHECKING:
    from workflow.models import User

SHOWN_ASIDE, MOST_ASIDE = 10, 200
ENTRY = (
    "state", "first_day", "minutes", "carried_over", "request__reference", "request__title",
    "request__priority", "request__state", "request__held_since", "request__created_at",
    "request__agency__name",
)  # fmt: skip


@dataclass
class Aside:
    """Entries of the group that stand on no day of the window: the first of each list."""

    missed: list[Any] = field(default_factory=list)
    """Planned to begin before today and not pulled: they stay on top (F2)."""
    without_days: list[Any] = field(default_factory=list)
    """Resumed after a hold when no day had room: the lead finds one (X1)."""
    later: list[Any] = field(default_factory=list)
    """Planned beyond the window; they roll into it by themselves."""
    counts: dict[str, int] = field(default_factory=dict)


def aside_sets(group: Any, today: Any, end: Any) -> dict[str, QuerySet[ScheduleEntry]]:
    """The three lists, each in the order of its days."""
    rows = ScheduleEntry.objects.active().filter(group=group, request__state=S.SCHEDULED)
    rows = rows.select_related("request__agency").only(*ENTRY).order_by("first_day", "pk")
    rows = rows.annotate(priority=F("request__priority"), since=F("request__created_at"))
    return {
        "missed": rows.filter(state="booked", first_day__lt=today),
        "without_days": rows.filter(state="suspended", request__held_since__isnull=True),
        "later": rows.filter(state="booked", first_day__gt=end),
    }


def first_of(rows: QuerySet[ScheduleEntry], many: int) -> QuerySet[ScheduleEntry]:
    """So many of one of the lists: which they are, the index of the schedule says."""
    return rows.filter(AmongKeys("pk", rows.values("pk")[:many]))


def aside(group: ProviderGroup, most: int = MOST_ASIDE) -> Aside:
    """All of them, so many of each at most. Three queries."""
    sets = aside_sets(group.pk, clock.today(), capacity.window_end())
    found = {name: sorted(rows[:most], key=by_rule) for name, rows in sets.items()}
    return Aside(**found, counts={name: len(rows) for name, rows in found.items()})


def by_rule(entry: Any) -> tuple[Any, ...]:
    """Who comes first of those that were planned for the same day (F4)."""
    return (entry.first_day, entry.priority, entry.since, entry.id)


@dataclass
class Waiting:
    """A request that waits for a slot, with the slot one would propose."""

    req: Any
    kept: ScheduleEntry | None
    bars: list[capacity.Bar]
    proposed: date | None
    hours: Decimal | None

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        return (self.req.facts, self.kept is None, tuple(self.bars), self.proposed, self.hours)

    @property
    def not_before(self) -> date | None:
        """The day before which it must not be booked, if there is one."""
        return max((day for day, _ in self.bars), default=None)

    @property
    def why_not_before(self) -> str:
        """The reason of that day, in a sentence."""
        return max(self.bars)[1] if self.bars else ""

    @property
    def comes_into_view(self) -> date | None:
        """The day on which the window reaches the first day it may begin."""
        ahead = capacity.window_end() - clock.today()
        return self.not_before - ahead if self.not_before else None

    @property
    def one_button(self) -> bool:
        """Day and hours are known, so that one button books it."""
        return bool(self.proposed and self.hours)


def waiting(group: ProviderGroup, user: "User") -> Any:
    """The requests without a slot, by the rule of the queues (F2)."""
    return lists.of_group(group, user).filter(state=S.AWAITING_SCHEDULING).by_rule()


WAITING = (
    "reference", "title", "state", "state_since", "priority", "created_at", "closed_at", "due_at",
    "at_risk_at", "paused_since", "paused_for", "held_since", "review_on", "estimate_hours",
    "earliest_on", "charge_expected", "agency__name", "forecast__p50_on", "forecast__p85_on",
)  # fmt: skip


def shown(rows: Any) -> Any:
    """The same rows with no more of each than the page shows."""
    return rows.select_related(None).select_related("agency", "forecast").only(*WAITING)


def beyond_window(end: Any) -> Q:
    """What cannot begin within the window, by agreement or for want of parts (F2)."""
    late = open_lines().filter(expected_on__gt=end).order_by()  # few, whoever waits for them
    return Q(earliest_on__gt=end) | Q(AmongKeys("pk", late.values("request")))


def open_lines() -> Any:
    """Parts that are still expected on a day."""
    line_model: Any = Request._meta.get_field("part_lines").related_model
    lines = line_model.objects.unfinished().filter(expected_on__isnull=False)
    return lines.only("request", "name", "quantity", "expected_on")


def give(rows: list[Any], lines: Iterable[Any], entries: Iterable[ScheduleEntry]) -> None:
    """What of these requests is still expected, and which slots they kept, as it was read."""
    by_key = {row.id: row for row in rows}
    for row in rows:
        row.open_lines, row.active_entries = [], []
    for line in lines:
        by_key[line.request_id].open_lines.append(line)
    for entry in entries:
        by_key[entry.request_id].active_entries.append(entry)


def proposals(rows: Iterable[Any], days: list[capacity.Day]) -> list[Waiting]:
    """Each with the next day on which it would fit; they have their parts and slots."""

    @cache
    def next_free(minutes: int, bar: date | None) -> date | None:
        free = [d for d in days if d.day >= bar] if bar else days
        return next(iter(capacity.nearest(free, minutes, 1)), None)

    return [_waiting(req, next_free) for req in rows]


def _waiting(req: Any, next_free: Callable[[int, date | None], date | None]) -> Waiting:
    kept = next(iter(req.active_entries), None)
    bars = slots.bars_of(req, req.open_lines)
    hours = kept.hours if kept else req.estimate_hours
    minutes = int((hours or Decimal(1)) * 60)
    proposed = next_free(minutes, max(bars)[0] if bars else None)
    if kept and kept.state == "booked" and kept.first_day >= clock.today():
        proposed = kept.first_day
    return Waiting(req, kept, bars, proposed, hours)
