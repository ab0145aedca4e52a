"""No page waits for a mail server: a web process opens no connection to one."""

import smtplib
from typing import Any

import pytest
from django.test import Client

from notifications import delivery
from notifications.models import Notice
from tests import walk
from tests.factories import Office


@pytest.mark.django_db(transaction=True)
def test_looking_and_acting_open_no_connection(
    transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With notices promised, failed and sent again; the control sends one and is caught."""
    opened: list[Any] = []

    def refuse(self: smtplib.SMTP, *given: Any, **more: Any) -> None:
        opened.append(given)
        raise ConnectionRefusedError

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    monkeypatch.setattr(smtplib.SMTP, "__init__", refuse)
    monkeypatch.setattr("notifications.outbox.nudge", lambda ids: None)
    office = Office()
    request = walk.to_pending(office)
    notice = Notice.objects.filter(template="received").latest("created_at")
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.FAILED)
    client = Client()
    client.force_login(office.rep)
    before = Notice.objects.count()
    for name, facts in (
        ("comment", {"text": "News", "public": "yes"}),
        ("resend_notice", {"notice": str(notice.pk)}),
        ("cancel", {"reason": "Not needed."}),
    ):
        answer = client.post(f"/requests/{request.reference}/actions/{name}/", facts)
        assert answer.status_code == 302, name
    assert client.get(f"/requests/{request.reference}/").status_code == 200
    assert Notice.objects.count() > before
    assert opened == []
    # the control: what a worker does is seen
    delivery.sweep()
    assert opened
