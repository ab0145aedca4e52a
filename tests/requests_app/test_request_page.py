"""The request page: what it says to whom, and that it stays one page however long the story is."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from requests_app.line import line_of
from requests_app.models import Link
from tests.factories import AgencyFactory, ContactFactory, UserFactory
from tests.requests_app.test_list import as_user
from tests.walk import (
    STANDARD_YES,
    do,
    later,
    to_awaiting,
    to_cancelled,
    to_closed,
    to_declined,
    to_discovery,
    to_pending,
    to_testing,
)
from workflow.registry import offers

AWFUL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% csrf_token %}",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "\u202egnp.exe",
]


def page(user: Any, request: Any, **query: Any) -> Any:
    return as_user(user).get(request.get_absolute_url(), query)


def text_of(response: Any) -> str:
    return response.content.decode()


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("rep", 200),
        ("rep2", 200),
        ("auditor", 200),
        ("lead", 200),
        ("specialist", 200),
        ("stranger", 404),
        ("billing", 404),
        ("asd", 404),
    ],
)
def test_who_may_open_a_request_that_is_in_the_queue_of_a_group(office, role, status):
    """TD03: for everybody else it does not exist."""
    assert page(getattr(office, role), to_pending(office)).status_code == status


def test_a_reference_may_be_typed_in_small_letters(office):
    request = office.request()
    response = as_user(office.rep).get(f"/requests/{request.reference.lower()}/")
    assert response.status_code == 200


@pytest.mark.parametrize("reference", ["REQ-0000-0", "nothing", "%00", "..%2f", "é" * 300])
def test_an_address_that_names_no_request_is_not_found_or_refused(office, reference):
    assert as_user(office.rep).get(f"/requests/{reference}/").status_code in (400, 404)


def test_the_two_key_facts_are_on_the_page_at_every_stage(office):
    """D14: is the requester a current customer, does it relate to an existing service."""
    for walk in (office.request, to_pending, to_awaiting, to_discovery, to_closed, to_declined):
        request = walk() if walk == office.request else walk(office)
        html = text_of(page(office.rep, request))
        assert "Current customer" in html
        assert "Existing service" in html
        assert "is covered by" in html


def test_a_customer_without_an_agreement_is_said_with_the_reason(office):
    agency = AgencyFactory(representative=office.rep)
    request = office.request(agency=agency, contact=ContactFactory(agency=agency))
    html = text_of(page(office.rep, request))
    assert "Not a current customer" in html
    assert "The agency has no SLA." in html


def test_the_page_says_who_must_act_and_on_what_it_waits(office):
    html = text_of(page(office.rep2, to_pending(office)))
    assert f"A member of {office.group.name}" in html
    assert "waits for a specialist" in html


def test_what_happens_next_has_the_form_of_the_way_forward_in_place(office):
    html = text_of(page(office.rep, office.request()))
    assert 'data-action="triage"' in html
    assert "The requirements are known" in html
    assert 'data-action="decline"' in html


def test_whoever_may_do_nothing_sees_no_button(office):
    html = text_of(page(office.auditor, to_pending(office)))
    assert "data-action=" not in html


def test_every_offer_of_the_request_itself_is_on_the_page(office):
    """Each available action is a form or button with its name, as the interface promises."""
    request = to_pending(office)
    found = {o.name for o in offers(request, office.rep) if o.action.place in ("next", "more")}
    html = text_of(page(office.rep, request))
    assert {name for name in found if f'data-action="{name}"' in html} == found


def test_a_blocked_action_is_shown_disabled_with_its_sentence(office):
    request = to_pending(office)
    do(request, "hold", office.rep, reason="Vendor.", review_on=later(5), waiting_for="vendor")
    html = text_of(page(office.rep, request))
    assert "On hold</strong> since" in html
    assert "The request is on hold: resume it first." in html
    assert 'data-action="resume"' in html


def test_the_line_shows_where_it_was_where_it_is_and_what_is_next(office):
    stops = [(s.state, s.mark) for s in line_of(to_awaiting(office))]
    assert stops[:3] == [
        ("triage", "done"),
        ("awaiting_scheduling", "here"),
        ("scheduled", "next"),
    ]
    assert ("billing", "maybe") in stops
    assert stops[-1] == ("closed", "ahead")


def test_the_line_of_an_undecided_request_names_the_lanes_ahead(office):
    assert [s.label for s in line_of(office.request())] == [
        "Triage", "Queue", "Fulfillment", "Closed",
    ]  # fmt: skip


def test_the_line_keeps_only_what_was_reached_when_a_request_ended_early(office):
    assert [s.state for s in line_of(to_declined(office))] == ["triage", "declined"]
    assert [s.state for s in line_of(to_cancelled(office))] == ["triage", "cancelled"]


def test_the_line_begins_again_with_the_next_pass(office):
    """X3: reopening starts the next pass."""
    request = to_closed(office)
    do(request, "reopen", office.rep, reason="It does not ring.")
    assert [(s.state, s.mark) for s in line_of(request)][0] == ("triage", "here")


def test_a_detour_to_discovery_stands_on_the_line(office):
    """F17: sent back from a later stage."""
    request = to_awaiting(office)
    do(request, "send_to_discovery", office.rep, reason="More is needed.")
    marks = {s.state: s.mark for s in line_of(request)}
    assert marks["discovery"] == "here"
    assert marks["awaiting_scheduling"] == "next"


def test_triage_shows_the_row_of_the_table_and_what_would_change_the_answer(office):
    """D2: the recommendation with its reason, before anybody decides."""
    request = office.request()
    client = as_user(office.rep)
    html = text_of(client.get(f"{request.get_absolute_url()}triage/", {
        **STANDARD_YES, "service": office.service.pk, "service_known": "yes"}))  # fmt: skip
    assert "Assistance" in html
    assert "One no in the checklist makes it an enhancement." in html
    assert html.count("this row") == 1
    html = text_of(client.get(f"{request.get_absolute_url()}triage/", {
        "service": "", "service_known": "yes", "requirements": "no"}))  # fmt: skip
    assert "It relates to no existing service." in html


def test_the_preview_of_triage_is_only_for_who_decides_it(office):
    request = office.request()
    assert as_user(office.specialist).get(f"{request.get_absolute_url()}triage/").status_code == 404


def test_a_preview_that_comes_after_the_decision_has_nothing_to_show(office):
    """The last answer's preview may still be on its way when the form is sent (D2)."""
    request = to_pending(office)
    answer = as_user(office.rep).get(f"{request.get_absolute_url()}triage/")
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_recorded_decision_stays_readable_with_its_override(office):
    """D2: who decided, what the table said, why differently."""
    request = office.request()
    do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
       decision="discovery", override_reason="The floor plan is unknown.",
       **STANDARD_YES)  # fmt: skip
    html = text_of(page(office.rep, request))
    assert "Why differently: The floor plan is unknown." in html
    assert "The table recommended <strong>Assistance" in html


