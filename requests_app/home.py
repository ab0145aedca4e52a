"""Own work: what waits for me, what I wait for, how my teams stand."""

from collections.abc import Hashable
from datetime import date, timedelta
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from notifications.models import Notice
from requests_app.glance import CAP, oldest_of, open_work, own_open_work, sum_of
from requests_app.models import Request
from requests_app.notice_section import TITLES
from requests_app.own_keys import OwnKeys
from requests_app.own_work import records_of, tasks_of, with_facts, with_people
from requests_app.pages import waits
from requests_app.querysets import AmongKeys
from requests_app.represented import FAILED as MOST_FAILED
from requests_app.rows import standing_of
from requests_app.states import S
from workflow import clock
from workflow.drawn import Drawing, Drawn
from workflow.models import User
from workflow.prepared import HowMany, Sets
from workflow.statements import AmongValues

SHOWN, CANDIDATES, WAITING, TEAMS, OVERSEEN, MANY = 15, 20, 10, 25, 8, 100
FAILED = Notice.State.FAILED


KINDS = {
    "person": int, "tasks": list, "beside": list, "failed": list, "groups": list, "soon": date,
}  # fmt: skip


def _sets(in_groups: bool, own: dict[str, Any]) -> Sets:
    """The rows of what was found to be a person's, their teams, and what these have booked."""
    facts = with_facts(Request.objects.filter(AmongValues("pk", own["tasks"])), own["person"])
    notices = Notice.objects.filter(AmongValues("event", own["failed"]), state=FAILED)
    notices = notices.order_by("-created_at")[:MOST_FAILED]
    undelivered = Request.objects.filter(AmongKeys("pk", notices.values("event__stream_id")))
    teams = records_of("provider_group").order_by("name").only("name", "slug")
    if in_groups:
        teams = teams.filter(AmongValues("pk", own["groups"]))[: TEAMS + 1]
    else:
        teams = teams.filter(is_active=True)[: OVERSEEN + 1]
    return {
        "tasks": with_people(facts),
        "beside": with_people(Request.objects.filter(AmongValues("pk", own["beside"]))),
        "failed": notices.select_related("event"),
        "undelivered": undelivered.only("reference", "title"),
        "teams": teams,
        "week": _booked(teams, own["soon"], _cap(in_groups)),
    }


@cache
def _rows(in_groups: bool) -> Drawing:
    name = "own_rows" if in_groups else "own_rows_beyond_groups"
    return Drawing(lambda **own: _sets(in_groups, own), KINDS, name, ("tasks", "beside"))


def _cap(in_groups: bool) -> int:
    """How far the numbers of a team are counted."""
    return CAP if in_groups else MANY + 1


def _booked(teams: Any, last: Any, cap: int) -> Any:
    """How many requests each of these teams has booked until a day."""
    # looked up one by one: there are few, and many requests in this state elsewhere
    state = Subquery(Request.objects.filter(pk=OuterRef("request")).order_by().values("state"))
    entries = records_of("schedule_entries").annotate(stands=state).filter(
        group=OuterRef("pk"), state="booked", first_day__lte=last, stands=S.SCHEDULED
    )  # fmt: skip
    return teams.values_list("pk", HowMany(entries, cap))


class Waiting:
    """One line of *Waiting for others*. On what it waits is said where it is drawn."""

    def __init__(self, req: Drawn) -> None:
        self.req = req

    @property
    def facts(self) -> Hashable:
        """All that is shown of it, with what changes by the hour."""
        return (self.req.facts, standing_of(self.req))

    @property
    def on(self) -> dict[str, str]:
        """On what it waits, and who must act."""
        return waits(self.req.made)


class OwnWork:
    """What the page shows of a person's work: first which requests may be theirs, then these.

    A block shows its first few rows; a list of
    all that waits is a page of its own.
    """

    def __init__(self, user: User, *, every: bool = False) -> None:
        self.user, self._keys = user, OwnKeys(user) if every else OwnKeys(user, 2 * CANDIDATES)
        keys = self._keys.tasks
        self._near = keys if every else keys[:CANDIDATES]
        self._read()
        if len(self.tasks) < SHOWN and len(self._near) < len(keys):
            self._keys = OwnKeys(user)  # what comes first is others' turn: look further
            self._near = self._keys.tasks
            self._read()

    def _read(self) -> None:
        known = set(self._keys.tasks)
        rows = _rows(bool(self.user.group_ids))(
            person=self.user.pk,
            tasks=self._near,
            beside=[pk for pk in self._keys.others if pk not in known][: WAITING + 1],
            failed=self._keys.failed,
            groups=sorted(self.user.group_ids),
            soon=clock.today() + timedelta(days=7),
        )
        self.tasks = tasks_of((row.made for row in rows["tasks"]), self.user)
        self._rows = {req.id: req for req in (*rows["tasks"], *rows["beside"])}
        self._failed, self._streams = rows["failed"], {req.pk: req for req in rows["undelivered"]}
        self._groups = rows["teams"] if self.user.group_ids or self.user.oversees else []
        self._week = dict(rows["week"])

    @property
    def more_tasks(self) -> bool:
        """Whether more may wait than is shown."""
        return len(self.tasks) > SHOWN or len(self._near) < len(self._keys.tasks)

    @property
    def waiting(self) -> list[Waiting]:
        """Mine, but it is somebody else's turn: the first, and one more where there are more."""
        busy = {task.req.pk for task in self.tasks} | set(self._keys.tasks) - set(self._near)
        mine = [pk for pk in self._keys.others if pk not in busy and pk in self._rows]
        return [Waiting(self._rows[pk]) for pk in mine[: WAITING + 1]]

    @property
    def undelivered(self) -> list[tuple[Request, str, Notice]]:
        """What did not reach somebody about a request that this person represents (F8)."""
        return [
            (self._streams[notice.event.stream_id],
             TITLES.get(notice.template, notice.template), notice)
            for notice in self._failed
        ]  # fmt: skip

    @property
    def teams(self) -> list[Any]:
        """The pending queue, what is at risk and the coming week of each team (F1, F2, F3); of
        an office with more teams than a page shows the first, with their numbers up to a hundred.
        """
        groups = self._groups
        own = self.user.group_ids
        cap = _cap(bool(own))
        work = own_open_work(self.user) if own else open_work([g.pk for g in groups], cap)
        for group in groups:
            states = work.get(group.pk, {})
            group.pending = sum_of(states, [S.PENDING], "count", cap)
            group.oldest = oldest_of(states, S.PENDING)
            group.unscheduled = sum_of(states, [S.AWAITING_SCHEDULING], "count", cap)
            group.late = sum_of(states, states, "late", cap)
            group.risk = sum_of(states, states, "risk", cap)
            week = self._week.get(group.pk, 0)
            group.week = f"{cap - 1:,}+" if week >= cap else week
        return groups


def _most_teams(user: User) -> int:
    return TEAMS if user.group_ids else OVERSEEN


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What to do next is the first thing one sees."""
    user: Any = request.user
    every = request.GET.get("tasks") == "all"
    work = OwnWork(user, every=every)
    waiting, glance, most = work.waiting, work.teams, _most_teams(user)
    context = {
        "tasks": work.tasks if every else work.tasks[:SHOWN],
        "more_tasks": work.more_tasks and not every,
        "waiting": waiting[:WAITING],
        "more_waiting": len(waiting) > WAITING,
        "undelivered": work.undelivered,
        "teams": glance[:most],
        "more_teams": len(glance) > most,
    }
    return render(request, "home.html", context)
