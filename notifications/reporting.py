"""No failure stays silent: whoever stands for the customer is told what did not get through.

A failed notice is reported after it has failed, in a transaction of its own, by every sweep: a
worker that dies between the two leaves it to the next one. `manage.py verify` counts what is left.
"""

import logging
from collections.abc import Callable
from itertools import groupby
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from notifications.models import Notice

log = logging.getLogger(__name__)

MOST = 500
Reporter = Callable[[list[Notice]], None]

_reporters: list[Reporter] = []


def when_failed(run: Reporter) -> Reporter:
    """Call this function with the notices of one history (or of none) that have failed."""
    _reporters.append(run)
    return run


def _history(notice: Notice) -> tuple[int, int]:
    event = notice.event
    return (event.stream_type_id, event.stream_id) if event else (0, 0)


def report_failed() -> int:
    """Tell of every failed notice once; says how many. One history's trouble stops no other."""
    rows = Notice.objects.filter(state=Notice.State.FAILED, reported_at__isnull=True)
    failed = sorted(rows.select_related("event").order_by("created_at")[:MOST], key=_history)
    reported = 0
    for history, notices in groupby(failed, key=_history):
        try:
            reported += _report([notice.pk for notice in notices])
        except Exception:
            log.exception("could not tell anybody about failed notices of %s", history)
    return reported


def _report(ids: list[UUID]) -> int:
    with transaction.atomic():
        locked = Notice.objects.select_for_update(of=("self",), skip_locked=True)
        rows = list(
            locked.select_related("event").filter(
                pk__in=ids, state=Notice.State.FAILED, reported_at__isnull=True
            )
        )
        if not rows:
            return 0
        for run in _reporters:
            run(rows)
        Notice.objects.filter(pk__in=[row.pk for row in rows]).update(reported_at=timezone.now())
    for row in rows:
        log.error("notice %s (%s) failed: %s", row.pk, row.template, row.last_error)
    return len(rows)
