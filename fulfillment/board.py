"""The 60-day schedule as a page shows it: weeks with load and cards, and what waits (F2)."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Prefetch, Q, prefetch_related_objects

from fulfillment import capacity, lists, slots
from fulfillment.capacity import Workforce
from fulfillment.days_off import DaysOff
from fulfillment.models import ProviderGroup, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S
from workflow import clock

if TYPE_CHECKING:
    from workflow.models import User

RULE = (
    "Take next: what is due to begin or was missed goes first, overdue before priority before due "
    "date before age; then what is planned soonest."
)
OPEN_WEEKS = 3
MOST_ASIDE = 200
ENTRY = ("state", "first_day", "last_day", "minutes", "is_fixed", "group")
REQUEST = ("reference", "title", "priority", "state", "held_since", "needed_by")
PERSON = ("first_name", "last_name", "username")
SHOWN = (
    "day",
    "minutes",
    *(f"entry__{name}" for name in ENTRY),
    *(f"entry__request__{name}" for name in REQUEST),
    *(f"entry__request__specialist__{name}" for name in PERSON),
)


@dataclass
class Card:
    """An entry on one of its days; the first one stands for the whole and can be moved."""

    slice: ScheduledDay
    first: bool
    movable: bool

    @property
    def entry(self) -> ScheduleEntry:
        return self.slice.entry

    @property
    def req(self) -> Any:
        return self.slice.entry.request

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        entry, req = self.entry, self.req
        begun = str(req.specialist) if entry.state == "started" else ""
        late = req.needed_by if self.after_need else None
        return (
            self.first, self.movable, self.slice.minutes, entry.state, entry.minutes,
            entry.is_fixed, entry.first_day, req.reference, req.title, req.priority,
            req.is_on_hold, begun, late,
        )  # fmt: skip

    @property
    def after_need(self) -> bool:
        """It is planned to end after the day on which the customer needs it."""
        return bool(self.req.needed_by and self.entry.last_day > self.req.needed_by)


@dataclass
class BoardDay:
    """A day of the board: open with its load, off with the reason, or outside the window."""

    day: date
    open: bool
    why: str = ""
    capacity: int = 0
    booked: int = 0
    outside: bool = False
    cards: list[Card] = field(default_factory=list)

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.booked)

    @property
    def is_today(self) -> bool:
        return self.day == clock.today()

    @property
    def nearly(self) -> int:
        """From here on a meter shows the day as nearly full."""
        return self.capacity * 9 // 10


@dataclass
class Week:
    """A week of the board, folded where it is far away and empty."""

    days: list[BoardDay]
    unfolded: bool

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        days = (
            (d.day, d.open, d.why, d.capacity, d.booked, d.outside, *(c.facts for c in d.cards))
            for d in self.days
        )
        return (self.unfolded, *days)

    @property
    def monday(self) -> date:
        return self.days[0].day - timedelta(days=self.days[0].day.weekday())

    @property
    def inside(self) -> list[BoardDay]:
        return [day for day in self.days if not day.outside]

    @property
    def capacity(self) -> int:
        return sum(day.capacity for day in self.days)

    @property
    def booked(self) -> int:
        return sum(day.booked for day in self.days)

    @property
    def free(self) -> int:
        return sum(day.free for day in self.days)

    @property
    def nearly(self) -> int:
        return self.capacity * 9 // 10

    @property
    def begins(self) -> int:
        """How many entries begin in this week."""
        return sum(1 for day in self.days for card in day.cards if card.first)

    @property
    def off(self) -> list[BoardDay]:
        """Days off with a name: holidays and the calendar's own."""
        return [day for day in self.days if not day.open and day.why and not day.outside]


@dataclass
class Board:
    """The whole window of a group, read with a handful of queries."""

    weeks: list[Week]
    days: list[capacity.Day]

    @property
    def capacity(self) -> int:
        return sum(day.capacity for day in self.days)

    @property
    def booked(self) -> int:
        return sum(day.booked for day in self.days)

    @property
    def rests_today(self) -> bool:
        """Today is a day off, so that no column is marked as today."""
        return not any(day.day == clock.today() for day in self.days)


def board(group: ProviderGroup, *, leads: bool, force: Workforce | None = None) -> Board:
    """The weeks of the window with load, days off and cards (F2). `leads`: cards can be moved."""
    first, last = clock.today(), capacity.window_end()
    force = force or Workforce(group)
    days = capacity.days_of(force, first, last)
    cards = _cards(group, first, last, leads)
    off = DaysOff(group.calendar)
    by_day = {day.day: day for day in days}
    weekdays = sorted({day.day.weekday() for day in days})
    weeks = []
    monday = first - timedelta(days=first.weekday())
    while monday <= last and weekdays:
        found = [
            _board_day(monday + timedelta(days=n), by_day, cards, off, (first, last))
            for n in weekdays
        ]
        if not all(day.outside for day in found):
            near = len(weeks) < OPEN_WEEKS
            weeks.append(Week(found, near or any(day.cards for day in found)))
        monday += timedelta(days=7)
    return Board(weeks, days)


