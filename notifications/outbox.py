"""Writing to the outbox, inside the transaction of the change: what tells of an event is written
by the door only."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from notifications.models import Notice
from notifications.tasks import deliver

log = logging.getLogger(__name__)

ANSWER_FIRST = 0.02  # seconds
_to_publish: queue.Queue[str] = queue.Queue(maxsize=1000)
_publisher: threading.Thread | None = None
_starting = threading.Lock()


@dataclass(frozen=True)
class Recipient:
    """Somebody who is told: a customer's contact or a member of staff."""

    address: str
    name: str = ""
    language: str = "en"
    user: Any = None
    context: dict[str, Any] = field(default_factory=dict)


def enqueue(
    event: Any,
    template: str,
    recipients: Iterable[Recipient],
    context: dict[str, Any],
    *,
    suppressed: bool = False,
    key: str = "",
) -> list[Notice]:
    """Write one notice per distinct address; after commit, nudge a worker.

    `suppressed` writes the rows as history that is never sent (demo and imports). What belongs to
    no event (a confirmation, a digest) comes with `event=None` and a `key`: the same key is said
    to the same address once, whoever asks for it again.
    """
    if event is None and not key:
        raise ValueError("A notice belongs to an event or has a key.")
    rows = _notices(event, template, recipients, context, suppressed=suppressed, key=key)
    if key:
        keys = [row.key for row in rows]
        said = set(Notice.objects.filter(key__in=keys).values_list("key", flat=True))
        rows = [row for row in rows if row.key not in said]
    notices = Notice.objects.bulk_create(rows, ignore_conflicts=bool(key))
    send_after_commit(notices)
    return notices


def notices_of(
    event: Any,
    told: Iterable[tuple[str, Iterable[Recipient], dict[str, Any]]],
    *,
    suppressed: bool = False,
) -> list[Notice]:
    """Everything that one event promises: template, to whom, and its facts. The door writes them
    with the event, and has them sent by `send_after_commit`."""
    return [
        row
        for template, recipients, context in told
        for row in _notices(event, template, recipients, context, suppressed=suppressed)
    ]


def _notices(
    event: Any,
    template: str,
    recipients: Iterable[Recipient],
    context: dict[str, Any],
    *,
    suppressed: bool,
    key: str = "",
) -> list[Notice]:
    by_address = {r.address.casefold(): r for r in recipients if r.address}
    return [
        Notice(
            event=event,
            key=f"{key}:{address}" if key else None,
            template=template,
            address=r.address,
            recipient_name=r.name,
            recipient=r.user,
            language=r.language,
            context={**context, **r.context},
            state=Notice.State.SUPPRESSED if suppressed else Notice.State.QUEUED,
            created_at=event.at if event else timezone.now(),
        )
        for address, r in by_address.items()
    ]


def send_after_commit(notices: list[Notice]) -> None:
    """When they are written a worker is nudged; what is suppressed is never sent."""
    ids = [str(one.pk) for one in notices if one.state == Notice.State.QUEUED]
    if ids:
        transaction.on_commit(lambda: nudge(ids), robust=True)


def announce(
    key: str,
    template: str,
    recipients: Iterable[Recipient],
    context: dict[str, Any],
    *,
    suppressed: bool = False,
) -> list[Notice]:
    """Say what belongs to no event, once for each key and address; in the caller's transaction."""
    return enqueue(None, template, recipients, context, suppressed=suppressed, key=key)


def nudge(notice_ids: list[str]) -> None:
    """Tell a worker that notices wait, without waiting: a broker that is down or frozen costs the
    person nothing, whatever its client does about it. What is lost here the sweep sends."""
    for notice_id in notice_ids:
        with contextlib.suppress(queue.Full):
            _to_publish.put_nowait(notice_id)
    with _starting:
        global _publisher
        if _publisher is None or not _publisher.is_alive():
            _publisher = threading.Thread(target=_publish, name="nudge", daemon=True)
            _publisher.start()


def _publish() -> None:
    """The one thread of a process that talks to the broker for those who must not wait: a moment
    later, when the person has the answer, since a process computes one thing at a time."""
    while True:
        waiting = [_to_publish.get()]
        time.sleep(ANSWER_FIRST)
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(_to_publish.get_nowait())
        for notice_id in waiting:
            try:
                deliver.delay(notice_id)
            except Exception as error:  # noqa: BLE001 - whatever the broker raises, the sweep will send it
                log.warning(
                    "broker not reached, the sweep will send notice %s: %s", notice_id, error
                )
                _forget()
                break


def _forget() -> None:
    """What waits behind a broker that does not answer is left to the sweep."""
    with contextlib.suppress(queue.Empty):
        while True:
            _to_publish.get_nowait()


def resend(notices: models.QuerySet[Notice]) -> int:
    """Queue failed notices once more, from the first attempt; says how many."""
    ids = [str(pk) for pk in notices.filter(state=Notice.State.FAILED).values_list("pk", flat=True)]
    queued = Notice.objects.filter(pk__in=ids, state=Notice.State.FAILED).update(
        state=Notice.State.QUEUED,
        attempts=0,
        next_try_at=timezone.now(),
        reported_at=None,
    )
    transaction.on_commit(lambda: nudge(ids), robust=True)
    return queued
