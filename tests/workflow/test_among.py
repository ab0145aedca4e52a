"""What forms let choose from, described for all of them at once: the same as each form says."""

from typing import Any

import pytest
from django import forms
from django.db import connection
from django.test.utils import CaptureQueriesContext

from asd.models import Contact
from requests_app.models import Request
from requests_app.pages import page_of
from tests.factories import ContactFactory, Office, UserFactory
from tests.requests_app.test_actions_view import WALKS
from tests.walk import do, later
from workflow import together
from workflow.among import MOST, Among, choices
from workflow.api_actions import describe_all
from workflow.models import User
from workflow.registry import offers

pytestmark = pytest.mark.django_db


def asked(request: Request, person: User) -> Any:
    """The request as the API reads it."""
    found = page_of(person, request.reference)
    assert found is not None
    together.read(found)
    return found


def said_by(form: forms.Form) -> list[tuple[str, bool, str, Any]]:
    """What a bound form asks, read field by field."""
    told = []
    for name, field in form.fields.items():
        rows: Any = getattr(field, "choices", None)
        if isinstance(field, forms.ModelChoiceField):
            key = field.to_field_name or "pk"
            rows = sorted((getattr(r, key), str(r)) for r in field.queryset[:MOST])
            rows = [(str(value), label) for value, label in rows]
        elif rows is not None:
            rows = [(str(value), str(label)) for value, label in rows]
        told.append((name, field.required, str(field.help_text), rows))
    return told


@pytest.mark.parametrize("state", ["triage", "discovery", "in_fulfillment", "testing", "billing"])
def test_what_is_described_is_what_each_form_asks(office: Office, state: str) -> None:
    request = WALKS[state](office)
    ContactFactory(agency=request.agency)
    for person in (office.rep, office.lead, office.specialist, UserFactory(admin=True)):
        found = offers(asked(request, person), person)
        assert found or person == office.specialist
        for offer, told in zip(found, describe_all(found), strict=True):
            lists = {
                name
                for name, field in offer.form.fields.items()
                if isinstance(field, forms.ModelChoiceField)
            }
            said = []
            for field in told["fields"]:
                rows = field["choices"]
                pairs = None if rows is None else [(r["value"], r["label"]) for r in rows]
                if field["name"] in lists and pairs:
                    pairs = sorted(pairs, key=lambda pair: int(pair[0]))
                said.append((field["name"], field["required"], field["help"], pairs))
            assert said == said_by(offer.form), offer.name


@pytest.mark.parametrize(
    ("state", "statements"),
    [("pending", 1), ("discovery", 1), ("in_fulfillment", 1), ("testing", 1)]
    + [("triage", 2), ("billing", 2)],  # what looks alike, and what a charge can stand on
)
def test_all_lists_are_one_statement_however_long_they_are(
    office: Office, state: str, statements: int
) -> None:
    request = asked(WALKS[state](office), office.rep)
    counts = []
    for more in (1, 49):
        ContactFactory.create_batch(more, agency=request.agency)
        describe_all(offers(request, office.rep))
        with CaptureQueriesContext(connection) as seen:
            described = describe_all(offers(request, office.rep))
        counts.append(len(seen))
    watcher = next(one for one in described if one["name"] == "add_watcher")
    assert len(watcher["fields"][0]["choices"]) >= 50
    assert counts == [statements, statements]


def test_what_is_asked_otherwise_of_a_request_is_described_so(office: Office) -> None:
    """A question to a customer who is asked already has no day of its own, and says why."""
    request = WALKS["pending"](office)
    told = []
    for held in (False, True):
        if held:
            do(
                request,
                "hold",
                office.rep,
                reason="Vendor.",
                review_on=later(7),
                waiting_for="other",
            )
        (offer,) = offers(asked(request, office.rep), office.rep, names={"ask_customer"})
        (described,) = describe_all([offer])
        told.append({field["name"]: field["help"] for field in described["fields"]})
        assert [*told[-1]] == [*offer.form.fields]
    assert told[0].keys() - told[1].keys() == {"review_on"}
    assert told[1]["question"] == "Joins the question that waits already."


def test_a_key_that_is_not_there_is_nobodys(office: Office) -> None:
    """Nobody is left out for it, and nobody belongs to it."""
    request = office.request(service=None)
    Request.objects.filter(pk=request.pk).update(representative=None)
    request.refresh_from_db()
    people = User.objects.order_by("pk")
    among = [
        (Among(lambda about: people.exclude(pk=about.representative_id)), "pk"),
        (Among(lambda about: people.filter(memberships__group=about.provider_group_id)), "pk"),
        (Among(lambda about: Contact.objects.filter(agency=about.agency_id)), "email"),
    ]
    everybody, nobody, contacts = choices(among, request)
    assert everybody == [(person.pk, str(person)) for person in people]
    assert nobody == []
    assert contacts == [(c.email, c.name) for c in Contact.objects.filter(agency=request.agency)]
    assert among[0][0].rows(request, 2) == list(people[:2])
    assert list(among[1][0].of(request)) == []


def test_a_list_that_could_never_have_a_row_is_a_mistake(office: Office) -> None:
    with pytest.raises(ValueError, match="empty for every subject"):
        choices([(Among(lambda about: User.objects.none()), "pk")], office.request())
