"""Rows that a form offers belong to the request it is about, over every action there is (TD03)."""

from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from rest_framework.test import APIClient

from requests_app.models import Request
from tests.security.world import World
from workflow.actors import as_actor
from workflow.registry import actions_of
from workflow.tokens import digest_of_token

# Whose a row is. What is not listed must be the same for everybody, and be named below.
BELONGS: dict[str, Callable[[Any], Any]] = {
    "asd.contact": lambda row: row.agency_id,
    "asd.serviceupdate": lambda row: row.request_id,
    "asd.ratecardline": lambda row: row.agreement.agency_id,
    "billing.billingcase": lambda row: row.request_id,
    "billing.chargeline": lambda row: row.case.request_id,
    "discovery.finding": lambda row: row.discovery.request_id,
    "discovery.need": lambda row: row.discovery.request_id,
    "discovery.teammember": lambda row: row.discovery.request_id,
    "discovery.partline": lambda row: row.request_id,
    "discovery.proposal": lambda row: row.request_id,
    "discovery.proposalline": lambda row: row.proposal.request_id,
    "fulfillment.planitem": lambda row: row.request_id,
    "fulfillment.timeentry": lambda row: row.request_id,
    "fulfillment.testrun": lambda row: row.request_id,
    "notifications.notice": lambda row: row.event.stream_id,
    "requests_app.attachment": lambda row: row.case.request_id,
    "requests_app.watcher": lambda row: row.request_id,
    "requests_app.request": lambda row: row.agency_id,
    "requests_app.link": lambda row: row.source_id,
}
FOR_EVERYBODY = {"asd.service", "fulfillment.providergroup", "discovery.part", "workflow.user"}
# People who must be of the request's group, by the field that names them.
OF_THE_GROUP = {"specialist", "assignee"}


@pytest.fixture
def world(db: None) -> World:
    return World()


def fields(world: World) -> list[tuple[str, str, str, forms.ModelChoiceField]]:
    """Every choice of a row in every action's form, in every state that has it."""
    found = []
    for made in actions_of("requests_app.request"):
        for state in sorted(made.states):
            request = Request.objects.get(pk=world.ours.request.pk)
            request.state = state  # in memory only: what the form would offer there
            form = made.bind(request, as_actor(world.people["admin"]))
            found += [
                (made.name, state, name, field)
                for name, field in form.fields.items()
                if isinstance(field, forms.ModelChoiceField)
            ]
    return found


def test_no_form_offers_rows_of_another_request_agency_or_group(world: World) -> None:
    ours = {world.ours.request.pk, world.office.agency.pk}
    members = {world.office.lead.pk, world.office.specialist.pk, world.office.specialist2.pk}
    wrong, tried = [], set()
    for action, state, name, field in fields(world):
        label = field.queryset.model._meta.label_lower
        tried.add(label)
        what = f"{action} in {state}: {name}"
        if name in OF_THE_GROUP:
            if not {row.pk for row in field.queryset} <= members:
                wrong.append(f"{what} offers people of other groups")
        elif label in BELONGS:
            if not {BELONGS[label](row) for row in field.queryset} <= ours:
                wrong.append(f"{what} offers {label} of others")
        elif label not in FOR_EVERYBODY:
            wrong.append(f"{what}: say whose a {label} is")
    assert not wrong
    assert len(tried & set(BELONGS)) >= 8, f"hardly any choices were looked at: {tried}"


def test_an_auditor_or_somebody_who_left_is_never_a_choice(world: World) -> None:
    gone = world.office.specialist2
    gone.is_active = False
    gone.save()
    for action, state, name, field in fields(world):
        if field.queryset.model._meta.label_lower == "workflow.user":
            people = set(field.queryset)
            assert gone not in people, f"{action} in {state}: {name}"


@pytest.mark.parametrize(
    ("action", "field", "theirs"),
    [
        ("withdraw_file", "attachment", lambda w: w.theirs.attachment.pk),
        ("remove_watcher", "watcher", lambda w: w.theirs.watcher.pk),
        ("unlink", "link", lambda w: w.theirs.request.links_out.create(external="INC-1").pk),
        ("add_watcher", "contact", lambda w: w.theirs.office.contact.pk),
        ("edit", "contact", lambda w: w.theirs.office.contact.pk),
        ("log_time", "item", lambda w: w.theirs.item.pk),
        ("cancel_part", "line", lambda w: w.theirs.part_line.pk),
        ("remove_proposal_line", "line", lambda w: w.theirs.proposal_line.pk),
    ],
)
def test_an_id_of_theirs_is_an_invalid_choice(
    action: str, field: str, theirs: Callable[[World], int], world: World
) -> None:
    """TD03 through the API: 400 beside the field, and nothing happened to the row."""
    person = world.people["admin"]
    person.api_tokens.create(name="t", digest=digest_of_token("t"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer t")
    answer = client.post(
        f"/api/v1/requests/{world.ours.request.reference}/actions/{action}/",
        {field: theirs(world), "reason": "Because."},
        format="json",
    )
    assert answer.status_code == 400, answer.json()
    assert field in answer.json()
