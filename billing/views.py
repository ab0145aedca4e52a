"""The pages of billing: what waits, one case with its charge explained, what finance gets."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from billing import export
from billing.explain import LINES, NEEDS, checks, credits_of, explained
from billing.filters import BillingFilter, in_two, mine_first
from billing.models import BillingCase, BillingState, ChargeLine
from requests_app.views import plain_text_only
from workflow.exports import csv_response
from workflow.prepared import hand_over
from workflow.two_lists import page_of_two

SIZE = 25
CHUNK = 500
COLUMNS = [
    ("Reference", "reference"),
    ("State", "get_state_display"),
    ("Request", "request.reference"),
    ("Title", "request.title"),
    ("Agency", "request.agency.name"),
    ("Avenue", "get_avenue_display"),
    ("Finance number", "finance_number"),
    ("Purchase order", "purchase_order.number"),
    ("Total", "total"),
    ("Currency", "currency"),
    ("Opened", "opened_at"),
    ("Initiated", "initiated_at"),
    ("Billed from", "starts_on"),
    ("Times returned", "times_returned"),
]


def _filtered(request: HttpRequest) -> tuple[BillingFilter, Any]:
    """The filter, and what it found in the order of the page."""
    cases = BillingCase.objects.visible_to(request.user)
    shown = cases.select_related(*NEEDS).prefetch_related(LINES)
    filtered = BillingFilter(request.GET, queryset=shown, request=request)
    return filtered, mine_first(filtered.qs, request.user)


# /billing/


ROW = (
    "reference", "state", "state_since", "avenue", "currency", "finance_number", "times_returned",
    "opened_at", "request__reference", "request__title", "request__agency__name",
    "request__agency__known_to_billing",
)  # fmt: skip


@login_required
@plain_text_only
@require_safe
def case_list(request: HttpRequest) -> HttpResponse:
    """Billing cases, those that wait for me on top (F12)."""
    if request.GET.get("export") == "csv":
        return csv_response(_filtered(request)[1].iterator(CHUNK), COLUMNS, "billing.csv")
    every = BillingCase.objects.visible_to(request.user)
    filtered = BillingFilter(request.GET or None, queryset=every, request=request)
    first, rest = in_two(filtered.qs, request.user)
    shown = [rows.select_related("request__agency").only(*ROW) for rows in (first, rest)]
    page, found = page_of_two(
        request.user, request.GET.get("page"), *shown, SIZE, **filtered.choices_that_occur()
    )
    filtered.read_already(found)
    lines = ChargeLine.objects.filter(case__in=[case.pk for case in page.object_list])
    hand_over(page.object_list, "lines", list(lines.only("case", "quantity", "rate")))
    context = {"filter": filtered, "choices": filtered.occurring, "page": page}
    return render(request, "billing/list.html", context)


@login_required
@plain_text_only
@require_safe
def case_export(request: HttpRequest) -> HttpResponse:
    """Every line of the filtered cases for finance, as CSV or JSON (F13)."""
    _, cases = _filtered(request)
    if request.GET.get("format") == "json":
        return export.as_json(cases.iterator(CHUNK), "billing-lines.json")
    return export.as_csv(cases.iterator(CHUNK), "billing-lines.csv")


# /billing/<ref>/


def _case(request: HttpRequest, reference: str) -> BillingCase:
    """Fetching is the permission check: the case, or 404 where it is not theirs to see."""
    cases = BillingCase.objects.visible_to(request.user).select_related(*NEEDS)
    return get_object_or_404(cases.prefetch_related(LINES), reference=reference.upper())


@login_required
@plain_text_only
@require_safe
def case_page(request: HttpRequest, reference: str) -> HttpResponse:
    """One case: each amount with rate version, quantity and evidence (F13)."""
    case: Any = _case(request, reference)
    case.explained = explained(case)
    case.checks = checks(case) if _waits(case) else []
    case.credited = credits_of([case]).get(case.pk)
    others = BillingCase.objects.filter(request=case.request_id).exclude(pk=case.pk)
    return render(request, "billing/case.html", {"case": case, "others": others})


def _waits(case: BillingCase) -> bool:
    return case.state in (BillingState.DRAFT, BillingState.FORWARDED)


@login_required
@plain_text_only
@require_safe
def case_file(request: HttpRequest, reference: str, kind: str) -> HttpResponse:
    """One case as a file: CSV, JSON or PDF (F13)."""
    case = _case(request, reference)
    if kind == "csv":
        return export.as_csv([case], f"{case.reference}.csv")
    if kind == "json":
        return export.as_json([case], f"{case.reference}.json")
    if kind == "pdf":
        return export.as_pdf(case)
    raise Http404
