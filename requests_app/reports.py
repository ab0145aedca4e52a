"""Plain reports over what a person may see: open, closed, charged, and how it went."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Round, TruncMonth
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.views.decorators.http import require_GET

from requests_app import ratings_report
from requests_app.models import Request
from requests_app.own_work import records_of
from requests_app.standing import late_q
from requests_app.states import CLOSED_STATES, Kind, S
from requests_app.views import plain_text_only
from workflow import clock
from workflow.exports import csv_response
from workflow.models import User

PERIODS = (3, 6, 12, 24)


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
    read: Callable[[User, int], Table]
    by_month: bool = False


def first_month(months: int) -> date:
    """The first day of the earliest of the last `months` months."""
    today = clock.today()
    back = today.year * 12 + today.month - months
    return date(back // 12, back % 12 + 1, 1)


def _months(months: int) -> list[date]:
    first = first_month(months)
    counted = (first.year * 12 + first.month - 1 + n for n in range(months))
    return [date(n // 12, n % 12 + 1, 1) for n in reversed(list(counted))]


def open_by_age(user: User, months: int) -> Table:
    """Open requests by provider group and days since intake, with what is overdue or held."""
    now = clock.now()
    edges = [now - timedelta(days=days) for days in (7, 30, 60)]
    late = late_q()
    found = (
        Request.objects.visible_to(user)
        .open()
        .order_by("provider_group__name")
        .values_list("provider_group__name", "provider_group")
        .annotate(
            week=Count("pk", filter=Q(created_at__gte=edges[0])),
            month=Count("pk", filter=Q(created_at__lt=edges[0], created_at__gte=edges[1])),
            two=Count("pk", filter=Q(created_at__lt=edges[1], created_at__gte=edges[2])),
            older=Count("pk", filter=Q(created_at__lt=edges[2])),
            all=Count("pk"),
            late=Count("pk", filter=late),
            held=Count("pk", filter=Q(held_since__isnull=False)),
        )
    )
    rows = list(found)
    return Table(
        ["Provider group", "Up to 7 days", "8 to 30", "31 to 60", "Over 60", "Open", "Overdue",
         "On hold"],
        [[name or "No group yet", *numbers] for name, _, *numbers in rows],
        [f"/requests/?scope=all&group={group}" if group else "" for _, group, *_ in rows],
    )  # fmt: skip


def closed_by_month(user: User, months: int) -> Table:
    """Requests that ended, by the month they ended in and by kind (F16)."""
    counted = {
        month.date(): numbers
        for month, *numbers in Request.objects.visible_to(user)
        .filter(state__in=CLOSED_STATES, closed_at__date__gte=first_month(months))
        .order_by()
        .annotate(month=TruncMonth("closed_at"))
        .values_list("month")
        .annotate(
            assistance=Count("pk", filter=Q(state=S.CLOSED, kind=Kind.ASSISTANCE)),
            enhancement=Count("pk", filter=Q(state=S.CLOSED, kind=Kind.ENHANCEMENT)),
            declined=Count("pk", filter=Q(state=S.DECLINED)),
            cancelled=Count("pk", filter=Q(state=S.CANCELLED)),
            all=Count("pk"),
        )
    }
    return Table(
        ["Month", "Assistance fulfilled", "Enhancement fulfilled", "Declined", "Cancelled",
         "Ended"],
        [[_named(m), *counted.get(m, [0] * 5)] for m in _months(months)],
    )  # fmt: skip


def _named(month: date) -> str:
    return date_format(month, "M Y")


def _decisions(user: User, months: int) -> QuerySet[Any]:
    """The last charge decision of every pass, by month and basis (F10)."""
    decisions = records_of("charge_decisions")
    visible = Request.objects.visible_to(user).values("pk")
    last = (
        decisions.filter(request__in=visible, at__date__gte=first_month(months))
        .order_by("request_id", "pass_number", "-pk")
        .distinct("request_id", "pass_number")
    )
    return (
        decisions.filter(pk__in=last.values("pk"))
        .order_by()
        .annotate(month=TruncMonth("at"))
        .values_list("month", "basis")
        .annotate(number=Count("pk"))
    )


def _amounts(user: User, months: int) -> QuerySet[Any]:
    """What was initiated and what of it was credited, by month and currency (F13)."""
    cases = records_of("billing_cases").visible_to(user)
    amount = Sum(Round(F("lines__quantity") * F("lines__rate"), precision=2))
    return (
        cases.filter(
            state__in=["initiated", "credited"], initiated_at__date__gte=first_month(months)
        )
        .order_by()
        .annotate(month=TruncMonth("initiated_at"))
        .values_list("month", "currency", "state")
        .annotate(amount=amount)
    )


def charged_or_not(user: User, months: int) -> Table:
    """Charge decisions after a passing test, either way with equal weight, and the money."""
    bases = dict(records_of("charge_decisions").model.Basis.choices)
    free = [basis for basis in bases if basis != "charged"]
    counted = {(m.date(), basis): n for m, basis, n in _decisions(user, months)}
    money = {(m.date(), c, s): amount or 0 for m, c, s, amount in _amounts(user, months)}
    currencies = sorted({currency for _, currency, _ in money}) or ["USD"]
    rows = [
        [
            _named(m),
            counted.get((m, "charged"), 0),
            *(
                money.get((m, currency, state), Decimal("0.00"))
                for currency in currencies
                for state in ("initiated", "credited")
            ),
            *(counted.get((m, basis), 0) for basis in free),
            sum(counted.get((m, basis), 0) for basis in free),
        ]
        for m in _months(months)
    ]
    sums = [f"{word} {c}" for c in currencies for word in ("Initiated", "Credited")]
    names = [str(bases[basis]) for basis in free]
    return Table(["Month", "Charged", *sums, *names, "Not charged"], rows)


def ratings(what: str, user: User, months: int) -> Table:
    """How customers say it went: how many, how well, how often badly."""
    first = first_month(months)
    rows = ratings_report.rows_by(user, first, what)
    title = {"month": "Closed in", "group": "Provider group", "service": "Service"}[what]
    over_all = ratings_report.total_of(user, first) if rows else []
    return Table([title, *ratings_report.COLUMNS], rows, over_all=over_all)


def forecasts_kept(user: User, months: int) -> Table:
    """Ranges told whose later date is gone: how many held, by the month in which they were told.

    "Almost certainly" means 85 of 100. What was declined or cancelled is left out.
    """
    visible = Request.objects.visible_to(user).exclude(state__in=[S.DECLINED, S.CANCELLED])
    counted = {
        month: numbers
        for month, *numbers in records_of("forecasts_told")
        .filter(
            request__in=visible.values("pk"),
            told_on__gte=first_month(months),
            p85_on__lt=clock.today(),
        )
        .order_by()
        .annotate(month=TruncMonth("told_on"))
        .values_list("month")
        .annotate(
            told=Count("pk"),
            likely=Count("pk", filter=Q(ended_on__lte=F("p50_on"))),
            certain=Count("pk", filter=Q(ended_on__lte=F("p85_on"))),
        )
    }
    rows: list[list[Any]] = []
    for month in _months(months):
        told, likely, certain = counted.get(month, [0, 0, 0])
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


def _period(request: HttpRequest) -> int:
    asked = request.GET.get("months", "")
    return int(asked) if asked in map(str, PERIODS) else 12


@login_required
@plain_text_only
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All of them on one page, and what customers wrote with their ratings."""
    user: Any = request.user
    months = _period(request)
    tables = [(report, report.read(user, months)) for report in REPORTS.values()]
    comments = ratings_report.comments_for(user, first_month(months))
    context = {"reports": tables, "months": months, "periods": PERIODS, "comments": comments}
    return render(request, "reports/index.html", context)


@login_required
@plain_text_only
@require_GET
def report(request: HttpRequest, name: str) -> HttpResponse:
    """One of them, to read, to print, or as CSV."""
    if name not in REPORTS:
        raise Http404
    user: Any = request.user
    one, months = REPORTS[name], _period(request)
    table = one.read(user, months)
    if request.GET.get("export") == "csv":
        columns = [(title, lambda row, n=n: row[n]) for n, title in enumerate(table.columns)]
        download: Any = csv_response(table.rows, columns, f"{name}.csv")
        return download
    context = {"reports": [(one, table)], "months": months, "periods": PERIODS, "only": one}
    return render(request, "reports/index.html", context)
