"""The organisation's own history as the forecast wants it: visits of requests to their states."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Q
from django.utils import timezone

from fulfillment.event_log import BadLog, Log
from fulfillment.forecast import ANY_STEP, DONE, UNKNOWN, History
from fulfillment.models import ProviderGroup
from requests_app.models import Request
from requests_app.states import LANES, Kind, S, State
from workflow.models import Event

EPOCH = date(1970, 1, 1)
STEPS = [str(s) for s in State] + ["on hold"]
STEP = {name: number for number, name in enumerate(STEPS)}
HOLD = STEP["on hold"]
KINDS = {"": 0, str(Kind.ASSISTANCE): 1, str(Kind.ENHANCEMENT): 2}
INTAKE = ("intake", "discovery", "parts")
BESIDE = ("hold", "resume", "reschedule", "transfer")
DAY_BEGINS = 1 / 3
CHUNK = 2000


def days(moment: datetime) -> float:
    """Local days since 1970."""
    local = timezone.localtime(moment)
    begun = (local.hour * 3600 + local.minute * 60 + local.second) / 86400.0
    return (local.date() - EPOCH).days + begun + local.microsecond / 8.64e10


def planned(day: Any) -> float:
    """The morning of a day on which something is planned; nan without one."""
    if not day:
        return float("nan")
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return (day - EPOCH).days + DAY_BEGINS


def date_of(moment: float) -> date:
    """The local date of a moment in days."""
    return date.fromordinal(EPOCH.toordinal() + int(moment // 1))


@dataclass
class Visits:
    """Histories of requests added one after the other; numbers only."""

    groups: dict[int, int] = field(default_factory=lambda: {0: 0})
    whose: list[int] = field(default_factory=list)
    whole: tuple[array, ...] = field(default_factory=lambda: tuple(array("q") for _ in range(6)))
    times: tuple[array, ...] = field(default_factory=lambda: tuple(array("d") for _ in range(3)))

    def add(self, row: tuple[Any, ...], events: Iterable[tuple[Any, ...]]) -> None:
        """One request with its events, in order."""
        _Story(self, row, list(events)).tell()

    def history(self) -> History:
        """What was added, as arrays."""
        case, step, then, group, kind, back = (np.array(c, dtype=np.int64) for c in self.whole)
        start, end, known = (np.array(c) for c in self.times)
        return History(case, step, start, end, then, group, kind, known, back)


class _Story:
    """One request: where it is while its events are read."""

    def __init__(self, to: Visits, row: tuple[Any, ...], events: list[tuple[Any, ...]]) -> None:
        self.to, self.events = to, events
        self.pk, born, group, self.kind = row
        moved = [e[4]["provider_group_id"] for e in events if "provider_group_id" in e[4]]
        self.group = moved[0][0] if moved and moved[0][0] else group
        self.step, self.back, self.known = STEP["triage"], ANY_STEP, float("nan")
        self.since = days(born)
        self.open = True
        self._begin()

    def _begin(self) -> None:
        self.case = len(self.to.whose)
        self.to.whose.append(self.pk)

    def tell(self) -> None:
        for name, source, target, at, changes, facts in self.events:
            moment = max(self.since, days(at))
            if name == "reopen":
                self._begin()
                self.open, self.since, self.step, self.back = True, moment, STEP["triage"], ANY_STEP
            elif name == "transfer" or not self.open:
                self.group = changes.get("provider_group_id", [None, self.group])[1]
            elif name == "hold":
                self._go(
                    moment, HOLD, planned(changes.get("review_on", [None, None])[1]), self.step
                )
            elif name == "resume":
                if self.step == HOLD:
                    self._go(moment, STEP[source], self.known)
            elif name == "reschedule":
                if self.step == STEP["scheduled"] and "first_day" in changes:
                    self._go(moment, self.step, planned(changes["first_day"][1]))
            elif source != target:
                self._go(moment, STEP[target], planned(facts.get("day")))
        if self.open:
            self._row(float("inf"), UNKNOWN)

    def _go(self, moment: float, step: int, known: float, back: int = ANY_STEP) -> None:
        state = STEPS[step]
        ends = {str(S.CLOSED): DONE, str(S.DECLINED): UNKNOWN, str(S.CANCELLED): UNKNOWN}
        self._row(moment, ends.get(state, step))
        self.open = state not in ends
        self.since, self.step, self.back = moment, step, back
        self.known = known if state in (S.SCHEDULED, "on hold") else float("nan")

    def _row(self, end: float, then: int) -> None:
        state = STEPS[self.back if self.step == HOLD and self.back >= 0 else self.step]
        early = LANES.get(state, "") in INTAKE
        groups = self.to.groups
        group = 0 if early or not self.group else groups.setdefault(self.group, len(groups))
        kind = 0 if early else KINDS[self.kind]
        values = (self.case, self.step, then, group, kind, self.back)
        for column, value in zip(self.to.whole, values, strict=True):
            column.append(value)
        for time, moment in zip(self.to.times, (self.since, end, self.known), strict=True):
            time.append(moment)


def read(requests: Any) -> Visits:
    """The visits of these requests (a queryset). Two queries per two thousand of them."""
    rows = requests.order_by("pk").values_list("pk", "created_at", "provider_group_id", "kind")
    visits, chunk = Visits(), []
    for row in rows.iterator(chunk_size=CHUNK):
        chunk.append(row)
        if len(chunk) == CHUNK:
            _add(visits, chunk)
            chunk = []
    _add(visits, chunk)
    return visits


def _add(visits: Visits, chunk: list[tuple[Any, ...]]) -> None:
    own = ContentType.objects.get_for_model(Request)
    events: dict[int, list[tuple[Any, ...]]] = {}
    found = (
        Event.objects.filter(
            stream_type=own, stream_id__in=[row[0] for row in chunk], subject_type=own
        )
        .filter(~Q(source=F("target")) | Q(name__in=BESIDE))
        .order_by("stream_id", "number")
        .values_list("stream_id", "name", "source", "target", "at", "changes", "facts")
    )
    for stream, *event in found.iterator(chunk_size=CHUNK):
        events.setdefault(stream, []).append(tuple(event))
    for row in chunk:
        visits.add(row, events.get(row[0], []))


def as_log() -> Log:
    """The whole history of the database, for the back-test. Raises BadLog where there is none."""
    visits = read(Request.objects.all())
    if not visits.whose:
        raise BadLog("There are no requests in the database.")
    names = dict(ProviderGroup.objects.values_list("pk", "name"))
    history = visits.history()
    return Log(
        history,
        ["no group yet" if pk == 0 else names[pk] for pk in visits.groups],
        STEPS,
        len(visits.whose),
        len(history.case),
        ["A request is done when it is closed; declined and cancelled ones are left out."],
    )
