"""What requests do by the clock: mail is read, old forms go, people are told in time."""

import logging

from celery import shared_task
from django.conf import settings

from requests_app import (
    archive,
    digests,
    escalation,
    link_actions,
    lost_links,
    public_intake,
    reminders,
    report_counting,
    stale,
)
from requests_app.mail_in import imap, processing, store
from requests_app.report_models import ReportCount

log = logging.getLogger(__name__)


@shared_task
def purge_forms() -> int:
    """Forms of the public page older than seven days go, with their files (X10)."""
    return public_intake.purge()


@shared_task
def purge_mail() -> int:
    """Mails that have long been on their case are no longer kept as they came (X10)."""
    return store.purge()


@shared_task
def fetch_mail() -> None:
    """Store what lies in the mailbox, then read it; nothing where no mailbox is set (X10)."""
    if imap.poll():
        processing.sweep()


@shared_task
def read_mail() -> None:
    """Take up stored messages: those a mail service pushed, and those whose reader died (X10)."""
    processing.sweep()


@shared_task
def remind_customers() -> int:
    """Questions that customers have not answered are brought to mind (X1)."""
    return reminders.remind_due()


@shared_task
def send_links() -> int:
    """The links that customers asked for by e-mail."""
    return lost_links.send_asked()


@shared_task
def revoke_links() -> int:
    """Links of contacts who are no longer active end for good."""
    return link_actions.revoke_of_the_inactive()


@shared_task
def escalate() -> int:
    """Tell whoever is to be told about requests that run out of time (F1)."""
    return escalation.escalate()


@shared_task
def freshen_clocks() -> int:
    """Set the clocks anew whose calendar or agreement was edited (F1)."""
    return stale.freshen()


@shared_task
def send_digests() -> int:
    """This morning's digests, once (F3)."""
    return digests.send_digests()


@shared_task
def archive_closed() -> int:
    """Requests closed for ARCHIVE_DAYS leave the working lists; 0 archives nothing."""
    days = settings.THROUGHLINE["ARCHIVE_DAYS"]
    return archive.run(days, seconds=50) if days else 0


@shared_task(soft_time_limit=1500, time_limit=1600)
def count_reports() -> bool:
    """Count what the reports say: the last months, once a day all of them."""
    return report_counting.count()


@shared_task
def count_reports_asked() -> bool:
    """Count them for whoever asked, where the broker lost it on the way."""
    return ReportCount.latest().is_awaited and report_counting.count()


def nudge_reports() -> None:
    """Tell a worker; a broker that is down costs nothing, the next round counts anyway."""
    try:
        count_reports.delay()
    except Exception as error:  # noqa: BLE001 - whatever the broker raises, the next round counts
        log.warning("broker not reached, reports are counted a little later: %s", error)
