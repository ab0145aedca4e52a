"""How the work that is left went down: from time entries and the history of estimates (F6).

The arithmetic is pure; `of_requests` and `of_group` read what it needs in a fixed number of
queries, however many requests there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Q

from fulfillment.forecast_models import local_day
from fulfillment.models import ProviderGroup
from fulfillment.work_models import PlanItem, TimeEntry
from requests_app.models import Request
from workflow import clock
from workflow.models import Event
from workflow.together import read_with

ZERO = Decimal(0)
PLAN_EVENTS = (
    "add_plan_item",
    "edit_plan_item",
    "take_suggested_estimate",
    "cancel_plan_item",
    "reopen_plan_item",
)
GROUP_DAYS = 60
WIDTH, HEIGHT, FOOT = 600, 120, 18
MOST = 400


@dataclass(frozen=True)
class Day:
    """Hours estimated, spent so far, and left at the end of a day."""

    day: date
    estimated: Decimal
    spent: Decimal
    left: Decimal


@dataclass(frozen=True)
class Chart:
    """A burn-down ready to be drawn and to be read as a table."""

    days: list[Day]
    label: str

    @property
    def top(self) -> Decimal:
        """The highest value, so that the scale begins at nothing and ends there."""
        return max([max(d.estimated, d.left) for d in self.days] + [Decimal(1)])

    def _points(self, name: str) -> str:
        """Steps: a value holds until the day on which another comes."""
        step = WIDTH / max(1, len(self.days) - 1)
        found, before = [], None
        for n, day in enumerate(self.days):
            y = round(HEIGHT - float(getattr(day, name) / self.top) * HEIGHT, 1)
            if before is not None and before != y:
                found.append(f"{round(n * step, 1)},{before}")
            found.append(f"{round(n * step, 1)},{y}")
            before = y
        return " ".join(found)

    @property
    def left_points(self) -> str:
        return self._points("left")

    @property
    def estimated_points(self) -> str:
        return self._points("estimated")

    @property
    def area_points(self) -> str:
        return f"0,{HEIGHT} {self.left_points} {WIDTH},{HEIGHT}"

    @property
    def box(self) -> str:
        return f"-1 -4 {WIDTH + 2} {HEIGHT + FOOT + 4}"

    @property
    def first(self) -> Day:
        return self.days[0]

    @property
    def last(self) -> Day:
        return self.days[-1]

    @property
    def rows(self) -> list[Day]:
        """The days on which something changed, the latest first, for the table."""
        changed = [
            day
            for n, day in enumerate(self.days)
            if n == 0
            or (day.estimated, day.spent) != (self.days[n - 1].estimated, self.days[n - 1].spent)
        ]
        return changed[::-1]


def changes_of(events: Iterable[tuple[Any, ...]], items: dict[str, Decimal]) -> dict[date, Decimal]:
    """By how much the whole estimate changed on each day.

    `events` are (name, at, changes, facts) of one plan in order; `items` the estimates by title as
    they stand, for dropped pieces whose event does not say theirs.
    """
    found: dict[date, Decimal] = {}
    for name, at, changes, facts in events:
        by = ZERO
        if name == "add_plan_item":
            by = _hours(facts.get("estimate_hours"))
        elif name in ("edit_plan_item", "take_suggested_estimate"):
            before, after = changes.get("estimate_hours", [None, None])
            by = _hours(after) - _hours(before)
        else:
            own = facts.get("estimate_hours", items.get(facts.get("item", ""), ZERO))
            by = -_hours(own) if name == "cancel_plan_item" else _hours(own)
            if name == "reopen_plan_item" and changes.get("item_state", [""])[0] != "cancelled":
                by = ZERO
        day = local_day(at)
        found[day] = found.get(day, ZERO) + by
    return found


def _hours(value: Any) -> Decimal:
    return Decimal(str(value)) if value not in (None, "") else ZERO


def burn(
    estimates: dict[date, Decimal], spent: dict[date, Decimal], last: date, done: date | None = None
) -> list[Day]:
    """Every day from the first change to the last; from `done` on nothing is left."""
    if not estimates and not spent:
        return []
    day = min([*estimates, *spent])
    days, estimated, used = [], ZERO, ZERO
    while day <= last:
        estimated += estimates.get(day, ZERO)
        used += spent.get(day, ZERO)
        left = ZERO if done and day >= done else max(ZERO, estimated - used)
        days.append(Day(day, estimated, used, left))
        day += timedelta(days=1)
    return days


def of_requests(requests: Iterable[Any]) -> dict[int, list[Day]]:
    """The burn-downs of these requests' present plans by request. Three queries."""
    by_pk = {r.pk: r for r in requests}
    own = ContentType.objects.get_for_model(Request)
    events: dict[int, list[tuple[Any, ...]]] = {}
    found = Event.objects.filter(stream_type=own, stream_id__in=by_pk).filter(
        Q(name__in=PLAN_EVENTS) | Q(name="reopen")
    )
    for pk, *event in found.order_by("stream_id", "number").values_list(
        "stream_id", "name", "at", "changes", "facts"
    ):
        if event[0] == "reopen":
            events.pop(pk, None)
        else:
            events.setdefault(pk, []).append(tuple(event))
    items: dict[int, dict[str, Decimal]] = {}
    for pk, title, hours in PlanItem.objects.filter(request__in=by_pk).values_list(
        "request_id", "title", "estimate_hours"
    ):
        items.setdefault(pk, {})[title] = hours or ZERO
    spent: dict[int, dict[date, Decimal]] = {}
    for pk, number, on, hours in TimeEntry.objects.filter(request__in=by_pk).values_list(
        "request_id", "pass_number", "on", "hours"
    ):
        if number == by_pk[pk].pass_number:
            days = spent.setdefault(pk, {})
            days[on] = days.get(on, ZERO) + hours
    return {
        pk: burn(
            changes_of(events.get(pk, []), items.get(pk, {})),
            spent.get(pk, {}),
            clock.today(),
            local_day(one.closed_at) if one.closed_at else None,
        )
        for pk, one in by_pk.items()
    }


