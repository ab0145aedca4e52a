"""How it went, in the customers' words: how many said so, how well, and where it went badly."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, F, Q, QuerySet
from django.db.models.functions import TruncMonth
from django.utils.formats import date_format

from requests_app.models import Rating, Request
from workflow.models import User

COLUMNS = ["Closed", "Rated", "Rated, %", "Mean of 5", "Low (1 or 2)", "Low, %"]
CLOSINGS = ("fulfill", "notify_and_close")
SHOWN_COMMENTS = 20


def rows_by(user: User, first: date, what: str) -> list[list[Any]]:
    """One row per month, group or service: closed, rated, response rate, mean, low, share low."""
    closed = _count(_closings(user, first, what))
    rated = {row["name"]: row for row in _ratings(user, first, what)}
    return [
        [_said(what, name), *_figures(closed.get(name, 0), rated.get(name))]
        for name in sorted(
            closed.keys() | rated.keys(), key=lambda n: (n is None, n), reverse=what == "month"
        )
    ]


def total_of(user: User, first: date) -> list[Any]:
    """The same over everything: means and shares are not sums."""
    closed = sum(_count(_closings(user, first, "group")).values())
    all_rated: Any = _visible(user, first).aggregate(**FIGURES)
    return _figures(closed, all_rated)


def comments_for(user: User, first: date) -> QuerySet[Rating]:
    """What customers wrote with their ratings, the newest first, of what this person may see."""
    return (
        _visible(user, first)
        .exclude(comment="")
        .select_related("request__service", "request__agency")[:SHOWN_COMMENTS]
    )


LOW = Q(score__lte=Rating.LOW)
FIGURES: dict[str, Any] = {
    "rated": Count("pk"),
    "mean": Avg("score"),
    "low": Count("pk", filter=LOW),
}
FIELDS = {"group": "provider_group__name", "service": "service__name"}


def _visible(user: User, first: date) -> QuerySet[Rating]:
    theirs = Request.objects.visible_to(user).values("pk")
    return Rating.objects.filter(request__in=theirs, closed_at__date__gte=first)


def _ratings(user: User, first: date, what: str) -> Any:
    name: Any = TruncMonth("closed_at") if what == "month" else _f(what, "request__")
    return _visible(user, first).order_by().values(name=name).annotate(**FIGURES)


def _closings(user: User, first: date, what: str) -> Any:
    name: Any = TruncMonth("events__at") if what == "month" else _f(what, "")
    theirs = Request.objects.visible_to(user).order_by()
    ended = theirs.filter(events__name__in=CLOSINGS, events__at__date__gte=first)
    return ended.values(name=name).annotate(closed=Count("events"))


def _f(what: str, path: str) -> Any:
    return F(path + FIELDS[what])


def _count(rows: Any) -> dict[Any, int]:
    return {row["name"]: row["closed"] for row in rows}


def _figures(closed: int, rated: dict[str, Any] | None) -> list[Any]:
    many = rated["rated"] if rated else 0
    low = rated["low"] if rated else 0
    mean = round(Decimal(rated["mean"]), 2) if rated and many else Decimal(0)
    return [closed, many, _share(many, closed), mean, low, _share(low, many)]


def _share(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def _said(what: str, name: Any) -> str:
    if what == "month":
        return date_format(name, "F Y")
    return name or "none"
