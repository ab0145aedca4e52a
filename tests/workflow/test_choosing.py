"""One row of many: never drawn by the hundred, found by name, and only where it may be chosen."""

from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django import forms
from django.test import Client
from django.urls import get_resolver

from asd.forms import AgencyForm, CoveredForm, RateForm, ServiceForm
from asd.models import Agency, Contact, Service, ServiceState
from discovery.models import Part
from fulfillment.forms import BulkAssignForm
from fulfillment.models import Membership, ProviderGroup
from requests_app.bulk import BulkForm
from requests_app.forms import TriageForm
from requests_app.handover import HandOverForm
from requests_app.intake_forms import IntakeForm
from requests_app.mail_forms import MakeRequestForm
from tests.factories import Office
from tests.security.world import World
from tests.walk import do
from workflow.action_forms import ActionForm
from workflow.actors import as_actor
from workflow.choosing import MOST, OneOf
from workflow.forms import AccountForm
from workflow.models import User
from workflow.registry import actions_of

LOTS = MOST + 20
# What hangs on one request, one group or one agreement: people make these one by one.
BOUNDED = {
    "billing.billingcase", "billing.chargeline", "asd.serviceupdate", "asd.ratecardline",
    "discovery.finding", "discovery.need", "discovery.partline", "discovery.proposal",
    "discovery.proposalline", "discovery.teammember", "fulfillment.planitem",
    "fulfillment.timeentry", "fulfillment.testrun", "requests_app.attachment",
    "requests_app.link", "requests_app.request", "requests_app.watcher", "notifications.notice",
    "asd.agreement",
}  # fmt: skip
# Services that one request proposed.
OF_THE_REQUEST = ("billing.forms",)


def lots(office: Office) -> None:
    """More of everything that a form offers than anybody wants to scroll through."""
    n = range(LOTS)
    Service.objects.bulk_create(
        Service(name=f"Extra service {i}", slug=f"extra-{i}", state=ServiceState.LIVE,
                provider_group=office.group) for i in n
    )  # fmt: skip
    Agency.objects.bulk_create(Agency(name=f"Extra agency {i}", code=f"X{i}") for i in n)
    Contact.objects.bulk_create(
        Contact(agency=office.agency, name=f"Extra contact {i}", email=f"x{i}@agency.example")
        for i in n
    )
    Part.objects.bulk_create(Part(number=f"XP-{i}", name=f"Extra part {i}") for i in n)
    ProviderGroup.objects.bulk_create(
        ProviderGroup(name=f"Extra group {i}", slug=f"extra-{i}") for i in n
    )
    people = User.objects.bulk_create(
        User(username=f"extra{i}", first_name="Extra", last_name=f"Person {i}",
             is_representative=True) for i in n
    )  # fmt: skip
    Membership.objects.bulk_create(Membership(group=office.group, user=one) for one in people)


def plain_forms(world: World) -> Iterator[forms.BaseForm]:
    """The forms of pages that are no actions of a request."""
    office = world.office
    yield IntakeForm(initial={"agency": office.agency.pk})
    yield BulkForm(user=office.rep)
    yield HandOverForm(user=office.rep)
    yield AccountForm(instance=office.rep)
    yield BulkAssignForm(group=office.group)
    yield from (form() for form in (AgencyForm, CoveredForm, RateForm, ServiceForm))
    yield MakeRequestForm(subject=world.ours.message, actor=as_actor(office.rep))


def action_forms(world: World) -> Iterator[ActionForm]:
    """The form of every action of a request, in every state that has it."""
    for made in actions_of("requests_app.request"):
        for state in sorted(made.states):
            world.ours.request.state = state
            yield made.bind(world.ours.request, as_actor(world.people["admin"]))


