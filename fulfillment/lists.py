"""The named lists of fulfillment: queues, schedule, work list, groups at a glance (F2, F3, F6)."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import (
    Count,
    DecimalField,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
)

from fulfillment.models import Forecast, ProviderGroup, QueueCheck, ScheduleEntry
from fulfillment.names import name_of
from fulfillment.work_models import PlanItem, TimeEntry
from requests_app.counting import Counts, waiting_in
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.models import Calendar, CalendarException, WorkingHours
from workflow.paging import said
from workflow.prepared import hand_over, read
from workflow.worktime import Hours, hours_of, over_a_working_day

if TYPE_CHECKING:
    from workflow.models import User

RULE = (
    "Overdue first, then by priority, then by due date, then the oldest. "
    "What is on hold waits its turn and is left out by Take next."
)
ON_WORK_LIST = (S.PLANNING, S.IN_FULFILLMENT, S.TESTING)


def of_group(group: ProviderGroup, user: "User") -> Any:
    """What this person may see of the group's requests, with what a row shows.

    Members, and who oversees the office, see all of them: that is said without asking row by row.
    """
    if user.is_active and (user.oversees or group.pk in user.group_ids):
        return Request.objects.filter(provider_group=group).for_list()
    return Request.objects.visible_to(user).filter(provider_group=group).for_list()


ROW = (
    "reference", "title", "state", "state_since", "priority", "pass_number", "created_at",
    "closed_at", "due_at", "at_risk_at", "paused_since", "paused_for", "held_since", "review_on",
    "estimate_hours", "earliest_on", "charge_expected", "provider_group",
    "agency__name", "service__name", "specialist__first_name", "specialist__last_name",
    "specialist__username",
)  # fmt: skip


def shown(requests: Any) -> Any:
    """The same rows with no more of each than the pages of a group show."""
    rows = requests.select_related(None)
    return rows.select_related("agency", "service", "specialist", "forecast").only(
        *ROW, *(f"forecast__{field.name}" for field in Forecast._meta.concrete_fields)
    )


def pending(group: ProviderGroup, user: "User") -> Any:
    """The CRM Pending Queue in the order of the rule (F2, F4)."""
    return of_group(group, user).pending(group).by_rule()


def in_hand_of(user: "User") -> Any:
    """A specialist's own list: assistance in order of receipt (F7), then plans by planned start."""
    return (
        Request.objects.filter(specialist=user, state__in=[S.ASSIGNED, *ON_WORK_LIST])
        .for_list()
        .order_by("assigned_at", "pk")
    )


# the work list


def spent() -> Subquery:
    """The hours spent on a request in its pass."""
    hours = (
        TimeEntry.objects.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))
        .order_by()
        .values("request")
        .annotate(total=Sum("hours"))
        .values("total")
    )
    return Subquery(hours, output_field=DecimalField(max_digits=9, decimal_places=2))


def worklist(group: ProviderGroup, user: "User") -> Any:
    """Every plan of the group, with hours spent, its pieces and its slot (F6)."""
    return (
        of_group(group, user)
        .filter(state__in=ON_WORK_LIST)
        .annotate(spent=spent())
        .prefetch_related(
            Prefetch(
                "plan_items",
                PlanItem.objects.annotate(
                    hours_spent=Sum("time_entries__hours"), by=name_of("assignee__")
                ).order_by("position", "pk"),
            ),
            Prefetch("schedule_entries", ScheduleEntry.objects.active(), to_attr="active_entries"),
        )
        .by_rule()
    )


@dataclass
class Work:
    """A row of the work list."""

    req: Any
    items: list[Any]
    entry: Any

    @property
    def facts(self) -> Hashable:
        """All that is shown of it; its request is one that knows its own facts."""
        planned = (self.entry.first_day, self.entry.last_day) if self.entry else None
        items = ((i.title, i.by, i.state, i.estimate_hours, i.hours_spent) for i in self.items)
        return (self.req.facts, planned, *items)

    @property
    def live(self) -> list[Any]:
        return [i for i in self.items if i.state != PlanItem.State.CANCELLED]

    @property
    def estimated(self) -> Decimal:
        return sum((i.estimate_hours or Decimal(0) for i in self.live), Decimal(0))

    @property
    def spent(self) -> Decimal:
        return self.req.spent or Decimal(0)

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.estimated - self.spent)

    @property
    def over(self) -> Decimal:
        return max(Decimal(0), self.spent - self.estimated) if self.estimated else Decimal(0)

    @property
    def percent(self) -> int:
        """How much of the plan is done, weighed by the estimates."""
        if not self.estimated:
            return 0
        done = sum((i.estimate_hours or 0 for i in self.live if i.state == "done"), Decimal(0))
        return int(done * 100 / self.estimated)

    @property
    def unestimated(self) -> int:
        return sum(1 for i in self.live if not i.estimate_hours)


