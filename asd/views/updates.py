"""The ASD updates that charged requests ask for (F14)."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from asd.actions import keeps_services
from asd.filters import UpdateFilter
from asd.models import ServiceUpdate, UpdateState
from asd.views.pages import CHUNK, page_of
from workflow.exports import csv_response
from workflow.paging import Chained

COLUMNS = [
    ("Request", "request.reference"),
    ("Agency", "request.agency.name"),
    ("Service", "service.name"),
    ("Change", "change"),
    ("Quantity", "quantity"),
    ("From", "starts_on"),
    ("State", "get_state_display"),
    ("Asked for by", "requested_by"),
    ("Since", "state_since"),
]


# /asd/updates/


@login_required
@require_safe
def update_list(request: HttpRequest) -> HttpResponse:
    """ASD updates, those that wait on top; the ASD manager applies them from here (F14)."""
    updates = ServiceUpdate.objects.visible_to(request.user).select_related(
        "request__agency", "service", "requested_by"
    )
    filtered = UpdateFilter(request.GET, queryset=updates.order_by("-pk"))
    waits = Q(state=UpdateState.REQUESTED)
    waiting_first = Chained(filtered.qs.filter(waits), filtered.qs.exclude(waits))
    if request.GET.get("export") == "csv":
        return csv_response(waiting_first.iterator(CHUNK), COLUMNS, "asd-updates.csv")
    page = page_of(request, waiting_first)
    context = {"filter": filtered, "page": page, "applies": keeps_services(request.user)}
    return render(request, "asd/updates.html", context)
