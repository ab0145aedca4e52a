"""The 60-day schedule as a page shows it: weeks with their load, and the cards of the near ones.

What the page costs does not grow with what is booked: of the days the sums are stored, cards are
drawn for the first weeks and so many a day; others are fetched when their week is opened (F2).
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Window
from django.db.models.functions import RowNumber

from fulfillment import capacity, slots
from fulfillment.days_off import DaysOff
from fulfillment.models import ProviderGroup, ScheduledDay, ScheduleEntry
from fulfillment.names import name_of
from fulfillment.workforce import Workforce
from requests_app.states import Priority, S
from workflow import clock

RULE = (
    "Take next: what is due to begin or was missed goes first, overdue before priority before due "
    "date before age; then what is planned soonest."
)
NEAR_WEEKS = 2
MOST_A_DAY = 6
STANDING = ("booked", "started")
REQUEST = "entry__request__"
COLUMNS = (
    "day", "minutes", "entry__state", "entry__first_day", "entry__last_day", "entry__minutes",
    "entry__is_fixed", f"{REQUEST}reference", f"{REQUEST}title", f"{REQUEST}priority",
    f"{REQUEST}state", f"{REQUEST}held_since", f"{REQUEST}needed_by",
)  # fmt: skip


class Card(NamedTuple):
    """An entry on one of its days; the first one stands for the whole and can be moved."""

    day: date
    minutes: int
    state: str
    first_day: date
    last_day: date
    in_all: int
    is_fixed: bool
    reference: str
    title: str
    priority: int
    request_state: str
    held_since: Any
    needed_by: date | None
    specialist: str | None
    on_this_day: int
    """How many the day has, whether their cards are drawn or not."""

    @property
    def first(self) -> bool:
        return self.day == self.first_day

    @property
    def is_on_hold(self) -> bool:
        return self.held_since is not None

    @property
    def can_move(self) -> bool:
        """Whether a lead may take it elsewhere by this card."""
        return self.first and movable(
            self.state, self.request_state, self.is_fixed, self.is_on_hold
        )

    @property
    def after_need(self) -> bool:
        """It is planned to end after the day on which the customer needs it."""
        return bool(self.needed_by and self.last_day > self.needed_by)

    @property
    def get_priority_display(self) -> str:
        return str(Priority(self.priority).label)


@dataclass
class BoardDay:
    """A day of the board: open with its load, off with the reason, or outside the window."""

    day: date
    open: bool
    why: str = ""
    capacity: int = 0
    booked: int = 0
    outside: bool = False
    begins: int = 0
    cards: list[Card] = field(default_factory=list)

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        own = (self.day, self.open, self.why, self.capacity, self.booked, self.outside, self.begins)
        return (*own, *map(tuple, self.cards))

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

    @property
    def more(self) -> int:
        """How many cards are not drawn of a day whose others are."""
        return self.cards[0].on_this_day - len(self.cards) if self.cards else 0


@dataclass
class Week:
    """A week of the board; one that is folded shows its cards when it is opened."""

    days: list[BoardDay]
    unfolded: bool

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        return (self.unfolded, *(day.facts for day in self.days))

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
    def nearly(self) -> int:
        return self.capacity * 9 // 10

    @property
    def begins(self) -> int:
        """How many entries begin in this week."""
        return sum(day.begins for day in self.days)

    @property
    def off(self) -> list[BoardDay]:
        """Days off with a name: holidays and the calendar's own."""
        return [day for day in self.days if not day.open and day.why and not day.outside]


@dataclass
class Board:
    """The whole window of a group."""

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


@dataclass
class Found:
    """What a board is made of, however it was read."""

    booked: dict[date, int]
    begins: dict[date, int]
    cards: list[Card]


# what is read


def _standing_on(group: Any, first: Any, last: Any) -> Any:
    """The days of what stands in the schedule, from first to last."""
    return ScheduledDay.objects.filter(
        entry__group=group,
        entry__state__in=STANDING,
        entry__first_day__lte=last,
        entry__last_day__gte=first,
        day__range=(first, last),
    )


