"""Own work: what waits for me, what I wait for, how my teams stand."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from notifications.models import Notice
from requests_app.models import Request
from requests_app.notice_section import TITLES, failed_for
from requests_app.own_work import records_of, tasks_for, waiting_for_others
from requests_app.pages import waits
from requests_app.standing import at_risk_q, late_q
from requests_app.states import S
from workflow import clock
from workflow.models import User

SHOWN, WAITING, FAILED = 15, 10, 10


def _groups(user: User) -> QuerySet[Any]:
    """Own groups; who oversees the office sees all of them."""
    groups = records_of("provider_group")
    if user.group_ids:
        return groups.filter(pk__in=user.group_ids)
    if user.is_representative or user.is_auditor or user.is_superuser:
        return groups.filter(is_active=True)
    return groups.none()


def teams(user: User) -> QuerySet[Any]:
    """The pending queue, what is at risk and the coming week of each team (F1, F2, F3)."""
    today = clock.today()
    week = Q(
        requests__state=S.SCHEDULED,
        requests__schedule_entries__state="booked",
        requests__schedule_entries__first_day__lte=today + timedelta(days=7),
    )
    pending = Q(requests__state=S.PENDING)
    late, risk = late_q("requests__"), at_risk_q("requests__")

    def number(which: Q) -> Count:
        return Count("requests", filter=which, distinct=True)

    return (
        _groups(user)
        .annotate(
            pending=number(pending),
            oldest=Min("requests__created_at", filter=pending),
            unscheduled=number(Q(requests__state=S.AWAITING_SCHEDULING)),
            week=number(week),
            late=number(late),
            risk=number(risk),
        )
        .order_by("name")
    )


def undelivered(user: User) -> list[tuple[Request, str, Notice]]:
    """What did not reach somebody about a request that this person represents (F8)."""
    if not user.is_representative:
        return []
    failed: list[Any] = list(
        failed_for(user).select_related("event").order_by("-created_at")[:FAILED]
    )
    requests = Request.objects.in_bulk({notice.event.stream_id for notice in failed})
    return [
        (requests[notice.event.stream_id], TITLES.get(notice.template, notice.template), notice)
        for notice in failed
    ]


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What to do next is the first thing one sees."""
    user: Any = request.user
    tasks = tasks_for(user)
    waiting = waiting_for_others(user, {task.req.pk for task in tasks})[: WAITING + 1]
    context = {
        "tasks": tasks[:SHOWN],
        "more_tasks": tasks[SHOWN:],
        "waiting": [(req, waits(req)) for req in waiting[:WAITING]],
        "more_waiting": len(waiting) > WAITING,
        "undelivered": undelivered(user),
        "teams": teams(user),
    }
    return render(request, "home.html", context)
