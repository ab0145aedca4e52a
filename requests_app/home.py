"""Own work: what waits for me, what I wait for, how my teams stand."""

from datetime import date, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count
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
from requests_app.states import S
from workflow import clock
from workflow.models import User
from workflow.prepared import reading
from workflow.statements import AmongValues

SHOWN, CANDIDATES, WAITING, TEAMS, OVERSEEN, MANY = 15, 30, 10, 25, 8, 100


@reading(person=int, tasks=list, beside=list, streams=list, groups=list, soon=date)
def own_rows(
    person: Any, tasks: Any, beside: Any, streams: Any, groups: Any, soon: Any
) -> dict[str, Any]:
    """The rows of what was found to be a person's, their teams, and what these have booked."""
    facts = with_facts(Request.objects.filter(AmongValues("pk", tasks)), person)
    undelivered = Request.objects.filter(AmongValues("pk", streams))
    teams = records_of("provider_group").order_by("name").only("name", "slug")
    own = teams.filter(AmongValues("pk", groups))[: TEAMS + 1]
    every = teams.filter(is_active=True)[: OVERSEEN + 1]
    return {
        "tasks": with_people(facts),
        "beside": with_people(Request.objects.filter(AmongValues("pk", beside))),
        "undelivered": undelivered.only("reference", "title"),
        "own": own,
        "every": every,
        "week": _booked(own, soon).union(_booked(every, soon)),
    }


def _booked(teams: Any, last: Any) -> Any:
    """How many requests each of these teams has booked until a day."""
    entries = records_of("schedule_entries").filter(
        AmongKeys("group", teams.values("pk")), state="booked", first_day__lte=last,
        request__state=S.SCHEDULED,
    )  # fmt: skip
    return entries.order_by().values_list("group").annotate(Count("request", distinct=True))


def _of(user: User, rows: dict[str, list[Any]]) -> list[Any]:
    """Own groups; who oversees the office sees all of them."""
    if user.group_ids:
        return rows["own"]
    return rows["every"] if user.oversees else []


class OwnWork:
    """What the page shows of a person's work: first which requests may be theirs, then these.

    A block shows its first few rows; a list of
    all that waits is a page of its own.
    """

    def __init__(self, user: User, *, every: bool = False) -> None:
        self.user, self._keys = user, OwnKeys(user)
        keys = self._keys.tasks
        self._near = keys if every else keys[:CANDIDATES]
        self._read()
        if len(self.tasks) < SHOWN and len(self._near) < len(keys):
            self._near = keys  # what comes first is others' turn: look further
            self._read()

    def _read(self) -> None:
        known = set(self._keys.tasks)
        rows = own_rows(
            person=self.user.pk,
            tasks=self._near,
            beside=[pk for pk in self._keys.others if pk not in known][: WAITING + 1],
            streams=[notice.event.stream_id for notice in self._keys.failed],
            groups=sorted(self.user.group_ids),
            soon=clock.today() + timedelta(days=7),
        )
        self.tasks = tasks_of(rows["tasks"], self.user)
        self._rows = {req.pk: req for req in (*rows["tasks"], *rows["beside"])}
        self._streams = {req.pk: req for req in rows["undelivered"]}
        self._groups = _of(self.user, rows)
        self._week = dict(rows["week"])

    @property
    def more_tasks(self) -> bool:
        """Whether more may wait than is shown."""
        return len(self.tasks) > SHOWN or len(self._near) < len(self._keys.tasks)

    @property
    def waiting(self) -> list[Request]:
        """Mine, but it is somebody else's turn: the first, and one more where there are more."""
        busy = {task.req.pk for task in self.tasks} | set(self._keys.tasks) - set(self._near)
        mine = [pk for pk in self._keys.others if pk not in busy and pk in self._rows]
        return [self._rows[pk] for pk in mine[: WAITING + 1]]

    @property
    def undelivered(self) -> list[tuple[Request, str, Notice]]:
        """What did not reach somebody about a request that this person represents (F8)."""
        return [
            (self._streams[notice.event.stream_id],
             TITLES.get(notice.template, notice.template), notice)
            for notice in self._keys.failed
        ]  # fmt: skip

    @property
    def teams(self) -> list[Any]:
        """The pending queue, what is at risk and the coming week of each team (F1, F2, F3); of
        an office with more teams than a page shows the first, with their numbers up to a hundred.
        """
        groups = self._groups
        own = self.user.group_ids
        cap = CAP if own else MANY
        work = own_open_work(self.user) if own else open_work([g.pk for g in groups], cap)
        for group in groups:
            states = work.get(group.pk, {})
            group.pending = sum_of(states, [S.PENDING], "count", cap)
            group.oldest = oldest_of(states, S.PENDING)
            group.unscheduled = sum_of(states, [S.AWAITING_SCHEDULING], "count", cap)
            group.late = sum_of(states, states, "late", cap)
            group.risk = sum_of(states, states, "risk", cap)
            group.week = self._week.get(group.pk, 0)
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
        "waiting": [(req, waits(req)) for req in waiting[:WAITING]],
        "more_waiting": len(waiting) > WAITING,
        "undelivered": work.undelivered,
        "teams": glance[:most],
        "more_teams": len(glance) > most,
    }
    return render(request, "home.html", context)
