"""One open connection to the mail server or service, and what its answers mean."""

import contextlib
import smtplib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import get_connection
from django.db import DatabaseError

from notifications.bounces import is_the_recipients
from notifications.mails import PLAIN, Letter
from notifications.rendering import one_line

Job = Callable[[], None]

OURS = (  # says something about our settings or their server, nothing about this mail
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
)
ENOUGH = "The mail server said 421"


@dataclass(frozen=True)
class Answer:
    """How one mail went: taken, to be tried again, or refused for good.

    `bounced` speaks of the mailbox; `trouble` of the server: it hung, went away or takes nobody.
    """

    taken: bool = False
    again: bool = False
    said: str = ""
    bounced: bool = False
    trouble: bool = False


TAKEN = Answer(taken=True)


class Carrier:
    """Carries letters over one connection, opened for the first one and after any trouble.

    `meanwhile` takes small jobs that are done while the server thinks about its next answer: the
    mail before is marked as sent, the mail after is written. Each is done before the letter is
    answered for, so nothing is ever more than one mail behind.
    """

    def __init__(self) -> None:
        self.backend: Any = None
        self.carried = 0
        self.sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
        self.jobs: deque[Job] = deque()

    def __enter__(self) -> "Carrier":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop(politely=True)

    def meanwhile(self, job: Job) -> None:
        """Do this while the server thinks, at the latest with `finish`."""
        self.jobs.append(job)

    def finish(self) -> None:
        """Do now what no answer was waited for with."""
        while self.jobs:
            self.jobs.popleft()()

    def carry(self, letter: Letter) -> Answer:
        """Send one letter. A server that has had enough of this connection gets another one."""
        used = self.carried > 0
        answer = self._try(letter)
        if used and answer.again and answer.said.startswith(ENOUGH):
            answer = self._try(letter)
        return answer

    def _try(self, letter: Letter) -> Answer:
        try:
            if self.backend is None:
                self._open()
            self._hand_over(letter)
        except (SoftTimeLimitExceeded, DatabaseError):  # not this letter's: the batch ends here
            self.drop()
            raise
        except Exception as error:  # noqa: BLE001 - whatever a mail raises must not stop the others
            answer = _meaning(error)
            if answer.trouble or answer.said.startswith(ENOUGH):
                self.drop()
            return answer
        self.carried += 1
        return TAKEN

    def _open(self) -> None:
        self.backend, self.carried = get_connection(), 0
        self.backend.open()
        line = getattr(self.backend, "connection", None)
        if isinstance(line, smtplib.SMTP):
            listen = line.getreply

            def work_then_listen() -> tuple[int, bytes]:
                if self.jobs:
                    self.jobs.popleft()()
                return listen()

            line.getreply = work_then_listen  # type: ignore[method-assign]
            _address_plainly(line)

    def _hand_over(self, letter: Letter) -> None:
        """To a mail server as the bytes they are; to a mail service by its backend."""
        line = getattr(self.backend, "connection", None)
        if isinstance(line, smtplib.SMTP):
            line.sendmail(self.sender, [letter.recipient], letter.raw)
        else:
            message = letter.message()
            message.connection = self.backend
            message.send()

    def drop(self, *, politely: bool = False) -> None:
        """Close the connection; without a goodbye to a server that may not answer it."""
        backend, self.backend, self.carried = self.backend, None, 0
        if backend is None:
            return
        line = getattr(backend, "connection", None)
        if isinstance(line, smtplib.SMTP) and not politely:
            line.close()
            backend.connection = None
        with contextlib.suppress(OSError, smtplib.SMTPException):  # it is gone either way
            backend.close()


def _address_plainly(line: smtplib.SMTP) -> None:
    """Say plain addresses as they are: the library takes each apart anew, which costs as much as
    the rest of the talk. Whatever is not plain it still looks at."""
    mail, rcpt = line.mail, line.rcpt

    def say(verb: str, address: str, options: Sequence[str], thoroughly: Any) -> Any:
        if not PLAIN.fullmatch(address):
            return thoroughly(address, options)
        line.putcmd(" ".join([f"{verb}:<{address}>", *options]))
        return line.getreply()

    line.mail = lambda sender, options=(): say("MAIL FROM", sender, options, mail)  # type: ignore[method-assign]
    line.rcpt = lambda recip, options=(): say("RCPT TO", recip, options, rcpt)  # type: ignore[method-assign]


def _meaning(error: Exception) -> Answer:
    """What an error says about the mail."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        return _refused(code, text, recipient=True)
    if isinstance(error, OURS):
        said = f"The mail server does not take us: {error.smtp_code} {error.smtp_error!r}"
        return Answer(again=True, said=said, trouble=True)
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error.smtp_code, error.smtp_error)
    if isinstance(error, AnymailError):
        return _service_said(error)
    if isinstance(error, smtplib.SMTPException | OSError):
        return Answer(again=True, said=f"{type(error).__name__}: {error}", trouble=True)
    if isinstance(error, ValueError):
        return Answer(said=f"It cannot be addressed: {error}")
    return Answer(said=f"It cannot be sent: {type(error).__name__}: {error}")


def _refused(code: int, text: bytes | str, *, recipient: bool = False) -> Answer:
    """4xx is for now, 5xx is for good; some of those say that there is no such mailbox."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = f"The mail server said {code}: {one_line(said)}"
    if 400 <= code < 500:
        return Answer(again=True, said=sentence)
    return Answer(said=sentence, bounced=recipient and is_the_recipients(code, said))


def _service_said(error: AnymailError) -> Answer:
    """A mail service answers by HTTP: too many at once and its own faults are for now."""
    sentence = f"The mail service said: {one_line(str(error))}"
    if isinstance(error, AnymailRecipientsRefused):
        return Answer(said=sentence, bounced=True)
    if not isinstance(error, AnymailAPIError):
        return Answer(said=sentence)
    code = error.status_code
    away = code is None or code >= 500
    return Answer(again=away or code in (401, 403, 429), said=sentence, trouble=away)
