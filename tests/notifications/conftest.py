"""A mail server to talk to, and notices to send."""

from collections.abc import Iterator
from typing import Any

import pytest

from notifications.models import Notice
from notifications.outbox import Recipient, enqueue
from tests.factories import Office
from tests.notifications.post import Post, open_post


@pytest.fixture
def post(settings: Any) -> Iterator[Post]:
    """A scripted mail server; the program's mails go there."""
    with open_post() as (server, port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield server


@pytest.fixture
def event(office: Office) -> Any:
    """Something that happened, to tell about; the notices it wrote itself are put aside."""
    request = office.request()
    Notice.objects.all().delete()
    return request.events.latest("number")


@pytest.fixture
def notice(event: Any) -> Notice:
    """One queued notice."""
    return queue(event)


def queue(event: Any, address: str = "jo@agency.example", **context: Any) -> Notice:
    """One more notice about this event."""
    facts = {"reference": "REQ-2026-000001", "title": "A new line", "agency": "Parks",
             "link": "http://127.0.0.1:8000/track/1-x/", **context}  # fmt: skip
    return enqueue(event, "received", [Recipient(address, "Jo")], facts)[0]
