"""What a list and a request cost through the API; a row written by hand is as described."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from requests_app.api import RequestDetail, RequestRow
from requests_app.models import Request
from requests_app.pages import page_of
from tests.factories import Office
from tests.requests_app.test_actions_view import WALKS
from tests.walk import do, later, to_closed, to_in_fulfillment, to_pending
from workflow import together

Api = Callable[[Any], APIClient]


def test_a_row_of_the_list_is_what_its_description_says(api: Api, office: Office) -> None:
    held = to_pending(office)
    do(held, "hold", office.rep, reason="Vendor.", review_on=later(7), waiting_for="vendor")
    made = [office.request(service=None), held, to_in_fulfillment(office), to_closed(office)]
    answer = api(office.rep).get("/api/v1/requests/").json()
    rows = {row["reference"]: row for row in answer["results"]}
    for request in Request.objects.filter(pk__in=[one.pk for one in made]):
        described = json.loads(JSONRenderer().render(RequestRow(request).data))
        assert rows[request.reference] == described
    assert (answer["count"], answer["count_is_capped"]) == (len(made), False)


def test_the_list_asks_the_same_for_one_row_and_thirty(api: Api, office: Office) -> None:
    client, counts = api(office.rep), []
    for more in (1, 29):
        for _ in range(more):
            office.request()
        client.get("/api/v1/requests/")
        with CaptureQueriesContext(connection) as seen:
            client.get("/api/v1/requests/")
        counts.append(len(seen.captured_queries))
    assert counts[1] <= counts[0] <= 5


def test_a_request_with_all_its_actions_and_their_choices(api: Api, office: Office) -> None:
    request = to_in_fulfillment(office)
    client, address = api(office.rep), f"/api/v1/requests/{request.reference}/"
    client.get(address)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    assert len(seen.captured_queries) <= 5, [q["sql"][:200] for q in seen.captured_queries]


@pytest.mark.parametrize("state", WALKS)
def test_a_request_is_what_its_description_says(office: Office, state: str) -> None:
    """The dictionary put together by hand and the serializer that describes it, state by state."""
    request = WALKS[state](office)
    for person in (office.rep, office.specialist):
        found = page_of(person, request.reference)
        assert found is not None
        together.read(found)
        context = {"request": SimpleNamespace(user=person)}
        described = JSONRenderer().render(RequestDetail(found, context=context).data)
        assert json.loads(described) == json.loads(
            JSONRenderer().render(RequestDetail.read(found, person))
        )
