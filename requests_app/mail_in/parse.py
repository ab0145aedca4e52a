"""Reading a message that anybody may have sent: whatever the bytes are, this returns.

The standard parser is used in its old policy, which does not take header values apart: the newer
one raises on some and needs minutes for others. Every limit that cuts something says so in `notes`.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value, getaddresses, parseaddr, parsedate_to_datetime
from typing import Any

from requests_app.files import clean_name
from requests_app.mail_in.text import harmless, one_line, text_of_html, within

MOST_PARTS = 200
DEEPEST = 15
MOST_BOUNDARIES = 400
MOST_FILES = 50
HEADER_BYTES = 200_000
VALUE_LONGEST = 8000
TEXT_LONGEST = 300_000
PARSE_SECONDS = 20.0
NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
ADDRESS = re.compile(r"[^\s<>(),;:\\\"\[\]@\x00-\x1f]{1,64}@[^\s<>(),;:\\\"\[\]@\x00-\x1f]{1,190}")
RECIPIENTS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to",
              "x-forwarded-to", "resent-to")  # fmt: skip


@dataclass(frozen=True)
class File:
    """What is attached to a message, under the name it was given."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Mail:
    """A message as read: everything in it is a claim of its sender."""

    from_address: str = ""
    from_name: str = ""
    subject: str = ""
    message_id: str = ""
    sent_at: datetime | None = None
    text: str = ""
    files: list[File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    references: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/plain"
    report: str = ""
    returned: str = ""

    @property
    def content_key(self) -> str:
        """The same for two copies of one message that came by two ways; empty without an id."""
        if not self.message_id:
            return ""
        parts = [self.message_id, self.from_address, self.subject, self.text]
        parts += sorted(one.sha256 for one in self.files)
        return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def read(raw: bytes) -> Mail:
    """Read a message. Never raises: what cannot be read is said in `notes`."""
    return _guarded(raw, words=True)


def files_of(raw: bytes) -> list[File]:
    """Only its files: where a page waits, hostile text is not gone through a second time."""
    return _guarded(raw, words=False).files


def _guarded(raw: bytes, words: bool) -> Mail:
    mail = Mail()
    try:
        with within(PARSE_SECONDS):
            _read(raw, mail, words)
    except Exception as error:  # noqa: BLE001 - whatever a hostile message provokes
        mail.notes.append(f"It could not be read to its end ({type(error).__name__}).")
    return mail


def _read(raw: bytes, mail: Mail, words: bool) -> None:
    head = re.split(rb"\r?\n\r?\n", raw[:HEADER_BYTES], maxsplit=1)[0]
    _read_headers(_parsed_headers(head), mail)
    if len(re.findall(rb"boundary\s*\*?\s*=", raw, re.IGNORECASE)) > MOST_BOUNDARIES:
        mail.notes.append("It has more parts in parts than anybody reads; only its head was read.")
        return
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(raw)
    except Exception:  # noqa: BLE001 - the standard parser raises on some messages
        mail.notes.append("Its parts could not be told apart; its text is shown as it came.")
        mail.text = decoded(raw[len(head) : len(head) + TEXT_LONGEST], "")
        return
    mail.content_type = _type(message)
    _read_parts(message, mail, words)


def _parsed_headers(head: bytes) -> Message:
    try:
        return BytesParser(policy=policy.compat32).parsebytes(head + b"\n\n", headersonly=True)
    except Exception:  # noqa: BLE001 - then line by line
        message = Message()
        for line in head.decode("latin-1").splitlines()[:500]:
            name, colon, value = line.partition(":")
            if colon and re.fullmatch(r"[\x21-\x7e]{1,70}", name):
                message._headers.append((name, value.strip()))  # type: ignore[attr-defined]
        return message


def _read_headers(message: Message, mail: Mail) -> None:
    for name, value in list(message.raw_items())[:500]:
        mail.headers.setdefault(name.lower(), header_text(value))
    mail.subject = one_line(mail.headers.get("subject", ""), 300)
    mail.message_id = one_line(mail.headers.get("message-id", ""), 300)
    both = (mail.headers.get("in-reply-to", ""), mail.headers.get("references", ""))
    mail.references = one_line(" ".join(both), 4000)
    mail.from_name, mail.from_address = _sender(message)
    mail.sent_at = _date(mail.headers.get("date", ""))
    values = [
        letters(value)
        for name, value in list(message.raw_items())[:500]
        if name.lower() in RECIPIENTS
    ]
    mail.recipients = list(dict.fromkeys(addresses_in(values)))[:100]


def _sender(message: Message) -> tuple[str, str]:
    for name in ("from", "sender", "reply-to", "return-path"):
        for key, value in message.raw_items():
            if key.lower() == name:
                # taken apart before encoded words are read, for those may hold a second address
                said = letters(value)
                label, address = _in_brackets(said) or parseaddr(said)
                found = ADDRESS.fullmatch(address) or ADDRESS.search(said)
                if found:
                    return one_line(header_text(label), 200), found.group()[:254].casefold()
    return "", ""


def _in_brackets(said: str) -> tuple[str, str] | None:
    """Label and address of `anything <address>`, whatever the label is made of."""
    match = re.search(r"<([^<>]{3,320})>\s*$", said)
    if match is None or not ADDRESS.fullmatch(match[1].strip()):
        return None
    return said[: match.start()].strip().strip('"'), match[1].strip()


def addresses_in(values: list[str]) -> list[str]:
    """Every address of these header values, in small letters, in the order they stand."""
    found = [a for _, a in getaddresses([v[:VALUE_LONGEST] for v in values])]
    loose = [m.group() for v in values for m in ADDRESS.finditer(v[:VALUE_LONGEST])]
    return [a.casefold() for a in [*found, *loose] if ADDRESS.fullmatch(a)]


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:100])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment if 1990 <= moment.astimezone(UTC).year <= 2200 else None
    except Exception:  # noqa: BLE001 - dates of messages are written in every way
        return None


