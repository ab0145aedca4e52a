"""What discovery does by the clock: proposals whose validity has run out."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db import transaction

from discovery.models import Proposal
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM
from workflow.door import advance, record
from workflow.machine import Refused
from workflow.worktime import STANDARD, add_working_days


@shared_task
def expire_proposals() -> int:
    """Expire what was not answered in time, each on its own; an answer that comes first wins (D9).

    Running it twice, or twice at once, expires each proposal once.
    """
    expired = 0
    for proposal in Proposal.objects.filter(state="issued", valid_until__lt=clock.today()):
        try:
            advance(proposal, "expire", by=SYSTEM)
        except Refused:
            continue
        expired += 1
    return expired


@shared_task
def remind_proposals() -> int:
    """Bring to mind what runs out soon without an answer: once each, however often this runs (D9).

    Told are the customer and the representative. What was issued since yesterday is left alone.
    """
    soon = add_working_days(clock.today(), settings.THROUGHLINE["PROPOSAL_REMINDER_DAYS"], STANDARD)
    waiting = Proposal.objects.filter(
        state="issued",
        reminded_at__isnull=True,
        valid_until__range=(clock.today(), soon),
        issued_at__lt=clock.now() - timedelta(days=1),
    )
    return sum(_remind(proposal) for proposal in waiting)


def _remind(proposal: Proposal) -> bool:
    with transaction.atomic():
        fresh = lock(proposal)
        if fresh.state != "issued" or fresh.reminded_at is not None:
            return False
        fresh.reminded_at = clock.now()
        fresh.save(update_fields=["reminded_at"])
        record(
            fresh,
            "remind_of_proposal",
            by=SYSTEM,
            facts={"proposal": str(fresh)},
            tell=("proposal_expiring", "proposal_unanswered"),
        )
    return True
