"""What a write costs: the statements of creating, of triage and of each step, over HTTP."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from requests_app.models import Request
from tests import walk
from tests.factories import Office
from tests.requests_app.test_list import as_user
from tests.walk import STANDARD_NO, STANDARD_YES, later, next_working_day

Data = Callable[[Office], dict[str, Any]]
Make = Callable[[Office], Request]
WHY = {"reason": "Because it must be."}
TRIAGED = {"service_known": "yes"}


def none(office: Office) -> dict[str, Any]:
    return {}


def why(office: Office) -> dict[str, Any]:
    return WHY


def fresh(office: Office) -> Request:
    return office.request()


def planned(office: Office) -> Request:
    request = walk.to_planning(office)
    walk.do(request, "add_plan_item", office.specialist, title="Do it", estimate_hours="2")
    return request


# action, from, by whom, with what; and how many statements that takes, with session and rights.
# The goal is 15: what is above it is what its consequences and its notices read and write.
STEPS: list[tuple[str, Make, str, Data, int]] = [
    ("triage", fresh, "rep",
     lambda o: {"service": o.service.pk, **TRIAGED, **STANDARD_YES}, 46),
    ("triage", fresh, "rep",
     lambda o: {"service": o.service.pk, **TRIAGED, **STANDARD_NO}, 45),
    ("send_to_discovery", fresh, "rep", why, 31),
    ("decline", fresh, "rep", lambda o: {**WHY, "outcome": "not_offered"}, 27),
    ("cancel", fresh, "rep", why, 29),
    ("comment", fresh, "rep", lambda o: {"text": "Seen.", "public": ""}, 9),
    ("hold", fresh, "rep",
     lambda o: {**WHY, "review_on": later(5), "waiting_for": "vendor"}, 24),
    ("change_priority", fresh, "rep", lambda o: {"impact": "1", "urgency": "1"}, 17),
    ("reassign_representative", fresh, "rep", lambda o: {"representative": o.rep2.pk}, 15),
    ("take", walk.to_pending, "specialist", none, 16),
    ("assign", walk.to_pending, "lead", lambda o: {"specialist": o.specialist.pk}, 22),
    ("transfer", walk.to_pending, "rep",
     lambda o: {**WHY, "provider_group": o.other_group.pk}, 20),
    ("unassign", walk.to_assigned, "specialist", why, 16),
    ("fulfill", walk.to_assigned, "specialist", lambda o: {"resolution": "Done."}, 26),
    ("schedule", walk.to_awaiting, "lead",
     lambda o: {"day": next_working_day().isoformat(), "hours": "4", "charge_expected": "no"}, 40),
    ("pull", walk.to_scheduled, "specialist", lambda o: {"specialist": o.specialist.pk}, 32),
    ("add_plan_item", walk.to_planning, "specialist",
     lambda o: {"title": "Do it", "estimate_hours": "2"}, 11),
    ("start_work", planned, "specialist", none, 18),
]  # fmt: skip


def statements(run: Callable[[], Any], status: int = 302) -> list[str]:
    """What is asked of the database by one POST; a test's savepoints are its transactions."""
    with CaptureQueriesContext(connection) as queries:
        response = run()
    assert response.status_code == status, response.content.decode()[:2000]
    every = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in every if not sql.startswith(("SAVEPOINT", "RELEASE"))]


def test_a_step_takes_no_more_statements_than_is_stated(office: Office) -> None:
    """Constant, however long the request's story is: nothing here reads the whole of it."""
    ContentType.objects.get_for_models(*apps.get_models())  # kept from then on
    found = []
    for name, make, who, data, stated in STEPS:
        before = transaction.savepoint()
        request = make(office)
        client = as_user(getattr(office, who))
        client.get("/account/")
        address, facts = f"/requests/{request.reference}/actions/{name}/", data(office)
        asked = len(statements(lambda c=client, a=address, f=facts: c.post(a, f)))
        found.append((name, request.state, asked, stated))
        transaction.savepoint_rollback(before)
    table = "\n".join(f"{n} in {state}: {asked} of {stated}" for n, state, asked, stated in found)
    assert all(asked <= stated for *_, asked, stated in found), table
