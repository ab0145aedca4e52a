"""The page of a group's people: hours, leave, load, what its days hold (F1, F5)."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from fulfillment.models import Membership, ProviderGroup
from fulfillment.pages import group_context, group_of, leads_here
from fulfillment.people import days_held, people_of
from fulfillment.people_forms import HoursForm
from fulfillment.short_days import days_short
from workflow.forms import LeaveForm
from workflow.leave import add_leave, take_back
from workflow.leave_models import Leave


def _page(
    request: HttpRequest,
    group: ProviderGroup,
    bound: dict[tuple[int, str], Any] | None = None,
) -> HttpResponse:
    people = people_of(group)
    context = group_context(request, group, "people")
    if context["leads_here"]:
        for person in people:
            pk, user = person.member.pk, person.member.user
            person.forms = {
                "hours": HoursForm(member=person.member),
                "leave": LeaveForm(instance=Leave(user=user), prefix=f"leave-{pk}"),
            }
            for (whose, name), form in (bound or {}).items():
                if whose == pk:
                    person.forms[name] = form
    context |= {
        "people": people,
        "days": days_held(group, people),
        "short": days_short(group),
    }
    return render(request, "fulfillment/people.html", context, status=422 if bound else 200)


@login_required
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Members with hours, leave and load; the lead keeps them here."""
    return _page(request, group_of(request, slug))


def _member(request: HttpRequest, group: ProviderGroup, pk: int) -> Membership:
    if not leads_here(request, group):
        raise PermissionDenied
    return get_object_or_404(group.memberships.select_related("user", "group"), pk=pk)


def _back(request: HttpRequest, group: ProviderGroup, done: str, said: list[str]) -> HttpResponse:
    messages.success(request, done)
    for sentence in said:
        messages.warning(request, sentence)
    return redirect("fulfillment_people", slug=group.slug)


@login_required
@require_POST
def hours(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Part time, by weekday."""
    group = group_of(request, slug)
    member = _member(request, group, pk)
    form = HoursForm(request.POST, member=member)
    if not form.is_valid():
        return _page(request, group, {(pk, "hours"): form})
    said = form.save(by=request.user)
    return _back(request, group, f"The hours of {member.user} are saved.", said)


@login_required
@require_POST
def leave(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Days off of a member."""
    group = group_of(request, slug)
    member = _member(request, group, pk)
    form = LeaveForm(request.POST, instance=Leave(user=member.user), prefix=f"leave-{pk}")
    if not form.is_valid():
        return _page(request, group, {(pk, "leave"): form})
    said = add_leave(form.save(commit=False), by=request.user)
    return _back(request, group, f"The leave of {member.user} is entered.", said)


@login_required
@require_POST
def leave_delete(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A member is there after all."""
    group = group_of(request, slug)
    if not leads_here(request, group):
        raise PermissionDenied
    row = get_object_or_404(Leave, pk=pk, user__memberships__group=group)
    said = take_back(row, by=request.user)
    return _back(request, group, f"The leave of {row.user} is taken back.", said)
