"""Rows of the lists of requests: found by their keys in the list's order, then read by one
statement that is written and planned once. What is drawn already is not made into instances."""

from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from asd.models import Agreement
from requests_app.clock_models import standing_at
from requests_app.models import Request
from workflow import clock
from workflow.paging import Keyed
from workflow.statements import AmongValues
from workflow.written import AsRead, Written

HOUR = timedelta(hours=1)
SHOWN = (
    *("reference", "title", "state", "kind", "priority", "created_at", "closed_at", "archived_at"),
    *("due_at", "at_risk_at", "paused_since", "paused_for", "held_since", "review_on"),
    *("agency__name", "provider_group__name", "forecast__p50_on", "forecast__p85_on"),
    *(f"{who}__{n}" for who in ("specialist", "representative")
      for n in ("first_name", "last_name", "username")),
)  # fmt: skip


def _drawn(keys: list[int], today: date) -> QuerySet[Any]:
    in_force = Agreement.objects.in_force(today).filter(agency=OuterRef("agency_id"))
    return (
        Request.objects.filter(AmongValues("pk", keys))
        .select_related("agency", "provider_group", "specialist", "representative", "forecast")
        .only(*SHOWN)
        .annotate(customer_is_current=Exists(in_force))
        .order_by()
    )


_DRAWN = Written(_drawn, planned=True)


class Row:
    """A request in a list: `req` as it was read, and by what a piece of it drawn once is known."""

    def __init__(self, req: AsRead) -> None:
        self.req = req

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that is drawn of it, with what changes by the hour: how it stands, how old it is."""
        return (*self.req.facts, standing_of(self.req), age_of(self.req))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.req, name)


def standing_of(req: Any) -> str:
    """How it stands at this moment, from the columns that were read."""
    return standing_at(req.closed_at, req.paused_since, req.due_at, req.at_risk_at)


def age_of(req: Any) -> timedelta:
    """Its age as finely as it is said: in minutes for the first hour, then in hours."""
    age = clock.now() - req.created_at
    step = HOUR if age >= HOUR else HOUR / 60
    return age // step * step


def read(keys: list[int]) -> list[Row]:
    """The rows of these keys, in their order."""
    rows = _DRAWN.as_read(keys=keys, today=clock.today()) if keys else []
    found = {row.id: Row(row) for row in rows}
    return [found[key] for key in keys if key in found]


def listed(found: QuerySet[Any]) -> Keyed:
    """What a list found, in its order, to be paged through."""
    return Keyed(found, read)
