"""What becomes of a stored message: read, decided, done and recorded in one transaction.

A message is claimed by its row before it is read. If what reads it dies, the claim runs out and
the next sweep takes it up; what it had done was never committed. After some tries it is given up
and a representative looks at it, so no message loops and none is lost.
"""

import time
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from requests_app.mail_in import apply
from requests_app.mail_in.parse import Mail, read
from requests_app.mail_in.route import Verdict, decide
from requests_app.mail_in.text import fold
from requests_app.models import InboundMessage
from workflow import clock
from workflow.actors import SYSTEM
from workflow.door import advance

TRIES = 4
CLAIM = timedelta(minutes=3)
WAITS_MIN = (1, 5, 15, 30)
BATCH = 50
SWEEP_SECONDS = 50.0


def process(pk: int) -> str:
    """Take up one stored message if it is due; says where it is afterwards ("" if not taken up)."""
    if not _claim(pk):
        return ""
    try:
        with transaction.atomic():
            message = _locked(pk)
            if message is None:
                return ""
            if message.attempts > TRIES:
                return advance(message, "give_up", by=SYSTEM, why=_given_up(message)).state
            return _handle(message)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other messages
        return _try_again(pk, error)


def _claim(pk: int) -> bool:
    """One at a time has it, for some minutes; each claim counts as a try."""
    due = InboundMessage.objects.filter(pk=pk, state="stored", next_try_at__lte=clock.now())
    return bool(due.update(attempts=F("attempts") + 1, next_try_at=clock.now() + CLAIM))


def _locked(pk: int) -> InboundMessage | None:
    """The row, unless somebody has it or it has been dealt with."""
    rows = InboundMessage.objects.select_for_update(skip_locked=True, of=("self",))
    return rows.filter(pk=pk, state="stored").first()


def _given_up(message: InboundMessage) -> str:
    said = message.last_error or "whatever read it never came back"
    return f"It was tried {TRIES} times and never read to its end: {said}"


def _try_again(pk: int, error: Exception) -> str:
    """Later, by the time in the row; after the last try it is given up."""
    said = f"{type(error).__name__}: {error}".replace("\x00", "")[:1000]
    with transaction.atomic():
        message = _locked(pk)
        if message is None:
            return ""
        message.last_error = said
        wait = WAITS_MIN[min(message.attempts, len(WAITS_MIN)) - 1]
        message.next_try_at = clock.now() + timedelta(minutes=wait)
        message.save(update_fields=["last_error", "next_try_at"])
        if message.attempts >= TRIES:
            return advance(message, "give_up", by=SYSTEM, why=_given_up(message)).state
    return "stored"


def _handle(message: InboundMessage) -> str:
    mail = read(bytes(message.raw.content))
    keep_what_was_read(message, mail)
    twin = _twin(message, mail)
    if twin is not None:
        why = f"The same message came before: {twin}."
        return advance(message, "ignore", by=SYSTEM, why=why[:500]).state
    if message.is_cut:
        verdict = Verdict("set_for_review", "It is too large to be taken; only its head is kept.")
    else:
        verdict = decide(mail, message.envelope_to)
    return apply.carry_out(message, mail, verdict)


def keep_what_was_read(message: InboundMessage, mail: Mail) -> None:
    """Sender, subject and text as they are shown from now on."""
    folded = fold(mail.text)
    message.message_id = mail.message_id
    message.from_address, message.from_name = mail.from_address, mail.from_name
    message.subject, message.sent_at = mail.subject, mail.sent_at
    message.text, message.quoted = folded.new, folded.quoted
    message.signature = folded.signature
    message.files = [{"name": one.name, "size": len(one.content)} for one in mail.files]
    message.notes = list(dict.fromkeys(mail.notes))
    message.save(
        update_fields=[
            "message_id", "from_address", "from_name", "subject", "sent_at", "text", "quoted",
            "signature", "files", "notes",
        ]
    )  # fmt: skip


def _twin(message: InboundMessage, mail: Mail) -> InboundMessage | None:
    """The other copy of a message that came by two ways; this one is the first if there is none."""
    if not mail.content_key:
        return None
    try:
        with transaction.atomic():
            InboundMessage.objects.filter(pk=message.pk).update(content_key=mail.content_key)
    except IntegrityError:
        return InboundMessage.objects.get(content_key=mail.content_key)
    message.content_key = mail.content_key
    return None


def sweep() -> int:
    """Take up whatever is due, oldest first; safe with many at once. Says how many it took up."""
    stop, taken = time.monotonic() + SWEEP_SECONDS, 0
    due = InboundMessage.objects.filter(state="stored", next_try_at__lte=clock.now())
    for pk in list(due.order_by("next_try_at", "pk").values_list("pk", flat=True)[:BATCH]):
        if time.monotonic() > stop:
            break
        taken += bool(process(pk))
    return taken