def test_no_form_draws_more_options_than_one_reads(db: None) -> None:
    """Every form of a browser, with dozens of everything there is to choose from."""
    world = World()
    lots(world.office)
    drawn, boxes = set(), set()
    for form in (*plain_forms(world), *action_forms(world)):
        for name, field in form.fields.items():
            if not isinstance(field, forms.ModelChoiceField) or field.widget.is_hidden:
                continue
            page = BeautifulSoup(str(form[name]), "html.parser")
            what = f"{type(form).__name__}.{name}"
            assert len(page.find_all("option")) <= MOST + 1, what
            (boxes if page.find("datalist") else drawn).add(what)
    known = {"TriageForm.service", "IntakeForm.agency", "IntakeForm.contact", "AddPartForm.part",
             "TransferForm.provider_group", "RepresentativeForm.representative",
             "AssignForm.specialist", "CoveredForm.service", "AccountForm.deputy"}  # fmt: skip
    assert known <= boxes
    assert len(boxes) >= 25, sorted(boxes)


def all_forms(base: type = forms.BaseForm) -> Iterator[type]:
    for found in base.__subclasses__():
        yield found
        yield from all_forms(found)


def test_every_choice_of_a_row_is_bounded_or_looked_up() -> None:
    """A new form with a plain list of rows is noticed here, whatever is in the database."""
    assert get_resolver().url_patterns  # whatever has a page is imported
    plain = []
    for form in set(all_forms()):
        ours = not form.__module__.startswith(("django", "rest_framework", "tests"))
        for name, field in getattr(form, "base_fields", {}).items() if ours else ():
            if not isinstance(field, forms.ModelChoiceField) or isinstance(field, OneOf):
                continue
            known = field.queryset is not None and field.queryset.model._meta.label_lower in BOUNDED
            if not (known or field.widget.is_hidden or form.__module__ in OF_THE_REQUEST):
                plain.append(f"{form.__module__}.{form.__name__}.{name}")
    assert not [name for name in plain if ".admin" not in name]


@pytest.fixture
def many(office: Office) -> Office:
    lots(office)
    return office


def triage(office: Office, **typed: str) -> TriageForm:
    request = office.request(service=None)
    return TriageForm(typed, subject=request, actor=as_actor(office.rep))


def test_a_typed_name_is_the_row(many: Office) -> None:
    for said in ("Extra service 7", "extra  SERVICE 7 ", "extra-7"):
        form = triage(many, **{"service": said, "service-typed": "yes"})
        assert form.is_valid(), form.errors
        assert form.cleaned_data["service"].slug == "extra-7"
    assert triage(many, service=str(many.service.pk)).is_valid(), "a key, as the API sends it"


def test_a_number_that_is_typed_is_a_number_of_the_agency_never_a_key(many: Office) -> None:
    """An agency's number may be the key of another one."""
    meant = Agency.objects.create(name="Meant", code=str(many.agency.pk))
    form = IntakeForm({"agency": str(many.agency.pk), "agency-typed": "yes"})
    assert form.chosen_agency() == meant
    assert IntakeForm({"agency": str(many.agency.pk)}).chosen_agency() == many.agency


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("Extra service", "Several fit: Extra service 0; "),
        ("no such thing", "There is none of this name to choose."),
        ("x" * 200, "Give at most 120 characters"),
        ("(", "There is none of this name to choose."),
        ("%", "There is none of this name to choose."),
    ],
)
def test_what_fits_none_or_several_is_said_and_stays_typed(
    typed: str, answer: str, many: Office
) -> None:
    form = triage(many, **{"service": typed, "service-typed": "yes"})
    assert answer in str(form.errors["service"])
    box = BeautifulSoup(str(form["service"]), "html.parser").find("input")
    assert box["value"] == typed


