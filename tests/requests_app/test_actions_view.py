"""The one address of every action: how each answer comes back, and what never happens."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import QueryDict
from django.test import Client

from requests_app.models import Request
from tests.factories import ContactFactory, UserFactory
from tests.requests_app.test_list import as_user
from tests.walk import (
    STANDARD_YES,
    do,
    later,
    to_assigned,
    to_awaiting,
    to_billing,
    to_cancelled,
    to_closed,
    to_customer_notice,
    to_declined,
    to_discovery,
    to_in_fulfillment,
    to_pending,
    to_planning,
    to_scheduled,
    to_testing,
)
from workflow.actors import as_actor
from workflow.machine import Refused
from workflow.models import Event
from workflow.registry import InvalidFacts, actions_of, perform

WALKS = {
    "triage": lambda office: office.request(),
    "discovery": to_discovery,
    "pending": to_pending,
    "assigned": to_assigned,
    "awaiting_scheduling": to_awaiting,
    "scheduled": to_scheduled,
    "planning": to_planning,
    "in_fulfillment": to_in_fulfillment,
    "testing": to_testing,
    "billing": to_billing,
    "customer_notice": to_customer_notice,
    "closed": to_closed,
    "declined": to_declined,
    "cancelled": to_cancelled,
}
NEVER = "2147483646"
WILD = {
    "empty": lambda: "",
    "too long": lambda: "x" * 30_000,
    "wrong type": lambda: "not-a-thing",
    "foreign id": lambda: NEVER,
    "huge number": lambda: "9" * 400,
    "negative": lambda: "-5",
    "not a number": lambda: "NaN",
    "past": lambda: "1900-01-01",
    "unicode": lambda: "\u202e\U0001f9ff e\u0301 <b>'\"; --",
}


def act(client: Client, request: Request, action: str, /, **data: Any) -> Any:
    return client.post(f"/requests/{request.reference}/actions/{action}/", data)


def test_a_done_action_says_so_and_leads_back_to_the_request(office):
    request = office.request()
    response = act(as_user(office.rep), request, "comment", text="Seen.", public="", expect="")
    assert response.status_code == 302
    assert response["Location"] == request.get_absolute_url()


def test_a_step_says_where_the_request_is_now(office):
    request = office.request()
    client = as_user(office.rep)
    act(client, request, "triage", service=office.service.pk, service_known="yes", **STANDARD_YES)
    html = client.get(request.get_absolute_url()).content.decode()
    assert f"{request.reference} is now: Pending." in html


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("/requests/?scope=all", "/requests/?scope=all"),
        ("https://elsewhere.example/", None),
        ("//elsewhere.example/", None),
        ("javascript:alert(1)", None),
        ("/\\elsewhere.example", None),
    ],
)
def test_it_goes_on_only_to_pages_of_ours(office, wanted, where):
    request = office.request()
    response = act(as_user(office.rep), request, "comment", text="Seen.", next=wanted)
    assert response["Location"] == (where or request.get_absolute_url())


def test_bad_facts_come_back_beside_their_fields_with_what_was_typed(office):
    request = office.request()
    response = act(as_user(office.rep), request, "hold", reason="The vendor is silent.",
                   review_on="2001-01-01", waiting_for="vendor", expect="triage")  # fmt: skip
    html = response.content.decode()
    assert response.status_code == 422
    assert "The vendor is silent." in html
    assert "Give a date after today" in html
    request.refresh_from_db()
    assert not request.is_on_hold


def test_a_refusal_is_a_sentence_on_top_of_the_page(office):
    request = office.request()
    response = act(as_user(office.rep), request, "queue_assistance")
    assert response.status_code == 409
    assert "Triage must decide that this is an assistance request." in response.content.decode()


def test_a_stale_form_is_refused_with_the_state_as_it_is_and_keeps_what_was_typed(office):
    """TA10: opened in one state, sent after others moved it."""
    request = office.request()
    do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
       **STANDARD_YES)  # fmt: skip
    response = act(as_user(office.rep), request, "decline", expect="triage",
                   outcome="not_offered", reason="We offer no such thing at all.")  # fmt: skip
    html = response.content.decode()
    assert response.status_code == 409
    assert "it is pending now" in html
    assert "We offer no such thing at all." in html
    request.refresh_from_db()
    assert request.state == "pending"


def test_a_stale_form_that_still_exists_is_open_with_what_was_typed(office):
    """TA10: the words stand in the form, ready to be sent again."""
    request = to_pending(office)
    response = act(as_user(office.rep), request, "cancel", expect="triage", reason="They moved.")
    html = response.content.decode()
    assert response.status_code == 409
    assert html.count("They moved.") == 1
    assert 'data-action="cancel"' in html


def test_reading_the_address_of_an_action_does_nothing(office):
    request = office.request()
    response = as_user(office.rep).get(f"/requests/{request.reference}/actions/cancel/")
    assert response.status_code == 405


@pytest.mark.parametrize(
    "name", ["no_such_action", "__init__", "save", "delete", "refresh_from_db"]
)
def test_a_name_that_is_no_action_is_not_found(office, name):
    assert act(as_user(office.rep), office.request(), name).status_code == 404


def test_what_another_person_may_do_is_forbidden(office):
    assert act(as_user(office.specialist), to_pending(office), "cancel").status_code == 403
    assert act(as_user(office.auditor), to_pending(office), "comment", text="x").status_code == 403


def test_what_one_may_not_see_one_cannot_act_on(office):
    """TD03: not even the refusal tells that it exists."""
    request = to_pending(office)
    for name in ("cancel", "take", "comment", "no_such_action"):
        assert act(as_user(office.stranger), request, name, text="x").status_code == 404
    assert act(as_user(office.stranger), request, "\x00", text="x").status_code == 400


def test_ids_of_other_agencies_are_no_choice_in_any_field(office):
    """TD03: foreign keys typed into a form."""
    request = office.request()
    foreign = ContactFactory()
    client = as_user(office.rep)
    edited = act(client, request, "edit", title="T", description="D", contact=foreign.pk)
    watched = act(client, request, "add_watcher", contact=foreign.pk)
    assert (edited.status_code, watched.status_code) == (422, 422)
    request.refresh_from_db()
    assert request.contact == office.contact


def test_a_specialist_of_another_group_is_no_choice(office):
    request = to_pending(office)
    response = act(as_user(office.lead), request, "assign", specialist=office.stranger.pk)
    assert response.status_code == 422
    request.refresh_from_db()
    assert request.state == "pending"


def test_fields_that_the_form_does_not_have_are_ignored(office):
    """Nobody sets a state, an agency or a reference by adding a field to a form."""
    request = office.request()
    act(as_user(office.rep), request, "comment", text="Seen.", state="closed", agency="1",
        reference="REQ-1", representative=office.rep2.pk, is_staff="1")  # fmt: skip
    fresh = Request.objects.get(pk=request.pk)
    assert (fresh.state, fresh.agency, fresh.representative) == (
        "triage",
        office.agency,
        office.rep,
    )


def test_a_null_byte_is_a_bad_request_and_writes_nothing(office):
    request = office.request()
    before = Event.objects.count()
    client = as_user(office.rep)
    assert act(client, request, "comment", text="a\x00b").status_code == 400
    assert act(client, request, "hold", **{"rea\x00son": "x"}).status_code == 400
    assert Event.objects.count() == before


def test_an_update_sent_twice_by_two_clicks_is_one_event_each(office):
    request = office.request()
    client = as_user(office.rep)
    before = request.events.count()
    act(client, request, "comment", text="Seen.")
    assert request.events.count() == before + 1


def test_moved_out_of_sight_the_person_goes_back_to_the_list(office):
    """A member who hands a request to another group does not land on a page not found."""
    request = to_pending(office)
    response = act(as_user(office.specialist), request, "transfer",
                   provider_group=office.other_group.pk, reason="Theirs.")  # fmt: skip
    assert response.status_code == 302
    assert response["Location"] == "/requests/"


def _forms(request: Request, by: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every action of the request in its state with the fields of its form."""
    for action in actions_of("requests_app.request"):
        # what customers alone may do is not even an administrator's
        if action.possible(request) and action.allowed(request, as_actor(by)):
            yield action.name, action.bind(request, as_actor(by)).fields


