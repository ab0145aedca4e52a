"""Requests closed long ago leave the working lists; their notices are packed into one row (X7).

Search, the request's page, the customer's page, the history, reports and `verify` keep them all.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from notifications.models import Notice
from requests_app.archive_models import NoticeArchive
from requests_app.models import Request, RequestQuerySet
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM, Actor
from workflow.door import consequence, record
from workflow.models import Event, User

FINAL = (Notice.State.SENT, Notice.State.SUPPRESSED)  # nothing happens to these any more
NAME = "archive"
CHUNK = 500


class TooEarly(Exception):  # noqa: N818 - a sentence for whoever asked
    """So young a request may still be opened again by its customer."""


def due(days: int) -> RequestQuerySet:
    """Closed for so many days and not archived yet, the oldest first. Raises TooEarly."""
    least = int(settings.THROUGHLINE["REOPEN_DAYS"])
    if days <= least:
        raise TooEarly(
            f"A closed request can be opened again for {least} days: "
            f"archive after {least + 1} days or more."
        )
    before = clock.now() - timedelta(days=days)
    waiting = Request.objects.filter(archived_at__isnull=True, closed_at__lte=before)
    return waiting.order_by("closed_at", "pk")


def run(
    days: int, *, seconds: float | None = None, tell: Callable[[int], None] = lambda done: None
) -> int:
    """Archive what is due, each request in a transaction of its own; says how many.

    Safe with many at once: a row that somebody has is passed over. What a run does not reach in
    its seconds is left to the next one.
    """
    done = 0
    stop = None if seconds is None else time.monotonic() + seconds
    waiting = due(days)
    while stop is None or time.monotonic() < stop:
        with transaction.atomic():
            free = waiting.select_for_update(skip_locked=True, of=("self",))
            request = free.first()
            if request is None:
                break
            archive(request)
        done += 1
        tell(done)
    return done


class _Exact(DjangoJSONEncoder):
    """Moments with all their digits: what comes back is what was."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


@transaction.atomic
def archive(request: Request, *, by: User | Actor = SYSTEM) -> Request:
    """Take one closed request out of the working lists, on record; twice is once."""
    row = lock(request)
    if row.archived_at is not None or row.is_open:
        return row
    row.archived_at = clock.now()
    row.save(update_fields=["archived_at"])
    facts = _pack(row)
    record(row, NAME, by=by, changes={"archived_at": [None, row.archived_at]}, facts=facts)
    return row


def _pack(request: Request) -> dict[str, Any]:
    """Move what was said about it into one row; those an undeliverable address names stay."""
    stream = ContentType.objects.get_for_model(Request)
    rows = list(
        Notice.objects.filter(
            event__stream_type=stream,
            event__stream_id=request.pk,
            state__in=FINAL,
            marked_addresses__isnull=True,
        ).order_by("created_at", "pk")
    )
    if not rows:
        return {}
    text = serializers.serialize("json", rows, cls=_Exact)
    digest = hashlib.sha256(text.encode()).hexdigest()
    NoticeArchive.objects.create(
        request=request, notices=text, count=len(rows), sha256=digest, at=clock.now()
    )
    Notice.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return {"notices": len(rows), "sha256": digest}


@consequence("reopen", order=20)
def bring_back(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """A request that is opened again has its notices where they were (X3)."""
    kept = NoticeArchive.objects.filter(request=request).first()
    if kept is None:
        return
    Notice.objects.bulk_create(_unpacked(kept))
    kept.delete()


def archived_notices(request: Request) -> list[Notice]:
    """What was said about an archived request, the newest first."""
    if request.archived_at is None:
        return []
    kept = NoticeArchive.objects.filter(request=request).first()
    return sorted(_unpacked(kept), key=lambda n: n.created_at, reverse=True) if kept else []


def _unpacked(kept: NoticeArchive) -> list[Notice]:
    """The rows as they were; of people whose account is gone the name is left."""
    rows: list[Any] = [
        parsed.object
        for parsed in serializers.deserialize("json", kept.notices, ignorenonexistent=True)
    ]
    there = set(
        User.objects.filter(pk__in={r.recipient_id for r in rows}).values_list("pk", flat=True)
    )
    for row in rows:
        if row.recipient_id not in there:
            row.recipient_id = None
    return rows


def faults() -> Iterator[str]:
    """Archived requests are closed, and their packed notices are what the history says (X7)."""
    wrong = Request.objects.open().filter(archived_at__isnull=False).order_by("pk")
    for row in wrong.iterator(chunk_size=CHUNK):
        yield f"{row}: it is archived although it is {row.get_state_display().lower()}."
    stream = ContentType.objects.get_for_model(Request)
    last = 0
    rows = NoticeArchive.objects.select_related("request").order_by("pk")
    while batch := list(rows.filter(pk__gt=last)[:CHUNK]):
        last = batch[-1].pk
        said = dict(
            Event.objects.filter(
                stream_type=stream, stream_id__in=[kept.pk for kept in batch], name=NAME
            )
            .order_by("number")
            .values_list("stream_id", "facts__sha256")
        )
        for kept in batch:
            if kept.request.archived_at is None:
                yield f"{kept.request}: its notices are packed although it is not archived."
            text = hashlib.sha256(kept.notices.encode()).hexdigest()
            if not text == kept.sha256 == said.get(kept.pk):
                yield f"{kept.request}: its archived notices were changed."