def letters(value: object) -> str:
    """A header as one line of letters, raw eight-bit ones too; encoded words stay as they are."""
    raw = str(value)[:VALUE_LONGEST].encode("ascii", "surrogateescape") if _plain(value) else b""
    text = decoded(raw, "") if raw else str(value)[:VALUE_LONGEST]
    return harmless(re.sub(r"[\r\n]+[ \t]*", " ", text))


def header_text(value: object) -> str:
    """A header in words, its encoded words read."""
    text = letters(value)
    if "=?" not in text:
        return text
    try:
        parts = decode_header(text)
        words = "".join(
            part if isinstance(part, str) else decoded(part, charset or "")
            for part, charset in parts
        )
    except Exception:  # noqa: BLE001 - a broken encoded word is shown as it is
        words = text
    return harmless(words)


def _plain(value: object) -> bool:
    try:
        str(value).encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def decoded(content: bytes, charset: str) -> str:
    """Bytes as text, whatever the charset claims to be."""
    named = charset.strip().strip("'\"").lower().replace("-", "_")
    for name in (named, "utf-8", "cp1252"):
        if name and name not in NO_CHARSETS:
            try:
                return content.decode(name)
            except (LookupError, ValueError):
                continue
    return content.decode("latin-1")


def _type(part: Message) -> str:
    try:
        return part.get_content_type()
    except Exception:  # noqa: BLE001 - a type that cannot be read is none
        return "application/octet-stream"


def _walk(message: Message) -> Iterator[tuple[Message, bool]]:
    """The parts in order, with whether the limits stop here; never by recursion."""
    todo = [(message, 0)]
    seen = 0
    while todo:
        part, depth = todo.pop()
        seen += 1
        if seen > MOST_PARTS or depth > DEEPEST:
            yield part, True
            return
        kind, payload = _type(part), part.get_payload()
        inside: list[Any] = payload if isinstance(payload, list) else []
        if inside and not kind.startswith("message/"):
            todo += [(one, depth + 1) for one in reversed(inside)]
        else:
            yield part, False


