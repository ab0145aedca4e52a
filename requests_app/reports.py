"""The pages of the reports: open, closed, charged, and how it went, as they were counted last."""

import threading
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET, require_POST

from requests_app import ratings_report, tasks
from requests_app.report_models import ReportCount, first_month
from requests_app.report_tables import REPORTS, Figures, Report
from requests_app.views import plain_text_only
from workflow import clock
from workflow.exports import csv_response
from workflow.models import User

PERIODS = (3, 6, 12, 24)
MOST_ROWS, SHOWN_ROWS = 200, 12


def _period(request: HttpRequest) -> int:
    asked = request.GET.get("months", "")
    return int(asked) if asked in map(str, PERIODS) else 12


def _frame(user: User, months: int) -> dict[str, Any]:
    """What all pages of reports show: the period, and how old the figures are."""
    return {
        "months": months,
        "periods": PERIODS,
        "counted": ReportCount.latest(),
        "may_count": may_count(user),
        "most_rows": MOST_ROWS,
    }


def may_count(user: Any) -> bool:
    """Who oversees the office may have its figures counted again."""
    return user.is_superuser or (user.is_representative and not user.is_auditor)


@login_required
@require_POST
def count_again(request: HttpRequest) -> HttpResponse:
    """Ask for new figures: a worker counts them, nobody waits for it here."""
    if not may_count(request.user):
        raise PermissionDenied("Account representatives have the reports counted.")
    ReportCount.objects.update_or_create(pk=1, defaults={"asked_at": clock.now()})
    transaction.on_commit(
        lambda: threading.Thread(target=tasks.nudge_reports, name="reports", daemon=True).start()
    )
    messages.info(request, "The figures are being counted: look again in a moment.")
    return redirect("requests_reports")


@login_required
@plain_text_only
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All of them on one page, and what customers wrote with their ratings."""
    user: Any = request.user
    months = _period(request)
    figures = Figures(user, months)
    tables = [(report, _later(report, figures)) for report in REPORTS.values()]
    comments = ratings_report.comments_for(user, first_month(months))
    context = {"reports": tables, "comments": comments, **_frame(user, months)}
    context |= {"scope": figures.scope, "most_rows": max(SHOWN_ROWS, months)}
    return render(request, "reports/index.html", context)


def _later(report: Report, figures: Figures) -> Any:
    """The table of a report, read when it is drawn: not where it was drawn for the same figures."""
    return SimpleLazyObject(lambda: report.read(figures))


@login_required
@plain_text_only
@require_GET
def report(request: HttpRequest, name: str) -> HttpResponse:
    """One of them, to read, to print, or as CSV."""
    if name not in REPORTS:
        raise Http404
    user: Any = request.user
    one, months = REPORTS[name], _period(request)
    table = one.read(Figures(user, months))
    if request.GET.get("export") == "csv":
        columns = [(title, lambda row, n=n: row[n]) for n, title in enumerate(table.columns)]
        download: Any = csv_response(table.rows, columns, f"{name}.csv")
        return download
    context = {"reports": [(one, table)], "only": one, **_frame(user, months)}
    context["scope"] = Figures(user, months).scope
    return render(request, "reports/index.html", context)
