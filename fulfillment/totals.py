"""The whole work list added up: estimated, spent, left (F6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual

from fulfillment.work_models import PlanItem, TimeEntry
from workflow.paging import MOST, said
from workflow.prepared import HowMany

AT_ONCE = 100  # rows that are added up with the page; a longer list is added up for itself
HOURS = DecimalField(max_digits=9, decimal_places=2)


@dataclass(frozen=True)
class WorkTotals:
    """Of every request that the filter found, in hours; of a very long list of its first ones."""

    requests: int
    counted: str
    estimated: Decimal
    spent: Decimal
    left: Decimal
    done: Decimal

    @property
    def of_first(self) -> bool:
        """Whether there are more requests than were added up."""
        return self.counted != f"{self.requests:,}"

    @property
    def percent(self) -> int:
        """How much of the plans is done, weighed by the estimates."""
        return int(self.done * 100 / self.estimated) if self.estimated else 0


def sums(requests: Any, most: int = MOST) -> Any:
    """A row for each of the list, not of one page, with its hours; so many at most."""
    items = PlanItem.objects.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))

    def added_up(rows: Any, hours: str = "estimate_hours") -> Any:
        total = rows.order_by().values("request").annotate(t=Sum(hours)).values("t")
        return Coalesce(Subquery(total, output_field=HOURS), Decimal(0), output_field=HOURS)

    first = requests.model.objects.filter(pk__in=requests.values("pk")[:most])
    worked = TimeEntry.objects.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))
    known = first.order_by().annotate(
        worked=added_up(worked, "hours"),
        planned=added_up(items.exclude(state="cancelled")),
        finished=added_up(items.filter(state="done")),
    )
    return known.values_list("planned", "worked", "finished")


def sums_at_once(requests: Any) -> Any:
    """As `sums`, where the list is short enough to be added up with the page; else nothing."""
    short = LessThanOrEqual(HowMany(requests, AT_ONCE + 1), Value(AT_ONCE))
    return sums(requests, AT_ONCE).filter(short)


def of(rows: Iterable[tuple[Decimal, Decimal, Decimal]], count: int) -> WorkTotals:
    """The hours of these rows added up; `count` is how many the list has."""
    found = list(rows)
    return WorkTotals(
        requests=len(found),
        counted=said(count),
        estimated=sum((planned for planned, _, _ in found), Decimal(0)),
        spent=sum((worked for _, worked, _ in found), Decimal(0)),
        left=sum((max(planned - worked, Decimal(0)) for planned, worked, _ in found), Decimal(0)),
        done=sum((done for _, _, done in found), Decimal(0)),
    )