def test_public_and_internal_updates_cannot_be_mistaken(office):
    """X6: the default is internal; what the customer reads says so."""
    request = office.request()
    do(request, "comment", office.rep, text="Only for us", public="")
    do(request, "comment", office.rep, text="For the customer", public="yes")
    html = text_of(page(office.rep, request))
    assert html.count('class="entry entry-internal"') == 1
    assert "The customer reads this" in html
    assert 'name="public" value="" checked' in html


def test_every_change_is_told_in_plain_words(office):
    """X7: who, when, what, from, to, why."""
    request = to_pending(office)
    do(request, "change_priority", office.rep, impact="1", urgency="1", reason="The minister asks.")
    do(request, "reassign_representative", office.rep, representative=office.rep2.pk)
    html = text_of(page(office.rep, request, changes=1))
    for words in ("Change priority", "The minister asks.", "Normal", "Critical", "Triage",
                  "Reassign representative", str(office.rep2)):  # fmt: skip
        assert words in html


def test_every_change_comes_when_it_is_unfolded(office):
    """X7: a page that nobody unfolds reads no history; without script a link unfolds it."""
    request = to_pending(office)
    do(request, "change_priority", office.rep, impact="1", urgency="1", reason="The minister asks.")
    address = request.get_absolute_url()
    folded = text_of(page(office.rep, request))
    assert "The minister asks." not in folded
    assert f'hx-get="{address}?changes=1"' in folded
    assert f'href="{address}?changes=1#changes"' in folded
    alone = as_user(office.rep).get(address, {"changes": 1}, headers={"HX-Request": "true"})
    assert alone.status_code == 200
    assert "The minister asks." in text_of(alone)
    assert "<html" not in text_of(alone)
    stranger = as_user(office.stranger)
    assert stranger.get(address, {"changes": 1}, headers={"HX-Request": "true"}).status_code == 404


def test_a_linked_request_that_one_may_not_see_is_only_a_reference(office):
    """TD03: the title of another group's request does not leak through a link."""
    request = to_pending(office)
    secret = office.request(title="Move of the archive", service=None)
    Link.objects.create(source=request, target=secret)
    seen, hidden = page(office.rep, request), page(office.specialist, request)
    assert "Move of the archive" in text_of(seen)
    assert "Move of the archive" not in text_of(hidden)
    assert secret.reference in text_of(hidden)


def test_nobody_of_staff_is_given_the_customers_link(office):
    """How it stands is the representative's to know; what is behind it everybody may look at."""
    request = to_pending(office)
    assert "/track/" not in text_of(page(office.rep, request))
    assert "never opened" in text_of(page(office.rep, request))
    assert "never opened" not in text_of(page(office.specialist, request))
    looking = Client()
    looking.force_login(office.specialist)
    seen = looking.get(f"/requests/{request.reference}/customer/")
    assert "Preview for staff:" in seen.content.decode()


