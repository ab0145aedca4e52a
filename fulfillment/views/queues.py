"""The pages of a provider group: its home, two queues and work list (F2-F6)."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, IntegerField, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from fulfillment import accuracy, burndown, list_pages, lists
from fulfillment.actions.queue import next_pending, noted, take_next
from fulfillment.filters import PendingFilter, WorkFilter
from fulfillment.forms import BulkAssignForm, members_of
from fulfillment.models import ProviderGroup
from fulfillment.pages import SIZE, checked, group_context, group_of, page_with, take
from requests_app.models import Request
from workflow.exports import csv_response
from workflow.machine import Refused
from workflow.models import User
from workflow.prepared import HowMany, read
from workflow.registry import InvalidFacts, perform

REQUEST_COLUMNS: list[tuple[str, Callable[[Any], Any]]] = [
    ("Reference", lambda r: r.reference),
    ("Title", lambda r: r.title),
    ("Agency", lambda r: r.agency.name),
    ("Service", lambda r: r.service.name if r.service else ""),
    ("Priority", lambda r: r.get_priority_display()),
    ("Due", lambda r: r.due_at.date() if r.due_at else ""),
    ("On hold", lambda r: "yes" if r.is_on_hold else "no"),
    ("Received", lambda r: r.created_at.date()),
]
WORK_COLUMNS: list[tuple[str, Callable[[Any], Any]]] = [
    *[(title, lambda w, value=value: value(w.req)) for title, value in REQUEST_COLUMNS],
    ("State", lambda w: w.req.get_state_display()),
    ("Specialist", lambda w: str(w.req.specialist or "")),
    ("Planned from", lambda w: w.entry.first_day if w.entry else ""),
    ("Planned to", lambda w: w.entry.last_day if w.entry else ""),
    ("Plan items", lambda w: len(w.live)),
    ("Estimated hours", lambda w: w.estimated),
    ("Spent hours", lambda w: w.spent),
    ("Left hours", lambda w: w.left),
    ("Done %", lambda w: w.percent),
]


@login_required
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """Own groups first, then the others one may look into: what waits, what nobody checked (F3)."""
    own = request.user.group_ids
    groups = (
        ProviderGroup.objects.visible_to(request.user)
        .filter(is_active=True)
        .annotate(others=Case(When(pk__in=own, then=0), default=1, output_field=IntegerField()))
        .order_by("others", "name")
    )
    shown = groups.select_related("calendar")
    counted = User.objects.filter(pk=request.user.pk).values_list(HowMany(groups))
    found = read(count=counted, page=shown[:SIZE])
    page = page_with(request.GET.get("page"), found["count"][0][0], found["page"])
    if page.number > 1:
        page.object_list = list(shown[page.start_index() - 1 :][:SIZE])
    context = {"glances": lists.glance(page.object_list, request.user), "page": page}
    return render(request, "fulfillment/queues.html", context)


@login_required
@require_safe
def group_home(request: HttpRequest, slug: str) -> HttpResponse:
    """A group's home: both queues with counts, oldest, at risk; its people and their load (F3)."""
    group = group_of(request, slug)
    glance = lists.glance([group], request.user)[0]
    context = {"glance": glance, "people": members_of(group.pk)}
    context |= group_context(request, group, "home")
    return render(request, "fulfillment/group.html", context)


@login_required
@require_safe
def pending(request: HttpRequest, slug: str) -> HttpResponse:
    """The CRM Pending Queue of a group: take or assign (F2, F4, F5)."""
    group = group_of(request, slug)
    if request.GET.get("export") == "csv":
        rows = lists.pending(group, request.user)
        found = PendingFilter(request.GET, queryset=rows, request=request).qs
        return csv_response(found.iterator(), REQUEST_COLUMNS, f"{group.slug}-pending.csv")
    shown = list_pages.pending(request, group)
    check = noted(group, "pending", request.user, next(iter(shown.found["check"]), None))
    form = BulkAssignForm(group=group, members=shown.found["members"], label_suffix="")
    context = {
        "filter": shown.filter,
        "choices": shown.choices,
        "page": shown.page,
        "assign_form": form,
        **checked(group, check),
        "rule": lists.RULE,
    }
    context |= group_context(request, group, "pending")
    return render(request, "fulfillment/pending.html", context)