@pytest.mark.parametrize("state", WALKS)
def test_no_action_ever_breaks_on_what_is_posted(office, state):
    """Every registered action in every state: empty, too long, wrong types, foreign ids."""
    request = WALKS[state](office)
    admin = UserFactory(admin=True)
    broken: dict[str, str] = {}
    for name, fields in list(_forms(request, admin)):
        for kind, make in WILD.items():
            data = QueryDict(mutable=True)
            data.update({field: make() for field in fields})
            try:
                with transaction.atomic():
                    perform(request, name, by=admin, data=data)
                    transaction.set_rollback(True)
            except (InvalidFacts, Refused):
                pass
            except Exception as error:  # noqa: BLE001 - every crash is what is looked for
                broken[f"{name} with {kind}"] = repr(error)
    assert not broken


@pytest.mark.parametrize("state", ["triage", "testing", "closed"])
def test_no_page_of_an_action_ever_breaks_on_what_is_posted(office, state):
    """The same through the page at three stages: one sort of nonsense for each action in turn."""
    request = WALKS[state](office)
    admin = UserFactory(admin=True)
    client = as_user(admin)
    nonsense = cycle(WILD.values())
    for name, fields in list(_forms(request, admin)):
        make = next(nonsense)
        if not fields:
            continue
        with transaction.atomic():
            response = act(client, request, name, **{field: make() for field in fields})
            transaction.set_rollback(True)
        assert response.status_code in (302, 409, 422), name


@pytest.mark.parametrize("name", ["upload_file", "comment"])
def test_files_that_cannot_be_kept_are_errors_beside_their_field(office, name):
    request = office.request()
    wrong = SimpleUploadedFile("page.html", b"<script>alert(1)</script>")
    response = act(as_user(office.rep), request, name, files=[wrong], text="See file.")
    assert response.status_code == 422
    assert "page.html: files of this type cannot be attached." in response.content.decode()
    assert request.case.attachments.count() == 0
    assert later(1) > later(0)
