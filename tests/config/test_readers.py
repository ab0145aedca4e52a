"""Readers of the environment: what is wrong is said with the variable's name."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(("given", "read"), [("1", True), ("0", False), ("", False)])
def test_a_flag_is_one_or_nought(monkeypatch: pytest.MonkeyPatch, given: str, read: bool) -> None:
    monkeypatch.setenv("DEBUG", given)
    assert env.flag("DEBUG", False) is read


@pytest.mark.parametrize("given", ["yes", "true", "2", " 1", "False"])
def test_any_other_flag_stops_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DEBUG", given)
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be 0 or 1"):
        env.flag("DEBUG", False)


@pytest.mark.parametrize("given", [None, ""])
def test_a_missing_text_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    if given is not None:
        monkeypatch.setenv("SECRET_KEY", given)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        env.text("SECRET_KEY")


def test_an_empty_list_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "")
    assert env.words("ALLOWED_HOSTS", "a.example, b.example") == ["a.example", "b.example"]


def test_a_database_address_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:p%40ss@db.example:5433/tl?sslmode=require")
    read = env.database("DATABASE_URL")
    assert (read["USER"], read["PASSWORD"], read["HOST"]) == ("me", "p@ss", "db.example")
    assert (read["PORT"], read["NAME"]) == ("5433", "tl")
    assert read["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    "given",
    ["sqlite:///x", "mysql://h/d", "postgres://h", "postgres://u:geheim@h:9x/d", "nonsense"],
)
def test_a_wrong_database_address_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as refusal:
        env.database("DATABASE_URL")
    assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "port", "ssl", "tls"),
    [
        ("smtp://h", 25, False, False),
        ("smtp://h:1025", 1025, False, False),
        ("smtps://u:p@h", 465, True, False),
        ("smtp+tls://u:p@h", 587, False, True),
    ],
)
def test_mail_addresses(
    monkeypatch: pytest.MonkeyPatch, given: str, port: int, ssl: bool, tls: bool
) -> None:
    monkeypatch.setenv("EMAIL_URL", given)
    read = env.email("EMAIL_URL", None)
    assert (read["EMAIL_PORT"], read["EMAIL_USE_SSL"], read["EMAIL_USE_TLS"]) == (port, ssl, tls)
