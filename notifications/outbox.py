"""Writing to the outbox: called by the door only, inside the transaction of the change."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction

from notifications.models import Notice
from notifications.tasks import deliver

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipient:
    """Somebody who is told: a customer's contact or a member of staff."""

    address: str
    name: str = ""
    language: str = "en"
    user: Any = None
    context: dict[str, Any] = field(default_factory=dict)


def enqueue(
    event: models.Model,
    template: str,
    recipients: Iterable[Recipient],
    context: dict[str, Any],
    *,
    suppressed: bool = False,
) -> list[Notice]:
    """Write one notice per distinct address; after commit, nudge a worker.

    `suppressed` writes the rows as history that is never sent (demo and imports).
    """
    by_address = {r.address.casefold(): r for r in recipients if r.address}
    state = Notice.State.SUPPRESSED if suppressed else Notice.State.QUEUED
    notices = Notice.objects.bulk_create(
        Notice(
            event_id=event.pk,
            template=template,
            address=r.address,
            recipient_name=r.name,
            recipient=r.user,
            language=r.language,
            context={**context, **r.context},
            state=state,
        )
        for r in by_address.values()
    )
    if notices and not suppressed:
        ids = [str(n.pk) for n in notices]
        transaction.on_commit(lambda: nudge(ids), robust=True)
    return notices


def nudge(notice_ids: list[str]) -> None:
    """Tell a worker that notices wait. A broker that is down never fails the user's action."""
    for notice_id in notice_ids:
        try:
            deliver.delay(notice_id)
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the sweep will send it
            log.warning("broker not reached, the sweep will send notice %s: %s", notice_id, error)
            return
