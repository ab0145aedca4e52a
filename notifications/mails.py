"""A notice as a message: one recipient, and headers that other mail programs understand."""

import re
from dataclasses import dataclass
from email._policybase import Compat32
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from notifications.models import Notice
from notifications.rendering import one_line, render_notice

THREAD = re.compile(r"[A-Za-z0-9-]{1,60}")  # a reference: one thread per request
UNSAFE = re.compile(r"[\s<>]")  # ends an address inside a header
LINE = 76


class ShortLines(Compat32):
    """Headers that fit on a line go out as they are: folding is half the work of a mail."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if isinstance(value, str) and len(name) + len(value) < LINE and value.isascii():
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


SHORT_LINES = ShortLines()


class NoticeMail(EmailMultiAlternatives):
    """A mail that is written quickly: short headers as they are, its own parting line."""

    parting = ""

    def message(self, *, policy: Any = None) -> Any:
        made = super().message()
        made.set_boundary(self.parting)
        for part in made.walk():
            part.policy = SHORT_LINES
        return made


@dataclass(frozen=True)
class Letter:
    """A mail ready to go: as a message for mail services, as bytes for mail servers."""

    message: NoticeMail
    recipient: str
    raw: bytes


def letter_of(notice: Notice) -> Letter:
    """Everything about a mail that can be done before a server is asked."""
    message = message_of(notice)
    made = message.message()
    return Letter(message, parseaddr(str(made["To"]))[1], made.as_bytes(linesep="\r\n"))


def message_of(notice: Notice) -> NoticeMail:
    """The mail: one recipient, a Message-ID that stays the same, marked as sent by a program."""
    mail = render_notice(notice)
    reply_to = one_line(str(notice.context.get("reply_to") or ""))
    message = NoticeMail(
        subject=mail.subject,
        body=mail.text,
        to=[one_line(notice.address)],
        reply_to=[reply_to] if reply_to else None,
        headers=_headers(notice),
    )
    message.attach_alternative(mail.html, "text/html")
    message.parting = f"=_{notice.pk.hex}"
    message.metadata = {"notice": str(notice.pk)}  # type: ignore[attr-defined]  # for mail services
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
