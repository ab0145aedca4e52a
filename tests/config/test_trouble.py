"""Errors behind a page: a sentence, the right status, and never how it is made inside."""

from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.test import Client

from config.trouble import is_away


def raised(error: Exception, because: Exception | None = None) -> Exception:
    error.__cause__ = because
    return error


def gone() -> Exception:
    return raised(OperationalError("refused"), psycopg2.OperationalError("password is secret"))


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (gone(), True),
        (raised(InterfaceError("closed"), psycopg2.InterfaceError("already closed")), True),
        (raised(ValueError("on the way"), gone()), True),
        (DatabaseError("Save did not affect any rows"), False),
        (raised(IntegrityError("twice"), psycopg2.IntegrityError("twice")), False),
        (ValueError("ours"), False),
    ],
)
def test_a_database_that_is_away_is_told_from_mistakes(error: Exception, away: bool) -> None:
    assert is_away(error) is away


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A visitor's browser, whose next page raises this."""

    def visit(error: Exception, path: str = "/", **headers: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("workflow.sessions.SessionStore.load", refuse)
        browser = Client(raise_request_exception=False, headers=headers)
        browser.cookies["sessionid"] = "a" * 32
        return browser.get(path)

    return visit


def test_without_a_database_the_page_says_so_and_when_to_come_back(broken: Any) -> None:
    """TB11, TB12: 503, a sentence in the visitor's language, nothing of the error."""
    answer = broken(gone())
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    text = answer.content.decode()
    assert "Nothing was changed. Please try again in a moment" in text
    assert "Try again" in text
    assert "secret" not in text
    assert "Traceback" not in text
    said = broken(gone(), **{"accept-language": "es"}).content.decode()
    assert 'lang="es"' in said
    assert "Nothing was changed" not in said


def test_a_mistake_of_ours_stays_a_500(broken: Any) -> None:
    answer = broken(ValueError("secret"))
    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()


def test_programs_get_json(broken: Any) -> None:
    answer = broken(gone(), "/api/v1/requests/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "please try again" in answer.json()["detail"]
