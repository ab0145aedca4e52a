"""Keeping a message as it came: the first thing that happens to it, and all or nothing."""

import hashlib
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from requests_app.models import InboundMessage, InboundRaw, Mailbox
from workflow import clock

HEAD = 64 * 1024  # bytes kept of a message that is too large


def largest() -> int:
    """Bytes of the largest message that is taken whole."""
    limits: dict[str, Any] = settings.THROUGHLINE
    return int(limits["MAX_MAIL_MB"]) * 1024 * 1024


def store(
    raw: bytes,
    *,
    source: str,
    size: int | None = None,
    mailbox: Mailbox | None = None,
    uid_validity: int | None = None,
    uid: int | None = None,
    envelope_to: str = "",
) -> InboundMessage:
    """Keep a message; the same one again is the row that is there already.

    The same means the same bytes, or the same place in the same mailbox. Two at once: one writes,
    the other finds it. A message that is too large keeps its head, and `size` says how large it
    was. The transaction is over when this returns, unless the caller holds one.
    """
    whole = size or len(raw)
    is_cut = whole > largest() or whole > len(raw)
    kept = raw[:HEAD] if is_cut else raw
    digest = hashlib.sha256(kept + (b"%d" % whole if is_cut else b"")).hexdigest()
    try:
        with transaction.atomic():
            message = InboundMessage.objects.create(
                source=source,
                mailbox=mailbox,
                uid_validity=uid_validity,
                uid=uid,
                envelope_to=envelope_to.replace("\x00", "")[:320],
                sha256=digest,
                size=whole,
                is_cut=is_cut,
                received_at=clock.now(),
            )
            InboundRaw.objects.create(message=message, content=kept)
    except IntegrityError:
        before = InboundMessage.objects.filter(sha256=digest).first()
        if before is None:
            before = InboundMessage.objects.get(mailbox=mailbox, uid_validity=uid_validity, uid=uid)
        return before
    return message


def purge() -> int:
    """Mails long on their case are kept as what was read of them, no longer as they came; says
    how many. What waits, was set aside or was not understood stays whole."""
    return InboundRaw.objects.filter(message__in=InboundMessage.objects.long_handled()).delete()[0]
