"""How many requests wait in the queues of groups, how many are late or at risk (F1, F3).

Nothing is counted past a thousand in one state of one group, so a count costs the same however
much there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from requests_app.states import OPEN
from workflow import clock
from workflow.paging import MOST

# The list of open states stands there so that the partial index of the queues is used.
COUNT = """
SELECT g, s, count(*), count(*) FILTER (WHERE runs AND due_at < %(now)s),
    count(*) FILTER (WHERE runs AND at_risk_at <= %(now)s AND due_at >= %(now)s), min(created_at)
FROM unnest(%(groups)s::bigint[]) AS g CROSS JOIN unnest(%(states)s) AS s
CROSS JOIN LATERAL (
    SELECT due_at, at_risk_at, created_at, closed_at IS NULL AND paused_since IS NULL AS runs
    FROM requests_app_request
    WHERE provider_group_id = g AND state = s AND state IN ({open})
    LIMIT {most}
) AS waiting
GROUP BY g, s
"""


@dataclass
class Waiting:
    """What waits: how many, past their due moment, at risk, and since when the oldest one is."""

    number: int = 0
    late: int = 0
    risk: int = 0
    oldest: datetime | None = None

    def __add__(self, other: "Waiting") -> "Waiting":
        found = [moment for moment in (self.oldest, other.oldest) if moment]
        return Waiting(
            self.number + other.number,
            self.late + other.late,
            self.risk + other.risk,
            min(found, default=None),
        )


class Counts(dict[tuple[int, str], Waiting]):
    """By group and state."""

    def of(self, group: int, *states: str) -> Waiting:
        """All of these states together."""
        return sum((self.get((group, str(s)), Waiting()) for s in states), Waiting())


def waiting_in(groups: Iterable[int]) -> Counts:
    """The open requests of these groups by state: one query."""
    pks = sorted(groups)
    if not pks:
        return Counts()
    states = [str(s) for s in OPEN]
    quoted = ", ".join(f"'{s}'" for s in states)
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT.format(open=quoted, most=MOST + 1),
            {"now": clock.now(), "groups": pks, "states": states},
        )
        return Counts({(g, s): Waiting(*row) for g, s, *row in cursor.fetchall()})