def of_request(request: Any) -> list[Day]:
    """The burn-down of one request's present plan, of what its page has read already."""
    read = read_with(request, "plan_events")
    if read is None:
        return of_requests([request])[request.pk]
    events: list[tuple[Any, ...]] = []
    for event in read:
        if event.name == "reopen":
            events = []
        else:
            events.append((event.name, event.at, event.changes, event.facts))
    items = {item.title: item.estimate_hours or ZERO for item in request.plan_items.all()}
    spent: dict[date, Decimal] = {}
    for time in request.time_entries.all():
        if time.pass_number == request.pass_number:
            spent[time.on] = spent.get(time.on, ZERO) + time.hours
    ended = local_day(request.closed_at) if request.closed_at else None
    return burn(changes_of(events, items), spent, clock.today(), ended)


def chart(days: list[Day], label: str) -> Chart | None:
    """Only where there is something to see: two days and an estimate."""
    return Chart(days, label) if len(days) > 1 and any(d.estimated for d in days) else None


def of_group(group: ProviderGroup, user: Any) -> Chart | None:
    """What was left of all plans of the group on each of the last sixty days.

    Of what the person may see; at most the latest few hundred plans.
    """
    since = clock.today() - timedelta(days=GROUP_DAYS)
    planned = PlanItem.objects.filter(request__provider_group=group).values("request")
    requests = (
        Request.objects.visible_to(user)
        .filter(pk__in=planned, provider_group=group)
        .exclude(closed_at__date__lt=since)
        .only("pk", "pass_number", "closed_at", "state")
        .order_by("-created_at")[:MOST]
    )
    every = [plan for plan in of_requests(requests).values() if plan]
    if not every:
        return None
    first = max(since, min(plan[0].day for plan in every))
    total = [
        _sum(every, first + timedelta(days=n)) for n in range((clock.today() - first).days + 1)
    ]
    return chart(total, "all plans of the group")


def _sum(plans: list[list[Day]], day: date) -> Day:
    here = [plan[(day - plan[0].day).days] for plan in plans if plan[0].day <= day]
    live = [d for d in here if d.left]
    return Day(
        day,
        sum((d.estimated for d in live), ZERO),
        sum((d.spent for d in live), ZERO),
        sum((d.left for d in here), ZERO),
    )
