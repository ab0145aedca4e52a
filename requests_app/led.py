"""What is late in the groups that somebody leads, the first by the rule (F1, F4).

Of each group and state the first are read along an index, and no more: the groups' whole history
hangs on the same keys.
"""

from datetime import datetime

from requests_app.represented import KEY, RULE, Key
from requests_app.states import FULFILLMENT
from workflow import clock
from workflow.statements import Statement, mark

MOST = 100
_GROUPS, _NOW = mark(list, 0), mark(datetime, 1)
_STATES = ", ".join(f"'{state}'" for state in FULFILLMENT)
_LATE = (
    f"SELECT {KEY} FROM requests_app_request WHERE provider_group_id = led "  # noqa: S608
    f"AND state = s.state AND state IN ({_STATES}) AND paused_since IS NULL AND due_at < %s"
)
# what is marked as overdue, and of what is not marked yet what reached its risk first
_FOUND = Statement(
    f"""
    SELECT {KEY} FROM unnest(%s) led (led) CROSS JOIN unnest(ARRAY[{_STATES}]) s (state)
    CROSS JOIN LATERAL (
        ({_LATE} AND overdue ORDER BY {RULE} LIMIT {MOST}) UNION ALL
        ({_LATE} AND NOT overdue AND at_risk_at <= %s ORDER BY at_risk_at LIMIT {MOST})
    ) late ORDER BY {RULE} LIMIT {MOST}
    """,  # noqa: S608 - made of the names of states; every value is a parameter
    [_GROUPS, _NOW, _NOW, _NOW],
    (_GROUPS, _NOW),
    "own_led_late",
)


def late_in(groups: list[int]) -> list[Key]:
    """What is worked on in these groups past its due moment. One statement."""
    return [tuple(key) for key in _FOUND.run([groups, clock.now()])]  # type: ignore[misc]
