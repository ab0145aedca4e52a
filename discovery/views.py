"""The pages of discoveries, proposals and the parts list (D1, D8, D12). All of them only read."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page
from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from discovery import pdf
from discovery.filters import (
    TO_DO,
    DiscoveryFilter,
    PartFilter,
    PartLineFilter,
    ProposalFilter,
)
from discovery.models import (
    Discovery,
    Need,
    Part,
    PartLine,
    PartRate,
    Proposal,
    ProposalLine,
    PublishedList,
    TeamMember,
)
from workflow.exports import csv_response
from workflow.models import User
from workflow.paging import Chained, page_of
from workflow.prepared import HowMany, hand_over
from workflow.two_lists import page_of_two

SIZE = 25
CHUNK = 500
Columns = list[tuple[str, str | Callable[[Any], Any]]]

DISCOVERY_COLUMNS: Columns = [
    ("Request", "request.reference"),
    ("Title", "request.title"),
    ("Agency", "request.agency.name"),
    ("Pass", "number"),
    ("Stage", "get_state_display"),
    ("Started", "started_at"),
    ("In this stage since", "state_since"),
    ("Determination", "get_determination_display"),
    ("Ending", "get_ending_display"),
    ("Representative", "request.representative"),
    ("Team", lambda d: ", ".join(str(m.user) for m in d.members)),
]
PROPOSAL_COLUMNS: Columns = [
    ("Reference", "reference"),
    ("Version", "version"),
    ("Request", "request.reference"),
    ("Title", "request.title"),
    ("Agency", "request.agency.name"),
    ("State", "get_state_display"),
    ("One-off", "one_off_total"),
    ("Per month", "monthly_total"),
    ("Currency", "currency"),
    ("Valid until", "valid_until"),
    ("Issued", "issued_at"),
    ("Answered", "answered_at"),
    ("Answered by", "answered_by"),
]
DISCOVERY_ROW = (
    "number", "state", "state_since", "started_at", "request__reference", "request__title",
    "request__held_since", "request__agency__name", "request__representative__username",
    "request__representative__first_name", "request__representative__last_name",
)  # fmt: skip
PROPOSAL_ROW = (
    "reference", "version", "state", "state_since", "currency", "valid_until", "answered_by",
    "request__reference", "request__title", "request__agency__name",
)  # fmt: skip
PART_COLUMNS: Columns = [
    ("Number", "number"),
    ("Name", "name"),
    ("Unit", "unit"),
    ("Rate", "current_rate.rate"),
    ("Currency", "current_rate.currency"),
    ("Rate version", "current_rate.version"),
    ("Billing code", "current_rate.billing_code"),
    ("Valid from", "current_rate.valid_from"),
    ("In use", lambda p: "yes" if p.is_active else "no"),
]
LINE_COLUMNS: Columns = [
    ("Request", "request.reference"),
    ("Agency", "request.agency.name"),
    ("Part", "name"),
    ("Number", "part.number"),
    ("Change", "get_change_display"),
    ("Quantity", "quantity"),
    ("Received", "quantity_received"),
    ("State", "get_state_display"),
    ("Proposed rate", "proposed_rate"),
    ("Rate", "rate.rate"),
    ("Needed by", "needed_by"),
    ("Expected", "expected_on"),
    ("Vendor", "vendor"),
    ("Released", "released_at"),
]
PUBLISHED_COLUMNS: Columns = [
    ("Number", "part"),
    ("Name", "name"),
    ("Unit", "unit"),
    ("Rate", "rate"),
    ("Currency", "currency"),
    ("Rate version", "version"),
    ("Billing code", "billing_code"),
]


def _page(request: HttpRequest, rows: Any) -> Page:
    return page_of(rows, request.GET.get("page"), SIZE)


# /discovery/


def _team() -> Prefetch:
    members = TeamMember.objects.filter(left_at__isnull=True).select_related("user")
    return Prefetch("team", members, to_attr="members")


def _needs(which: Q) -> Coalesce:
    """How many needs a discovery has: counted for the rows of a page alone."""
    needs = Need.objects.filter(which, discovery=OuterRef("pk")).order_by()
    count = needs.values("discovery").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(count), 0)


@login_required
@require_safe
def discoveries(request: HttpRequest) -> HttpResponse:
    """The open discoveries with their stage and age, the oldest first (D1)."""
    ended = request.GET.get("ended") or request.GET.getlist("stage")
    every = Discovery.objects
    every = every.visible_to(request.user) if ended else every.open_visible_to(request.user)
    rows = every.select_related("request__agency", "request__representative").annotate(
        judged=_needs(~Q(verdict="")), wanted=_needs(Q())
    )
    rows = rows.order_by("started_at", "pk")
    found = DiscoveryFilter(request.GET, queryset=rows, request=request)
    if request.GET.get("export") == "csv":
        named = found.qs.prefetch_related(_team())
        return csv_response(named, DISCOVERY_COLUMNS, "discoveries.csv")
    shown = found.qs.only(*DISCOVERY_ROW)
    page, beside = page_of_two(
        request.user, request.GET.get("page"), shown, shown.none(), SIZE,
        **found.choices_that_occur(),
    )  # fmt: skip
    found.read_already(beside)
    prefetch_related_objects(page.object_list, _team())
    context = {"filter": found, "choices": found.occurring, "page": page}
    return render(request, "discovery/list.html", context)


# /proposals/


def _visible(request: HttpRequest) -> QuerySet[Proposal]:
    return (
        Proposal.objects.visible_to(request.user)
        .select_related(
            "request__agency",
            "request__contact",
            "pdf",
            "evidence",
            "discovery",
            "answer__contact",
            "answer__recorded_by",
        )
        .prefetch_related("lines__part_rate__part")
    )


@login_required
@require_safe
def proposals(request: HttpRequest) -> HttpResponse:
    """The latest version of every proposal; what waits for an answer comes first (D8)."""
    export = request.GET.get("export") == "csv"
    same = Proposal.objects.filter(reference=OuterRef("reference"))
    rows = _visible(request) if export else Proposal.objects.visible_to(request.user)
    latest = rows.filter(~Exists(same.filter(version__gt=OuterRef("version"))))
    found = ProposalFilter(request.GET or None, queryset=latest.order_by("-pk"), request=request)
    waits = Q(state="issued")
    in_two = found.qs.filter(waits), found.qs.exclude(waits)
    if export:
        return csv_response(Chained(*in_two).iterator(CHUNK), PROPOSAL_COLUMNS, "proposals.csv")
    shown = [rows.select_related("request__agency").only(*PROPOSAL_ROW) for rows in in_two]
    page, beside = page_of_two(
        request.user, request.GET.get("page"), *shown, SIZE, **found.choices_that_occur()
    )
    found.read_already(beside)
    lines = ProposalLine.objects.filter(proposal__in=[row.pk for row in page.object_list])
    lines = lines.only("proposal", "kind", "quantity", "rate")
    hand_over(page.object_list, "lines", list(lines))
    context = {"filter": found, "choices": found.occurring, "page": page}
    return render(request, "discovery/proposals.html", context)


def _version(request: HttpRequest, reference: str) -> Proposal:
    """The version asked for, or the latest; 404 where the request is not theirs to see."""
    versions = _visible(request).filter(reference=reference.upper())
    wanted = request.GET.get("version", "")
    if not wanted:
        found = versions.order_by("-version").first()
        if found is None:
            raise Http404
        return found
    if not (wanted.isascii() and wanted.isdigit()) or len(wanted) > 4:
        raise Http404
    return get_object_or_404(versions, version=int(wanted))


@login_required
@require_safe
def proposal_page(request: HttpRequest, reference: str) -> HttpResponse:
    """One version as the customer reads it, and what became of every version (D8, D9)."""
    proposal = _version(request, reference)
    versions = Proposal.objects.filter(reference=proposal.reference).order_by("-version")
    context = {
        "proposal": proposal,
        "req": proposal.request,
        "lines": proposal.lines.all(),
        "answer": getattr(proposal, "answer", None),
        "versions": versions.prefetch_related("lines"),
        "orders": proposal.purchase_orders.select_related("attachment", "recorded_by"),
    }
    return render(request, "discovery/proposal.html", context)


@login_required
@require_safe
def proposal_file(request: HttpRequest, reference: str) -> HttpResponse:
    """The PDF that lies on the case; of a draft, what it would be if it were issued now (D8)."""
    proposal = _version(request, reference)
    name = f"{proposal.reference}-v{proposal.version}.pdf"
    if proposal.pdf is None:
        made = HttpResponse(pdf.proposal_pdf(proposal), content_type="application/pdf")
        made["Content-Disposition"] = f'inline; filename="draft-{name}"'
        return made
    try:
        content = proposal.pdf.file.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    return FileResponse(content, filename=name, content_type="application/pdf")


# /parts/


def _rates() -> Prefetch:
    """Every version of a part's rate, with who documented it."""
    return Prefetch("rates", PartRate.objects.select_related("documented_by"))


