"""What the pages of a provider group have in common: whose they are, their frame, Take next."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from fulfillment.actions.queue import CHECK_EVERY
from fulfillment.models import ProviderGroup, QueueCheck
from workflow import clock, paging
from workflow.machine import Refused
from workflow.worktime import hours_of, over_a_working_day

SIZE = 25


def group_of(request: HttpRequest, slug: str) -> ProviderGroup:
    """Fetching is the permission check: a group whose queues one may not open does not exist."""
    user: Any = request.user
    own = (m.group for m in user.own_memberships if user.is_active and m.group.slug == slug)
    groups = ProviderGroup.objects.visible_to(user).select_related("calendar")
    return next(own, None) or get_object_or_404(groups, slug=slug)


def works_here(request: HttpRequest, group: ProviderGroup) -> bool:
    """Whether the person is a member of the group, and so takes from its queues."""
    return group.pk in request.user.group_ids and not request.user.is_auditor


def leads_here(request: HttpRequest, group: ProviderGroup) -> bool:
    """Whether the person plans the group's schedule: its lead, or an administrator."""
    user = request.user
    return (group.pk in user.led_group_ids and not user.is_auditor) or user.is_superuser


def page_with(number: Any, count: int, first: list[Any]) -> Any:
    """The page of a list that was counted, with the rows of its first page; the rows of another
    one are for the caller to read."""
    paginator = paging.CappedPaginator([], SIZE)
    paginator._found = count
    page = paginator.get_page(number)
    page.object_list = first if page.number == 1 else []
    return page


def group_context(request: HttpRequest, group: ProviderGroup, here: str) -> dict[str, Any]:
    """The frame of every page of a group: its name, the tab, what this person may do here."""
    return {
        "group": group,
        "here": here,
        "works_here": works_here(request, group),
        "leads_here": leads_here(request, group),
    }


def checked(group: ProviderGroup, check: QueueCheck | None) -> dict[str, Any]:
    """When a member last opened the queue, and whether a working day has gone since (F3)."""
    stale = (
        check is not None
        and check.at < clock.now() - CHECK_EVERY  # else: no need to read the calendar
        and over_a_working_day(check.at, hours_of(group.calendar))
    )
    return {"check": check, "unopened": stale}


def take(
    request: HttpRequest, group: ProviderGroup, draw: Any, rest: Any, queue: str, said: str
) -> HttpResponse:
    """Press Take next (F4): on to what one got, or back with a sentence.

    `draw` takes the next one for the person or gives None; `rest` are the rows it drew from.
    """
    if not works_here(request, group):
        raise PermissionDenied
    try:
        taken = draw(group, by=request.user)
    except Refused as refused:
        messages.error(request, " ".join(refused.sentences))
        return redirect(f"fulfillment_{queue}", slug=group.slug)
    if taken is None:
        busy = "What is left is being taken by others at this moment: try again."
        empty = "Nothing is left to take: well done."
        messages.info(request, busy if rest(group).exists() else empty)
        return redirect(f"fulfillment_{queue}", slug=group.slug)
    messages.success(request, f"{taken.reference} {said}")
    return redirect(taken)
