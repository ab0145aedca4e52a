"""What all tests share: settings for tests, a real mail sink, a real browser."""

from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as properties

from config.servers import free_port
from tests.browser import browser, page  # noqa: F401 - fixtures are found by their name here
from tests.emptying import emptied
from tests.factories import Office
from tests.plans import _bulk, at_scale  # noqa: F401 - likewise

# how long an example takes says how busy the machine is
properties.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("here")

LONG = ("test_journeys", "test_supervisor", "test_shell_browser", "test_generate", "test_plans")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, so that at the end no worker waits for the other."""
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture(autouse=True)
def _test_settings(settings: Any, tmp_path: Path) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def _language_of_the_office() -> Iterator[None]:
    """A page asked for in Spanish leaves its language with the thread."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptied)
        yield


@pytest.fixture(scope="session", autouse=True)
def _last_sessions_end(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Threads of races and servers of faults may hold a session until they are collected."""
    yield
    if not connection.settings_dict["NAME"].startswith("test_"):
        return  # none of the tests asked for a database
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def office(db: None) -> Office:
    """A small living office."""
    return Office()


class Sink(MessageHandler):
    """Keeps every message that arrives over SMTP."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)

    def to(self, address: str) -> list[Message]:
        """The messages that went to one address."""
        return [m for m in self.messages if address in str(m["To"])]


@pytest.fixture
def smtp_sink(settings: Any) -> Iterator[Sink]:
    """A real SMTP server on loopback; the program's mails go there."""
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield sink
    controller.stop()
