"""What discovery does by the clock: proposals whose validity has run out."""

from celery import shared_task

from discovery.models import Proposal
from workflow import clock
from workflow.actors import SYSTEM
from workflow.door import advance
from workflow.machine import Refused


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
