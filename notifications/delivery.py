"""Sending a notice once: claim the row, send, say how it went. What fails waits in the row."""

import os
import random
import smtplib
import socket
import time
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import models, transaction
from django.utils import timezone

from notifications.models import Notice
from notifications.rendering import one_line, render_notice

LEASE = timedelta(minutes=3)
WAITS_MIN = [1, 5, 15, 60, 180, 360, 720, 1440]
TRIES = len(WAITS_MIN) + 1
BATCH = 100
SWEEP_SECONDS = 60  # with one mail that hangs until EMAIL_TIMEOUT still inside a task's time limit
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
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[one_line(notice.address)],
        headers={
            "Message-ID": f"<{notice.pk}@{host}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    message.attach_alternative(mail.html, "text/html")
    return message


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
        _refused(notice, code, text)
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


def _refused(notice: Notice, code: int, text: bytes | str) -> None:
    """4xx is for now, 5xx is for good."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = f"The mail server said {code}: {one_line(said)}"
    if 400 <= code < 500:
        _again(notice, sentence)
    else:
        _fail(notice, sentence)


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
