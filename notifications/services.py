"""What mail services tell afterwards: a mail came back, the address does not exist."""

from typing import Any
from uuid import UUID

from anymail import signals

from notifications.bounces import mark_undeliverable
from notifications.models import Notice

GONE = {"bounced", "invalid"}  # reject reasons that speak of the mailbox, for good


def connect() -> None:
    """Called once at the start: anymail's interface is a signal."""
    signals.tracking.connect(heard, dispatch_uid="notifications.services")


def heard(sender: Any, event: Any, esp_name: str, **more: Any) -> None:
    """A tracking event of any service; all but returned mails are of no interest here."""
    if event.event_type not in ("bounced", "rejected") or event.reject_reason not in GONE:
        return
    notice = _notice((event.metadata or {}).get("notice", ""))
    said = event.mta_response or event.description or event.reject_reason
    mark_undeliverable(event.recipient or "", f"{esp_name} said: {said}", notice)


def _notice(pk: str) -> Notice | None:
    """By the id that went with the mail; anything may come back."""
    try:
        return Notice.objects.filter(pk=UUID(pk)).first()
    except ValueError:
        return None
