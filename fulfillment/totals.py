"""The whole work list added up: estimated, spent, left (F6)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest

from fulfillment.models import PlanItem, TimeEntry
from workflow.paging import MOST

HOURS = DecimalField(max_digits=9, decimal_places=2)


@dataclass(frozen=True)
class WorkTotals:
    """Of every request that the filter found, in hours."""

    requests: int
    estimated: Decimal
    spent: Decimal
    left: Decimal
    done: Decimal

    @property
    def percent(self) -> int:
        """How much of the plans is done, weighed by the estimates."""
        return int(self.done * 100 / self.estimated) if self.estimated else 0


def of(requests: Any) -> WorkTotals:
    """Of all of the work list (`lists.worklist`), not of one page; of a thousand at most.

    One query.
    """
    items = PlanItem.objects.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))

    def added_up(rows: Any, hours: str = "estimate_hours") -> Any:
        total = rows.order_by().values("request").annotate(t=Sum(hours)).values("t")
        return Coalesce(Subquery(total, output_field=HOURS), Decimal(0), output_field=HOURS)

    first = requests.model.objects.filter(pk__in=requests.order_by().values("pk")[:MOST])
    worked = TimeEntry.objects.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))
    known = first.order_by().annotate(
        worked=added_up(worked, "hours"),
        planned=added_up(items.exclude(state="cancelled")),
        finished=added_up(items.filter(state="done")),
    )
    found = known.aggregate(
        requests=Count("pk"),
        estimated=Sum("planned"),
        spent=Sum("worked"),
        left=Sum(Greatest(F("planned") - F("worked"), Decimal(0), output_field=HOURS)),
        done=Sum("finished"),
    )
    hours = {name: value or Decimal(0) for name, value in found.items() if name != "requests"}
    return WorkTotals(requests=found["requests"], **hours)
