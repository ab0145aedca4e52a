"""Calling the API as a program does: with a token, in JSON."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from workflow.models import ApiToken
from workflow.tokens import digest_of_token


@pytest.fixture
def token_of(db: None) -> Callable[[Any], str]:
    """A new token of a person."""

    def make(user: Any) -> str:
        text = f"token-of-{user.username}"
        ApiToken.objects.get_or_create(user=user, digest=digest_of_token(text))
        return text

    return make


@pytest.fixture
def api(token_of: Callable[[Any], str]) -> Callable[[Any], APIClient]:
    """A client that calls as this person."""

    def client(user: Any) -> APIClient:
        made = APIClient(enforce_csrf_checks=True, raise_request_exception=True)
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {token_of(user)}")
        made.default_format = "json"  # type: ignore[attr-defined]
        return made

    return client
