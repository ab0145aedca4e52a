"""Everything else that one can read: cases, proposals, queues, billing, services, agencies."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories import AgencyFactory, ContactFactory, Office, ServiceFactory
from tests.walk import (
    do,
    later,
    to_assigned,
    to_awaiting,
    to_billing,
    to_in_fulfillment,
    to_pending,
    to_scheduled,
)

Api = Callable[[Any], APIClient]


def rows(client: APIClient, path: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


# Cases


def test_a_case_shows_updates_and_files(api: Api, office: Office) -> None:
    """F8, X6."""
    request = office.request()
    do(request, "comment", office.rep, text="We called.", public="yes")
    do(request, "comment", office.rep, text="Between ourselves.")
    shown = api(office.rep).get(f"/api/v1/cases/{request.case.reference}/").json()
    assert [(e["text"], e["public"]) for e in shown["entries"]] == [
        ("We called.", True),
        ("Between ourselves.", False),
    ]
    assert shown["request"] == request.reference
    assert shown["closed_at"] is None


def test_cases_of_others_do_not_exist(api: Api, office: Office) -> None:
    request = to_pending(office)
    assert rows(api(office.stranger), "cases/") == []
    path = f"/api/v1/cases/{request.case.reference}/"
    assert api(office.stranger).get(path).status_code == 404
    assert api(office.specialist).get(path).status_code == 200


# Queues


def test_the_two_queues_and_the_work_list(api: Api, office: Office) -> None:
    """F2, F6: an item is in exactly one of them."""
    made = {
        "pending": [to_pending(office)],
        "schedule": [to_scheduled(office), to_awaiting(office)],
        "worklist": [to_in_fulfillment(office)],
    }
    client = api(office.specialist)
    for queue, requests in made.items():
        found = rows(client, f"queues/{office.group.slug}/{queue}/")
        shown = [row.get("request", row)["reference"] for row in found]
        assert shown == [r.reference for r in requests], queue
    placed, waiting = rows(client, f"queues/{office.group.slug}/schedule/")
    assert placed["entry"]["hours"] == "4.00"
    assert waiting["entry"] is None
    work = rows(client, f"queues/{office.group.slug}/worklist/")[0]
    assert (work["estimated"], work["spent"], work["left"]) == ("4.00", "0.00", "4.00")


@pytest.mark.parametrize("queue", ["pending", "schedule", "worklist"])
def test_a_queue_of_another_group_does_not_exist(queue: str, api: Api, office: Office) -> None:
    path = f"/api/v1/queues/{office.group.slug}/{queue}/"
    assert api(office.stranger).get(path).status_code == 404
    assert api(office.billing).get(path).status_code == 404
    assert api(office.rep2).get(path).status_code == 200
    assert api(office.auditor).get(path).status_code == 200
    assert api(office.rep).get(f"/api/v1/queues/no-such-group/{queue}/").status_code == 404


@pytest.mark.parametrize("queue", ["pending", "schedule", "worklist"])
def test_the_queries_of_a_queue_do_not_grow(
    queue: str, api: Api, office: Office, django_assert_max_num_queries: Any
) -> None:
    grow = {"pending": to_pending, "schedule": to_scheduled, "worklist": to_in_fulfillment}[queue]
    client = api(office.specialist)
    path = f"/api/v1/queues/{office.group.slug}/{queue}/"
    grow(office)
    client.get(path)
    with django_assert_max_num_queries(9) as first:
        client.get(path)
    for _ in range(2):  # as many as the day of the walk has room for
        grow(office)
    with django_assert_max_num_queries(len(first)):
        assert client.get(path).json()["count"] == 3


# Services and agencies


def test_services_and_agencies_say_what_a_request_can_name(api: Api, office: Office) -> None:
    client = api(office.specialist)
    service = client.get(f"/api/v1/services/{office.service.slug}/").json()
    assert (service["state"], service["group"]) == ("live", office.group.slug)
    agency = client.get(f"/api/v1/agencies/{office.agency.code}/").json()
    assert agency["is_current"] is True
    assert [c["id"] for c in agency["contacts"]] == [office.contact.pk]


def test_current_customers_are_computed(api: Api, office: Office) -> None:
    """D14: an SLA in force today, never a flag."""
    prospective = AgencyFactory()
    client = api(office.rep)
    assert [a["code"] for a in rows(client, "agencies/?is_current=true")] == [office.agency.code]
    assert [a["code"] for a in rows(client, "agencies/?is_current=false")] == [prospective.code]


def test_a_contact_who_left_is_not_offered(api: Api, office: Office) -> None:
    ContactFactory(agency=office.agency, is_active=False)
    agency = api(office.rep).get(f"/api/v1/agencies/{office.agency.code}/").json()
    assert [c["id"] for c in agency["contacts"]] == [office.contact.pk]


@pytest.mark.parametrize("name", ["services", "agencies"])
def test_nothing_is_written_here(name: str, api: Api, office: Office) -> None:
    client = api(office.rep)
    one = {"services": office.service.slug, "agencies": office.agency.code}[name]
    assert client.post(f"/api/v1/{name}/", {"name": "x"}).status_code == 405
    for method in ("put", "patch", "delete"):
        assert getattr(client, method)(f"/api/v1/{name}/{one}/", {}).status_code == 405


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("services", lambda office: ServiceFactory()),
        ("agencies", lambda office: ContactFactory()),
        ("cases", lambda office: office.request()),
        ("requests", lambda office: office.request()),
    ],
)
def test_the_queries_of_a_list_do_not_grow(
    name: str, make: Any, api: Api, office: Office, django_assert_num_queries: Any
) -> None:
    client = api(office.rep)
    make(office)
    client.get(f"/api/v1/{name}/")
    for _ in range(6):
        make(office)
    with django_assert_num_queries(3):  # token, count, page
        assert client.get(f"/api/v1/{name}/?page_size=100").status_code == 200


# Proposals and billing


def test_a_proposal_is_read_in_its_latest_version(api: Api, office: Office) -> None:
    """D8."""
    request = office.request()
    do(request, "draft_proposal", office.rep, summary="One line.", valid_until=later(30))
    proposal = request.proposals.get()
    client = api(office.rep)
    shown = client.get(f"/api/v1/proposals/{proposal.reference}/").json()
    assert (shown["request"], shown["state"]) == (request.reference, "draft")
    assert rows(client, f"proposals/?request={request.reference}")[0]["version"] == 1
    assert client.get(f"/api/v1/proposals/{proposal.reference}/?version=2").status_code == 404
    assert client.get("/api/v1/proposals/PRO-2000-999999/").status_code == 404
    assert rows(api(office.stranger), "proposals/") == []


def test_a_billing_case_explains_its_charges(api: Api, office: Office) -> None:
    """F12, F13: quantity, rate, basis and evidence of every line."""
    request = to_billing(office)
    case = request.billing_case
    client = api(office.billing)
    shown = client.get(f"/api/v1/billing-cases/{case.reference}/").json()
    assert shown["state"] == "forwarded"
    line = shown["lines"][0]
    assert line["basis"] == "rate_card"
    assert line["evidence"]
    assert float(line["amount"]) == float(line["quantity"]) * float(line["rate"])
    assert [c["reference"] for c in rows(client, "billing-cases/?state=forwarded")] == [
        case.reference
    ]
    assert rows(api(office.stranger), "billing-cases/") == []
    path = f"/api/v1/billing-cases/{case.reference}/"
    assert api(office.stranger).get(path).status_code == 404


def test_a_member_sees_the_actions_of_a_specialist(api: Api, office: Office) -> None:
    """F7: what one may do follows the person, not the page."""
    request = to_assigned(office)
    names = {
        who: {
            a["name"]
            for a in api(getattr(office, who))
            .get(f"/api/v1/requests/{request.reference}/")
            .json()["available_actions"]
        }
        for who in ("specialist", "specialist2", "rep")
    }
    assert "fulfill" in names["specialist"]
    assert "fulfill" not in names["specialist2"] | names["rep"]