def work_rows(requests: Iterable[Any]) -> list[Work]:
    """Requests of the work list as rows; of their plans only the current pass counts."""
    return [
        Work(
            req,
            [i for i in req.plan_items.all() if i.pass_number == req.pass_number],
            next(iter(req.active_entries), None),
        )
        for req in requests
    ]


# the groups at a glance


@dataclass
class Glance:
    """A group's two queues and its work at a glance (F3)."""

    group: ProviderGroup
    counts: dict[str, Any]
    checks: dict[str, QueueCheck]
    missed: int
    is_mine: bool
    hours: Hours

    @property
    def facts(self) -> Hashable:
        """All that is shown of it."""
        checks = ((q["check"] and (q["check"].at, str(q["check"].by)), q["stale"])
                  for q in self.queues)  # fmt: skip
        group = (self.group.pk, self.group.name, self.group.slug, self.is_mine, self.missed)
        return (*group, *self.counts.items(), *checks)

    def _check(self, queue: str, count: int) -> dict[str, Any]:
        check = self.checks.get(queue)
        stale = count > 0 and (check is None or over_a_working_day(check.at, self.hours))
        return {"check": check, "stale": stale}

    @property
    def queues(self) -> list[dict[str, Any]]:
        """The two queues, each with what a person wants to know before opening it."""
        c = self.counts
        schedule = c["awaiting"] + c["scheduled"]
        return [
            {
                "name": "pending",
                "label": "Pending queue",
                "count": c["pending"],
                "oldest": c["pending_oldest"],
                "late": c["pending_late"],
                "risk": c["pending_risk"],
                "detail": "",
                **self._check("pending", c["pending"]),
            },
            {
                "name": "schedule",
                "label": "60-day schedule",
                "count": schedule,
                "oldest": c["schedule_oldest"],
                "late": c["schedule_late"],
                "risk": c["schedule_risk"],
                "detail": f"{said(c['awaiting'])} to be placed, {said(c['scheduled'])} placed",
                "missed": self.missed,
                **self._check("schedule", schedule),
            },
        ]


def glance(groups: Iterable[ProviderGroup], user: "User") -> list[Glance]:
    """Counts, oldest, at risk and last checked of many groups, in two queries (F3)."""
    groups, mine = list(groups), user.group_ids
    pks = [g.pk for g in groups]
    counts = waiting_in(pks, user)
    calendars = {g.calendar_id for g in groups}
    kept = Q(calendar__in=calendars - {None}) | Q(calendar__is_default=True)
    gone = ScheduleEntry.objects.filter(
        group__in=pks, state="booked", request__state=S.SCHEDULED, first_day__lt=clock.today()
    )
    found = read(
        checks=QueueCheck.objects.filter(group__in=pks).select_related("by"),
        gone=gone.order_by().values_list("group").annotate(n=Count("pk")),
        default=Calendar.objects.filter(is_default=True),
        hours=WorkingHours.objects.filter(kept),
        exceptions=CalendarException.objects.filter(kept),
    )
    hours = _hours_of(groups, found)
    checks: dict[int, dict[str, QueueCheck]] = {}
    for check in found["checks"]:
        checks.setdefault(check.group_id, {})[check.queue] = check
    missed = dict(found["gone"])
    return [
        Glance(
            g,
            _numbers(counts, g.pk),
            checks.get(g.pk, {}),
            missed.get(g.pk, 0),
            g.pk in mine,
            hours[g.pk],
        )
        for g in groups
    ]


def _hours_of(groups: list[ProviderGroup], found: dict[str, list[Any]]) -> dict[int, Hours]:
    """The calendars of groups; the default one for those without their own."""
    own = [g.calendar for g in groups if g.calendar]
    for name in ("hours", "exceptions"):
        hand_over([*own, *found["default"]], name, found[name])
    default = hours_of(next(iter(found["default"]), None))
    return {g.pk: hours_of(g.calendar) if g.calendar else default for g in groups}


SCHEDULE = (S.AWAITING_SCHEDULING, S.SCHEDULED)


def _numbers(counts: Counts, group: int) -> dict[str, Any]:
    """What the page says about one group."""
    queue, schedule = counts.of(group, S.PENDING), counts.of(group, *SCHEDULE)
    return {
        "pending": queue.number,
        "pending_oldest": queue.oldest,
        "pending_late": queue.late,
        "pending_risk": queue.risk,
        "awaiting": counts.of(group, S.AWAITING_SCHEDULING).number,
        "scheduled": counts.of(group, S.SCHEDULED).number,
        "schedule_oldest": schedule.oldest,
        "schedule_late": schedule.late,
        "schedule_risk": schedule.risk,
        "assigned": counts.of(group, S.ASSIGNED).number,
        "planning": counts.of(group, S.PLANNING).number,
        "working": counts.of(group, S.IN_FULFILLMENT).number,
        "testing": counts.of(group, S.TESTING).number,
        "in_work_late": counts.of(group, S.ASSIGNED, *ON_WORK_LIST).late,
    }
