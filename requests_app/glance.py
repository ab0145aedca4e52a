"""How much open work stands where, counted up to a cap: the same cost for any backlog (F1, F3).

Counts, what is late and what is at risk are read off two indexes of the open requests by group and
state: nobody's row is looked at, and none of it is kept, so it is true at the moment it is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from requests_app.states import OPEN, S
from workflow import clock
from workflow.paging import MOST
from workflow.statements import Statement, mark

if TYPE_CHECKING:
    from workflow.models import User

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
_GROUPS, _CAP, _NOW = mark(list, 0), mark(int, 1), mark(datetime, 2)
_COUNTED = Statement(
    COUNTED, [_GROUPS, _CAP, _NOW, _CAP, _NOW, _NOW, _CAP], (_GROUPS, _CAP, _NOW), "open_work"
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


def open_work(groups: Iterable[int], cap: int = CAP) -> dict[int, dict[str, Row]]:
    """By group and state: how many are open, late and at risk, and since when the oldest is there.

    Each number is counted up to `cap`. One statement, planned once for a connection.
    """
    found: dict[int, dict[str, Row]] = {}
    rows = _COUNTED.run([list(groups), cap, clock.now()])
    for group, state, number, marked, near, unmarked, oldest in rows:
        row = Row(number, marked, near, unmarked, oldest, cap)
        found.setdefault(group, {})[state] = row
    return found


def own_open_work(user: "User") -> dict[int, dict[str, Row]]:
    """That of a person's own groups; a page reads it once."""
    kept = user.__dict__
    if "_open_work" not in kept:
        kept["_open_work"] = open_work(sorted(user.group_ids)) if user.group_ids else {}
    return kept["_open_work"]  # type: ignore[no-any-return]


def sum_of(states: dict[str, Row], which: Iterable[str], what: str, cap: int = CAP) -> int | str:
    """One number over some states; "1,000+" where one of them was not counted to its end."""
    counts = [getattr(states[state], what) for state in map(str, which) if state in states]
    total = sum(number for number, _ in counts)
    return f"{min(total, cap - 1):,}+" if total and any(cut for _, cut in counts) else total


def oldest_of(states: dict[str, Row], state: str) -> datetime | None:
    """Since when the oldest of a state waits."""
    return states[state].oldest if state in states else None
