"""Up, ready, and the figures for a monitor."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client


def test_up_needs_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.django_db
def test_ready_with_database_and_broker(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "broker": "ok"}


@pytest.mark.django_db
def test_ready_but_degraded_without_a_broker(client: Client, settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["broker"].startswith("down")


def test_not_ready_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("config.health.MigrationExecutor", refuse)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


@pytest.mark.django_db
def test_not_ready_while_migrations_wait(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = "config.health.MigrationExecutor.migration_plan"
    monkeypatch.setattr(plan, lambda *_: ["one", "two"])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "2 migrations to apply"


@pytest.mark.django_db
def test_figures_by_state(client: Client, office: Any) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert "# TYPE throughline_notices gauge" in answer.content.decode().splitlines()


@pytest.mark.parametrize(
    "who",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
    ],
)
def test_figures_are_told_on_this_machine_only(client: Client, who: dict[str, str]) -> None:
    assert client.get("/metrics", **who).status_code == 404  # type: ignore[arg-type]