@login_required
@require_safe
def parts(request: HttpRequest) -> HttpResponse:
    """The parts list with every rate version, and how often it was published (D12)."""
    rows = Part.objects.visible_to(request.user)
    found = PartFilter(request.GET, queryset=rows, request=request)
    if request.GET.get("export") == "csv":
        return csv_response(found.qs.prefetch_related(_rates()), PART_COLUMNS, "parts.csv")
    open_lines = PartLine.objects.visible_to(request.user).unfinished()
    page, beside = page_of_two(
        request.user, request.GET.get("page"), found.qs, found.qs.none(), SIZE,
        published=PublishedList.objects.defer("rows").select_related("published_by")[:5],
        open=User.objects.filter(pk=request.user.pk).values_list(HowMany(open_lines)),
    )  # fmt: skip
    prefetch_related_objects(page.object_list, _rates())
    context = {
        "filter": found,
        "page": page,
        "published": beside["published"],
        "open_lines": beside["open"][0][0],
    }
    return render(request, "discovery/parts.html", context)


@login_required
@require_safe
def part_lines(request: HttpRequest) -> HttpResponse:
    """The open part lines: what the billing office has to rate, code and list next (D12)."""
    rows = (
        PartLine.objects.visible_to(request.user)
        .select_related("request__agency", "part", "rate")
        .order_by(F("needed_by").asc(nulls_last=True), "pk")
    )
    found = PartLineFilter(request.GET, queryset=rows, request=request)
    if request.GET.get("export") == "csv":
        return csv_response(found.qs, LINE_COLUMNS, "part-lines.csv")
    context = {"filter": found, "page": _page(request, found.qs), "to_do": dict(TO_DO)}
    return render(request, "discovery/part_lines.html", context)


@login_required
@require_safe
def published_list(request: HttpRequest, number: int) -> HttpResponse:
    """The parts list as it was published under this number (D12)."""
    published = get_object_or_404(PublishedList, number=min(number, 2_147_483_647))
    return csv_response(published.rows, PUBLISHED_COLUMNS, f"parts-list-{published.number}.csv")
