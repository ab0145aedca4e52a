"""Fetching from a mailbox: store, then mark and move, in bounded batches.

Whatever dies between two steps: what is not stored is fetched again, what is stored and still lies
in the folder is recognised by its UID and only moved. Two at once store each message once.
"""

import contextlib
import logging
import random
import re
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from imap_tools import (
    BaseMailBox,
    MailBox,
    MailBoxStartTls,
    MailBoxUnencrypted,
    MailMessageFlags,
)

from requests_app.mail_in.store import HEAD, largest, store
from requests_app.models import InboundMessage, Mailbox
from workflow import clock

log = logging.getLogger(__name__)

KINDS: dict[str, Any] = {"imaps": MailBox, "imap+tls": MailBoxStartTls, "imap": MailBoxUnencrypted}
BATCH = 50
BATCH_SECONDS = 40.0
TIMEOUT = 20.0
LEASE = timedelta(minutes=2)
LONGEST_WAIT_MIN = 60
SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


def poll() -> bool:
    """Fetch a batch where a mailbox is set and its turn has come; says whether it looked.

    A server that does not answer is tried again after 1, 2, 4 ... 60 minutes, by the time in the
    row; admin and the review list show since when.
    """
    if not settings.IMAP:
        return False
    row, _ = Mailbox.objects.get_or_create(name=name_of(_config()))
    now = clock.now()
    if not Mailbox.objects.filter(pk=row.pk, next_try_at__lte=now).update(
        next_try_at=now + LEASE, last_polled_at=now
    ):
        return False
    try:
        fetch(row)
    except Exception as error:  # noqa: BLE001 - whatever the server or the network does is told
        _failed(row, error)
    else:
        Mailbox.objects.filter(pk=row.pk).update(
            next_try_at=now, last_ok_at=clock.now(), failures=0, last_error=""
        )
    return True


def _config() -> dict[str, Any]:
    return dict(settings.IMAP)


def name_of(config: dict[str, Any]) -> str:
    """A mailbox without its password."""
    return f"{config['user']}@{config['host']}:{config['port']}/{config['folder']}"[:300]


def _failed(row: Mailbox, error: Exception) -> None:
    said = f"{type(error).__name__}: {error}".replace(_config()["password"], "***")[:1000]
    wait = min(2 ** min(row.failures, 10), LONGEST_WAIT_MIN) * random.uniform(0.8, 1.2)  # noqa: S311
    Mailbox.objects.filter(pk=row.pk).update(
        failures=F("failures") + 1,
        last_error=said.replace("\x00", ""),
        next_try_at=clock.now() + timedelta(minutes=wait),
    )
    log.warning("mail not fetched from %s: %s", row.name, said)


def fetch(row: Mailbox, batch: int = BATCH) -> int:
    """Store what lies in the folder, then mark it seen and move it away; how many were new."""
    config = _config()
    box = KINDS[config["security"]](config["host"], config["port"], timeout=TIMEOUT)
    try:
        box.login(config["user"], config["password"], config["folder"])
        if not box.folder.exists(config["processed"]):
            box.folder.create(config["processed"])
        validity = box.folder.status(config["folder"], ["UIDVALIDITY"])["UIDVALIDITY"]
        return _fetch(box, row, validity, batch)
    finally:
        with contextlib.suppress(Exception):
            box.logout()


def _fetch(box: BaseMailBox, row: Mailbox, validity: int, batch: int) -> int:
    there = [int(uid) for uid in box.uids("ALL", charset=None)]
    known = set(
        InboundMessage.objects.filter(
            mailbox=row, uid_validity=validity, uid__in=there
        ).values_list("uid", flat=True)
    )
    done = [uid for uid in there if uid in known][: batch * 4]
    stop, new, problems = time.monotonic() + BATCH_SECONDS, 0, []
    for uid in [uid for uid in there if uid not in known]:
        if new >= batch or time.monotonic() > stop:
            break
        try:
            raw, size = _raw(box, uid)
        except LookupError as error:
            problems.append(str(error))
            continue
        store(raw, source="imap", size=size, mailbox=row, uid_validity=validity, uid=uid)
        new += 1
        done.append(uid)
    _put_away(box, done)
    if problems:
        raise LookupError(f"{len(problems)} messages are not given out. {problems[0]}")
    return new


def _raw(box: BaseMailBox, uid: int) -> tuple[bytes, int]:
    """The message, or its head where it is too large, and its size; LookupError without one."""
    answer = box.client.uid("FETCH", str(uid), "(RFC822.SIZE)")
    found = SIZE.search(b" ".join(part for part in answer[1] if isinstance(part, bytes)))
    size = int(found[1]) if found else 0
    part = f"(BODY.PEEK[]<0.{HEAD}>)" if size > largest() else "(BODY.PEEK[])"
    status, data = box.client.uid("FETCH", str(uid), part)
    raw = next((p[1] for p in data if isinstance(p, tuple)), None)
    if status != "OK" or raw is None:
        raise LookupError(f"The server does not give out message {uid}: {status}.")
    return raw, size if size > largest() else len(raw)


def _put_away(box: BaseMailBox, uids: list[int]) -> None:
    """Stored messages leave the folder; one that another poller moved first is no error."""
    if uids:
        texts = [str(uid) for uid in uids]
        box.flag(texts, MailMessageFlags.SEEN, True)
        box.move(texts, _config()["processed"])
