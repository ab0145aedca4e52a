"""The other ways in: a mail service's webhook, a mail server's pipe; and their settings."""

import base64
import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.urls import clear_url_caches, include, path

from config import env
from config import urls as program
from requests_app.mail_in.processing import sweep
from requests_app.models import CaseEntry, InboundMessage
from tests.factories import Office
from tests.mail_in.letters import letter
from tests.mail_in.test_routing import reply_to

SECRET = "mail:" + "s" * 20


@pytest.fixture
def webhooks(settings: Any) -> Any:
    """The addresses as they are where a mail service is configured."""
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, "POSTMARK_SERVER_TOKEN": "x"}
    urls = SimpleNamespace(
        urlpatterns=[*program.urlpatterns, path("anymail/", include("anymail.urls"))]
    )
    sys.modules["tests.mail_in.urls_with_webhooks"] = urls  # type: ignore[assignment]
    settings.ROOT_URLCONF = "tests.mail_in.urls_with_webhooks"
    clear_url_caches()
    yield
    clear_url_caches()


def posted(raw: bytes, **headers: str) -> Any:
    """What Postmark sends with "include raw email content" on."""
    body = {"FromFull": {"Email": "x@y.example"}, "RawEmail": raw.decode(), "MessageID": "1"}
    client = Client(raise_request_exception=False)
    return client.post(
        "/anymail/postmark/inbound/", json.dumps(body), content_type="application/json", **headers
    )


def test_a_webhook_needs_the_secret_and_stores(office: Office, webhooks: None) -> None:
    request = office.request()
    raw = letter(sender=office.contact.email, to=reply_to(request, office.contact))
    assert posted(raw).status_code == 400
    assert not InboundMessage.objects.exists()
    basic = "Basic " + base64.b64encode(SECRET.encode()).decode()
    for _ in range(2):
        assert posted(raw, HTTP_AUTHORIZATION=basic).status_code == 200
    message = InboundMessage.objects.get()
    assert (message.source, message.state) == ("webhook", "stored")
    sweep()
    assert CaseEntry.objects.get().text == "Is it done yet?"


def test_without_a_secret_there_is_no_such_address(client: Client) -> None:
    assert client.post("/anymail/postmark/inbound/").status_code == 404


def test_a_mail_server_pipes_a_message_in(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    request = office.request()
    raw = letter(sender=office.contact.email, to="all@agency.example")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    call_command("receive_mail", to=reply_to(request, office.contact))
    assert "applied" in capsys.readouterr().out
    assert CaseEntry.objects.count() == 1


@pytest.mark.django_db
def test_a_database_that_is_away_makes_the_mail_server_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*args: Any, **given: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("requests_app.management.commands.receive_mail.store", away)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x")))
    with pytest.raises(SystemExit) as stopped:
        call_command("receive_mail", stderr=io.StringIO())
    assert stopped.value.code == 75


def test_settings_of_mail_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "imaps://desk%40host:p%40ss@mail.host/In%20box?processed=Old")
    assert env.imap("X") == {
        "security": "imaps", "host": "mail.host", "port": 993, "user": "desk@host",
        "password": "p@ss", "folder": "In box", "processed": "Old",
    }  # fmt: skip
    for wrong in ("imaps://host/INBOX", "http://a:b@host/", "imaps://a:b@host:99999/"):
        monkeypatch.setenv("X", wrong)
        with pytest.raises(ImproperlyConfigured, match="X must"):
            env.imap("X")
    monkeypatch.delenv("X")
    assert env.imap("X") == {}
    assert env.mail_address("X", 24) == ""
    for wrong in ("desk", "a b@host", "x" * 25 + "@host", "desk+a@host", "@host"):
        monkeypatch.setenv("X", wrong)
        with pytest.raises(ImproperlyConfigured, match="X m"):
            env.mail_address("X", 24)
    for wrong in ("secret", "user:short", ":" + "x" * 20):
        monkeypatch.setenv("X", wrong)
        with pytest.raises(ImproperlyConfigured, match="X must"):
            env.webhook_secret("X")
