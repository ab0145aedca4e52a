"""Messages as people, machines and attackers send them: made by hand, byte by byte where needed."""

import base64
from email.message import EmailMessage
from typing import Any

from requests_app.mail_in.processing import process
from requests_app.mail_in.store import store
from requests_app.models import InboundMessage

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def letter(
    sender: str = "jo@agency.example",
    to: str = "requests@desk.example",
    subject: str = "A question",
    text: str = "Is it done yet?",
    files: dict[str, bytes] | None = None,
    **headers: str,
) -> bytes:
    """A well-formed message; `headers` are added with their underscores as hyphens."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    for name, content in (files or {}).items():
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def deliver(raw: bytes, **kept: Any) -> InboundMessage:
    """Store and read one message; the row as it is afterwards."""
    message = store(raw, source="pipe", **kept)
    process(message.pk)
    message.refresh_from_db()
    return message


def _raw(head: str, body: bytes = b"Words.\r\n") -> bytes:
    return head.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def _nested(depth: int) -> bytes:
    lines = ["From: jo@agency.example", "Subject: Deep"]
    for n in range(depth):
        lines += [f'Content-Type: multipart/mixed; boundary="b{n}"', "", f"--b{n}"]
    return "\r\n".join([*lines, "Content-Type: text/plain", "", "At the bottom."]).encode()


def _many(parts: int) -> bytes:
    head = b'From: jo@agency.example\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
    return head + b"--x\r\nContent-Type: text/plain\r\n\r\nA\r\n" * parts + b"--x--\r\n"


def _rfc822_in_rfc822(depth: int) -> bytes:
    inner = b"From: jo@agency.example\r\nSubject: Innermost\r\n\r\nHello"
    for _ in range(depth):
        inner = b"From: jo@agency.example\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    return inner


BOMB = (
    b"PK\x03\x04" + b"\x00" * 26 + base64.b64encode(b"\x00" * 3000)
)  # its head counts, not its size
MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\x00",
    "no headers": b"Just words, and no colon anywhere",
    "no body": b"From: jo@agency.example\r\nSubject: Only a head",
    "only line ends": b"\r\n" * 500,
    "null bytes": _raw("From: jo@agency.example\nSubject: a\x00b", b"one\x00two"),
    "no sender": _raw("Subject: From nobody"),
    "empty sender": _raw("From: <>\nSubject: From nobody"),
    "two senders": _raw("From: jo@agency.example, eve@evil.example\nFrom: x@y.example"),
    "no subject": _raw("From: jo@agency.example"),
    "very long subject": _raw("From: jo@agency.example\nSubject: " + "x" * 500_000),
    "very long sender": _raw("From: " + '"' * 200_000 + " <jo@agency.example>"),
    "ten thousand recipients": _raw(
        "From: jo@agency.example\nTo: " + ", ".join(f"a{n}@b.example" for n in range(10_000))
    ),
    "ten thousand headers": _raw("From: jo@agency.example" + "\nX-A: b" * 10_000),
    "comments in comments": _raw("From: " + "(" * 50_000 + "jo@agency.example"),
    "header without end": b"From: jo@agency.example\r\nSubject" + b" x" * 300_000,
    "eight-bit headers": b"From: J\xf6 <jo@agency.example>\r\nSubject: Stra\xdfe\r\n\r\n\xe4\xf6",
    "utf-8 headers": "From: Jö <jö@ägency.example>\r\nSubject: Ä 🎉\r\n\r\nü".encode(),
    "broken encoded word": _raw("From: jo@agency.example\nSubject: =?utf-8?B?abc?= =?x?Q?=?="),
    "unknown charset": _raw(
        "From: jo@agency.example\nContent-Type: text/plain; charset=klingon", b"caf\xc3\xa9"
    ),
    "charset that is a codec of bytes": _raw(
        "From: jo@agency.example\nContent-Type: text/plain; charset=zip", b"x\x9c\x03\x00"
    ),
    "wrong charset": _raw(
        "From: jo@agency.example\nContent-Type: text/plain; charset=utf-8", b"caf\xe9"
    ),
    "utf-16 that is none": _raw(
        "From: jo@agency.example\nContent-Type: text/plain; charset=utf-16", b"abc"
    ),
    "html only": _raw(
        "From: jo@agency.example\nContent-Type: text/html",
        b"<p>Hello<script>alert(1)</script><blockquote>Old</blockquote>",
    ),
    "html that never closes": _raw(
        "From: jo@agency.example\nContent-Type: text/html", b"<div " * 100_000
    ),
    "html declarations": _raw("From: jo@agency.example\nContent-Type: text/html", b"<![a" * 50_000),
    "html comments": _raw("From: jo@agency.example\nContent-Type: text/html", b"<!--" * 50_000),
    "no boundary": _raw("From: jo@agency.example\nContent-Type: multipart/mixed", b"--x\r\n\r\nA"),
    "boundary never closed": _raw(
        'From: jo@agency.example\nContent-Type: multipart/mixed; boundary="x"',
        b"--x\r\nContent-Type: text/plain\r\n\r\nA",
    ),
    "empty boundary": _raw('From: jo@agency.example\nContent-Type: multipart/mixed; boundary=""'),
    "multipart in base64": _raw(
        "From: jo@agency.example\nContent-Type: multipart/mixed; boundary=x\n"
        "Content-Transfer-Encoding: base64",
        b"--x\r\n\r\nA\r\n--x--",
    ),
    "bad base64": _raw(
        "From: jo@agency.example\nContent-Transfer-Encoding: base64", b"!!!not base64!!!="
    ),
    "bad quoted-printable": _raw(
        "From: jo@agency.example\nContent-Transfer-Encoding: quoted-printable", b"=ZZ=\x80=\r\n="
    ),
    "uuencode cut short": _raw(
        "From: jo@agency.example\nContent-Transfer-Encoding: x-uuencode", b"begin 644 a\r\nM,"
    ),
    "nonsense encoding": _raw("From: jo@agency.example\nContent-Transfer-Encoding: magic; x"),
    "nonsense type": _raw("From: jo@agency.example\nContent-Type: ;;;/=\x7f"),
    "nested twenty deep": _nested(20),
    "nested five hundred deep": _nested(500),
    "ten thousand parts": _many(10_000),
    "messages in messages": _rfc822_in_rfc822(60),
    "delivery status of nothing": _raw(
        "From: x@agency.example\nContent-Type: message/delivery-status", b"\r\n\r\n: :\r\n"
    ),
    "report without a report": _raw(
        "From: x@agency.example\nContent-Type: multipart/report; boundary=x", b"--x--"
    ),
    "rfc 2231 name": _raw(
        "From: jo@agency.example\nContent-Type: application/pdf\n"
        "Content-Disposition: attachment; filename*0*=utf-8''..%2F..%2Fetc%2F; "
        "filename*1*=pass%E2%80%AEwd.pdf",
        PDF,
    ),
    "rfc 2231 name that lies": _raw(
        "From: jo@agency.example\nContent-Disposition: attachment; filename*=klingon'x'%FF%ZZ",
        b"x",
    ),
    "winmail.dat": letter(files={"winmail.dat": b"\x78\x9f\x3e\x22" + b"\x00" * 200}),
    "zip bomb": letter(files={"bomb.zip": BOMB}),
    "quotes for ever": letter(text="> " * 30_000 + "\n" + ">" * 60_000),
    "signs of a signature for ever": letter(text="\n".join(["-- ", "Best regards,"] * 5000)),
    "wrote, wrote, wrote": letter(text="On Monday Jo <jo@x.example> wrote:\n" * 3000),
    "one endless line": letter(text="a" * 400_000),
    "spaces for ever": letter(text="On " + " " * 60_000 + "wrote"),
    "direction and control": letter(text="abc\u202egnp.exe\u2066\x1b[31m\x07 end"),
}
