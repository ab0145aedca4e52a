"""Clocks whose calendar, agreement or default was edited: noted at once, set anew by a task (F1).

The note is in the row and in the edit's own transaction; the broker is only a nudge, and a beat
finds what it lost.
"""

import logging
import time
from typing import Any

from django.db import transaction
from django.db.models import Q

from requests_app.models import Request
from requests_app.targets import OFFICE_DEFAULT, retarget
from workflow import clock
from workflow.actors import SYSTEM
from workflow.door import record
from workflow.upkeep import after_edit

log = logging.getLogger(__name__)
SECONDS = 50
WHY = "Set anew: its calendar, agreement or default target changed."


def note(which: Q) -> int:
    """Mark the open requests concerned; says how many."""
    found = Request.objects.open().filter(which, stale_since__isnull=True)
    return found.update(stale_since=clock.now())


@after_edit("calendar")
def of_calendar(calendar: Any) -> None:
    """Its groups' requests, and those that go by the default, which it may be or have been."""
    of = Q(provider_group__calendar=calendar.pk)
    of |= Q(provider_group__calendar__isnull=True) | Q(provider_group__calendar__hours__isnull=True)
    note(Q(pk__in=Request.objects.filter(of).values("pk")))


@after_edit("group")
def of_group(group: Any) -> None:
    """It may have got another calendar."""
    note(Q(provider_group=group.pk))


@after_edit("agency")
def of_agency(agency: Any) -> None:
    """One of its agreements says something else by now."""
    note(Q(agency=agency.pk))


@after_edit("target")
def of_default(target: Any) -> None:
    """A default of the office, by kind and priority."""
    note(Q(target_source=OFFICE_DEFAULT, kind=target.kind, priority=target.priority))


def _next(broken: set[int]) -> Request | None:
    rows = Request.objects.filter(stale_since__isnull=False).exclude(pk__in=broken)
    waiting = rows.order_by("stale_since", "pk")
    return waiting.select_for_update(skip_locked=True, of=("self",)).first()


def freshen(seconds: float = SECONDS) -> int:
    """Set stale clocks anew, each in a transaction of its own; says how many.

    Safe with many at once: a row that somebody has is passed over. What a run does not reach in
    its time is left to the next one.
    """
    done, stop = 0, time.monotonic() + seconds
    broken: set[int] = set()
    while time.monotonic() < stop:
        with transaction.atomic():
            request = _next(broken)
            if request is None:
                break
            try:
                with transaction.atomic():
                    moved = retarget(request)
                    if moved:
                        record(request, "retarget", by=SYSTEM, reason=WHY, changes=moved)
            except Exception:
                log.exception("the clock of %s cannot be set", request)
                broken.add(request.pk)
                continue
        done += 1
    return done