def test_what_may_not_be_chosen_is_not_found_by_its_name_either(many: Office) -> None:
    Service.objects.filter(slug="extra-69").update(state=ServiceState.RETIRED)
    form = triage(many, **{"service": "Extra service 69", "service-typed": "yes"})
    assert "There is none of this name" in str(form.errors["service"])
    client = Client()
    client.force_login(many.rep)
    named = client.get("/requests/lookup/offered/?service=service 68", HTTP_HX_REQUEST="true",
                       HTTP_HX_TRIGGER_NAME="service").content.decode()  # fmt: skip
    assert "Extra service 68" in named
    assert b"option" not in client.get("/requests/lookup/offered/?offered=Extra service 69").content


def test_the_contacts_that_are_named_are_those_of_the_agency(many: Office) -> None:
    client = Client()
    client.force_login(many.rep)
    at = "/requests/lookup/contact/?contact=extra"
    assert "x1@agency.example" in client.get(f"{at}&of={many.agency.pk}").content.decode()
    for other in ("", "&of=", "&of=x", "&of=99999999999999999999", f"&of={many.agency.pk + 1}"):
        assert client.get(f"{at}{other}").content == b""


def test_without_script_a_request_is_triaged_by_a_typed_name(many: Office) -> None:
    """The page as it is drawn, filled in and sent as a plain form."""
    request = many.request(service=None)
    client = Client()
    client.force_login(many.rep)
    page = BeautifulSoup(client.get(request.get_absolute_url()).content, "html.parser")
    form = page.select_one('form[data-action="triage"]')
    sent = {
        e["name"]: e.get("value", "") for e in form.select("input[type=hidden], input[type=text]")
    }
    sent |= {"service": "extra-3", "service_known": "yes", "solution": "no"}
    client.post(form["action"], sent)
    request.refresh_from_db()
    assert request.service.slug == "extra-3"


def test_a_page_asks_the_same_number_of_statements_whether_it_draws_or_looks_up(
    office: Office, django_assert_num_queries: Any
) -> None:
    def draw(form: forms.BaseForm) -> None:
        str(form["service"])

    def made() -> TriageForm:
        return TriageForm(subject=office.request(service=None), actor=as_actor(office.rep))

    few = made()
    with django_assert_num_queries(1):
        draw(few)
    lots(office)
    lookup = made()
    with django_assert_num_queries(1):
        draw(lookup)


def test_many_agencies_and_contacts_at_the_desk(many: Office) -> None:
    """Intake without script: the agency by name, its contacts, then the request."""
    client = Client()
    client.force_login(many.rep)
    said = {"agency": str(many.agency), "agency-typed": "yes", "customer": "existing"}
    page = client.post("/requests/new/", {**said, "show_contacts": "1", "title": "Kept"})
    form = page.context["form"]
    assert form.chosen_agency() == many.agency
    assert form["title"].value() == "Kept"
    sent = {**said, "contact": "Extra contact 5 (x5@agency.example)", "contact-typed": "yes",
            "title": "A line", "description": "One.", "impact": "2", "urgency": "2",
            "service": "", "service-typed": "yes"}  # fmt: skip
    answer = client.post("/requests/new/", sent)
    assert answer.status_code == 302, answer.context["form"].errors
    made = many.agency.requests.get()
    assert (made.contact.email, made.service) == ("x5@agency.example", None)


def test_many_requests_are_given_to_somebody_named(many: Office) -> None:
    request = many.request()
    client = Client()
    client.force_login(many.rep)
    client.post("/requests/bulk/", {
        "requests": request.reference, "do": "reassign_representative",
        "representative": "Extra Person 9 (extra9)", "representative-typed": "yes",
    })  # fmt: skip
    request.refresh_from_db()
    assert request.representative.username == "extra9"


def test_an_edit_keeps_the_contact_that_stands_in_the_box(many: Office) -> None:
    request = many.request()
    made = next(a for a in actions_of("requests_app.request") if a.name == "edit")
    form = made.bind(request, as_actor(many.rep))
    box = BeautifulSoup(str(form["contact"]), "html.parser").find("input")
    assert str(request.contact) in box["value"]
    do(request, "edit", many.rep, title="New", description="D", contact=request.contact.pk)
