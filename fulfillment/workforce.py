"""Who of a group is at work on a day, and for how long (F1, F2)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import QuerySet, prefetch_related_objects

from fulfillment.leave import by_person, leaves_of, there_on
from fulfillment.models import DayCapacity, Membership, ProviderGroup
from workflow import clock
from workflow.leave_models import Leave
from workflow.prepared import Sets, reading
from workflow.worktime import Hours, hours_of

MEMBER = (
    "pk", "user", "hours_per_day", "week", "user__away_from", "user__away_until",
)  # fmt: skip


class AtWork(NamedTuple):
    """A place in a group with no more of it than its days need: a row of `MEMBER`."""

    pk: int
    user_id: int
    hours_per_day: Decimal
    week: list[Decimal] | None
    away_from: date | None
    away_until: date | None

    @property
    def user(self) -> "AtWork":
        """Whoever has the place: when they are away."""
        return self

    def hours_on(self, day: date) -> Decimal:
        """As of a membership."""
        return self.week[day.weekday()] if self.week else self.hours_per_day


class Workforce:
    """A group's members, focus and calendar, read once, to say what each day holds.

    A page that has read the members and their leave with other things hands them over.
    """

    def __init__(
        self,
        group: ProviderGroup,
        members: Sequence[Membership | AtWork] | None = None,
        leaves: Iterable[Leave] | None = None,
        *,
        hours: Hours | None = None,
    ) -> None:
        self.group = group
        if hours is None and group.calendar:
            prefetch_related_objects([group], "calendar__hours", "calendar__exceptions")
        self.hours: Hours = hours_of(group.calendar) if hours is None else hours
        self.members: Sequence[Any] = list(members_at_work(group)) if members is None else members
        self.leaves = (
            leaves_of(m.user_id for m in self.members) if leaves is None else by_person(leaves)
        )
        self._away = list(self._spans())
        self._plain_days: dict[tuple[int, int], Decimal] = {}
        self._minutes: dict[date, int] = {}
        self.made: set[date] | None = None  # the days that have a row, where that is known

    @classmethod
    def to_book(cls, group: ProviderGroup, hours: Hours) -> "Workforce":
        """With all that a booking goes by, read by one statement; the group's hours are known."""
        read = _goes_by(group=group.pk, today=clock.today())
        force = cls(group, read["members"], read["leaves"], hours=hours)
        force.made = {day for (day,) in read["days"]}
        return force

    def _spans(self) -> Iterator[tuple[date, date, Membership | AtWork]]:
        """From when to when somebody is away, for all of the day or a part of it."""
        for member in self.members:
            person = member.user
            if person.away_from:
                yield person.away_from, person.away_until or date.max, member
            for leave in self.leaves.get(member.user_id, ()):
                yield leave.first_day, leave.last_day, member

    def minutes(self, day: date) -> int:
        """Minutes of planned work the group can take on: none on days off."""
        if day not in self._minutes:
            there = self._there(day, self.hours.minutes_on(day))
            self._minutes[day] = int(there * self.group.focus)
        return self._minutes[day]

    def _there(self, day: date, open_for: int) -> Decimal:
        """Everybody's minutes on such a weekday, less what those who are away are missing."""
        if not open_for:
            return Decimal(0)
        plain = (day.weekday(), open_for)
        if plain not in self._plain_days:
            everybody = (_own(member, day, open_for) for member in self.members)
            self._plain_days[plain] = sum(everybody, Decimal(0))
        away = {m.pk: m for first, last, m in self._away if first <= day <= last}
        missing = (_own(m, day, open_for) - self.minutes_of(m, day) for m in away.values())
        return self._plain_days[plain] - sum(missing, Decimal(0))

    def minutes_of(self, member: Membership | AtWork, day: date) -> Decimal:
        """Minutes that one member is at work: own hours, within the group's, less leave."""
        if _is_away(member, day):
            return Decimal(0)
        own = _own(member, day, self.hours.minutes_on(day))
        return own * there_on(day, self.leaves.get(member.user_id, ()))

    def working_days(self, first: date, last: date) -> list[date]:
        """The days from first to last on which the group works."""
        span = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in span if self.hours.on(day)]


def members_at_work(group: Any) -> QuerySet[Membership]:
    """The members of a group with active accounts."""
    return Membership.objects.filter(group=group, user__is_active=True).select_related("user")


@reading(group=int, today=date)
def _goes_by(group: Any, today: Any) -> Sets:
    leaves = Leave.objects.filter(user__memberships__group=group, last_day__gte=today)
    return {
        "members": members_at_work(group),
        "leaves": leaves,
        "days": DayCapacity.objects.filter(group=group, day__gte=today).values_list("day"),
    }


def _own(member: Membership | AtWork, day: date, open_for: int) -> Decimal:
    """A member's own hours within the group's, in minutes."""
    return min(member.hours_on(day) * 60, Decimal(open_for))


def _is_away(membership: Membership | AtWork, day: date) -> bool:
    person = membership.user
    return bool(
        person.away_from
        and person.away_from <= day
        and (person.away_until is None or day <= person.away_until)
    )