@pytest.mark.parametrize("text", AWFUL)
def test_whatever_people_type_is_shown_as_text(office, text):
    """TC05, the basic part: title, description, update, reason, names."""
    agency = AgencyFactory(name=f"Agency {text}", representative=office.rep)
    contact = ContactFactory(agency=agency, name=text)
    request = office.request(agency=agency, contact=contact, title=text, description=text)
    do(request, "comment", office.rep, text=text, public="yes")
    do(request, "hold", office.rep, reason=text, review_on=later(3), waiting_for="other")
    for query in ({}, {"print": "1"}, {"changes": "1"}):
        html = text_of(page(office.rep, request, **query))
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert " onmouseover='" not in html


def test_the_print_view_has_the_whole_case(office):
    request = to_closed(office)
    for n in range(30):
        do(request, "comment", office.rep, text=f"Update number {n}.", public="")
    html = text_of(page(office.rep, request, **{"print": "1"}))
    assert "Update number 0." in html
    assert "Update number 29." in html
    assert "<form" not in html


def test_the_number_of_queries_does_not_grow_with_the_story(office):
    """Constant in events, updates, files, watchers and links."""
    request = to_testing(office)
    client = as_user(office.rep)
    client.get(request.get_absolute_url())
    counts = []
    for more in (3, 25):
        for n in range(more):
            do(request, "comment", office.rep, text=f"{n}", public="")
            do(request, "change_priority", office.rep, impact=str(1 + n % 3), urgency="2")
            Link.objects.create(source=request, external=f"INC-{more}-{n}")
        with CaptureQueriesContext(connection) as queries:
            client.get(request.get_absolute_url())
        counts.append(len(queries))
    assert counts[1] <= counts[0]
    assert counts[0] <= 12


def test_long_stories_come_in_pages(office):
    request = office.request()
    for n in range(45):
        do(request, "comment", office.rep, text=f"Update number {n}.", public="")
    first = text_of(page(office.rep, request))
    assert "Update number 44." in first
    assert "Update number 3." not in first
    assert "Update number 3." in text_of(page(office.rep, request, updates=3))
    assert page(office.rep, request, updates="x", changes="-1").status_code == 200


def test_a_request_of_long_ago_still_shows_its_page(office):
    request = to_closed(office)
    assert request.closed_at is not None
    assert page(office.rep, request).status_code == 200
    assert timedelta(0) <= request.closed_at - request.created_at


def test_signing_in_comes_first(office):
    request = office.request()
    assert Client().get(request.get_absolute_url()).status_code == 302


def test_what_is_the_way_forward_stands_on_top_and_the_rest_is_named_there(office):
    """In testing the test run comes first as long as there is none; time is logged further down."""
    request = to_testing(office)
    html = text_of(page(office.specialist, request))
    assert '<a href="#plan">Log time</a>' in html
    soup_next = html.split('id="next-title"')[1].split("</section>")[0]
    assert 'data-action="record_test_run"' in soup_next


HTMX = {"hx-request": "true"}


def test_a_folded_form_is_fetched_when_it_is_opened(office):
    """The page does not carry forms that nobody opens."""
    request = office.request()
    html = text_of(page(office.rep, request))
    assert 'data-action="decline"' in html
    assert 'name="outcome"' not in html
    address = f"{request.get_absolute_url()}?form=decline"
    assert f'hx-get="{address}"' in html
    fields = text_of(as_user(office.rep).get(address, headers=HTMX))
    assert 'name="outcome"' in fields
    assert "<html" not in fields


def test_without_script_the_link_in_it_shows_the_page_with_the_form_open(office):
    request = office.request()
    html = text_of(page(office.rep, request, form="decline"))
    assert "<html" in html
    before = html.split('name="outcome"')[0]
    assert before.rstrip().count("<details") > 0
    assert 'class="action-fold" open' in before


def test_a_form_that_is_no_choice_any_more_says_so(office):
    request = to_pending(office)
    fields = text_of(as_user(office.rep).get(f"{request.get_absolute_url()}?form=decline",
                                             headers=HTMX))  # fmt: skip
    assert "Not possible any more." in fields
    assert "pending now" in fields
    assert 'name="outcome"' not in fields


def test_a_form_of_a_row_takes_only_a_number_for_it(office):
    request = to_testing(office)
    address = f"{request.get_absolute_url()}?form=withdraw_file&attachment="
    client = as_user(office.rep)
    assert client.get(f"{address}abc", headers=HTMX).status_code == 404
    assert client.get(f"{address}{'9' * 30}", headers=HTMX).status_code == 404
    assert client.get(f"{address}999999", headers=HTMX).status_code == 200
    assert client.get(f"{request.get_absolute_url()}?form=nothing").status_code == 200


def test_what_the_class_says_of_a_form_is_what_its_fields_say(office):
    """A folded form is not made before it is opened: its class says whether it asks anything."""
    for walk in (office.request, to_pending, to_awaiting, to_discovery, to_testing, to_closed):
        request = walk() if walk == office.request else walk(office)
        for offer in offers(request, UserFactory(admin=True)):
            assert offer.asks == bool(offer.form.visible_fields()), offer.name
            assert offer.is_of_a_row == bool(offer.form.hidden_fields()), offer.name
            assert offer.action.form.takes_files() == offer.form.is_multipart(), offer.name
