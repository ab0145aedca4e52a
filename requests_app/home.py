"""Own work: what waits for me, what I wait for, how my teams stand."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from requests_app.models import Request, RequestQuerySet
from requests_app.shell import group_counts
from requests_app.states import FULFILLMENT, WAITS_FOR, S
from workflow import clock
from workflow.models import User

MOST = 30
REPRESENTATIVE = {
    S.TRIAGE: "Decide triage",
    S.DISCOVERY: "Carry the discovery on",
    S.BILLING: "Initiate billing and settle the ASD",
    S.CUSTOMER_NOTICE: "Notify the customer",
}
SPECIALIST = {
    S.ASSIGNED: "Fulfill it",
    S.PLANNING: "Draw up the work plan",
    S.IN_FULFILLMENT: "Do the planned work",
    S.TESTING: "Test it, then decide on the charge",
}
LEAD = {S.PENDING: "Have it taken or assign it", S.AWAITING_SCHEDULING: "Place it on the schedule"}


@dataclass(frozen=True)
class Task:
    """One line of *Act now*: the request, what to do, and until when."""

    req: Request
    what: str
    until: date | datetime | None

    @property
    def rank(self) -> tuple[bool, int, float]:
        """Overdue first, then by priority, then by due date."""
        due = self.req.due_at.timestamp() if self.req.due_at else float("inf")
        return (not self.req.is_overdue, self.req.priority, due)


def _tasks(user: User) -> list[Task]:
    """Everything that waits for this person, in the roles they have; one query per role."""
    found: dict[int, Task] = {}

    def add(queryset: RequestQuerySet, what: dict[str, str] | str) -> None:
        for req in queryset.for_list()[:MOST]:
            text = what if isinstance(what, str) else what[req.state]
            found.setdefault(req.pk, Task(req, text, req.due_at))

    queryset = Request.objects.open()
    today = clock.today()
    running = queryset.filter(held_since__isnull=True)
    add(running.filter(specialist=user, state__in=FULFILLMENT).by_receipt(), SPECIALIST)
    if user.is_representative:
        mine = queryset.represented_by(user)
        add(mine.filter(review_on__lte=today), "Look again: its review date has come")
        add(
            mine.filter(held_since__isnull=True, state__in=REPRESENTATIVE).by_rule(), REPRESENTATIVE
        )
    if user.led_group_ids:
        led = running.filter(provider_group__in=user.led_group_ids, state__in=LEAD)
        add(led.by_rule(), LEAD)
    add(
        running.filter(state=S.DISCOVERY, discoveries__team__user=user).distinct(),
        "Work on the discovery",
    )
    if user.is_billing:
        lines = Q(part_lines__state__in=["requested", "rated", "coded"])
        add(queryset.filter(lines).distinct(), "Rate, code or list its parts")
        unknown = Q(billing_cases__state="forwarded", agency__known_to_billing=False)
        add(queryset.filter(unknown).distinct(), "Record the customer in billing")
    if user.is_asd_manager:
        updates = Q(service_updates__state="requested")
        drafts = Q(proposed_services__state__in=["proposed", "in_development"])
        add(queryset.filter(updates).distinct(), "Apply the ASD update")
        add(queryset.filter(drafts).distinct(), "Take the proposed service live")
    return sorted(found.values(), key=lambda task: task.rank)


def _waiting(user: User, busy: set[int]) -> list[dict[str, Any]]:
    """Mine, but it is somebody else's turn."""
    mine = Q(specialist=user)
    if user.is_representative:
        mine |= Q(pk__in=Request.objects.represented_by(user).values("pk"))
    found = Request.objects.open().filter(mine).exclude(pk__in=busy).by_rule().for_list()[:MOST]
    return [{"req": req, "for": WAITS_FOR[req.state]} for req in found]


def _teams(user: User) -> list[dict[str, Any]]:
    """Counts, oldest and overdue of the person's groups (F3)."""
    memberships = list(user.memberships.select_related("group").order_by("group__name"))
    if not memberships:
        return []
    ids = {m.group_id for m in memberships}
    counts = group_counts(ids)
    ahead = (
        Request.objects.filter(provider_group__in=ids, state=S.PENDING)
        .values("provider_group")
        .order_by()
        .annotate(oldest=Min("created_at"), n=Count("pk"))
    )
    oldest = {row["provider_group"]: row["oldest"] for row in ahead}
    return [
        {"group": m.group, "oldest": oldest.get(m.group_id), **counts.get(m.group_id, {})}
        for m in memberships
    ]


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What to do next is the first thing one sees."""
    tasks = _tasks(request.user)
    context = {
        "tasks": tasks,
        "waiting": _waiting(request.user, {task.req.pk for task in tasks}),
        "teams": _teams(request.user),
    }
    return render(request, "home.html", context)
