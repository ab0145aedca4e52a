"""What a request's events say about its clock: since when it runs, when it stood still, and why.

Pure: the same events give the same story at any time. The clock stands still (F1, X1) while the
request is on hold (waiting for the customer or for something else), while it is in parts
maintenance, while it waits in a queue for parts that are on order, and while a discovery waits
for the customer's answer to a proposal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Q
from django.utils import timezone

from requests_app.states import CLOSED_STATES, LANES, S
from workflow.models import Event

OWN = {"take_in", "triage", "hold", "resume", "transfer", "change_priority"}
QUEUES = [s for s, lane in LANES.items() if lane == "queue"]
Pause = tuple[datetime, datetime | None]


def matters(event: Event) -> bool:
    """Whether this event can move a clock."""
    return event.moved or event.name in OWN or _is_word(event)


def events_of(request: Any) -> list[Event]:
    """The events that matter, in order."""
    return list(request.events.filter(matters_q()).order_by("number"))


def events_of_many(requests: list[Any]) -> dict[int, list[Event]]:
    """The same for many requests in one query."""
    found: dict[int, list[Event]] = {r.pk: [] for r in requests}
    if not requests:
        return found
    stream = ContentType.objects.get_for_model(type(requests[0]))
    rows = Event.objects.filter(matters_q(), stream_type=stream, stream_id__in=list(found))
    for event in rows.order_by("stream_id", "number"):
        found[event.stream_id].append(event)
    return found


def matters_q() -> Q:
    """As `matters` says it of one."""
    return ~Q(source=F("target")) | Q(name__in=OWN) | Q(public=True, actor_kind="person")


def _is_word(event: Event) -> bool:
    """A person said something that the customer reads."""
    return event.public and event.actor_kind == "person" and event.name != "take_in"


@dataclass
class Story:
    """The current pass, as far as its clock goes."""

    start: datetime
    routed_on: date
    responded_at: datetime | None = None
    pauses: list[Pause] = field(default_factory=list)
    paused_for: str = ""
    _state: str = S.TRIAGE.value
    _held_for: str = ""
    _orders: set[int] = field(default_factory=set)
    _proposals: set[int] = field(default_factory=set)

    @property
    def paused_since(self) -> datetime | None:
        return self.pauses[-1][0] if self.pauses and self.pauses[-1][1] is None else None

    def hear(self, event: Event, subject: str) -> None:
        """Take in the next event; `subject` is the model it is about."""
        if subject == "request":
            self._own(event)
        elif subject == "partline":
            self._open(self._orders, event, "ordered")
        elif subject == "proposal":
            self._open(self._proposals, event, "issued")
        if self.responded_at is None and _is_word(event):
            self.responded_at = event.at
        self._pause(event.at)

    def _own(self, event: Event) -> None:
        if event.name == "reopen":
            self.__init__(event.at, timezone.localdate(event.at))  # type: ignore[misc]
            return
        if event.name == "hold":
            self._held_for = event.changes.get("waiting_for", ["", ""])[1] or "other"
        elif event.name in ("resume", "cancel"):
            self._held_for = ""
        if event.moved:
            if event.source == S.TRIAGE and self.responded_at is None:
                self.responded_at = event.at
            if event.target in (S.PENDING, S.AWAITING_SCHEDULING) and event.source in (
                S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE,
            ):  # fmt: skip
                self.routed_on = timezone.localdate(event.at)
            self._state = event.target

    @staticmethod
    def _open(found: set[int], event: Event, state: str) -> None:
        if event.target == state:
            found.add(event.subject_id)
        elif event.source == state:
            found.discard(event.subject_id)

    def _why(self) -> str:
        if self._state in CLOSED_STATES:
            return ""
        if self._held_for:
            return self._held_for
        if self._state == S.PARTS_MAINTENANCE or (self._orders and self._state in QUEUES):
            return "parts"
        return "customer" if self._proposals and self._state == S.DISCOVERY else ""

    def _pause(self, at: datetime) -> None:
        why, since = self._why(), self.paused_since
        if why and since is None:
            self.pauses.append((at, None))
        elif not why and since is not None:
            self.pauses[-1] = (since, at)
        self.paused_for = why


def story_of(events: Iterable[Event], created_at: datetime) -> Story:
    """Read the events of one request, in order."""
    told = Story(created_at, timezone.localdate(created_at))
    for event in events:
        subject = ContentType.objects.get_for_id(event.subject_type_id)
        told.hear(event, subject.model)
    return told
