"""The page of a group's plan: ask for it, watch it being made, look at it, apply it (F2)."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from fulfillment import placement, tasks
from fulfillment.actions import placing
from fulfillment.models import ProviderGroup, Replan
from fulfillment.pages import SIZE, group_context, group_of, leads_here
from requests_app.models import Request
from workflow import clock
from workflow.door import advance
from workflow.machine import Refused
from workflow.paging import page_of

SECONDS = 10
"""What a plan takes, for the progress bar."""
CHARGES = {"yes": True, "no": False}


def _group(request: HttpRequest, slug: str) -> ProviderGroup:
    """A plan is for the lead of its group alone; for everybody else there is none."""
    group = group_of(request, slug)
    if not leads_here(request, group):
        raise Http404
    return group


@login_required
@require_safe
def replan(request: HttpRequest, slug: str) -> HttpResponse:
    """The latest plan of the group, however far it is; the page asks again by itself."""
    group = _group(request, slug)
    row = Replan.objects.filter(group=group).select_related("asked_by").order_by("-pk").first()
    context: dict[str, Any] = {
        "plan": row,
        "rule": placement.RULE,
        "expected": SECONDS,
        **group_context(request, group, "schedule"),
    }
    if row is not None:
        since = row.begun_at or clock.now()
        context["elapsed"] = min(SECONDS, (clock.now() - since).total_seconds())
        if row.state == "ready":
            context |= _difference(request, row)
    template = "_replan" if request.headers.get("HX-Request") else "replan"
    return render(request, f"fulfillment/{template}.html", context)


def _difference(request: HttpRequest, row: Replan) -> dict[str, Any]:
    """The plan's rows as a page shows them, with the requests as they are called now."""
    rows = row.result["rows"]
    moved = page_of([r for r in rows if not r["new"]], request.GET.get("page"), SIZE)
    new = [r for r in rows if r["new"] and r["after"]]
    without = [r for r in rows if r["new"] and not r["after"]]
    left_out = [{"pk": pk, "ref": ref, "why": why} for pk, ref, why in row.result["left_out"]]
    shown = [*moved.object_list, *new, *without, *left_out]
    visible = Request.objects.visible_to(request.user).filter(pk__in=[r["pk"] for r in shown])
    requests = visible.select_related("agency").in_bulk()
    for one in shown:
        one["req"] = requests.get(one["pk"])
        for key in ("before", "after"):
            one[f"{key}_days"] = _span(one.get(key))
        one["due_on"] = one.get("due") and date.fromisoformat(one["due"])
    days = [{**d, "date": date.fromisoformat(d["day"])} for d in row.result["days"]]
    return {
        "page": moved,
        "new": new,
        "without": without,
        "left_out": left_out,
        "not_placed": len(without) + len(left_out),
        "days": days,
        "short": [d for d in days if d["before"] > d["capacity"]],
        "changes": sum(1 for r in rows if r["after"]),
        "late": row.result["late"],
    }


def _span(slices: Any) -> dict[str, Any] | None:
    if not slices:
        return None
    first, last = (date.fromisoformat(slices[n][0]) for n in (0, -1))
    return {"first": first, "last": last, "minutes": sum(part for _, part in slices)}


@login_required
@require_POST
def ask_for_plan(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a plan; with `day`s, because these have become too short."""
    group = _group(request, slug)
    try:
        days = [date.fromisoformat(text) for text in request.POST.getlist("day")[:100]]
    except ValueError:
        days = []
    try:
        row = placing.ask(
            group, by=request.user, for_days=days, anew=bool(request.POST.get("anew"))
        )
    except Refused as refused:
        messages.info(request, f"{' '.join(refused.sentences)} Here it is.")
    else:
        transaction.on_commit(lambda: tasks.nudge(row.pk))
    return redirect("fulfillment_replan", slug=group.slug)


@login_required
@require_POST
def apply_plan(request: HttpRequest, slug: str) -> HttpResponse:
    """Book what the plan says, with what was answered about charges."""
    group = _group(request, slug)
    row = _named(request, group)
    rest = CHARGES.get(request.POST.get("charge_rest", ""))
    charges = {}
    for one in row.result.get("rows", []):
        answer = CHARGES.get(request.POST.get(f"charge_{one['pk']}", ""), rest)
        if one["new"] and answer is not None:
            charges[one["pk"]] = answer
    try:
        count = placing.apply_plan(row, by=request.user, charges=charges)
    except Refused as refused:
        messages.error(request, " ".join(refused.sentences))
        return redirect("fulfillment_replan", slug=group.slug)
    said = "1 request has other days" if count == 1 else f"{count} requests have other days"
    messages.success(request, f"The plan is applied: {said} now, and whom it concerns is told.")
    return redirect("fulfillment_schedule", slug=group.slug)


@login_required
@require_POST
def discard_plan(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the open plan up; nothing is booked."""
    group = _group(request, slug)
    try:
        advance(_named(request, group), "discard", by=request.user)
    except Refused as refused:
        messages.error(request, " ".join(refused.sentences))
    else:
        messages.success(request, "The plan is discarded. Nothing was changed.")
    return redirect("fulfillment_schedule", slug=group.slug)


def _named(request: HttpRequest, group: ProviderGroup) -> Replan:
    """The plan that the person was looking at."""
    given = request.POST.get("plan", "")
    pk = int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0
    return get_object_or_404(Replan, pk=pk, group=group)
