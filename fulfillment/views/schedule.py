"""The page of the 60-day schedule, and moving a card on it: preview, then the move (F2, F6)."""

import re
from datetime import date, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fulfillment import board, capacity
from fulfillment.actions.moving import last_move, version, why_not_undone
from fulfillment.actions.queue import noted
from fulfillment.actions.schedule import next_scheduled, pull_next, wish_of
from fulfillment.feeds import whole_address
from fulfillment.models import ProviderGroup, ScheduleEntry
from fulfillment.pages import checked, group_context, group_of, leads_here, take
from fulfillment.schedule_page import SchedulePage
from fulfillment.slot_forms import RescheduleForm
from fulfillment.slots import MOVABLE, slices_of
from fulfillment.what_if import WhatIf, what_if
from requests_app.models import Request
from requests_app.states import S
from workflow.action_forms import ActionForm
from workflow.actors import as_actor
from workflow.machine import Refused
from workflow.registry import InvalidFacts, offers, perform

BESIDE = {"swap_slot", "fix_slot", "unfix_slot", "set_earliest", "unschedule"}
MOVED = re.compile(r"([A-Z]+-\d{4}-\d{6,9})(?:\.(\d{1,8}))?", re.ASCII)


@login_required
@require_safe
def schedule(request: HttpRequest, slug: str) -> HttpResponse:
    """The 60-day schedule: what was missed, the weeks ahead, what waits for a slot (F2).

    `week` opens a week with all its cards; fetched for itself it is the cards alone.
    """
    group = group_of(request, slug)
    opened = _week_asked(request)
    if opened and request.htmx:
        return _cards(request, group, opened)
    read = SchedulePage.of(group, request.user)
    context = group_context(request, group, "schedule")
    check = noted(group, "schedule", request.user, next(iter(read.found["check"]), None))
    printed = request.GET.get("view") == "print"
    every = printed or request.GET.get("aside") == "all"
    shown = board.board(group, read.force) if printed else read.board(opened)
    page, waiting = read.waiting(request.GET.get("page"), shown.days)
    aside = read.aside(every=every)
    context |= {
        "board": shown,
        "page": page,
        "waiting": waiting,
        "aside": aside,
        "later": read.beyond(every=every),
        "more_later": 0 if every else read.more_later,
        **checked(group, check),
        "short": read.short,
        "rule": board.RULE,
    }
    if printed:
        return render(request, "fulfillment/schedule_print.html", context)
    context["moved"] = _moved(request, group, context["leads_here"])
    context["feed"] = whole_address(next(iter(read.found["feed"]), None))
    context["calendar_url"] = reverse("fulfillment_group_calendar", args=[group.slug])
    return render(request, "fulfillment/schedule.html", context)


def _week_asked(request: HttpRequest) -> date | None:
    """The Monday of the week to open, if the address names one of the window."""
    try:
        day = date.fromisoformat(request.GET.get("week", ""))
    except ValueError:
        return None
    monday = day - timedelta(days=day.weekday())
    return monday if board.first_monday() <= monday <= capacity.window_end() else None


def _cards(request: HttpRequest, group: ProviderGroup, monday: date) -> HttpResponse:
    """The cards of one week, for the page that shows its days already.

    Who asked for the rest of a day goes on reading at the first card that was not there.
    """
    day = request.GET.get("day", "")
    cards = board.cards_of_week(group, monday)
    rest = [card for card in cards if card.day.isoformat() == day][board.MOST_A_DAY :]
    context = {"days": board.by_day(cards), "next": rest[0] if rest else None}
    context |= group_context(request, group, "schedule")
    return render(request, "fulfillment/_cards.html", context)


def _moved(request: HttpRequest, group: ProviderGroup, leads: bool) -> dict[str, Any] | None:
    """The move that was just made, with whether it can still be undone."""
    asked = MOVED.fullmatch(request.GET.get("moved", ""))
    if not leads or asked is None:
        return None
    reference, number = asked.groups()
    rows = Request.objects.visible_to(request.user).filter(provider_group=group)
    req = rows.filter(reference=reference).first()
    event = last_move(req, int(number) if number else None) if req else None
    if req is None or event is None:
        return None
    entry = ScheduleEntry.objects.get(pk=event.facts["move"]["entry"])
    return {
        "req": req,
        "event": event,
        "entry": entry,
        "before": [date.fromisoformat(day) for day, _ in event.facts["move"]["before"]],
        "others": len(event.facts["move"]["requests"]) - 1,
        "why_not": why_not_undone(event),
    }


