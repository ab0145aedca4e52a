"""Who of a group is at work on a day, and for how long (F1, F2)."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, prefetch_related_objects

from fulfillment.leave import by_person, leaves_of, there_on
from fulfillment.models import DayCapacity, Membership, ProviderGroup
from workflow import clock
from workflow.leave_models import Leave
from workflow.prepared import Sets, reading
from workflow.worktime import Hours, hours_of


class Workforce:
    """A group's members, focus and calendar, read once, to say what each day holds.

    A page that has read the members and their leave with other things hands them over.
    """

    def __init__(
        self,
        group: ProviderGroup,
        members: list[Membership] | None = None,
        leaves: Iterable[Leave] | None = None,
        *,
        hours: Hours | None = None,
    ) -> None:
        self.group = group
        if hours is None and group.calendar:
            prefetch_related_objects([group], "calendar__hours", "calendar__exceptions")
        self.hours: Hours = hours_of(group.calendar) if hours is None else hours
        self.members = list(members_at_work(group)) if members is None else members
        self.leaves = (
            leaves_of(m.user_id for m in self.members) if leaves is None else by_person(leaves)
        )
        self._at_times_away = [
            m for m in self.members if m.user.away_from or self.leaves.get(m.user_id)
        ]
        self._plain_days: dict[tuple[int, int], int] = {}
        self.made: set[date] | None = None  # the days that have a row, where that is known

    @classmethod
    def to_book(cls, group: ProviderGroup, hours: Hours) -> "Workforce":
        """With all that a booking goes by, read by one statement; the group's hours are known."""
        read = _goes_by(group=group.pk, today=clock.today())
        force = cls(group, read["members"], read["leaves"], hours=hours)
        force.made = {day for (day,) in read["days"]}
        return force

    def minutes(self, day: date) -> int:
        """Minutes of planned work the group can take on: none on days off."""
        open_for = self.hours.minutes_on(day)
        if not open_for:
            return 0
        if any(self._is_unlike(member, day) for member in self._at_times_away):
            return self._added_up(day)
        plain = (day.weekday(), open_for)
        if plain not in self._plain_days:
            self._plain_days[plain] = self._added_up(day)
        return self._plain_days[plain]

    def _added_up(self, day: date) -> int:
        own = sum(self.minutes_of(member, day) for member in self.members)
        return int(own * self.group.focus)

    def _is_unlike(self, member: Membership, day: date) -> bool:
        """Whether the person is away for some of the day."""
        leaves = self.leaves.get(member.user_id, ())
        return _away(member, day) or any(one.first_day <= day <= one.last_day for one in leaves)

    def minutes_of(self, member: Membership, day: date) -> Decimal:
        """Minutes that one member is at work: own hours, within the group's, less leave."""
        if _away(member, day):
            return Decimal(0)
        own = min(member.hours_on(day) * 60, Decimal(self.hours.minutes_on(day)))
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


def _away(membership: Membership, day: date) -> bool:
    person = membership.user
    return bool(
        person.away_from
        and person.away_from <= day
        and (person.away_until is None or day <= person.away_until)
    )
