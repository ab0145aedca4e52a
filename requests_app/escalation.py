"""Who is told when a request runs out of time: at 75 % and at 100 %, once each (F1).

`alarm_at` on the row says when somebody is to be told next; a beat looks at nothing else. After a
day without the scheduler each request is told about once, at the highest level it has reached:
the lower one it passed unseen is written down with it and not sent any more.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from requests_app.clock_models import Escalation
from requests_app.models import Request
from requests_app.standing import late_q
from requests_app.targets import AT_RISK, OVERDUE
from workflow import clock
from workflow.actors import SYSTEM
from workflow.door import record

log = logging.getLogger(__name__)
SECONDS = 50
NOTICES = {AT_RISK: "at_risk", OVERDUE: "overdue"}


def due_alarms() -> Any:
    """Requests about which somebody is to be told by now, the longest due first."""
    return Request.objects.open().filter(alarm_at__lte=clock.now()).order_by("alarm_at", "pk")


def next_alarm(broken: set[int]) -> Request | None:
    """One of them, locked; what somebody else is telling is passed over. Its own function for the
    race's control."""
    rows = due_alarms().exclude(pk__in=broken)
    return rows.select_for_update(skip_locked=True, of=("self",)).first()


def sound(request: Request) -> int:
    """Tell whoever is to be told about a locked request, and set its next alarm.

    Returns the level told, or 0 where nobody was to be told.
    """
    now = clock.now()
    targets = {AT_RISK: request.at_risk_at, OVERDUE: request.due_at}
    moments = {level: at for level, at in targets.items() if at is not None}
    own = Escalation.objects.filter(
        request=request, pass_number=request.pass_number, rearmed_at__isnull=True
    )
    told = set(own.values_list("level", flat=True))
    reached = [level for level, at in moments.items() if at <= now]
    fresh = [level for level in reached if level not in told]
    Escalation.objects.bulk_create(
        Escalation(
            request=request, pass_number=request.pass_number, level=level,
            target=moments[level], at=now,
        )
        for level in fresh
    )  # fmt: skip
    ahead = (at for level, at in moments.items() if level not in {*told, *fresh})
    request.alarm_at = next(ahead, None)
    request.overdue = OVERDUE in reached
    Request.objects.filter(pk=request.pk).update(alarm_at=request.alarm_at, overdue=request.overdue)
    if not fresh:
        return 0
    level = max(fresh)
    record(
        request, "escalate", by=SYSTEM, tell=(NOTICES[level],),
        facts={"level": f"{level} %", "target": moments[level]},
    )  # fmt: skip
    return level


def escalate(seconds: float = SECONDS) -> int:
    """Sound every alarm that is due, each in a transaction of its own; says how many were told.

    Two beats at once share the work: rows are locked and passed over, and the database keeps one
    row per request, pass and level. A request that cannot be told about holds up nobody else.
    """
    count, stop = 0, time.monotonic() + seconds
    broken: set[int] = set()
    while time.monotonic() < stop:
        with transaction.atomic():
            request = next_alarm(broken)
            if request is None:
                break
            try:
                with transaction.atomic():
                    count += bool(sound(request))
            except Exception:
                log.exception("nobody could be told about %s", request)
                broken.add(request.pk)
    return count


def not_marked(rows: Any, now: datetime) -> Any:
    """Those of these rows that are overdue by this moment and not marked so."""
    return rows.filter(late_q(now=now), overdue=False)


def unmarked(rows: Any, now: datetime) -> Any:
    """Their keys, locked."""
    late = not_marked(rows, now).order_by("pk")
    return late.select_for_update(skip_locked=True, of=("self",)).values_list("pk")


def mark_overdue(keys: Iterable[tuple[int]]) -> None:
    """Whatever is overdue by now is marked so, that the rule puts it first (F4).

    The beat does it too; whoever takes the next request does not wait for the beat.
    """
    Request.objects.filter(pk__in=[pk for (pk,) in keys]).update(overdue=True)
