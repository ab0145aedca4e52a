"""Sending a notice once: claim the row, send, say how it went. What fails waits in the row."""

import logging
import os
import random
import re
import smtplib
import socket
import time
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import models, transaction
from django.utils import timezone

from notifications import bounces
from notifications.models import Notice
from notifications.rendering import one_line, render_notice

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
WAITS_MIN = [1, 5, 15, 60, 180, 360, 720, 1440]
TRIES = len(WAITS_MIN) + 1
BATCH = 100
SWEEP_SECONDS = 60  # with one mail that hangs until EMAIL_TIMEOUT still inside a task's time limit
THREAD = re.compile(r"[A-Za-z0-9-]{1,60}")  # a reference: one thread per request
UNSAFE = re.compile(r"[\s<>]")  # ends an address inside a header
OURS = (  # says something about our settings or their server, nothing about this mail
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
)

Q = models.Q


def due() -> models.QuerySet[Notice]:
    """What may be sent now: queued and due, or claimed by somebody whose lease ran out."""
    now = timezone.now()
    return Notice.objects.filter(
        Q(state=Notice.State.QUEUED, next_try_at__lte=now)
        | Q(state=Notice.State.SENDING, lease_until__lt=now)
    )


def claim(notice_id: str) -> Notice | None:
    """Take a notice for sending; None when it is not due or somebody else has it.

    If the claimer dies, the lease runs out and the sweep gives the notice to another; a mail that
    had already left goes out a second time with the same Message-ID.
    """
    claimed = (
        due()
        .filter(pk=notice_id)
        .update(
            state=Notice.State.SENDING,
            lease_owner=f"{socket.gethostname()[:60]}:{os.getpid()}",
            lease_until=timezone.now() + LEASE,
            attempts=models.F("attempts") + 1,
        )
    )
    return Notice.objects.get(pk=notice_id) if claimed else None


def claim_next() -> Notice | None:
    """Take whatever is due longest; rows that others are taking are passed over, not waited for."""
    with transaction.atomic():
        waiting = due().order_by("next_try_at", "pk").select_for_update(skip_locked=True)
        row = waiting.first()
        return claim(str(row.pk)) if row else None


def message_of(notice: Notice) -> EmailMultiAlternatives:
    """The mail: one recipient, a Message-ID that stays the same, marked as sent by a program."""
    mail = render_notice(notice)
    reply_to = one_line(str(notice.context.get("reply_to") or ""))
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[one_line(notice.address)],
        reply_to=[reply_to] if reply_to else None,
        headers=_headers(notice),
    )
    message.attach_alternative(mail.html, "text/html")
    return message


def _headers(notice: Notice) -> dict[str, str]:
    """What mail programs read: which mail this is, which thread, how to hear no more (RFC 8058)."""
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    headers = {
        "Message-ID": f"<{notice.pk}@{host}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    reference = str(notice.context.get("reference") or "")
    if THREAD.fullmatch(reference):
        headers["In-Reply-To"] = headers["References"] = f"<{reference}@{host}>"
    unsubscribe = str(notice.context.get("unsubscribe") or "")
    if unsubscribe and not UNSAFE.search(unsubscribe):
        headers["List-Unsubscribe"] = f"<{unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def send(notice_id: str) -> None:
    """Claim and send one notice; nothing happens where somebody else has it or had it."""
    notice = claim(notice_id)
    if notice is not None:
        _send(notice)


def _send(notice: Notice) -> None:
    """Send a claimed notice and write down how it went (F8, F15)."""
    if notice.attempts > TRIES:
        _fail(notice, "Given up: it was tried too often and never finished.")
        return
    if mark := bounces.undeliverable_among([notice.address]).get(bounces.plain(notice.address)):
        _fail(notice, f"Not sent, {bounces.REFUSED}: {mark.why}")
        return
    try:
        message = message_of(notice)
    except Exception as error:  # noqa: BLE001 - whatever a template raises must not stop the others
        _fail(notice, f"It cannot be written: {type(error).__name__}: {error}")
        return
    try:
        message.connection = get_connection()
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        _refused(notice, code, text, recipient=True)
    except OURS as error:
        _again(notice, f"The mail server does not take us: {error.smtp_code} {error.smtp_error!r}")
    except smtplib.SMTPResponseException as error:
        _refused(notice, error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        _again(notice, f"{type(error).__name__}: {error}")
    except ValueError as error:
        _fail(notice, f"It cannot be addressed: {error}")
    else:
        _close(notice, state=Notice.State.SENT, sent_at=timezone.now(), last_error="")


def _refused(notice: Notice, code: int, text: bytes | str, *, recipient: bool = False) -> None:
    """4xx is for now, 5xx is for good; said of the recipient, it marks the address."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = f"The mail server said {code}: {one_line(said)}"
    if 400 <= code < 500:
        _again(notice, sentence)
        return
    _fail(notice, sentence)
    if recipient and bounces.is_the_recipients(code, said):
        try:
            bounces.mark_undeliverable(notice.address, sentence, notice)
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


def _fail(notice: Notice, error: str) -> None:
    """For good: shown on the request and in admin, where it can be sent again."""
    _close(notice, state=Notice.State.FAILED, last_error=error[:2000])


def _close(notice: Notice, **values: object) -> None:
    """Give the claim back, unless the lease ran out and somebody else has it by now."""
    Notice.objects.filter(
        pk=notice.pk, state=Notice.State.SENDING, attempts=notice.attempts
    ).update(lease_owner="", lease_until=None, **values)


def sweep() -> int:
    """Send whatever is due, however it was lost; safe with many of them at once.

    No lock is kept while talking to a mail server. Says how many it tried.
    """
    tried, stop = 0, time.monotonic() + SWEEP_SECONDS
    while tried < BATCH and time.monotonic() < stop:
        notice = claim_next()
        if notice is None:
            break
        _send(notice)
        tried += 1
    return tried
