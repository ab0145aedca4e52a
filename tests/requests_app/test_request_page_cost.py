"""What the request page costs: so many questions to the database, whatever hangs on the request."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from requests_app.models import Link, Request
from tests.factories import Office, UserFactory
from tests.requests_app.test_actions_view import WALKS
from tests.requests_app.test_list import as_user
from tests.walk import do, to_in_fulfillment

MOST = 8


def asked(client: Any, request: Request) -> list[str]:
    """The statements of one look at the page, on a connection that has seen it before."""
    client.get(request.get_absolute_url())
    with CaptureQueriesContext(connection) as queries:
        response = client.get(request.get_absolute_url())
    assert response.status_code == 200
    return [query["sql"][:400] for query in queries.captured_queries]


@pytest.mark.parametrize("state", WALKS)
def test_the_page_asks_little_in_every_state(office: Office, state: str) -> None:
    request = WALKS[state](office)
    for person in (office.rep, office.lead, office.specialist, UserFactory(admin=True)):
        statements = asked(as_user(person), request)
        assert len(statements) <= MOST, f"{person}:\n" + "\n".join(statements)


def test_one_of_everything_costs_what_fifty_cost(office: Office) -> None:
    """Events, updates, files, watchers, links, pieces of the plan with hours."""
    request = to_in_fulfillment(office)
    client = as_user(office.specialist)
    other = office.request()
    counts = []
    for many in (1, 49):
        for n in range(many):
            do(request, "comment", office.specialist, text=f"Update {many}-{n}", public="")
            do(request, "add_plan_item", office.specialist, title=f"{many}-{n}", estimate_hours="1")
            do(
                request,
                "log_time",
                office.specialist,
                hours="0.1",
                item=request.plan_items.last().pk,
            )
            Link.objects.create(source=request, external=f"INC-{many}-{n}")
        Link.objects.get_or_create(source=request, target=other)
        do(request, "change_priority", office.rep, impact="1", urgency="1")
        counts.append(len(asked(client, request)))
    assert counts[1] <= counts[0] <= MOST
