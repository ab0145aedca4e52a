"""A notice as a mail: one recipient, and headers that other mail programs understand.

The two parts of a mail are put together here in the plainest way, because it is done for every
mail of a fan-out: the general machinery of the standard library takes longer than all the rest.
"""

import binascii
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate, parseaddr
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import sanitize_address

from notifications.links import opened
from notifications.models import Notice
from notifications.rendering import Kept, Mail, one_line, render_notice
from notifications.texts import Texts

THREAD = re.compile(r"[A-Za-z0-9-]{1,60}")  # a reference: one thread per request
UNSAFE = re.compile(r"[^!-;=?-~]")  # ends an address inside a header
PLAIN = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)
LINE = 76
LONGEST = 990  # of a line in a mail


@dataclass(frozen=True)
class Letter:
    """A mail ready to go: as bytes for mail servers, as a message for mail services."""

    notice: str
    recipient: str
    headers: dict[str, str]
    mail: Mail
    raw: bytes

    def message(self) -> EmailMultiAlternatives:
        """What backends of mail services take; `metadata` comes back with their webhooks."""
        headers = dict(self.headers)
        for name in ("From", "To", "Subject", "Date"):
            headers.pop(name)
        reply_to = headers.pop("Reply-To", "")
        message = EmailMultiAlternatives(
            subject=self.mail.subject,
            body=self.mail.text,
            to=[self.recipient],
            reply_to=[reply_to] if reply_to else None,
            headers=headers,
        )
        message.attach_alternative(self.mail.html, "text/html")
        message.metadata = {"notice": self.notice}  # type: ignore[attr-defined]
        return message


def letter_of(notice: Notice, changed: Texts | None = None, kept: Kept | None = None) -> Letter:
    """One recipient, a Message-ID that stays the same, marked as sent by a program.

    `kept` are the mails laid out so far for others. Raises ValueError where the address is none.
    """
    mail = render_notice(notice, changed, kept)
    to = address(notice.address)
    headers = {"From": _sender(), "To": to, "Subject": mail.subject, "Date": formatdate()}
    headers |= _headers(notice)
    raw = compose(headers, mail.text, mail.html, f"=_{notice.pk.hex}")
    return Letter(str(notice.pk), parseaddr(to)[1] if "<" in to else to, headers, mail, raw)


def address(text: str) -> str:
    """One address as headers and servers take it; ValueError where it is none, or several."""
    line = one_line(text)
    return line if PLAIN.fullmatch(line) else sanitize_address(line, "utf-8")


@lru_cache(maxsize=4)
def _sanitized(sender: str) -> str:
    return sanitize_address(sender, "utf-8")


def _sender() -> str:
    return _sanitized(settings.DEFAULT_FROM_EMAIL)


def _headers(notice: Notice) -> dict[str, str]:
    """What mail programs read: which mail this is, which thread, how to hear no more (RFC 8058)."""
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    headers = {
        "Message-ID": f"<{notice.pk}@{host}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    if reply_to := notice.context.get("reply_to"):
        headers["Reply-To"] = address(str(reply_to))
    reference = str(notice.context.get("reference") or "")
    if THREAD.fullmatch(reference):
        headers["In-Reply-To"] = headers["References"] = f"<{reference}@{host}>"
    stop = opened({"unsubscribe": notice.context.get("unsubscribe")})
    unsubscribe = str(stop["unsubscribe"] or "")
    if unsubscribe and not UNSAFE.search(unsubscribe):
        headers["List-Unsubscribe"] = f"<{unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def compose(headers: dict[str, str], text: str, html: str, parting: str) -> bytes:
    """A mail of two alternatives, as bytes with the line ends that mail has."""
    head = [_header(name, value) for name, value in headers.items()]
    head += ["MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{parting}"', ""]
    lines = ["\r\n".join(head).encode("ascii")]
    for kind, content in (("plain", text), ("html", html)):
        encoding, body = _body(content)
        lines += [
            f"--{parting}".encode(),
            f'Content-Type: text/{kind}; charset="utf-8"'.encode(),
            f"Content-Transfer-Encoding: {encoding}\r\n".encode(),
            body,
        ]
    return b"\r\n".join([*lines, f"--{parting}--\r\n".encode()])


def _header(name: str, value: str) -> str:
    """Short and plain as it is; else folded, and encoded where mail needs it (RFC 2047)."""
    if value.isascii() and len(name) + len(value) < LINE:
        return f"{name}: {value}"
    charset = None if value.isascii() else "utf-8"
    return f"{name}: {Header(value, charset, LINE, name).encode(linesep=chr(13) + chr(10))}"


def _body(content: str) -> tuple[str, bytes]:
    lines = content.splitlines()
    whole = "\r\n".join([*lines, ""]).encode()
    if whole.isascii() and max(map(len, lines), default=0) < LONGEST:
        return "7bit", whole
    return "quoted-printable", binascii.b2a_qp(whole, istext=True)
