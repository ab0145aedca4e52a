"""Who is at work on a day, and which days hold more than the people there can do (F1, F2)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from workflow import clock
from workflow.leave_models import Leave


def leaves_of(people: Iterable[int]) -> dict[int, list[Leave]]:
    """Leave from today on, by person."""
    return by_person(Leave.objects.filter(user__in=list(people), last_day__gte=clock.today()))


def by_person(leaves: Iterable[Leave]) -> dict[int, list[Leave]]:
    """The same leave, by whose it is."""
    found: dict[int, list[Leave]] = {}
    for leave in leaves:
        found.setdefault(leave.user_id, []).append(leave)
    return found


def there_on(day: date, leaves: Iterable[Leave]) -> Decimal:
    """The share of the day that a person with these leaves is at work."""
    off = sum(leave.share for leave in leaves if leave.first_day <= day <= leave.last_day)
    return max(Decimal(0), 1 - Decimal(off))
