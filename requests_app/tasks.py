"""What requests do by the clock: mail is fetched and read, old forms go."""

from celery import shared_task

from requests_app import public_intake
from requests_app.mail_in import imap, processing


@shared_task
def purge_forms() -> int:
    """Forms of the public page older than seven days go, with their files (X10)."""
    return public_intake.purge()


@shared_task
def fetch_mail() -> None:
    """Store what lies in the mailbox, then read it; nothing where no mailbox is set (X10)."""
    if imap.poll():
        processing.sweep()


@shared_task
def read_mail() -> None:
    """Take up stored messages: those a mail service pushed, and those whose reader died (X10)."""
    processing.sweep()
