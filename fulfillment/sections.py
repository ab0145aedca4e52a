"""What fulfillment shows on the page of a request: its slot, its plan, its tests."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Sum

from fulfillment import accuracy, burndown, capacity
from fulfillment.models import ProviderGroup
from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from workflow import clock
from workflow.actors import as_actor
from workflow.registry import Offer, offers, section

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
TOLERANCE = Decimal("1.1")
EDITED = ("title", "estimate_hours", "assignee", "test_criterion")


def _has_slot(request: Request, user: "User") -> bool:
    return request.state in (S.AWAITING_SCHEDULING, S.SCHEDULED) or (
        request.schedule_entries.active().exists()
    )


@section("schedule", "Schedule", model=REQUEST, template="fulfillment/_schedule_section.html",
         order=35, show=_has_slot)  # fmt: skip
def schedule_section(request: Request, user: "User") -> dict[str, Any]:
    """The slot with its days; for one that waits for a slot, the nearest days with room (F2)."""
    entry = request.schedule_entries.active().prefetch_related("days").first()
    free: list[Any] = []
    if entry is None and request.provider_group is not None:
        hours = request.estimate_hours or Decimal(1)
        days = capacity.days_ahead(request.provider_group, clock.today(), capacity.window_end())
        free = capacity.nearest(days, int(hours * 60), 5)
    group = ProviderGroup.objects.visible_to(user).filter(requests=request).first()
    missed = (
        entry is not None
        and entry.state == "booked"
        and request.state == S.SCHEDULED
        and entry.first_day < clock.today()
    )
    return {
        "entry": entry,
        "free_days": free,
        "missed": missed,
        "group_slug": group.slug if group else "",
    }


def _has_plan(request: Request, user: "User") -> bool:
    return (
        request.state in FULFILLMENT or request.plan_items.exists() or request.time_entries.exists()
    )


@section("plan", "Work plan", model=REQUEST, template="fulfillment/_plan.html",
         order=40, show=_has_plan)  # fmt: skip
def plan_section(request: Request, user: "User") -> dict[str, Any]:
    """The plan with estimated, spent and left, and the hours behind it (F6, F7)."""
    current = {"pass_number": request.pass_number}
    items = list(
        request.plan_items.filter(**current)
        .select_related("assignee")
        .annotate(spent=Sum("time_entries__hours"))
        .order_by("position", "pk")
    )
    times = list(request.time_entries.filter(**current).select_related("user", "item"))
    edit = next(iter(offers(request, user, names={"edit_plan_item"})), None)
    item: Any
    for item in items:
        item.edit_offer = edit and _filled(edit, request, user, item)
        item.left = max(Decimal(0), (item.estimate_hours or 0) - (item.spent or 0))
    suggested = accuracy.suggestions(request, items)
    for item in items:
        item.suggestion = suggested.get(item.pk)
    live = [i for i in items if i.state != "cancelled"]
    estimated = sum((i.estimate_hours or Decimal(0) for i in live), Decimal(0))
    spent = sum((t.hours for t in times), Decimal(0))
    return {
        "plan": items,
        "burn": burndown.chart(burndown.of_requests([request])[request.pk], "this plan"),
        "times": times,
        "estimated": estimated,
        "spent": spent,
        "left": max(Decimal(0), estimated - spent),
        "over": max(Decimal(0), spent - estimated) if live else Decimal(0),
        "beyond": _beyond(request, estimated),
        "done": sum(1 for i in live if i.state == "done"),
        "live": len(live),
        "is_enhancement": request.kind == "enhancement",
    }


def _beyond(request: Request, estimated: Decimal) -> Decimal:
    """Hours by which the plan exceeds the agreed estimate by more than a tenth (F6)."""
    agreed = request.estimate_hours
    return estimated - agreed if agreed and estimated > agreed * TOLERANCE else Decimal(0)


def _filled(edit: Offer, request: Request, user: "User", item: Any) -> Offer:
    """The offer to change a piece, filled in with what it says now."""
    initial = {name: getattr(item, name) for name in EDITED} | {"item": item.pk}
    form = edit.action.bind(request, as_actor(user), initial=initial)
    form.auto_id = f"edit-{item.pk}-%s"
    return Offer(edit.action, edit.blockers, form)


def _has_tests(request: Request, user: "User") -> bool:
    return request.state == S.TESTING or request.test_runs.exists()


@section("tests", "Tests", model=REQUEST, template="fulfillment/_tests.html",
         order=45, show=_has_tests)  # fmt: skip
def tests_section(request: Request, user: "User") -> dict[str, Any]:
    """Every test run, the latest first; failed ones stay with their findings (F9, F10)."""
    runs = list(
        request.test_runs.filter(pass_number=request.pass_number)
        .select_related("tester", "evidence__case__request")
        .order_by("-number")
    )
    return {
        "runs": runs,
        "failures": sum(1 for r in runs if r.result == "failed"),
        "decision": request.charge_decisions.filter(pass_number=request.pass_number)
        .select_related("by")
        .last(),
    }
