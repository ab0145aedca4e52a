"""What a write costs: the statements of creating, of triage and of each step, over HTTP."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from requests_app.models import Request
from tests import walk
from tests.factories import CoveredServiceFactory, MembershipFactory, Office, ServiceFactory
from tests.requests_app.test_intake_page import facts as intake
from tests.requests_app.test_list import as_user
from tests.walk import STANDARD_NO, STANDARD_YES, later, next_working_day
from workflow import clock
from workflow.models import Calendar

Data = Callable[[Office, Request], dict[str, Any]]
Make = Callable[[Office], Request]
WHY = {"reason": "Because it must be."}
MOST = 10
TRIAGED = {"service_known": "yes"}
DAY = {"hours": "4", "charge_expected": "no"}


def none(office: Office, request: Request) -> dict[str, Any]:
    return {}


def why(office: Office, request: Request) -> dict[str, Any]:
    return WHY


def fresh(office: Office) -> Request:
    return office.request()


def planned(office: Office) -> Request:
    request = walk.to_planning(office)
    walk.do(request, "add_plan_item", office.specialist, title="Do it", estimate_hours="2")
    return request


def finished(office: Office) -> Request:
    request = walk.to_in_fulfillment(office)
    walk.do(request, "finish_plan_item", office.specialist, item=request.plan_items.get().pk)
    return request


def held(office: Office) -> Request:
    request = walk.to_scheduled(office)
    walk.do(request, "hold", office.rep, **WHY, review_on=later(5), waiting_for="vendor")
    return request


def charged(office: Office) -> Request:
    request = walk.passed(office, charge=True)
    walk.do(request, "prefill_charge", office.specialist)
    return request


def settled(office: Office) -> Request:
    request = walk.to_billing(office)
    walk.do(request, "initiate_billing", office.rep, **INITIATED)
    walk.do(request, "waive_asd_update", office.rep, **WHY)
    return request


INITIATED = {"avenue": "change_order", "finance_number": "FIN-1", "starts_on": "2026-12-01"}

# action, from, by whom, with what; and how many statements that takes, with session and rights
STEPS: list[tuple[str, Make, str, Data, int]] = [
    ("triage", fresh, "rep",
     lambda o, r: {"service": o.service.pk, **TRIAGED, **STANDARD_YES}, 3),
    ("triage", fresh, "rep",
     lambda o, r: {"service": o.service.pk, **TRIAGED, **STANDARD_NO}, 3),
    ("triage", fresh, "rep",
     lambda o, r: {"service": o.elsewhere.pk, **TRIAGED, **STANDARD_NO}, 3),
    ("send_to_discovery", fresh, "rep", why, 5),
    ("decline", fresh, "rep", lambda o, r: {**WHY, "outcome": "not_offered"}, 3),
    ("cancel", fresh, "rep", why, 3),
    ("cancel", walk.to_scheduled, "rep", why, 7),
    ("comment", fresh, "rep", lambda o, r: {"text": "Seen.", "public": ""}, 3),
    ("comment", fresh, "rep", lambda o, r: {"text": "Seen.", "public": "yes"}, 3),
    ("hold", fresh, "rep",
     lambda o, r: {**WHY, "review_on": later(5), "waiting_for": "vendor"}, 3),
    ("resume", held, "rep", none, 9),
    ("change_priority", fresh, "rep", lambda o, r: {"impact": "1", "urgency": "1"}, 3),
    ("edit", fresh, "rep", lambda o, r: {"title": "Two lines", "description": "Now.",
                                         "contact": o.contact.pk}, 6),
    ("reassign_representative", fresh, "rep", lambda o, r: {"representative": o.rep2.pk}, 4),
    ("take", walk.to_pending, "specialist", none, 3),
    ("assign", walk.to_pending, "lead", lambda o, r: {"specialist": o.specialist.pk}, 5),
    ("transfer", walk.to_pending, "rep",
     lambda o, r: {**WHY, "provider_group": o.other_group.pk}, 5),
    ("return_to_triage", walk.to_pending, "rep", lambda o, r: {**WHY, "why": "wrong_kind"}, 3),
    ("unassign", walk.to_assigned, "specialist", why, 3),
    ("fulfill", walk.to_assigned, "specialist", lambda o, r: {"resolution": "Done."}, 3),
    ("reopen", walk.to_closed, "rep", why, 5),
    ("schedule", walk.to_awaiting, "lead",
     lambda o, r: {**DAY, "day": next_working_day().isoformat()}, 8),
    ("unschedule", walk.to_scheduled, "lead", why, 7),
    ("pull", walk.to_scheduled, "specialist", lambda o, r: {"specialist": o.specialist.pk}, 5),
    ("put_back", walk.to_planning, "lead", why, 7),
    ("add_plan_item", walk.to_planning, "specialist",
     lambda o, r: {"title": "Do it", "estimate_hours": "2"}, 6),
    ("start_work", planned, "specialist", none, 3),
    ("log_time", walk.to_in_fulfillment, "specialist",
     lambda o, r: {"hours": "1", "on": later(0)}, 5),
    ("finish_plan_item", walk.to_in_fulfillment, "specialist",
     lambda o, r: {"item": r.plan_items.get().pk}, 5),
    ("submit_for_testing", finished, "specialist", none, 3),
    ("record_test_run", walk.to_testing, "specialist2",
     lambda o, r: {"result": "passed", "cases": "It works: passed"}, 6),
    ("forward_to_representative", walk.passed, "specialist",
     lambda o, r: {"basis": "included", "no_charge_reason": "Included."}, 4),
    ("prefill_charge", lambda o: walk.passed(o, charge=True), "specialist", none, 10),
    ("open_billing", charged, "specialist", none, 4),
    ("initiate_billing", walk.to_billing, "rep", lambda o, r: INITIATED, 6),
    ("return_billing", walk.to_billing, "rep", why, 5),
    ("settle", settled, "rep", none, 3),
    ("notify_and_close", walk.to_customer_notice, "rep", lambda o, r: {"message": "Done."}, 3),
]  # fmt: skip


def statements(run: Callable[[], Any], status: int = 302) -> list[str]:
    """What is asked of the database by one POST; the outermost savepoint is its transaction, and
    what a connection plans once is planned."""
    with CaptureQueriesContext(connection) as queries:
        response = run()
    assert response.status_code == status, response.content.decode()[:2000]
    captured = [query["sql"] for query in queries.captured_queries]
    every = [sql for sql in captured if not sql.startswith("PREPARE ")]
    points = [sql for sql in every if sql.startswith(("SAVEPOINT", "RELEASE"))]
    return [sql for sql in every if sql not in (points[:1] + points[-1:])]


@pytest.fixture
def busy(office: Office) -> Office:
    """An office with working hours of its own, and a second group; what a process reads once and
    keeps is read."""
    for name, is_default in (("Office", True), ("Group", False)):
        calendar = Calendar.objects.create(name=name, is_default=is_default)
        for day in range(5):
            calendar.hours.create(weekday=day, opens=time(8), closes=time(17))
        calendar.exceptions.create(day=clock.today() + timedelta(days=90), note="Closed")
    office.group.calendar = calendar
    office.group.save()
    office.elsewhere = ServiceFactory(provider_group=office.other_group)
    CoveredServiceFactory(agreement=office.agreement, service=office.elsewhere)
    MembershipFactory(group=office.other_group, is_lead=True)
    ContentType.objects.get_for_models(*apps.get_models())
    walk.to_scheduled(office)
    return office


def test_a_step_takes_no_more_statements_than_is_stated(busy: Office) -> None:
    """Constant, however long the request's story is: nothing here reads the whole of it."""
    found = []
    for name, make, who, data, stated in STEPS:
        before = transaction.savepoint()
        request = make(busy)
        client = as_user(getattr(busy, who))
        client.get("/account/")
        address, facts = f"/requests/{request.reference}/actions/{name}/", data(busy, request)
        asked = len(statements(lambda c=client, a=address, f=facts: c.post(a, f)))
        found.append((name, request.state, asked, stated))
        transaction.savepoint_rollback(before)
    table = "\n".join(f"{n} in {state}: {asked} of {stated}" for n, state, asked, stated in found)
    assert all(asked <= stated <= MOST for *_, asked, stated in found), table


def test_taking_in_a_request_takes_no_more_statements_than_is_stated(busy: Office) -> None:
    """With its case, its clock, its first event, the customer's link and notice (X10)."""
    client = as_user(busy.rep)
    client.get("/account/")
    client.post("/requests/new/", intake(busy))
    asked = statements(lambda: client.post("/requests/new/", intake(busy)))
    assert len(asked) <= 4, "\n".join(asked)


@pytest.mark.parametrize(
    ("make", "way", "stated"),
    [(walk.to_pending, "", 3), (walk.to_scheduled, "schedule/", 5)],
)
def test_taking_the_next_takes_no_more_statements_than_is_stated(
    busy: Office, make: Make, way: str, stated: int
) -> None:
    for _ in range(3):
        make(busy)
    client = as_user(busy.specialist)
    client.get("/account/")
    address = f"/queues/{busy.group.slug}/{way}take-next/"
    asked = statements(lambda: client.post(address))
    assert len(asked) <= stated, "\n".join(asked)
