"""What fulfillment shows on the page of a request: its slot, its plan, its tests."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet

from fulfillment import accuracy, burndown, capacity
from fulfillment.actions.moving import moves_of_slot
from fulfillment.models import Membership, ScheduledDay, ScheduleEntry
from fulfillment.work_models import ChargeDecision, PlanItem, TestRun, TimeEntry
from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from workflow import clock
from workflow.models import Event
from workflow.registry import section
from workflow.together import Marks, at_hand, hangs_on

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
TOLERANCE = Decimal("1.1")


def _has_slot(request: Request, user: "User") -> bool:
    return request.state in (S.AWAITING_SCHEDULING, S.SCHEDULED) or (
        any(entry.is_active for entry in request.schedule_entries.all())
    )


@section("schedule", "Schedule", model=REQUEST, template="fulfillment/_schedule_section.html",
         order=35, show=_has_slot)  # fmt: skip
def schedule_section(request: Request, user: "User") -> dict[str, Any]:
    """The slot with its days; for one that waits for a slot, the nearest days with room (F2)."""
    entry = next((one for one in request.schedule_entries.all() if one.is_active), None)
    free: list[Any] = []
    if entry is None and request.provider_group is not None:
        hours = request.estimate_hours or Decimal(1)
        free = capacity.nearest(capacity.days_for(request), int(hours * 60), 5)
    group = request.provider_group
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
        "group_slug": group.slug if group and group.is_visible_to(user) else "",
    }


def _has_plan(request: Request, user: "User") -> bool:
    return (
        request.state in FULFILLMENT
        or bool(request.plan_items.all())
        or bool(request.time_entries.all())
    )


@section("plan", "Work plan", model=REQUEST, template="fulfillment/_plan.html",
         order=40, show=_has_plan)  # fmt: skip
def plan_section(request: Request, user: "User") -> dict[str, Any]:
    """The plan with estimated, spent and left, and the hours behind it (F6, F7)."""
    number = request.pass_number
    items: list[Any] = [item for item in request.plan_items.all() if item.pass_number == number]
    every = request.time_entries.all()
    times = [time for time in every if time.pass_number == number]
    for item in items:
        item.spent = sum((time.hours for time in every if time.item_id == item.pk), Decimal(0))
        item.left = max(Decimal(0), (item.estimate_hours or 0) - (item.spent or 0))
    suggested = accuracy.suggestions(request, items)
    for item in items:
        item.suggestion = suggested.get(item.pk)
    live = [i for i in items if i.state != "cancelled"]
    estimated = sum((i.estimate_hours or Decimal(0) for i in live), Decimal(0))
    spent = sum((t.hours for t in times), Decimal(0))
    return {
        "plan": items,
        "burn": burndown.chart(burndown.of_request(request), "this plan"),
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


def _has_tests(request: Request, user: "User") -> bool:
    return request.state == S.TESTING or bool(request.test_runs.all())


@section("tests", "Tests", model=REQUEST, template="fulfillment/_tests.html",
         order=45, show=_has_tests)  # fmt: skip
def tests_section(request: Request, user: "User") -> dict[str, Any]:
    """Every test run, the latest first; failed ones stay with their findings (F9, F10)."""
    number = request.pass_number
    runs = [run for run in request.test_runs.all() if run.pass_number == number][::-1]
    decisions = [one for one in request.charge_decisions.all() if one.pass_number == number]
    return {
        "runs": runs,
        "failures": sum(1 for r in runs if r.result == "failed"),
        "decision": decisions[-1] if decisions else None,
    }


# What hangs on a request in fulfillment


@hangs_on(REQUEST, "schedule_entries", steps=True)
def _entries(about: Marks) -> QuerySet[Any]:
    return ScheduleEntry.objects.filter(request=about.pk)


@hangs_on(REQUEST, "schedule_entries__days", steps=True)
def _days(about: Marks) -> QuerySet[Any]:
    return ScheduledDay.objects.filter(entry__request=about.pk)


@at_hand(REQUEST, "leads")
def _leads(about: Marks) -> QuerySet[Any]:
    leads = Membership.objects.filter(group=about.provider_group_id, is_lead=True)
    return leads.select_related("user")


@hangs_on(REQUEST, "slot_moves")
def _slot_moves(about: Marks) -> QuerySet[Any]:
    return moves_of_slot(about.content_type, about.pk)


@hangs_on(REQUEST, "plan_items", steps=True)
def _items(about: Marks) -> QuerySet[Any]:
    return PlanItem.objects.filter(request=about.pk).select_related("assignee")


@hangs_on(REQUEST, "time_entries")
def _times(about: Marks) -> QuerySet[Any]:
    return TimeEntry.objects.filter(request=about.pk).select_related("user", "item")


@hangs_on(REQUEST, "plan_events")
def _plan_events(about: Marks) -> QuerySet[Any]:
    events = Event.objects.filter(stream_type=about.content_type, stream_id=about.pk)
    own = events.filter(Q(name__in=burndown.PLAN_EVENTS) | Q(name="reopen"))
    return own.order_by("number").only("name", "at", "changes", "facts")


@hangs_on(REQUEST, "test_runs", steps=True)
def _runs(about: Marks) -> QuerySet[Any]:
    runs = TestRun.objects.filter(request=about.pk)
    return runs.select_related("tester", "evidence__case__request")


@hangs_on(REQUEST, "charge_decisions")
def _decisions(about: Marks) -> QuerySet[Any]:
    return ChargeDecision.objects.filter(request=about.pk).select_related("by")