@login_required
@require_POST
def take_next_scheduled(request: HttpRequest, slug: str) -> HttpResponse:
    """The next one of the schedule, for planning (F4, F6)."""
    group = group_of(request, slug)
    said = "is yours now: draw up its plan."
    return take(request, group, pull_next, next_scheduled, "schedule", said)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, slug: str, reference: str) -> HttpResponse:
    """Move a card: GET shows what it would do, POST does it (F2).

    The same page without JavaScript, as the answer to a drag, and after a refusal.
    """
    group = group_of(request, slug)
    rows = Request.objects.visible_to(request.user).filter(provider_group=group)
    req = get_object_or_404(rows.select_related("agency"), reference=reference)
    if not leads_here(request, group):
        raise Http404
    if request.method == "POST":
        return _do_move(request, group, req)
    entry = _entry(req)
    form = _form(request, req, entry, request.GET)
    return _move_page(request, group, req, entry, form)


def _do_move(request: HttpRequest, group: ProviderGroup, req: Request) -> HttpResponse:
    try:
        perform(req, "reschedule", by=request.user, data=request.POST)
    except PermissionDenied as error:
        raise Http404 from error
    except (InvalidFacts, Refused) as refusal:
        return _not_moved(request, group, req, refusal)
    event = last_move(req)
    number = event.number if event else ""
    address = reverse("fulfillment_schedule", args=[group.slug])
    return redirect(f"{address}?moved={req.reference}.{number}#moved")


def _not_moved(
    request: HttpRequest, group: ProviderGroup, req: Request, why: InvalidFacts | Refused
) -> HttpResponse:
    """Where it is now, with the sentence and with what was typed (TA10)."""
    req.refresh_from_db()
    entry = _entry(req)
    if isinstance(why, Refused):
        form = _form(request, req, entry, request.POST)
        said = " ".join(why.sentences)
        return _move_page(request, group, req, entry, form, refusal=said, status=409)
    why.form.auto_id = "move-%s"
    return _move_page(request, group, req, entry, why.form, status=422)


def _entry(req: Request) -> ScheduleEntry | None:
    if req.state != S.SCHEDULED:
        return None
    rows = req.schedule_entries.filter(state__in=MOVABLE)
    entry: ScheduleEntry | None = rows.select_related("group__calendar").first()
    if entry is not None:
        entry.request = req
    return entry


def _form(
    request: HttpRequest, req: Request, entry: ScheduleEntry | None, typed: QueryDict
) -> RescheduleForm | None:
    """The form with what was typed; what the address leaves out is as it is now."""
    if entry is None:
        return None
    data = None
    if "day" in typed or "split" in typed:
        data = typed.copy()
        data.setdefault("hours", f"{entry.hours.normalize():f}")
        if entry.hours_per_day and "per_day" not in typed:
            data["per_day"] = f"{entry.hours_per_day.normalize():f}"
        data["seen"] = version(entry)
    return RescheduleForm(data, subject=req, actor=as_actor(request.user), auto_id="move-%s")


def _move_page(
    request: HttpRequest,
    group: ProviderGroup,
    req: Request,
    entry: ScheduleEntry | None,
    form: ActionForm | None,
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    preview = _preview(entry, form) if entry and form else None
    context = {
        "req": req,
        "entry": entry,
        "days": slices_of(entry) if entry else [],
        "form": form,
        "preview": preview,
        "refusal": refusal,
        "beside": offers(req, request.user, names=BESIDE) if entry else [],
        "why_not": "" if entry is None or board.can_move(entry) else _why_not(entry),
        "back": reverse("fulfillment_schedule", args=[group.slug]),
    }
    context |= group_context(request, group, "schedule")
    part = request.htmx and status == 200
    name = "fulfillment/_move.html" if part else "fulfillment/move.html"
    return render(request, name, context, status=status)


def _why_not(entry: ScheduleEntry) -> str:
    if entry.is_fixed:
        return "Its slot is fixed: let it move again first."
    return "It is on hold: resume it first."


def _preview(entry: ScheduleEntry, form: ActionForm) -> WhatIf | None:
    if not form.is_bound or not form.is_valid():
        return None
    data = form.cleaned_data
    return what_if(entry, wish_of(data["day"], data["hours"], data["per_day"], data["split"]))
