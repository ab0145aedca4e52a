"""Sending notices once: claim a batch, send it over one connection, say of each how it went.

What fails waits in its row. If the claimer dies, its leases run out and others take the rest; at
most the one mail that had just left goes out a second time, with the same Message-ID.
"""

import logging
import os
import random
import socket
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from notifications import bounces, texts
from notifications.carrier import Answer, Carrier
from notifications.mails import Letter, letter_of
from notifications.models import Notice
from notifications.rendering import Kept
from notifications.reporting import report_failed

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
WAITS_MIN = [1, 5, 15, 60, 180, 360, 720, 1440]
TRIES = len(WAITS_MIN) + 1
BATCH = 50
SWEEP_SECONDS = 60  # with one mail that hangs until EMAIL_TIMEOUT still inside a task's time limit
TROUBLES = 2  # so many in a row are the server's, not a mail's

Q = models.Q


def due() -> models.QuerySet[Notice]:
    """What may be sent now: queued and due, or claimed by somebody whose lease ran out."""
    now = timezone.now()
    return Notice.objects.filter(
        Q(state=Notice.State.QUEUED, next_try_at__lte=now)
        | Q(state=Notice.State.SENDING, lease_until__lt=now)
    )


def _lease() -> dict[str, object]:
    return {
        "state": Notice.State.SENDING,
        "lease_owner": f"{socket.gethostname()[:60]}:{os.getpid()}",
        "lease_until": timezone.now() + LEASE,
        "attempts": models.F("attempts") + 1,
    }


def claim(notice_id: str) -> Notice | None:
    """Take one notice for sending; None when it is not due or somebody else has it."""
    claimed = due().filter(pk=notice_id).update(**_lease())
    return Notice.objects.get(pk=notice_id) if claimed else None


def claim_next(number: int = BATCH) -> list[Notice]:
    """Take what is due longest; rows that others are taking are passed over, not waited for."""
    with transaction.atomic():
        waiting = due().order_by("next_try_at", "pk").select_for_update(skip_locked=True)
        rows = list(waiting[:number])
        if rows:
            Notice.objects.filter(pk__in=[row.pk for row in rows]).update(**_lease())
    for row in rows:
        row.attempts += 1
    return rows


def send(notice_id: str) -> int:
    """Send one notice, where nobody else has it or had it, and then whatever else is due."""
    notice = claim(notice_id)
    if notice is None:
        return 0
    with Carrier() as carrier:
        done = _send([notice], carrier) + _sweep(carrier)
        if report_failed():
            done += _sweep(carrier)
    return done


def sweep() -> int:
    """Send whatever is due, however it was lost; safe with many of them at once.

    No lock is kept while talking to a mail server. Says how many it tried.
    """
    with Carrier() as carrier:
        tried = _sweep(carrier)
        if report_failed():
            tried += _sweep(carrier)
    return tried


def _sweep(carrier: Carrier) -> int:
    """Batch after batch over one connection, until nothing is due, time is up or it is no use."""
    tried, stop = 0, time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < stop:
        batch = claim_next()
        done = _send(batch, carrier, stop)
        tried += done
        if not batch or done < len(batch):
            break
    return tried


def _send(batch: Sequence[Notice], carrier: Carrier, stop: float = float("inf")) -> int:
    """Send claimed notices, each marked as sent as soon as the server has it (F8, F15).

    Where the server hangs or is away, the rest is given back: it costs its timeout and no more,
    and others may be luckier. Says how many were tried.
    """
    marks = bounces.undeliverable_among(notice.address for notice in batch)
    changed = texts.current() if batch else {}
    done = troubles = 0
    written: dict[object, Letter | Answer] = {}
    kept: Kept = {}

    def write(notice: Notice) -> None:
        written[notice.pk] = _written(notice, marks, changed, kept)

    try:
        for number, notice in enumerate(batch):
            if troubles == TROUBLES or time.monotonic() > stop:
                break
            done += 1
            if notice.pk not in written:
                write(notice)
            for following in batch[number + 1 : number + 2]:
                carrier.meanwhile(partial(write, following))
            letter = written.pop(notice.pk)
            answer = letter if isinstance(letter, Answer) else carrier.carry(letter)
            carrier.finish()
            _note(notice, answer, carrier)
            troubles = troubles + 1 if answer.trouble else 0
    finally:
        try:
            carrier.finish()
        finally:
            _give_back(batch[done:])
    return done


def _note(notice: Notice, answer: Answer, carrier: Carrier) -> None:
    """Write down how it went; what was taken, while the server thinks about the next one."""
    if answer.taken:
        carrier.meanwhile(partial(_sent, notice))
    elif answer.again:
        _again(notice, answer.said)
    else:
        _fail(notice, answer.said)
    if answer.bounced:
        _bounced(notice, answer.said)


def _written(
    notice: Notice, marks: bounces.Marks, changed: texts.Texts, kept: Kept
) -> Letter | Answer:
    """The letter, or why there is none."""
    if notice.attempts > TRIES:
        return Answer(said="Given up: it was tried too often and never finished.")
    if mark := marks.get(bounces.plain(notice.address)):
        return Answer(said=f"Not sent, {bounces.REFUSED}: {mark.why}")
    try:
        return letter_of(notice, changed, kept)
    except (SoftTimeLimitExceeded, DatabaseError):  # says nothing about this notice
        raise
    except ValueError as error:
        return Answer(said=f"It cannot be addressed: {error}")
    except Exception as error:  # noqa: BLE001 - whatever a template raises must not stop the others
        return Answer(said=f"It cannot be written: {type(error).__name__}: {error}")


def _bounced(notice: Notice, said: str) -> None:
    try:
        bounces.mark_undeliverable(notice.address, said, notice)
    except Exception:
        # the notice has failed either way; the next one to this address marks it
        log.exception("could not mark %s as undeliverable", notice.address)


def _again(notice: Notice, error: str) -> None:
    """Try later, by the time in the row and not by the broker's; after the last wait, fail."""
    if notice.attempts >= TRIES:
        _fail(notice, error)
        return
    minutes = WAITS_MIN[notice.attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    _close(
        notice,
        state=Notice.State.QUEUED,
        next_try_at=timezone.now() + timedelta(minutes=minutes),
        last_error=error[:2000],
    )


def _sent(notice: Notice) -> None:
    """As `_close`, in the plainest way: this is said ten thousand times, after every mail."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_notice SET state = 'sent', sent_at = %s, last_error = '', "
            "lease_owner = '', lease_until = NULL "
            "WHERE id = %s AND state = 'sending' AND attempts = %s",
            [timezone.now(), str(notice.pk), notice.attempts],
        )


def _fail(notice: Notice, error: str) -> None:
    """For good: shown on the request and in admin, where it can be sent again."""
    _close(notice, state=Notice.State.FAILED, last_error=error[:2000])


def _close(notice: Notice, **values: object) -> None:
    """Give the claim back, unless the lease ran out and somebody else has it by now."""
    Notice.objects.filter(
        pk=notice.pk, state=Notice.State.SENDING, attempts=notice.attempts
    ).update(lease_owner="", lease_until=None, **values)


def _give_back(notices: Sequence[Notice]) -> None:
    """Claimed and not tried: it counts as no attempt."""
    for notice in notices:
        _close(notice, state=Notice.State.QUEUED, attempts=notice.attempts - 1)
