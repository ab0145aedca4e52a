"""What a representative's agencies have: of some few, of others most of the office's requests.

Of each agency and each person the first are read along an index in the order of the rule, and no
more: who represents much waits no longer than who represents little.
"""

from datetime import date, datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType

from requests_app.models import Request
from requests_app.querysets import REPRESENTATIVES_TURN
from requests_app.states import OPEN
from workflow import clock
from workflow.statements import Statement, mark

MOST, BESIDE, FAILED = 100, 11, 10
DUE = 1000  # in all of the office: those that are to be looked at again for longest
Key = tuple[int, bool, int, datetime | None, datetime]  # a row with what the rule looks at

_NAMES = ("represented", "others", "nobodys_tasks", "review", "failed")
_PERSONS, _AGENCIES, _NOBODYS = mark(list, 0), mark(list, 1), mark(list, 2)
_TODAY, _REQUESTS, _MOST, _OTHERS = mark(date, 3), mark(int, 4), mark(int, 5), mark(int, 6)
_OPEN = "state IN ({})".format(", ".join(f"'{state}'" for state in OPEN))
_TURN = "CASE WHEN state IN ({}) THEN 0 ELSE 1 END".format(
    ", ".join(f"'{state}'" for state in REPRESENTATIVES_TURN)
)
KEY = "id, overdue, priority, due_at, created_at"
RULE = "overdue DESC, priority, due_at, created_at, id"
_MINE = (
    "(r.representative_id = ANY(%s) OR r.agency_id = ANY(%s) "
    "OR (r.representative_id IS NULL AND r.agency_id = ANY(%s)))"
)


def _first(turn: int) -> str:
    """The first whose turn is the representative's (0) or somebody else's (1)."""
    rows = (
        f"SELECT {KEY} FROM requests_app_request r "  # noqa: S608 - made of the names of states
        f"WHERE {_OPEN} AND {_TURN} = {turn} AND"
    )
    rest = f"ORDER BY {RULE} LIMIT %s"
    return f"""
        SELECT DISTINCT {KEY} FROM (
            SELECT r.* FROM unnest(%s) k (id) CROSS JOIN LATERAL (
                {rows} r.representative_id = k.id {rest}) r
            UNION ALL SELECT r.* FROM unnest(%s) k (id) CROSS JOIN LATERAL (
                {rows} r.agency_id = k.id {rest}) r
            UNION ALL (
                {rows} r.representative_id IS NULL AND r.agency_id = ANY(%s) {rest})
        ) each {rest}"""  # noqa: S608 - made of the names of states; every value is a parameter


_SQL = f"""
WITH due AS MATERIALIZED (
    SELECT {KEY}, representative_id, agency_id FROM requests_app_request
    WHERE review_on <= %s AND {_OPEN} ORDER BY review_on LIMIT {DUE}
)
SELECT 0, {KEY} FROM ({_first(0)}) found
UNION ALL SELECT 1, {KEY} FROM ({_first(1)}) found
UNION ALL SELECT 2, {KEY} FROM (
    SELECT {KEY} FROM requests_app_request r WHERE {_OPEN} AND {_TURN} = 0
    AND state = 'triage' AND representative_id IS NULL AND {_MINE} ORDER BY {RULE} LIMIT {MOST}
) found
UNION ALL SELECT 3, {KEY} FROM (
    SELECT {KEY} FROM due r WHERE {_MINE} ORDER BY {RULE} LIMIT {MOST}
) found
UNION ALL SELECT 4, * FROM (
    SELECT e.id, false, 0, n.created_at, n.created_at FROM notifications_notice n
    JOIN workflow_event e ON e.id = n.event_id AND e.stream_type_id = %s
    JOIN requests_app_request r ON r.id = e.stream_id
    WHERE n.state = 'failed' AND {_MINE} ORDER BY n.created_at DESC LIMIT {FAILED}
) found
"""  # noqa: S608 - the same
_WHOSE = [_PERSONS, _AGENCIES, _NOBODYS]


def _each(most: Any) -> list[Any]:
    """The values of the first of each, in the order of the text."""
    return [_PERSONS, most, _AGENCIES, most, _NOBODYS, most, most]


_FOUND = Statement(
    _SQL,
    [_TODAY, *_each(_MOST), *_each(_OTHERS), *_WHOSE, *_WHOSE, _REQUESTS, *_WHOSE],
    (_PERSONS, _AGENCIES, _NOBODYS, _TODAY, _REQUESTS, _MOST, _OTHERS),
    "own_represented",
)


def represented(
    persons: list[int], agencies: list[int], nobodys: list[int], most: int = MOST
) -> dict[str, list[Key]]:
    """The first by the rule: whose turn is the representative's, whose it is not, what nobody
    represents in triage, and what is to be looked at again; and the events about which somebody
    could not be told of late.

    `persons` are the representative and those they stand in for, `agencies` their own, `nobodys`
    those that nobody represents; `most` is how many of their turn are wanted. One statement,
    planned once for a connection.
    """
    content_type = ContentType.objects.get_for_model(Request).pk
    values: list[Any] = [
        persons, agencies, nobodys, clock.today(), content_type, most, most + BESIDE,
    ]  # fmt: skip
    found: dict[str, list[Key]] = {name: [] for name in _NAMES}
    for number, *key in _FOUND.run(values):
        found[_NAMES[number]].append(tuple(key))  # type: ignore[arg-type]
    return found
