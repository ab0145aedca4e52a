"""Mail services instead of a mail server: by EMAIL_URL, over HTTP, and what they tell later."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from anymail import signals
from anymail.signals import AnymailTrackingEvent
from django.core.exceptions import ImproperlyConfigured

from config import env
from notifications import bounces, delivery
from notifications.models import Notice
from tests.notifications.conftest import queue

State = Notice.State


class Service:
    """Speaks enough of a mail service's HTTP to take messages, or to say why not."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status, self.code = 200, 0


@pytest.fixture
def service(settings: Any) -> Iterator[Service]:
    kept = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name http.server calls
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if kept.status == 200:
                kept.taken.append(body)
            answer = json.dumps({"ErrorCode": kept.code, "Message": "Said", "MessageID": "x-1",
                                 "To": body["To"]}).encode()  # fmt: skip
            self.send_response(kept.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in _read("anymail+postmark://to%20ken@").items():
        setattr(settings, name, value)
    settings.ANYMAIL_POSTMARK_API_URL = f"http://127.0.0.1:{server.server_port}/"
    yield kept
    server.shutdown()
    server.server_close()


def _read(address: str) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EMAIL_URL", address)
        return env.email("EMAIL_URL", None)


def test_the_address_of_a_service_names_its_token() -> None:
    assert _read("anymail+postmark://to%20ken@") == {
        "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
        "ANYMAIL_POSTMARK_SERVER_TOKEN": "to ken",
    }
    mailgun = _read("anymail+mailgun://key@mg.desk.example")
    assert mailgun["ANYMAIL_MAILGUN_SENDER_DOMAIN"] == "mg.desk.example"
    assert _read("anymail+mailjet://key:secret@")["ANYMAIL_MAILJET_SECRET_KEY"] == "secret"
    for wrong in ("anymail+nobody://key@", "anymail+postmark://", "anymail+mailjet://key@"):
        with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
            _read(wrong)


def test_a_notice_goes_out_by_a_service(service: Service, event: Any) -> None:
    notice = queue(event)
    assert delivery.sweep() == 1
    notice.refresh_from_db()
    assert notice.state == State.SENT, notice.last_error
    [body] = service.taken
    headers = {h["Name"]: h["Value"] for h in body["Headers"]}
    assert body["To"] == "jo@agency.example"
    assert headers["Message-ID"] == f"<{notice.pk}@127.0.0.1>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert body["Metadata"] == {"notice": str(notice.pk)}


def test_what_a_service_refuses_for_now_is_tried_again(service: Service, event: Any) -> None:
    notice = queue(event)
    service.status = 503
    delivery.sweep()
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == (State.QUEUED, 1)
    assert "503" in notice.last_error


def test_a_mail_that_a_service_says_came_back_marks_its_address(
    service: Service, event: Any
) -> None:
    notice = queue(event)
    delivery.sweep()

    def tell(kind: str, reason: str | None, metadata: Any) -> None:
        told = AnymailTrackingEvent(
            event_type=kind, reject_reason=reason, recipient=notice.address, metadata=metadata,
            mta_response="550 no such person",
        )  # fmt: skip
        signals.tracking.send(SimpleNamespace, event=told, esp_name="Postmark")

    for kind, reason in (("delivered", None), ("deferred", "bounced"), ("rejected", "spam")):
        tell(kind, reason, {"notice": str(notice.pk)})
    assert not bounces.is_undeliverable(notice.address)
    tell("bounced", "bounced", {"notice": str(notice.pk)})
    assert bounces.is_undeliverable(notice.address)
    notice.refresh_from_db()
    assert notice.state == State.FAILED
    assert "no such person" in notice.last_error
    tell("bounced", "invalid", {"notice": "' OR 1=1"})
    tell("bounced", "invalid", None)
