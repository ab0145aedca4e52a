"""The process line of a request: where it was and when, where it is, what comes next (D3, F16)."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.db.models import F, QuerySet

from requests_app.states import ASSISTANCE_LINE, ENHANCEMENT_LINE, LANES, Kind, S, State
from workflow.models import Event
from workflow.together import read_with

if TYPE_CHECKING:
    from requests_app.models import Request

ENDS_EARLY = (S.DECLINED, S.CANCELLED)
DETOURS = (S.DISCOVERY, S.PARTS_MAINTENANCE)
UNKNOWN_AHEAD = (("Queue", "queue"), ("Fulfillment", "fulfillment"), ("Closed", "done"))


@dataclass(frozen=True)
class Stop:
    """One place on the line. `mark` is done, here, next, ahead or maybe (only if charged)."""

    label: str
    lane: str
    mark: str
    on: datetime | None = None
    visits: int = 0
    state: str = ""


def line_of(request: "Request") -> list[Stop]:
    """The stops of the current pass: dates from the events, the way ahead from the kind."""
    visited = _arrivals(request)
    states = _route(request, visited)
    here = states.index(State(request.state))
    stops = [
        Stop(
            label=str(state.label),
            lane=LANES[state],
            mark=_mark(index, here, state, request, visited),
            on=visited[state][-1] if state in visited else None,
            visits=len(visited.get(state, ())),
            state=state,
        )
        for index, state in enumerate(states)
        if index >= here or state in visited
    ]
    if request.is_open and not request.kind:
        stops += [Stop(label, lane, "ahead") for label, lane in UNKNOWN_AHEAD]
    return stops


def _arrivals(request: "Request") -> dict[State, list[datetime]]:
    """When each state was reached in the current pass."""
    found: dict[State, list[datetime]] = {S.TRIAGE: [request.created_at]}
    read = read_with(request, "moves")
    own = ContentType.objects.get_for_model(request).pk
    for move in moves_of(own, request.pk) if read is None else read:
        if move.name == "reopen":
            found = {S.TRIAGE: [move.at]}
        elif move.target in LANES:
            found.setdefault(State(move.target), []).append(move.at)
    return found


def moves_of(content_type: int, pk: int) -> QuerySet[Event]:
    """The events that moved the request itself, in order, with what the line needs of them."""
    events = Event.objects.filter(stream_type=content_type, stream_id=pk)
    own = events.filter(subject_type=content_type, subject_id=pk).exclude(source=F("target"))
    return own.order_by("number").only("name", "target", "at")


def _route(request: "Request", visited: dict[State, list[datetime]]) -> list[State]:
    """The states of this request's way, in the order of the process."""
    state = State(request.state)
    ways: dict[str, tuple[State, ...]] = {
        Kind.ASSISTANCE: ASSISTANCE_LINE,
        Kind.ENHANCEMENT: ENHANCEMENT_LINE,
    }
    on_way = {s for s in ways.get(request.kind, ()) if _expected(s, request, visited)}
    on_way |= {s for s in DETOURS if s in visited}
    if state in ENDS_EARLY:
        on_way &= set(visited)
    on_way |= {S.TRIAGE, state}
    return [s for s in State if s in on_way]


def _expected(state: State, request: "Request", visited: dict[State, list[datetime]]) -> bool:
    """Billing stands on the line unless it is said that nothing is charged (F10)."""
    if state != S.BILLING or state in visited:
        return True
    return request.charge_expected is not False and request.state not in (
        S.CUSTOMER_NOTICE,
        S.CLOSED,
    )


def _mark(
    index: int,
    here: int,
    state: State,
    request: "Request",
    visited: dict[State, list[datetime]],
) -> str:
    if index < here:
        return "done"
    if index == here:
        return "here"
    if state == S.BILLING and request.charge_expected is None and state not in visited:
        return "maybe"
    return "next" if index == here + 1 else "ahead"
