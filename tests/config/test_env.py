"""Settings fail loudly, with the name of the variable."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("value", ["yes", "true", "2", " 1"])
def test_a_flag_is_0_or_1_and_anything_else_stops_the_start(value: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("DEBUG", value)
    with pytest.raises(ImproperlyConfigured, match="DEBUG"):
        env.flag("DEBUG", False)


def test_what_must_be_set_is_named_when_it_is_missing(monkeypatch: Any) -> None:
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        env.text("SECRET_KEY")


def test_only_postgresql_is_an_engine(monkeypatch: Any) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        env.database("DATABASE_URL")


def test_addresses_are_read_with_what_they_carry(monkeypatch: Any) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:p%40ss@db:5433/name")
    found = env.database("DATABASE_URL")
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == (
        "me", "p@ss", "db", "5433", "name",
    )  # fmt: skip
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://me:x@mail")
    mail = env.email("EMAIL_URL", "")
    assert (mail["EMAIL_PORT"], mail["EMAIL_USE_TLS"], mail["EMAIL_USE_SSL"]) == (587, True, False)


def _manage(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {k: v for k, v in os.environ.items() if k != "DJANGO_ALLOW_ASYNC_UNSAFE"}  # a browser's
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**ours, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_deploy_is_clean_under_production_settings() -> None:
    done = _manage(
        "check", "--deploy", "--fail-level", "WARNING",
        BASE_URL="https://requests.agency.example", DEBUG="0", EMAIL_URL="smtp://mail.agency.example",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_production_refuses_to_start_without_its_secret() -> None:
    done = _manage("check", SECRET_KEY="")
    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_no_migration_is_missing() -> None:
    done = _manage("makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout
