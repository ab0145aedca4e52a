"""How much open work stands where, counted up to a cap: the same cost for any backlog (F1, F3);
and what else the frame of every page shows.

Counts, what is late and what is at risk are read off two indexes of the open requests by group and
state: nobody's row is looked at, and none of it is kept, so it is true at the moment it is read.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from requests_app.mail_models import REVIEWED
from requests_app.states import OPEN, S
from workflow import clock
from workflow.models import SavedFilter, User
from workflow.paging import MOST
from workflow.statements import Statement, mark

CAP = MOST + 1  # of each state of each group
QUEUES = {
    "pending": (S.PENDING,),
    "slots": (S.AWAITING_SCHEDULING, S.SCHEDULED),
    "worklist": (S.PLANNING, S.IN_FULFILLMENT, S.TESTING),
}
STATES = ", ".join(f"'{state}'" for state in OPEN)
ROWS = (
    "FROM requests_app_request WHERE provider_group_id = g.id AND state = s.state "
    f"AND state IN ({STATES})"  # as the indexes say it
)
# What is marked as overdue comes first; of what is not marked yet, what reached its risk last
COUNTED = f"""
SELECT g.id, s.state, every.n, late.n, near.n, near.late,
       (SELECT created_at {ROWS} ORDER BY created_at LIMIT 1)
FROM unnest(%s::bigint[]) g (id) CROSS JOIN unnest(ARRAY[{STATES}]) s (state)
CROSS JOIN LATERAL (SELECT count(*) n FROM (SELECT {ROWS} LIMIT %s) counted) every
CROSS JOIN LATERAL (SELECT count(*) n FROM (
    SELECT {ROWS} AND paused_since IS NULL AND overdue AND due_at < %s AND every.n > 0 LIMIT %s
) counted) late
CROSS JOIN LATERAL (SELECT count(*) n, count(*) FILTER (WHERE due_at < %s) late FROM (
    SELECT due_at {ROWS} AND paused_since IS NULL AND NOT overdue AND at_risk_at <= %s
    AND every.n > 0 ORDER BY at_risk_at DESC LIMIT %s
) counted) near
WHERE every.n > 0
"""  # noqa: S608 - made of the names of states; every value is a parameter
REVIEW = ", ".join(f"'{state}'" for state in REVIEWED)
FRAME = f"""
SELECT counted.*, NULL::text FROM ({COUNTED}) counted
UNION ALL SELECT NULL, 'mail', count(*), 0, 0, 0, NULL, NULL FROM (
    SELECT FROM requests_app_inboundmessage WHERE state IN ({REVIEW}) LIMIT %s
) mail
UNION ALL SELECT NULL, 'filters', 0, 0, 0, 0, NULL,
    json_agg(json_build_array(id, page, name, query) ORDER BY name)::text
FROM workflow_savedfilter WHERE user_id = %s
"""  # noqa: S608 - as above
_GROUPS, _CAP, _NOW, _PERSON = mark(list, 0), mark(int, 1), mark(datetime, 2), mark(int, 3)
_PARAMS = [_GROUPS, _CAP, _NOW, _CAP, _NOW, _NOW, _CAP]
_COUNTED = Statement(COUNTED, _PARAMS, (_GROUPS, _CAP, _NOW), "open_work")
_FRAME = Statement(
    FRAME, [*_PARAMS, _CAP, _PERSON], (_GROUPS, _CAP, _NOW, _PERSON), "frame_of_a_page"
)


@dataclass(frozen=True, slots=True)
class Row:
    """The open requests of one group in one state. A number is a lower bound where it was cut off:
    `count` and `late` and `risk` are such pairs."""

    number: int
    marked: int
    near: int
    unmarked: int
    oldest: datetime
    cap: int

    @property
    def count(self) -> tuple[int, bool]:
        return self.number, self.number >= self.cap

    @property
    def late(self) -> tuple[int, bool]:
        """Past their due moment: those marked as overdue, and those of which nobody knows yet."""
        return self.marked + self.unmarked, max(self.marked, self.near) >= self.cap

    @property
    def risk(self) -> tuple[int, bool]:
        return self.near - self.unmarked, self.near >= self.cap


Work = dict[int, dict[str, Row]]


class Frame(NamedTuple):
    """What the frame of a page shows: the open work of the person's groups, the mail that waits
    for somebody (up to a thousand and one), and the person's saved filters."""

    work: Work
    mail: int
    filters: list[SavedFilter]


def open_work(groups: Iterable[int], cap: int = CAP) -> Work:
    """By group and state: how many are open, late and at risk, and since when the oldest is there.

    Each number is counted up to `cap`. One statement, planned once for a connection.
    """
    return _by_group(_COUNTED.run([list(groups), cap, clock.now()]), cap)


def frame_of(user: User) -> Frame:
    """Read by one statement, once for a page."""
    kept = user.__dict__
    if "_frame" not in kept:
        rows = _FRAME.run([sorted(user.group_ids), CAP, clock.now(), user.pk])
        beside = {row[1]: row for row in rows if row[0] is None}
        kept["_frame"] = Frame(
            work=_by_group((row[:-1] for row in rows if row[0] is not None), CAP),
            mail=beside["mail"][2],
            filters=_filters(user, beside["filters"][-1]),
        )
    return kept["_frame"]  # type: ignore[no-any-return]


def own_open_work(user: User) -> Work:
    """That of a person's own groups."""
    return frame_of(user).work


def _by_group(rows: Iterable[Any], cap: int) -> Work:
    found: Work = {}
    for group, state, number, marked, near, unmarked, oldest in rows:
        row = Row(number, marked, near, unmarked, oldest, cap)
        found.setdefault(group, {})[state] = row
    return found


def _filters(user: User, text: str | None) -> list[SavedFilter]:
    return [
        SavedFilter(pk=pk, user_id=user.pk, page=page, name=name, query=query)
        for pk, page, name, query in json.loads(text or "[]")
    ]


def sum_of(states: dict[str, Row], which: Iterable[str], what: str, cap: int = CAP) -> int | str:
    """One number over some states; "1,000+" where one of them was not counted to its end."""
    counts = [getattr(states[state], what) for state in map(str, which) if state in states]
    total = sum(number for number, _ in counts)
    return f"{min(total, cap - 1):,}+" if total and any(cut for _, cut in counts) else total


def oldest_of(states: dict[str, Row], state: str) -> datetime | None:
    """Since when the oldest of a state waits."""
    return states[state].oldest if state in states else None
