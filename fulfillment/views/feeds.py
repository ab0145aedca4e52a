"""Fetching a calendar by its secret address; getting a new address, or giving it up (F2)."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect
from django.utils.http import parse_etags
from django.views.decorators.http import require_POST, require_safe

from fulfillment import feeds
from fulfillment.models import ProviderGroup
from fulfillment.pages import group_of

OLD_ONE = "Programs that still use the one before read nothing any more."


@require_safe
def feed(request: HttpRequest, key: uuid.UUID, signed: str) -> HttpResponse:
    """The calendar of an address, or 404: wrong, revoked, or not the owner's to see any more."""
    found = feeds.find(key, signed)
    if found is None:
        raise Http404
    content = feeds.calendar_of(found)
    tag = feeds.tag_of(content)
    known = parse_etags(request.headers.get("If-None-Match", ""))
    answer: HttpResponse
    if tag in [one.removeprefix("W/") for one in known]:
        answer = HttpResponseNotModified()
    else:
        answer = HttpResponse(content, content_type="text/calendar; charset=utf-8")
        answer["Content-Disposition"] = 'inline; filename="schedule.ics"'
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


@login_required
@require_POST
def group_address(request: HttpRequest, slug: str) -> HttpResponse:
    """A new address of the group's calendar for oneself, or none any more."""
    group = group_of(request, slug)
    _change(request, group)
    return redirect("fulfillment_schedule", slug=group.slug)


@login_required
@require_POST
def own_address(request: HttpRequest) -> HttpResponse:
    """A new address of one's own calendar, or none any more."""
    if not request.user.group_ids:
        raise Http404
    _change(request, None)
    return redirect("workflow_account")


def _change(request: HttpRequest, group: ProviderGroup | None) -> None:
    if "revoke" in request.POST:
        feeds.revoke(request.user, group)
        messages.success(request, f"The address of the calendar is revoked. {OLD_ONE}")
        return
    feeds.new_address(request.user, group)
    messages.success(request, "The calendar has a new address. Subscribe to it in your calendar.")
