"""The same Idempotency-Key pressed twice at the same moment: done once, both get the answer."""

import threading
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from requests_app.models import Request
from tests.factories import Office
from workflow import api as common
from workflow.models import ApiCall, ApiToken
from workflow.tokens import digest_of_token

ROUNDS = 8


def press_together(office: Office, key: str, times: int = 3) -> list[Any]:
    """Several connections post the same at once."""
    gate = threading.Barrier(times)
    answers: list[Any] = []

    def press() -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION="Bearer racing")
        gate.wait()
        try:
            answers.append(
                client.post(
                    "/api/v1/requests/",
                    {
                        "title": "Pressed twice",
                        "description": "In a hurry.",
                        "agency": office.agency.code,
                        "contact": office.contact.pk,
                    },
                    format="json",
                    HTTP_IDEMPOTENCY_KEY=key,
                )
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def living_office(transactional_db: None) -> Office:
    office = Office()
    ApiToken.objects.create(user=office.rep, name="t", digest=digest_of_token("racing"))
    return office


def test_the_same_key_at_the_same_moment_is_done_once(living_office: Office) -> None:
    """TA03 for the API: the second waits at the unique key and gets the first one's answer."""
    for n in range(ROUNDS):
        answers = press_together(living_office, f"key-{n}")
        assert [a.status_code for a in answers] == [201, 201, 201]
        assert len({a.json()["reference"] for a in answers}) == 1
        assert Request.objects.count() == n + 1
    assert ApiCall.objects.count() == ROUNDS


def test_without_the_claim_it_would_be_done_more_than_once(
    living_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the claim taken out the same test would see doubles."""
    monkeypatch.setattr(common, "_answer_once", lambda key, request, work: work())
    answers = press_together(living_office, "key")
    assert len({a.json()["reference"] for a in answers}) == 3
