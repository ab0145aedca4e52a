"""Lists asked for nonsense: a sentence beside the field, and no more statements than always."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import Office

LISTS = [
    ("lead", "/queues/{group}/pending/"),
    ("lead", "/queues/{group}/worklist/"),
    ("rep", "/billing/"),
    ("rep", "/asd/services/"),
    ("rep", "/asd/agencies/"),
    ("rep", "/discovery/"),
    ("rep", "/proposals/"),
    ("rep", "/parts/"),
    ("billing", "/parts/lines/"),
    ("rep", "/mail/"),
]


@pytest.mark.parametrize(("who", "address"), LISTS)
def test_ten_thousand_characters_and_pages_that_are_not_there(
    office: Office, who: str, address: str
) -> None:
    client = Client()
    client.force_login(getattr(office, who))
    address = address.format(group=office.group.slug)

    def asked(**query: Any) -> tuple[str, int]:
        with CaptureQueriesContext(connection) as caught:
            answer = client.get(address, query)
        assert answer.status_code == 200, query
        return answer.content.decode(), len(caught)

    asked()
    _, usual = asked()
    said, number = asked(q="x" * 10_000)
    assert "at most 100 characters" in said
    assert number <= usual + 2
    for page in ("9" * 30, "-1", "0", "x", "1; drop table"):
        assert asked(page=page)[1] <= usual + 2
    for key in ("agency", "state", "priority", "service", "group", "stage", "page_size"):
        assert asked(**{key: "9" * 30})[1] <= usual + 2


def test_groups_are_paged_and_a_page_beyond_the_last_is_the_last(office: Office) -> None:
    client = Client()
    client.force_login(office.rep)
    for page in ("9" * 30, "x", "-3"):
        answer = client.get("/queues/", {"page": page})
        assert answer.status_code == 200
        assert office.group.name in answer.content.decode()
