"""Mail that no person wrote: recognised, kept, never answered (RFC 3834); returned mail is read."""

import re
import uuid
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings

from notifications import bounces
from notifications.models import Notice
from requests_app.mail_in.parse import Mail

OURS = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE)
DAEMONS = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|double-bounce)@", re.IGNORECASE)
AWAY = re.compile(
    r"^(auto(matic|mated)?[- ]?(reply|response|antwort)|out of( the)? office|vacation|"
    r"respuesta autom|fuera de la oficina|abwesenheit)",
    re.IGNORECASE,
)
STATUS = re.compile(r"^status:\s*(\d)\.(\d{1,3})\.(\d{1,3})", re.IGNORECASE | re.MULTILINE)
ACTION = re.compile(r"^action:\s*([a-z]+)", re.IGNORECASE | re.MULTILINE)
SAID = re.compile(r"^diagnostic-code:\s*(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Automatic:
    """Why a message is taken for automatic. A `weak` sign may stand on a person's mail too."""

    why: str
    weak: bool = False
    returned: bool = False


def automatic(mail: Mail) -> Automatic | None:
    """The first sign that no person wrote it, or None."""
    header = mail.headers.get
    if _is_report(mail):
        return Automatic("It reports on the delivery of a mail.", returned=True)
    if _is_own(mail):
        return Automatic("It is one of our own mails that came back: a loop.")
    said = header("auto-submitted", "").strip().lower()
    if said and said.split(";")[0].strip() != "no":
        return Automatic(f"It says that a program sent it (Auto-Submitted: {said[:40]}).")
    if "return-path" in mail.headers and header("return-path", "").strip() in ("", "<>"):
        return Automatic("It has no return path: a program sent it.")
    if DAEMONS.match(mail.from_address):
        return Automatic("A mail server sent it.", returned=True)
    for name in ("x-autoreply", "x-autorespond", "x-autoresponder", "x-vacation"):
        if name in mail.headers:
            return Automatic(f"It is an automatic answer ({name.title()}).")
    precedence = header("precedence", "").strip().lower()
    if precedence in ("bulk", "junk", "auto_reply", "auto-reply"):
        return Automatic(f"It was sent to many or by a program (Precedence: {precedence}).")
    if AWAY.match(mail.subject):
        return Automatic("Its subject is that of an automatic answer.")
    return _weak(mail, precedence)


def _weak(mail: Mail, precedence: str) -> Automatic | None:
    if precedence == "list" or "list-id" in mail.headers:
        return Automatic("It came through a mailing list.", weak=True)
    if mail.headers.get("x-auto-response-suppress", "").strip().lower() not in ("", "none"):
        return Automatic("It asks not to be answered (X-Auto-Response-Suppress).", weak=True)
    return None


def _is_report(mail: Mail) -> bool:
    return mail.content_type == "multipart/report" or bool(mail.report)


def own_addresses() -> set[str]:
    """The addresses that the program itself writes from and is written to."""
    both = (parseaddr(settings.DEFAULT_FROM_EMAIL)[1], settings.INBOUND_ADDRESS)
    return {address.casefold() for address in both if address}


def _is_own(mail: Mail) -> bool:
    """Our own Message-ID, or one of our own addresses as its sender, whatever stands behind +."""
    if (found := OURS.match(mail.message_id)) and _notices([found.group(1)]):
        return True
    local, _, host = mail.from_address.rpartition("@")
    return f"{local.split('+')[0]}@{host}" in own_addresses()


def _notices(texts: list[str]) -> list[Notice]:
    keys = {uuid.UUID(text) for text in texts}
    return list(Notice.objects.filter(pk__in=keys).select_related("event")) if keys else []


def answered_notice(mail: Mail) -> Notice | None:
    """The notice of ours that it says it answers: a hint where it belongs, no proof of who."""
    found = _notices(OURS.findall(mail.references)[:20])
    return found[0] if found else None


@dataclass(frozen=True)
class Returned:
    """What a report says about a mail of ours."""

    permanent: bool
    status: str
    said: str
    notice: Notice | None


def read_report(mail: Mail) -> Returned:
    """What is returned and whether for good.

    Anybody can write such a report. It counts only where it carries the Message-ID of a notice of
    ours, which nobody else can know, and then for that notice's address alone.
    """
    text = mail.report or mail.text
    status = STATUS.search(text)
    action = ACTION.search(text)
    said = SAID.search(text)
    failed = action is None or action[1].lower() == "failed"
    permanent = bool(mail.report) and failed and status is not None and status[1] == "5"
    ids = OURS.findall("\n".join([mail.returned, mail.references, mail.report])[:200_000])
    found = _notices(ids[:20])
    words = " ".join(said[1].split())[:300] if said else ""
    code = ".".join(status.groups()) if status else ""
    return Returned(permanent, code, words, found[0] if found else None)


def take_report(mail: Mail) -> str:
    """Act on a returned mail; says in a sentence what became of it."""
    told = read_report(mail)
    if told.notice is None:
        return "It reports on the delivery of a mail that is none of ours, or does not say which."
    address = told.notice.address
    if not told.permanent:
        return f"A mail to {address} is late or its report is not final; it is not given up."
    why = f"Returned by a mail server: {' '.join(filter(None, [told.status, told.said]))}"
    if not bounces.is_the_recipients(550, f"{told.status} {told.said}"):
        return f"A mail to {address} came back, but not because of the address. {why}"
    bounces.mark_undeliverable(address, why, told.notice)
    return f"A mail to {address} came back for good; the address is marked."
