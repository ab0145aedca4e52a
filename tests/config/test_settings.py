"""The program starts with the right environment only, and then safely."""

import os
import subprocess
import sys

import pytest

from config.servers import ROOT

PRODUCTION = {
    "SECRET_KEY": "k3-" * 30 + "Zq9",
    "BASE_URL": "https://throughline.example.org",
    "DATABASE_URL": os.environ["DATABASE_URL"],
    "REDIS_URL": os.environ["REDIS_URL"],
    "EMAIL_URL": "smtp+tls://user:word@mail.example.org",
}


def manage(*words: str, without: str = "", **changed: str) -> subprocess.CompletedProcess[str]:
    """manage.py under production settings, with one variable missing or changed."""
    given = {**PRODUCTION, **changed, "PATH": os.environ["PATH"]}
    given.pop(without, None)
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=given, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_deployment_check_is_clean() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize("name", list(PRODUCTION))
def test_production_refuses_to_start_without(name: str) -> None:
    done = manage("check", without=name)
    assert done.returncode != 0
    assert f"Set the environment variable {name}." in done.stderr


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("DEBUG", "true"),
        ("BASE_URL", "throughline.example.org"),
        ("REDIS_URL", "http://broker"),
        ("EMAIL_URL", "mail.example.org"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name(name: str, given: str) -> None:
    done = manage("check", **{name: given})
    assert done.returncode != 0
    assert name in done.stderr.strip().splitlines()[-1]


def test_only_a_publisher_gives_up_on_a_silent_broker() -> None:
    words = ("shell", "-v0", "-c")
    show = "from django.conf import settings as s; print(s.CELERY_BROKER_TRANSPORT_OPTIONS)"
    assert "'socket_timeout'" in manage(*words, show, ROLE="web").stdout
    assert "'socket_timeout'" not in manage(*words, show, ROLE="worker").stdout
    assert "'socket_timeout'" not in manage(*words, show, ROLE="beat").stdout
