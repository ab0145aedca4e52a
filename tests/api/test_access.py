"""Who calls: tokens, sessions, and what a stranger is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import Office
from workflow import clock
from workflow.models import ApiToken
from workflow.tokens import digest_of_token

LISTS = ["requests", "cases", "proposals", "billing-cases", "services", "agencies"]


@pytest.mark.parametrize("name", LISTS)
def test_without_a_token_nothing_is_answered(name: str, office: Office) -> None:
    answer = APIClient().get(f"/api/v1/{name}/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer nonsense", "Bearer a b", "Bearer \u00ff\u00fe", "bearer x"]
)
def test_a_wrong_token_is_refused(header: str, office: Office) -> None:
    answer = APIClient().get("/api/v1/requests/", HTTP_AUTHORIZATION=header.encode("latin-1"))
    assert answer.status_code == 401
    assert set(answer.json()) == {"detail"}


def test_another_scheme_is_not_ours(office: Office) -> None:
    answer = APIClient().get("/api/v1/requests/", HTTP_AUTHORIZATION="Basic eDp5")
    assert answer.status_code == 401


def test_a_token_of_somebody_who_left_is_dead(
    api: Callable[[Any], APIClient], office: Office
) -> None:
    client = api(office.rep)
    assert client.get("/api/v1/requests/").status_code == 200
    office.rep.is_active = False
    office.rep.save()
    assert client.get("/api/v1/requests/").status_code == 401


def test_only_the_hash_is_kept_and_the_day_it_was_used(
    api: Callable[[Any], APIClient], office: Office
) -> None:
    client = api(office.rep)
    token = ApiToken.objects.get(user=office.rep)
    assert "token-of" not in token.digest
    assert token.last_used_on is None
    client.get("/api/v1/requests/")
    token.refresh_from_db()
    assert token.last_used_on == clock.today()


def test_the_day_of_use_is_written_once_a_day(
    api: Callable[[Any], APIClient], office: Office, django_assert_num_queries: Any
) -> None:
    client = api(office.rep)
    client.get("/api/v1/services/")
    with django_assert_num_queries(3):  # token, count, page
        client.get("/api/v1/services/")
    ApiToken.objects.update(last_used_on=clock.today() - timedelta(days=1))
    with django_assert_num_queries(4):
        client.get("/api/v1/services/")


def test_the_command_prints_a_token_once(office: Office, capsys: Any) -> None:
    call_command("api_token", office.rep.username, name="for the test")
    text = capsys.readouterr().out.strip()
    assert ApiToken.objects.get(name="for the test").digest == digest_of_token(text)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert client.get("/api/v1/agencies/").status_code == 200


def test_the_command_knows_only_active_accounts(office: Office) -> None:
    with pytest.raises(CommandError, match="no active account"):
        call_command("api_token", "nobody-here")


def test_a_session_reads_too(office: Office, client: Client) -> None:
    client.force_login(office.rep)
    assert client.get("/api/v1/requests/").status_code == 200


def test_a_session_without_csrf_token_does_nothing(office: Office) -> None:
    """TE02: a foreign page cannot act with somebody's cookies."""
    request = office.request()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(office.rep)
    answer = browser.post(
        f"/api/v1/requests/{request.reference}/actions/comment/",
        {"text": "From elsewhere."},
        content_type="application/json",
    )
    assert answer.status_code == 403
    assert not request.case.entries.exists()


def test_there_are_no_pages_to_click(office: Office, client: Client) -> None:
    client.force_login(office.rep)
    answer = client.get("/api/v1/requests/", HTTP_ACCEPT="text/html")
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.oai.openapi", "*/*"])
def test_the_description_is_for_callers_only(
    kind: str, api: Callable[[Any], APIClient], office: Office
) -> None:
    assert APIClient().get("/api/v1/schema/").status_code == 401
    answer = api(office.rep).get("/api/v1/schema/", HTTP_ACCEPT=kind)
    assert answer.status_code == 200


def test_the_description_generates_without_a_warning(tmp_path: Any) -> None:
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")
    )
    text = (tmp_path / "schema.yml").read_text()
    for part in ["/api/v1/requests/{reference}/actions/{name}/", "Idempotency-Key", "bearer"]:
        assert part in text
