"""The tables of the reports, made of figures that were counted beforehand."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.utils.formats import date_format

from requests_app import ratings_report
from requests_app.own_work import records_of
from requests_app.report_models import ReportFigure, first_month
from workflow.models import User
from workflow.prepared import read

BY_MONTH = ("ended", "decision", "money", "closing", "rating", "forecast")


@dataclass(frozen=True)
class Table:
    """A report as it stands: the first column names the row, all others are numbers."""

    columns: list[str]
    rows: list[list[Any]]
    links: list[str] = field(default_factory=list)
    over_all: list[Any] = field(default_factory=list)

    @property
    def total(self) -> list[Any]:
        """The sums of the number columns; means and shares bring their own."""
        if self.over_all:
            return self.over_all
        return [sum(row[n] for row in self.rows) for n in range(1, len(self.columns))]

    @property
    def linked(self) -> list[tuple[list[Any], str]]:
        """Every row with the address of the list behind it, if there is one."""
        links = self.links or [""] * len(self.rows)
        return list(zip(self.rows, links, strict=True))


@dataclass(frozen=True)
class Report:
    """What a report is called, what it says, and how it is read."""

    name: str
    title: str
    text: str
    read: Callable[["Figures"], Table]
    by_month: bool = False


class Figures:
    """What a person may read of the last months, added up: one query, however much there is.

    Who oversees the office reads all of it, the billing office all charges, others their groups.
    """

    def __init__(self, user: User, months: int) -> None:
        self.user, self.months = user, months
        self.first = first_month(months)

    def _rows(self, *, whole: bool) -> QuerySet[ReportFigure]:
        rows = ReportFigure.objects.order_by()
        if self.user.oversees:
            return rows.filter(whole=whole)
        return rows.filter(whole=False, group__in=self.user.group_ids)

    @property
    def scope(self) -> Hashable:
        """Whose figures these are: who has the same reads the same."""
        if self.user.oversees:
            return "all"
        return (self.user.is_billing, *sorted(self.user.group_ids))

    @cached_property
    def _read(self) -> dict[str, list[Any]]:
        added_up = {"n": Sum("number"), "a": Sum("amount")}
        rows = self._rows(whole=True)
        if self.user.is_billing and not self.user.oversees:
            charges = ReportFigure.objects.filter(whole=True, report__in=["decision", "money"])
            rows = rows.exclude(report__in=["decision", "money"]) | charges
        monthly = rows.filter(report__in=BY_MONTH, month__gte=self.first)
        open_now = self._rows(whole=False).filter(report="open").order_by("group__name")

        def rated(what: str) -> Any:
            found = self._rows(whole=what != "group").filter(
                report__in=["closing", "rating"], month__gte=self.first
            )
            return found.values_list(F(f"{what}__name"), "report", "key").annotate(**added_up)

        return read(
            monthly=monthly.values_list("report", "month", "key", "currency").annotate(**added_up),
            open=open_now.values_list("group__name", "group", "key", "number"),
            group=rated("group"),
            service=rated("service"),
        )

    @cached_property
    def monthly(self) -> dict[tuple[str, date, str, str], tuple[int, Decimal]]:
        """Number and amount by report, month, key and currency."""
        by = self._read["monthly"]
        return {(report, month, key, money): (n, a) for report, month, key, money, n, a in by}

    def number(self, report: str, month: date, key: str) -> int:
        """How many, of all currencies."""
        return self.monthly.get((report, month, key, ""), (0, Decimal(0)))[0]

    @cached_property
    def open_by_group(self) -> dict[tuple[str | None, int | None], dict[str, int]]:
        """What is open now, by the group's name and number and by key."""
        found: dict[tuple[str | None, int | None], dict[str, int]] = {}
        for name, pk, key, number in self._read["open"]:
            found.setdefault((name, pk), {})[key] = number
        return found

    def named(self, what: str) -> list[tuple[Any, str, str, int, Decimal]]:
        """Closings and ratings by month, group or service."""
        if what == "month":
            return [(month, report, key, *value)
                    for (report, month, key, _), value in self.monthly.items()]  # fmt: skip
        return self._read[what]