@login_required
@require_POST
def take_next_pending(request: HttpRequest, slug: str) -> HttpResponse:
    """The one big button: the right request under the rule (F4)."""
    group = group_of(request, slug)
    return take(request, group, take_next, next_pending, "pending", "is yours now.")


@login_required
@require_POST
def assign(request: HttpRequest, slug: str) -> HttpResponse:
    """Several at once: each through its own guards, each with its own answer (F5)."""
    group = group_of(request, slug)
    form = BulkAssignForm(request.POST, group=group)
    one = request.POST.get("only")
    wanted = [one] if one else request.POST.getlist("request")[:SIZE]
    if not form.is_valid():
        messages.error(request, "Choose the specialist to assign to.")
    elif not wanted:
        messages.error(request, "Tick at least one request.")
    else:
        _assign_each(request, group, wanted, form.cleaned_data["specialist"])
    return redirect("fulfillment_pending", slug=group.slug)


def _assign_each(
    request: HttpRequest, group: ProviderGroup, references: list[str], specialist: Any
) -> None:
    visible = Request.objects.visible_to(request.user).filter(provider_group=group)
    done = []
    for req in visible.filter(reference__in=references):
        try:
            perform(req, "assign", by=request.user, data={"specialist": specialist.pk})
            done.append(req.reference)
        except PermissionDenied:
            messages.error(request, f"{req.reference}: only members of {group} can assign it.")
        except (Refused, InvalidFacts, ValidationError) as refused:
            messages.error(request, f"{req.reference}: {refused}")
    if done:
        messages.success(request, f"Assigned to {specialist}: {', '.join(done)}.")


@login_required
@require_safe
def worklist(request: HttpRequest, slug: str) -> HttpResponse:
    """Every plan of the group with estimated, spent and left (F6).

    `totals` adds up a long list; fetched for itself it is the totals alone.
    """
    group = group_of(request, slug)
    printed = request.GET.get("view") == "print"
    if printed or request.GET.get("export") == "csv":
        rows = lists.worklist(group, request.user)
        found = WorkFilter(request.GET, queryset=rows, request=request).qs
    if request.GET.get("export") == "csv":
        everything = lists.work_rows(found.iterator(chunk_size=500))
        return csv_response(everything, WORK_COLUMNS, f"{group.slug}-worklist.csv")
    context: dict[str, Any] = {}
    every = request.GET.get("totals") == "all"
    if printed:
        context["works"] = lists.work_rows(lists.shown(found)[:500])
    else:
        shown = list_pages.worklist(request, group)
        context |= {"filter": shown.filter, "choices": shown.choices, "page": shown.page}
        context["totals"] = list_pages.work_totals(shown, every=every)
        if every and request.htmx:
            return render(request, "fulfillment/_work_totals.html", context)
        context["works"] = list_pages.works(shown)
    context |= group_context(request, group, "worklist")
    template = "worklist_print" if printed else "worklist"
    return render(request, f"fulfillment/{template}.html", context)


@login_required
@require_safe
def figures(request: HttpRequest, slug: str) -> HttpResponse:
    """How the group's hours went down and how good its estimates were (F6).

    Read for itself, below the work list: it looks back over hundreds of plans.
    """
    group = group_of(request, slug)
    context = {
        "burn": burndown.of_group(group, request.user),
        "accuracies": accuracy.of_group(group, request.user),
        **group_context(request, group, "worklist"),
    }
    name = "_figures" if request.htmx else "figures"
    return render(request, f"fulfillment/{name}.html", context)
