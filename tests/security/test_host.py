"""A foreign Host is refused, with a page and without a stack trace (TE06)."""

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/password-reset/", "/requests/"])
def test_a_foreign_host_is_a_bad_request(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path, headers={"host": "evil.example"})
    assert answer.status_code == 400