def _board_day(
    day: date,
    by_day: dict[date, capacity.Day],
    cards: dict[date, list[Card]],
    off: DaysOff,
    window: tuple[date, date],
) -> BoardDay:
    row = by_day.get(day)
    outside = not window[0] <= day <= window[1]
    if row is None:
        return BoardDay(day, False, off.why(day), outside=outside, cards=cards.get(day, []))
    return BoardDay(day, True, "", row.capacity, row.booked, outside, cards.get(day, []))


def _cards(group: ProviderGroup, first: date, last: date, leads: bool) -> dict[date, list[Card]]:
    found: dict[date, list[Card]] = {}
    rows = (
        ScheduledDay.objects.filter(
            entry__group=group, day__range=(first, last), entry__state__in=["booked", "started"]
        )
        .select_related("entry__request__specialist")
        .only(*SHOWN)
        .order_by("day", "entry__request__priority", "entry_id")
    )
    for one in rows:
        begins = one.day == one.entry.first_day
        movable = leads and begins and can_move(one.entry)
        found.setdefault(one.day, []).append(Card(one, begins, movable))
    return found


def can_move(entry: ScheduleEntry) -> bool:
    """Whether a lead may take it elsewhere now."""
    req = entry.request
    return (
        entry.state in slots.MOVABLE
        and req.state == S.SCHEDULED
        and not entry.is_fixed
        and not req.is_on_hold
    )


# what is not on a day of the window


@dataclass
class Aside:
    """Entries of the group that stand on no day of the window, each list with its reason."""

    missed: list[ScheduleEntry] = field(default_factory=list)
    """Planned to begin before today and not pulled: they stay on top (F2)."""
    without_days: list[ScheduleEntry] = field(default_factory=list)
    """Resumed after a hold when no day had room: the lead finds one (X1)."""
    later: list[ScheduleEntry] = field(default_factory=list)
    """Planned beyond the window; they roll into it by themselves."""


def aside(group: ProviderGroup) -> Aside:
    """What is missed, without a day, or later: at most `MOST_ASIDE` of them. One query."""
    today, end = clock.today(), capacity.window_end()
    rows = (
        ScheduleEntry.objects.active()
        .filter(group=group, request__state=S.SCHEDULED)
        .filter(
            Q(state="booked", first_day__lt=today)
            | Q(state="suspended", request__held_since__isnull=True)
            | Q(state="booked", first_day__gt=end)
        )
        .select_related("request__agency")
        .order_by("first_day", "pk")
    )
    found = Aside()
    for entry in sorted(rows[:MOST_ASIDE], key=_by_rule):
        if entry.state == "suspended":
            found.without_days.append(entry)
        elif entry.first_day < today:
            found.missed.append(entry)
        else:
            found.later.append(entry)
    return found


def _by_rule(entry: ScheduleEntry) -> tuple[Any, ...]:
    return (entry.first_day, entry.request.priority, entry.request.created_at, entry.pk)


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
        """All that is shown of it beside its request."""
        return (self.kept is None, tuple(self.bars), self.proposed, self.hours)

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


def beyond_window() -> Q:
    """What cannot begin within the window, by agreement or for want of parts (F2)."""
    end = capacity.window_end()
    line_model: Any = Request._meta.get_field("part_lines").related_model
    parts = line_model.objects.unfinished().filter(request=OuterRef("pk"), expected_on__gt=end)
    return Q(earliest_on__gt=end) | Q(Exists(parts))


def with_parts_and_slots(rows: list[Any]) -> None:
    """Read what of these requests is still expected, and which slots they kept: two queries."""
    line_model: Any = Request._meta.get_field("part_lines").related_model
    prefetch_related_objects(
        rows,
        Prefetch("part_lines", line_model.objects.unfinished(), to_attr="open_lines"),
        Prefetch("schedule_entries", ScheduleEntry.objects.active(), to_attr="active_entries"),
    )


def proposals(rows: Iterable[Any], days: list[capacity.Day]) -> list[Waiting]:
    """Each with the next day on which it would fit; they are read `with_parts_and_slots`."""
    return [_waiting(req, days) for req in rows]


def _waiting(req: Any, days: list[capacity.Day]) -> Waiting:
    kept = next(iter(req.active_entries), None)
    bars = slots.bars_of(req, req.open_lines)
    hours = kept.hours if kept else req.estimate_hours
    minutes = int((hours or Decimal(1)) * 60)
    free = [d for d in days if not bars or d.day >= max(bars)[0]]
    proposed = next(iter(capacity.nearest(free, minutes, 1)), None)
    if kept and kept.state == "booked" and kept.first_day >= clock.today():
        proposed = kept.first_day
    return Waiting(req, kept, bars, proposed, hours)
