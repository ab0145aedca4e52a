"""Who is in a group, when they are there, what they have in hand and what their days hold (F5)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from fulfillment.models import DayCapacity, Membership, ProviderGroup, ScheduledDay
from fulfillment.work_models import PlanItem
from fulfillment.workforce import Workforce
from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from workflow import clock
from workflow.leave_models import Leave

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAYS_SHOWN = 10


@dataclass
class Week:
    """Minutes of one person in one week: at work for planned work, and booked."""

    first: date
    there: int = 0
    booked: int = 0

    @property
    def left(self) -> int:
        return max(0, self.there - self.booked)

    @property
    def over(self) -> int:
        return max(0, self.booked - self.there)


@dataclass
class Person:
    """One member with hours, leave and load."""

    member: Membership
    leaves: list[Leave]
    weeks: list[Week]
    assistance: int = 0
    plans: int = 0
    plan_hours: Decimal = Decimal(0)
    forms: dict[str, Any] = field(default_factory=dict)

    @property
    def days(self) -> list[tuple[str, Decimal]]:
        """Hours of each weekday on which the person is there at all."""
        week = self.member.week
        if not week:
            return []
        return [(WEEKDAYS[n], hours) for n, hours in enumerate(week) if hours]


@dataclass(frozen=True)
class DayHeld:
    """A working day of the group: minutes for planned work, booked, and who is away."""

    day: date
    there: int
    booked: int
    away: list[str]

    @property
    def short(self) -> int:
        return max(0, self.booked - self.there)


def mondays(count: int = 2) -> list[date]:
    """The first days of this week and the next."""
    monday = clock.today() - timedelta(days=clock.today().weekday())
    return [monday + timedelta(days=7 * n) for n in range(count)]


def people_of(group: ProviderGroup) -> list[Person]:
    """The members with hours, leave and load: a fixed number of queries (F5)."""
    force = Workforce(group)
    ids = [m.user_id for m in force.members]
    counts = _in_hand(group, ids)
    hours = _plan_hours(group, ids)
    booked = _booked(group, ids)
    return [
        Person(
            member,
            force.leaves.get(member.user_id, []),
            [
                Week(first, _there(force, member, first), booked[member.user_id, first])
                for first in mondays()
            ],
            *counts.get(member.user_id, (0, 0)),
            hours.get(member.user_id, Decimal(0)),
        )
        for member in sorted(force.members, key=lambda m: (not m.is_lead, str(m.user)))
    ]


def _there(force: Workforce, member: Membership, first: date) -> int:
    """Minutes for planned work from today to the end of the week."""
    days = (first + timedelta(days=n) for n in range(7))
    minutes = sum(force.minutes_of(member, d) for d in days if d >= clock.today())
    return int(minutes * force.group.focus)


def _in_hand(group: ProviderGroup, people: list[int]) -> dict[int, tuple[int, int]]:
    rows = (
        Request.objects.filter(
            provider_group=group, specialist__in=people, state__in=[str(s) for s in FULFILLMENT]
        )
        .order_by()
        .values_list("specialist")
        .annotate(
            assistance=Count("pk", filter=Q(state=S.ASSIGNED)),
            plans=Count("pk", filter=~Q(state=S.ASSIGNED)),
        )
    )
    return {pk: (assistance, plans) for pk, assistance, plans in rows}


def _plan_hours(group: ProviderGroup, people: list[int]) -> dict[int, Decimal]:
    """Estimated hours of open plan items that are theirs: given to them, or nobody's of their
    own requests."""
    who = Coalesce("assignee", "request__specialist")
    rows = (
        PlanItem.objects.filter(
            state=PlanItem.State.OPEN,
            request__provider_group=group,
            request__state__in=[str(s) for s in FULFILLMENT],
            pass_number=F("request__pass_number"),
        )
        .order_by()
        .annotate(who=who)
        .filter(who__in=people)
        .values_list("who")
        .annotate(hours=Sum("estimate_hours"))
    )
    return {pk: hours or Decimal(0) for pk, hours in rows}


def _booked(group: ProviderGroup, people: list[int]) -> dict[tuple[int, date], int]:
    """Booked minutes of what each has pulled, from today on, by week."""
    found: dict[tuple[int, date], int] = defaultdict(int)
    last = mondays()[-1] + timedelta(days=6)
    rows = (
        ScheduledDay.objects.filter(
            entry__group=group,
            entry__state__in=["booked", "started"],
            entry__request__specialist__in=people,
            day__range=(clock.today(), last),
        )
        .order_by()
        .values_list("entry__request__specialist", "day")
        .annotate(minutes=Sum("minutes"))
    )
    for pk, day, minutes in rows:
        found[pk, day - timedelta(days=day.weekday())] += minutes
    return found


def days_held(group: ProviderGroup, people: list[Person]) -> list[DayHeld]:
    """The next working days: what they hold, what is booked, who is away."""
    force = Workforce(group)
    today = clock.today()
    days = force.working_days(today, today + timedelta(days=DAYS_SHOWN * 3))[:DAYS_SHOWN]
    booked = dict(
        DayCapacity.objects.filter(group=group, day__in=days).values_list("day", "booked")
    )
    return [
        DayHeld(
            day,
            force.minutes(day),
            booked.get(day, 0),
            [str(p.member.user) for p in people if not force.minutes_of(p.member, day)],
        )
        for day in days
    ]
