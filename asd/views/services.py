"""The catalogue of services, and one service with its steps (D10, F14)."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from asd.actions import add_service, edit_service, keeps_services
from asd.filters import ServiceFilter
from asd.forms import STEP_FORMS, ServiceForm, StepForm
from asd.models import AgencyService, Agreement, CoveredService, Service
from asd.views.pages import CHUNK, page_of
from workflow import clock
from workflow.actors import as_actor
from workflow.door import advance
from workflow.exports import csv_response
from workflow.machine import Refused, find_step

SERVICE_COLUMNS = [
    ("Service", "name"),
    ("State", "get_state_display"),
    ("Provider group", "provider_group.name"),
    ("Owner", "owner"),
    ("Live since", "live_on"),
    ("Agreements that cover it", "covered_by"),
    ("Agencies that use it", "used_by_count"),
    ("Description", "description"),
]
# /asd/services/


def _counted(services: Any) -> Any:
    """With how many agreements in force cover a service and how many agencies use it."""
    day = clock.today()
    covered = CoveredService.objects.filter(
        service=OuterRef("pk"), agreement__in=Agreement.objects.in_force(day)
    )
    used = AgencyService.objects.filter(service=OuterRef("pk"))
    used = used.filter(Q(until__isnull=True) | Q(until__gte=day))
    return services.annotate(covered_by=_number(covered), used_by_count=_number(used))


def _number(rows: QuerySet[Any]) -> Coalesce:
    """How many there are for the row of the list: counted for the rows of a page alone."""
    count = rows.order_by().values("service").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(count), 0)


@login_required
@require_safe
def service_list(request: HttpRequest) -> HttpResponse:
    """What the organisation offers, and how much of it is covered and used."""
    services = Service.objects.visible_to(request.user).select_related("provider_group", "owner")
    filtered = ServiceFilter(request.GET, queryset=_counted(services).order_by("name", "pk"))
    if request.GET.get("export") == "csv":
        return csv_response(filtered.qs.iterator(CHUNK), SERVICE_COLUMNS, "services.csv")
    context = {
        "filter": filtered,
        "page": page_of(request, filtered.qs),
        "keeps": keeps_services(request.user),
    }
    return render(request, "asd/services.html", context)


def _service(request: HttpRequest, slug: str) -> Service:
    services = Service.objects.visible_to(request.user)
    return get_object_or_404(
        services.select_related("provider_group", "owner", "origin_request__agency"), slug=slug
    )


@login_required
@require_http_methods(["GET", "POST"])
def service_form(request: HttpRequest, slug: str = "") -> HttpResponse:
    """A new service begins as proposed; an existing one keeps its state (D10)."""
    if not keeps_services(request.user):
        raise PermissionDenied("The ASD manager keeps the services.")
    service = _service(request, slug) if slug else None
    form = ServiceForm(request.POST or None, instance=service)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        if service is None:
            saved = add_service(by=request.user, **fields)
            messages.success(request, f"{saved} is in the database as proposed.")
        else:
            saved = edit_service(service, by=request.user, **fields)
            messages.success(request, f"{saved} is saved.")
        return redirect(saved)
    status = 422 if request.method == "POST" else 200
    if service is not None:
        service.refresh_from_db()
    return render(request, "asd/service_form.html", {"form": form, "service": service},
                  status=status)  # fmt: skip


@login_required
@require_safe
def service_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One service: who provides, covers, pays and uses it, and what can be done with it."""
    return _service_page(request, _service(request, slug))


def _service_page(
    request: HttpRequest,
    service: Service,
    *,
    bound: tuple[str, StepForm] | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    coverage = service.coverage.select_related("agreement__agency").order_by(
        "agreement__agency__name", "-agreement__starts_on"
    )
    context = {
        "service": service,
        "keeps": keeps_services(request.user),
        "steps": _steps(request, service, bound),
        "refusal": refusal,
        "coverage": coverage,
        "rates": service.rates.select_related("agreement__agency").order_by(
            "agreement__agency__name", "unit", "-valid_from"
        ),
        "uses": service.used_by.select_related("agency").order_by("agency__name", "-since"),
        "updates": service.updates.visible_to(request.user).select_related("request__agency")[:10],
        "origin_visible": service.origin_request is not None
        and type(service.origin_request)
        .objects.visible_to(request.user)
        .filter(pk=service.origin_request_id)
        .exists(),
        "today": clock.today(),
    }
    return render(request, "asd/service.html", context, status=status)


def _steps(
    request: HttpRequest, service: Service, bound: tuple[str, StepForm] | None
) -> list[dict[str, Any]]:
    """What this person can do with the service now, each with its form."""
    found = []
    for name, (label, form) in STEP_FORMS.items():
        row = find_step(service, name)
        if row is None or not row.allowed(service, as_actor(request.user)):
            continue
        shown = bound[1] if bound and bound[0] == name else form(auto_id=f"{name}-%s")
        danger = name in ("retire", "cancel_service")
        found.append({"name": name, "label": label, "form": shown, "danger": danger})
    return found


@login_required
@require_POST
def service_step(request: HttpRequest, slug: str, step: str) -> HttpResponse:
    """Move a service through the door; what does not do is said on its page (D10, F14)."""
    service = _service(request, slug)
    if step not in STEP_FORMS:
        raise Http404
    form = STEP_FORMS[step][1](request.POST, auto_id=f"{step}-%s")
    if not form.is_valid():
        return _service_page(request, service, bound=(step, form), status=422)
    try:
        moved = advance(service, step, by=request.user, **form.cleaned_data)
    except Refused as refused:
        return _service_page(request, _service(request, slug), refusal=str(refused), status=409)
    except ValidationError as error:
        form.add_error(None, error)
        return _service_page(request, service, bound=(step, form), status=422)
    messages.success(request, f"{moved} is now: {moved.get_state_display().lower()}.")
    return redirect(moved)
