"""How it went, in the customers' words: how many said so, how well, and where it went badly."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format

from requests_app.models import Rating
from workflow.models import User

COLUMNS = ["Closed", "Rated", "Rated, %", "Mean of 5", "Low (1 or 2)", "Low, %"]
SHOWN_COMMENTS = 20


class Tally:
    """Of one month, group or service, or of all: closed, rated, points, low ones."""

    def __init__(self) -> None:
        self.closed = self.rated = self.low = 0
        self.points = Decimal(0)

    def add(self, report: str, key: str, number: int, amount: Decimal) -> None:
        """One figure of a report counts here."""
        if report == "closing":
            self.closed += number
        elif report == "rating" and key == "low":
            self.low += number
        elif report == "rating":
            self.rated += number
            self.points += amount

    @property
    def figures(self) -> list[Any]:
        """As the columns: means and shares are made here, so that they are never added up."""
        mean = round(self.points / self.rated, 2) if self.rated else Decimal(0)
        return [self.closed, self.rated, _share(self.rated, self.closed), mean, self.low,
                _share(self.low, self.rated)]  # fmt: skip


def rows_of(
    figures: Iterable[tuple[Any, str, str, int, Decimal]], *, newest_first: bool = False
) -> tuple[list[list[Any]], list[Any]]:
    """One row per name with something in it, and the same over all of them.

    `figures` are (name, report, key, number, amount).
    """
    tallies: dict[Any, Tally] = {}
    total = Tally()
    for name, report, key, number, amount in figures:
        if report in ("closing", "rating"):
            tallies.setdefault(name, Tally()).add(report, key, number, amount)
            total.add(report, key, number, amount)
    order = sorted(tallies, key=lambda name: (name is None, name), reverse=newest_first)
    return [[_said(name), *tallies[name].figures] for name in order], total.figures


def comments_for(user: User, first: date) -> QuerySet[Rating]:
    """What customers wrote with their ratings, the newest first, of what this person may see."""
    written = Rating.objects.filter(closed_at__date__gte=first).exclude(comment="")
    if not user.oversees:
        written = written.filter(request__provider_group__in=user.group_ids)
    shown = ("score", "comment", "at", "closed_at", "request__reference",
             "request__service__name", "request__agency__name")  # fmt: skip
    rows = written.select_related("request__service", "request__agency").only(*shown)
    return rows[:SHOWN_COMMENTS]


def _share(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def _said(name: Any) -> str:
    return date_format(name, "F Y") if isinstance(name, date) else (name or "none")
