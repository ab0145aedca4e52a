"""Own work: what waits for me, what I wait for, how my teams stand."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from notifications.models import Notice
from requests_app.glance import CAP, oldest_of, open_work, sum_of
from requests_app.models import Request
from requests_app.notice_section import TITLES, failed_for
from requests_app.own_work import records_of, tasks_for, waiting_for_others
from requests_app.pages import waits
from requests_app.states import S
from workflow import clock
from workflow.models import User

SHOWN, WAITING, FAILED, TEAMS, MANY = 15, 10, 10, 25, 100


def _groups(user: User) -> QuerySet[Any]:
    """Own groups; who oversees the office sees all of them."""
    groups = records_of("provider_group")
    if user.group_ids:
        return groups.filter(pk__in=user.group_ids)
    if user.is_representative or user.is_auditor or user.is_superuser:
        return groups.filter(is_active=True)
    return groups.none()


def teams(user: User) -> list[Any]:
    """The pending queue, what is at risk and the coming week of each team (F1, F2, F3); of an
    office with more teams than a page shows the first, with their numbers up to a hundred."""
    groups = list(_groups(user).order_by("name")[: TEAMS + 1])
    cap = CAP if user.group_ids else MANY
    keys = [group.pk for group in groups]
    work = open_work(keys, cap) if groups else {}
    week = _coming_week(keys) if groups else {}
    for group in groups:
        states = work.get(group.pk, {})
        group.pending = sum_of(states, [S.PENDING], "count", cap)
        group.oldest = oldest_of(states, S.PENDING)
        group.unscheduled = sum_of(states, [S.AWAITING_SCHEDULING], "count", cap)
        group.late = sum_of(states, states, "late", cap)
        group.risk = sum_of(states, states, "risk", cap)
        group.week = week.get(group.pk, 0)
    return groups


def _coming_week(groups: list[int]) -> dict[int, int]:
    """How many requests each team has booked for the coming seven days or before."""
    booked = records_of("schedule_entries").filter(
        group__in=groups,
        state="booked",
        first_day__lte=clock.today() + timedelta(days=7),
        request__state=S.SCHEDULED,
    )
    return dict(booked.values_list("group").order_by().annotate(Count("request", distinct=True)))


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
    busy = {task.req.pk for task in tasks}
    waiting = list(waiting_for_others(user, busy, WAITING + 1))
    glance = teams(user)
    context = {
        "tasks": tasks[:SHOWN],
        "more_tasks": tasks[SHOWN:],
        "waiting": [(req, waits(req)) for req in waiting[:WAITING]],
        "more_waiting": len(waiting) > WAITING,
        "undelivered": undelivered(user),
        "teams": glance[:TEAMS],
        "more_teams": len(glance) > TEAMS,
    }
    return render(request, "home.html", context)
