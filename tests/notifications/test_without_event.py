"""What is said without an event: known by its key, said once."""

import pytest
from django.db import IntegrityError, transaction

from notifications.delivery import send
from notifications.models import Notice
from notifications.outbox import Recipient, announce, enqueue
from tests.conftest import Sink

pytestmark = pytest.mark.django_db
JO = Recipient("Jo@agency.example", "Jo")
FACTS = {"title": "A new line", "reference": "", "agency": "Parks"}


def test_a_key_is_said_once_to_each_address(smtp_sink: Sink) -> None:
    first = announce("digest:1", "received", [JO], FACTS)
    again = announce("digest:1", "received", [JO, Recipient("sam@agency.example")], FACTS)
    assert [len(first), len(again)] == [1, 1]
    assert Notice.objects.count() == 2
    send(str(first[0].pk))
    assert len(smtp_sink.to("Jo@agency.example")) == 1


def test_a_notice_belongs_to_an_event_or_has_a_key() -> None:
    with pytest.raises(ValueError, match="an event or has a key"):
        enqueue(None, "received", [JO], FACTS)
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.create(template="received", address="jo@agency.example")
