"""Mail that a mail service pushes to us: stored like any other, read by the sweep."""

from typing import Any

from anymail import signals

from requests_app.mail_in.store import store


def keep(sender: Any, event: Any, esp_name: str, **more: Any) -> None:
    """Store it; where that fails the service gets an error and sends it again."""
    store(event.message.as_bytes(), source="webhook", envelope_to=_to(event.message))


def _to(message: Any) -> str:
    return str(getattr(message, "envelope_recipient", "") or "")


def listen() -> None:
    """Called once at the start: anymail's interface is a signal."""
    signals.inbound.connect(keep, dispatch_uid="requests_app.mail_in")
