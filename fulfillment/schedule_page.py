"""What the page of the 60-day schedule reads: all of it with one statement (F2)."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fulfillment import board, capacity, unplaced
from fulfillment.list_pages import Listed
from fulfillment.models import CalendarFeed, ProviderGroup, QueueCheck, ScheduleEntry
from fulfillment.pages import SIZE, page_with
from fulfillment.short_days import ShortDay, booked_days, days_short
from fulfillment.unplaced import SHOWN_ASIDE
from fulfillment.workforce import MEMBER, AtWork, Workforce, members_at_work
from requests_app.models import Request
from requests_app.querysets import AmongKeys
from requests_app.states import S
from workflow import clock
from workflow.drawn import drawing, read_drawn
from workflow.leave_models import Leave
from workflow.models import Calendar, CalendarException, WorkingHours
from workflow.prepared import HowMany, Sets, hand_over

if TYPE_CHECKING:
    from workflow.models import User


@drawing(
    "now", "beyond", "missed", "without_days", "later",
    group=int, user=int, calendar=int, today=date, near=date, end=date,
)  # fmt: skip
def schedule_of(group: Any, user: Any, calendar: Any, today: Any, near: Any, end: Any) -> Sets:
    """The people and their days, the cards of the near weeks, and the first rows of each list."""
    aside = unplaced.aside_sets(group, today, end)
    now, later = _queue(group, end)
    return {
        "members": members_at_work(group).order_by().values_list(*MEMBER),
        "leaves": Leave.objects.filter(user__memberships__group=group, last_day__gte=today),
        "hours": WorkingHours.objects.filter(calendar=calendar),
        "exceptions": CalendarException.objects.filter(calendar=calendar),
        "booked": booked_days(group, today),
        "begins": board.beginnings_of(group, today, end),
        "cards": board.cards_of(group, today, near),
        **{name: unplaced.first_of(rows, SHOWN_ASIDE) for name, rows in aside.items()},
        **_with_parts_and_slots(now[:SIZE]),
        "beyond": _waiting(later[:SHOWN_ASIDE]),
        "lines_beyond": _of(later[:SHOWN_ASIDE], unplaced.open_lines()),
        "counts": ProviderGroup.objects.filter(pk=group).values_list(
            HowMany(now), HowMany(later), *map(HowMany, aside.values())
        ),
        "feed": CalendarFeed.objects.filter(user=user, group=group),
        "check": QueueCheck.objects.filter(group=group, queue="schedule").select_related("by"),
    }


def _queue(group: Any, end: Any) -> tuple[Any, Any]:
    """What waits for a slot, and what waits for a day beyond the window, in the order of the
    rule. Whoever may open the page of a group sees all of its requests."""
    rows = Request.objects.filter(provider_group=group, state=S.AWAITING_SCHEDULING).by_rule()
    beyond = unplaced.beyond_window(end)
    return rows.exclude(beyond), rows.filter(beyond)


def _waiting(part: Any) -> Any:
    """What the page shows of a part of the queue: which it is, the index of the queue says."""
    return unplaced.shown(Request.objects.filter(AmongKeys("pk", part.values("pk"))).by_rule())


def _of(part: Any, rows: Any) -> Any:
    """Of these rows, what belongs to a part of the queue."""
    return rows.filter(AmongKeys("request", part.values("pk")))


def _with_parts_and_slots(part: Any) -> Sets:
    """A part of the queue as the page reads it."""
    return {
        "now": _waiting(part),
        "lines": _of(part, unplaced.open_lines()),
        "kept": _of(part, ScheduleEntry.objects.active()),
    }


@dataclass
class SchedulePage:
    """The schedule of a group as it was read for one page."""

    group: ProviderGroup
    found: dict[str, list[Any]]

    @classmethod
    def of(cls, group: ProviderGroup, user: "User") -> "SchedulePage":
        """Read it. One statement; one more where the group has no calendar of its own."""
        calendar = group.calendar or Calendar.objects.filter(is_default=True).first()
        found = schedule_of(
            group=group.pk,
            user=user.pk,
            calendar=calendar.pk if calendar else 0,
            today=clock.today(),
            near=board.near_end(),
            end=capacity.window_end(),
        )
        if calendar:
            group.calendar = calendar
            hand_over([calendar], "hours", found["hours"])
            hand_over([calendar], "exceptions", found["exceptions"])
        return cls(group, found)

    def __post_init__(self) -> None:
        members = [AtWork(*row) for row in self.found["members"]]
        self.force = Workforce(self.group, members, self.found["leaves"])
        self.counts = dict(
            zip(("now", "beyond", "missed", "without_days", "later"), self.found["counts"][0],
                strict=True)
        )  # fmt: skip

    @cached_property
    def cards(self) -> list[board.Card]:
        """The first cards of each day of the near weeks."""
        return board.cards(self.found["cards"])

    def board(self, opened: date | None = None) -> board.Board:
        """The weeks, with the cards of the near ones and of the one that was opened."""
        cards = self.cards
        if opened:
            sunday = opened + timedelta(days=6)
            cards = [card for card in cards if not opened <= card.day <= sunday]
            cards += board.cards_of_week(self.group, opened)
        booked, begins = dict(self.found["booked"]), dict(self.found["begins"])
        return board.board(self.group, self.force, board.Found(booked, begins, cards), opened)

    @property
    def short(self) -> list[ShortDay]:
        """Days booked beyond what the people there can do."""
        near = (board.near_end(), self.cards)
        return days_short(self.group, self.force, self.found["booked"], near)

    def aside(self, *, every: bool) -> unplaced.Aside:
        """What stands on no day: the first of each list, or all that is asked for."""
        if every:
            return unplaced.aside(self.group)
        names = ("missed", "without_days", "later")
        rows = {name: sorted(self.found[name], key=unplaced.by_rule) for name in names}
        return unplaced.Aside(**rows, counts={name: self.counts[name] for name in names})

    def waiting(self, number: Any, days: list[capacity.Day]) -> tuple[Any, list[Any]]:
        """A page of what waits for a slot, with the slots one would propose."""
        page = page_with(number, self.counts["now"], self.found["now"])
        found = self.found
        if page.number > 1:
            queue, _ = _queue(self.group.pk, capacity.window_end())
            part = queue[(page.number - 1) * SIZE : page.number * SIZE]
            found = read_drawn("now", **_with_parts_and_slots(part))
        page.object_list = [Listed(req) for req in found["now"]]
        unplaced.give(page.object_list, found["lines"], found["kept"])
        return page, unplaced.proposals(page.object_list, days)

    def beyond(self, *, every: bool) -> list[unplaced.Waiting]:
        """What waits for a day beyond the window: the first of them, or all."""
        if every:
            _, queue = _queue(self.group.pk, capacity.window_end())
            found = read_drawn("now", **_with_parts_and_slots(queue[: unplaced.MOST_ASIDE]))
            rows = [Listed(req) for req in found["now"]]
            unplaced.give(rows, found["lines"], found["kept"])
        else:
            rows = [Listed(req) for req in self.found["beyond"]]
            unplaced.give(rows, self.found["lines_beyond"], [])
        return unplaced.proposals(rows, [])

    @property
    def more_later(self) -> int:
        """How many come later that are not shown."""
        return sum(max(0, self.counts[name] - SHOWN_ASIDE) for name in ("beyond", "later"))
