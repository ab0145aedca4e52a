"""How much open work stands where, counted up to a cap: the same cost for any backlog (F1, F3)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from requests_app.states import OPEN, S
from workflow import clock

CAP = 1000  # of each state of each group
QUEUES = {
    "pending": (S.PENDING,),
    "slots": (S.AWAITING_SCHEDULING, S.SCHEDULED),
    "worklist": (S.PLANNING, S.IN_FULFILLMENT, S.TESTING),
}
COUNTED = """
SELECT g.id, s.state, count(*), count(*) FILTER (WHERE r.late), count(*) FILTER (WHERE r.risk),
       min(r.created_at)
FROM unnest(%(groups)s::bigint[]) g (id) CROSS JOIN unnest(%(states)s::text[]) s (state)
CROSS JOIN LATERAL (
    SELECT created_at,
           paused_since IS NULL AND due_at < %(now)s AS late,
           paused_since IS NULL AND due_at >= %(now)s AND at_risk_at <= %(now)s AS risk
    FROM requests_app_request
    WHERE provider_group_id = g.id AND state = s.state AND {is_open}
    LIMIT %(cap)s
) r GROUP BY g.id, s.state
"""
IS_OPEN = "state IN ({})".format(", ".join(f"'{s}'" for s in OPEN))  # as the index says it
Row = dict[str, Any]


def open_work(groups: Iterable[int], cap: int = CAP) -> dict[int, dict[str, Row]]:
    """By group and state: how many are open, late and at risk, and since when the oldest is there.

    Of each state `cap` are looked at; of more, the numbers are lower bounds.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            COUNTED.format(is_open=IS_OPEN),
            {"groups": list(groups), "states": list(map(str, OPEN)),
             "now": clock.now(), "cap": cap},
        )  # fmt: skip
        found: dict[int, dict[str, Row]] = {}
        for group, state, count, late, risk, oldest in cursor.fetchall():
            row = {"count": count, "late": late, "risk": risk, "oldest": oldest}
            found.setdefault(group, {})[state] = row
    return found


def sum_of(states: dict[str, Row], which: Iterable[str], what: str, cap: int = CAP) -> int | str:
    """One number over some states; "1,000+" where one of them was not counted to its end."""
    rows = [states[state] for state in map(str, which) if state in states]
    total = sum(row[what] for row in rows)
    return f"{total:,}+" if any(row["count"] >= cap for row in rows) else total


def oldest_of(states: dict[str, Row], state: str) -> datetime | None:
    """Since when the oldest of a state waits."""
    return states[state]["oldest"] if state in states else None