def _read_parts(message: Message, mail: Mail, words: bool) -> None:
    plain: list[str] = []
    html: list[str] = []
    report = mail.content_type == "multipart/report"
    for part, stopped in _walk(message):
        if stopped:
            mail.notes.append(
                f"Only the first {MOST_PARTS} parts, {DEEPEST} deep, were read; the rest is in "
                "the message as it came."
            )
            break
        try:
            _read_part(part, mail, plain, html, report)
        except Exception as error:  # noqa: BLE001 - one part that breaks leaves the others
            mail.notes.append(f"A part could not be read ({type(error).__name__}).")
    if not words:
        return
    text = "\n\n".join(t for t in plain if t.strip())
    if not text.strip() and html:
        text = text_of_html("\n".join(html))
    mail.text = harmless(text[:TEXT_LONGEST]).strip()


def _read_part(part: Message, mail: Mail, plain: list[str], html: list[str], report: bool) -> None:
    kind = _type(part)
    if kind in ("message/delivery-status", "message/disposition-notification"):
        mail.report = harmless(_said(part))[:TEXT_LONGEST]
        return
    if report and kind in ("message/rfc822", "text/rfc822-headers"):
        mail.returned = harmless(_said(part))[:TEXT_LONGEST]
        return
    named = _name(part)
    apart = (part.get_content_disposition() or "") == "attachment" or bool(named)
    if kind in ("text/plain", "text/html") and not apart:
        content = _bytes(part)
        words = decoded(content[: TEXT_LONGEST * 2], str(part.get_content_charset() or ""))
        (plain if kind == "text/plain" else html).append(words)
        return
    content = _content(part, kind)
    if not content and not named:
        return
    if len(mail.files) >= MOST_FILES:
        if not any("files were taken" in note for note in mail.notes):
            mail.notes.append(f"Only the first {MOST_FILES} files were taken.")
        return
    mail.files.append(File(clean_name(named or _made_name(kind)), content))


def _said(part: Message) -> str:
    """A report part or a returned message as text; the parser has taken either apart already."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return "\n\n".join(_head_and_text(one) for one in payload[:50] if isinstance(one, Message))
    content = part.get_payload(decode=True)
    return decoded(content, "") if isinstance(content, bytes) else str(payload or "")


def _head_and_text(message: Message) -> str:
    heads = [f"{name}: {header_text(value)}" for name, value in list(message.raw_items())[:200]]
    return "\n".join(heads)


def _name(part: Message) -> str:
    """The file name by RFC 2231, RFC 2047 or as raw letters."""
    try:
        found = part.get_param("filename", None, "content-disposition")
        found = found if found is not None else part.get_param("name", None)
        name = collapse_rfc2231_value(found) if found is not None else ""
    except Exception:  # noqa: BLE001 - a name that cannot be read is none
        name = ""
    return one_line(header_text(name), 200) if name else ""


def _content(part: Message, kind: str) -> bytes:
    if kind.startswith("message/") and isinstance(part.get_payload(), list):
        inner = part.get_payload(0)
        return inner.as_bytes(policy=policy.compat32) if isinstance(inner, Message) else b""
    return _bytes(part)


def _bytes(part: Message) -> bytes:
    """A part without its transfer encoding, however broken that is."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _made_name(kind: str) -> str:
    endings = {
        "message/rfc822": "message.eml",
        "text/plain": "text.txt",
        "text/html": "page.html",
        "text/calendar": "invitation.ics",
        "image/png": "picture.png",
        "image/jpeg": "picture.jpg",
        "image/gif": "picture.gif",
        "application/pdf": "document.pdf",
    }
    return endings.get(kind, "file.bin")