def cards_of(group: Any, first: Any, last: Any, most: int | None = MOST_A_DAY) -> Any:
    """The rows of the cards of these days, in order; so many of each day at most, and how many
    there are."""
    order = [f"{REQUEST}priority", "entry_id"]
    rows = _standing_on(group, first, last).annotate(
        by=name_of(f"{REQUEST}specialist__"), number=Window(Count("*"), partition_by="day")
    )
    if most is not None:
        place = Window(RowNumber(), partition_by="day", order_by=order)
        rows = rows.annotate(place=place).filter(place__lte=most)
    return rows.order_by("day", *order).values_list(*COLUMNS, "by", "number")


def cards(rows: Iterable[Any]) -> list[Card]:
    """The cards of these rows."""
    return [Card._make(row) for row in rows]


def beginnings_of(group: Any, first: Any, last: Any) -> Any:
    """How many entries begin on each day."""
    rows = ScheduleEntry.objects.filter(
        group=group, state__in=STANDING, first_day__range=(first, last)
    )
    return rows.order_by().values_list("first_day").annotate(Count("pk"))


def first_monday() -> date:
    """The Monday of the first week of the board."""
    return clock.today() - timedelta(days=clock.today().weekday())


def near_end() -> date:
    """The last day of the weeks whose cards are always drawn; at a weekend they begin after it."""
    weeks = NEAR_WEEKS + (clock.today().weekday() >= 5)
    return first_monday() + timedelta(days=7 * weeks - 1)


def cards_of_week(group: ProviderGroup, monday: date) -> list[Card]:
    """Every card of a week, as far as it lies in the window."""
    first, last = max(monday, clock.today()), monday + timedelta(days=6)
    rows = cards_of(group, first, min(last, capacity.window_end()), None)
    return cards(rows)


def by_day(found: Iterable[Card]) -> dict[date, list[Card]]:
    """The same cards, each list in its order."""
    days: dict[date, list[Card]] = {}
    for card in found:
        days.setdefault(card.day, []).append(card)
    return days


def everything(group: ProviderGroup) -> Found:
    """All of the window with every card, to print it. Three queries."""
    first, last = clock.today(), capacity.window_end()
    return Found(
        capacity.booked_of(group, first, last),
        dict(beginnings_of(group, first, last)),
        cards(cards_of(group, first, last, None)),
    )


# what is shown


def board(
    group: ProviderGroup,
    force: Workforce | None = None,
    found: Found | None = None,
    opened: date | None = None,
) -> Board:
    """The weeks of the window with load, days off and cards (F2).

    `found` is what was read; without it everything is. `opened` is the Monday of a week that
    somebody opened.
    """
    first, last = clock.today(), capacity.window_end()
    force = force or Workforce(group)
    found = found or everything(group)
    days = capacity.days_loaded(force, first, last, found.booked)
    make = _Days(force, days, found, (first, last))
    weekdays = sorted({day.day.weekday() for day in days})
    weeks = []
    monday = first_monday()
    while monday <= last and weekdays:
        shown = [make.day(monday + timedelta(days=n)) for n in weekdays]
        if not all(day.outside for day in shown):
            near = len(weeks) < NEAR_WEEKS or monday == opened
            weeks.append(Week(shown, near))
        monday += timedelta(days=7)
    return Board(weeks, days)


class _Days:
    """Makes the days of a board of what was read."""

    def __init__(
        self,
        force: Workforce,
        days: Iterable[capacity.Day],
        found: Found,
        window: tuple[date, date],
    ) -> None:
        self.off, self.window = DaysOff(force.group.calendar), window
        self.days = {day.day: day for day in days}
        self.begins, self.cards = found.begins, by_day(found.cards)

    def day(self, day: date) -> BoardDay:
        """One day with its load and its cards, or the reason why there is no work on it."""
        row, cards = self.days.get(day), self.cards.get(day, [])
        outside = not self.window[0] <= day <= self.window[1]
        begins = self.begins.get(day, 0)
        if row is None:
            why = "" if outside else self.off.why(day)
            return BoardDay(day, False, why, 0, 0, outside, begins, cards)
        return BoardDay(day, True, "", row.capacity, row.booked, outside, begins, cards)


def movable(state: str, request_state: str, is_fixed: bool, is_on_hold: bool) -> bool:
    """Whether an entry may be taken elsewhere."""
    return (
        state in slots.MOVABLE and request_state == S.SCHEDULED and not is_fixed and not is_on_hold
    )


def can_move(entry: ScheduleEntry) -> bool:
    """Whether a lead may take it elsewhere now."""
    req = entry.request
    return movable(entry.state, req.state, entry.is_fixed, req.is_on_hold)