def _months(figures: Figures) -> list[date]:
    first = figures.first
    counted = (first.year * 12 + first.month - 1 + n for n in range(figures.months))
    return [date(n // 12, n % 12 + 1, 1) for n in reversed(list(counted))]


AGES = ("week", "month", "two", "older", "all", "late", "held")
ENDS = ("assistance", "enhancement", "declined", "cancelled")


def open_by_age(figures: Figures) -> Table:
    """Open requests by provider group and days since intake, with what is overdue or held."""
    rows = figures.open_by_group
    return Table(
        ["Provider group", "Up to 7 days", "8 to 30", "31 to 60", "Over 60", "Open", "Overdue",
         "On hold"],
        [[name or "No group yet", *(found.get(key, 0) for key in AGES)]
         for (name, _), found in rows.items()],
        [f"/requests/?scope=all&group={group}" if group else "" for _, group in rows],
    )  # fmt: skip


def closed_by_month(figures: Figures) -> Table:
    """Requests that ended, by the month they ended in and by kind (F16)."""
    rows: list[list[Any]] = []
    for month in _months(figures):
        by = [figures.number("ended", month, key) for key in ENDS]
        rows.append([_named(month), *by, sum(by) + figures.number("ended", month, "other")])
    return Table(
        ["Month", "Assistance fulfilled", "Enhancement fulfilled", "Declined", "Cancelled",
         "Ended"],
        rows,
    )  # fmt: skip


def _named(month: date) -> str:
    return date_format(month, "M Y")


def charged_or_not(figures: Figures) -> Table:
    """Charge decisions after a passing test, either way with equal weight, and the money."""
    bases = dict(records_of("charge_decisions").model.Basis.choices)
    free = [basis for basis in bases if basis != "charged"]
    money = {key: a for key, (_, a) in figures.monthly.items() if key[0] == "money"}
    currencies = sorted({currency for *_, currency in money}) or ["USD"]
    rows = [
        [
            _named(m),
            figures.number("decision", m, "charged"),
            *(
                money.get(("money", m, state, currency), Decimal("0.00"))
                for currency in currencies
                for state in ("initiated", "credited")
            ),
            *(figures.number("decision", m, basis) for basis in free),
            sum(figures.number("decision", m, basis) for basis in free),
        ]
        for m in _months(figures)
    ]
    sums = [f"{word} {c}" for c in currencies for word in ("Initiated", "Credited")]
    names = [str(bases[basis]) for basis in free]
    return Table(["Month", "Charged", *sums, *names, "Not charged"], rows)


def ratings(what: str, figures: Figures) -> Table:
    """How customers say it went: how many, how well, how often badly."""
    rows, over_all = ratings_report.rows_of(figures.named(what), newest_first=what == "month")
    title = {"month": "Closed in", "group": "Provider group", "service": "Service"}[what]
    return Table([title, *ratings_report.COLUMNS], rows, over_all=over_all if rows else [])


def forecasts_kept(figures: Figures) -> Table:
    """Ranges told whose later date is gone: how many held, by the month in which they were told.

    "Almost certainly" means 85 of 100. What was declined or cancelled is left out.
    """
    rows: list[list[Any]] = []
    for month in _months(figures):
        told, likely, certain = (
            figures.number("forecast", month, key) for key in ("told", "likely", "certain")
        )
        rows.append([_named(month), told, likely, _percent(likely, told), certain,
                     _percent(certain, told)])  # fmt: skip
    all_told, likely, certain = (sum(row[n] for row in rows) for n in (1, 2, 4))
    totals = [all_told, likely, _percent(likely, all_told), certain, _percent(certain, all_told)]
    columns = ["Month", "Ranges told", "Done by the likely date", "In %",
               "Done by the almost certain date", "In % (meant: 85)"]  # fmt: skip
    return Table(columns, rows, over_all=totals)


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


REPORTS = {
    report.name: report
    for report in (
        Report(
            "open-by-age",
            "Open by age and group",
            "Every open request by the group that has it and the days since it came in.",
            open_by_age,
        ),
        Report(
            "closed-by-month",
            "Closed by month and kind",
            "What was fulfilled, declined or cancelled, by the month in which it ended.",
            closed_by_month,
            by_month=True,
        ),
        Report(
            "charged",
            "Charged and not charged",
            "Decisions after a passing test, and the amounts of the billing cases initiated.",
            charged_or_not,
            by_month=True,
        ),
        Report(
            "ratings-by-month",
            "How it went, by month",
            "Ratings by customers, by the month in which their requests were closed.",
            partial(ratings, "month"),
            by_month=True,
        ),
        Report(
            "ratings-by-group",
            "How it went, by provider group",
            "Ratings by customers of what each group fulfilled.",
            partial(ratings, "group"),
        ),
        Report(
            "ratings-by-service",
            "How it went, by service",
            "Ratings by customers of what was fulfilled about each service.",
            partial(ratings, "service"),
        ),
        Report(
            "forecasts",
            "Forecasts and what came of them",
            "Of the ranges told for requests, how many were right, by the month they were told in.",
            forecasts_kept,
            by_month=True,
        ),
    )
}
