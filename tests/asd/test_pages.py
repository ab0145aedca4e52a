"""The pages of the Agency Services Database: catalogue, agencies, updates (D2, D10, D14, F14)."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from asd.models import Agency, AgencyService, Agreement, Contact, Service
from tests import walk
from tests.factories import (
    AgencyFactory,
    AgreementFactory,
    ContactFactory,
    CoveredServiceFactory,
    Office,
    RateCardLineFactory,
    ServiceFactory,
    UserFactory,
)
from tests.walk import do
from workflow import clock

PAGES = ["/asd/services/", "/asd/agencies/", "/asd/updates/"]
WANTED = {"change": "Two lines.", "starts_on": "2026-12-01", "quantity": "2"}


def as_user(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode("utf-8-sig")


def agreement_data(**changes: Any) -> dict[str, Any]:
    """What the agreement page posts, its rows empty."""
    data = {"kind": "sla", "reference": "SLA-NEW-1", "starts_on": clock.today().isoformat()}
    for part in ("covered", "rates"):
        data |= {f"{part}-TOTAL_FORMS": "3", f"{part}-INITIAL_FORMS": "0"}
    for n in range(3):
        data |= {
            f"covered-{n}-response_hours": "8",
            f"covered-{n}-assistance_hours": "24",
            f"covered-{n}-enhancement_hours": "360",
            f"rates-{n}-unit": "hour",
            f"rates-{n}-currency": "USD",
            f"rates-{n}-valid_from": clock.today().isoformat(),
        }
    return {**data, **changes}


def test_everybody_of_staff_may_look_things_up_d14(office: Office) -> None:
    everyone = [office.rep, office.billing, office.asd, office.auditor, office.stranger]
    for user in everyone:
        client = as_user(user)
        for path in [*PAGES, office.agency.get_absolute_url(), office.service.get_absolute_url()]:
            assert client.get(path).status_code == 200, (user, path)
    for path in PAGES:
        assert Client().get(path).status_code == 302
    office.stranger.is_active = False
    assert not Agency.objects.visible_to(office.stranger).exists()
    assert not Service.objects.visible_to(office.stranger).exists()


def test_the_list_says_who_is_a_current_customer_d14(office: Office) -> None:
    never = AgencyFactory()
    ended = AgreementFactory(ends_on=clock.today() - timedelta(days=1)).agency
    client = as_user(office.rep)

    def found(query: str) -> set[str]:
        said = text_of(client.get(f"/asd/agencies/?{query}"))
        return {a.code for a in (office.agency, never, ended) if a.get_absolute_url() in said}

    assert found("standing=current") == {office.agency.code}
    assert found("standing=none") == {never.code, ended.code}
    assert found("standing=ending") == set()
    Agreement.objects.filter(agency=office.agency).update(
        ends_on=clock.today() + timedelta(days=30)
    )
    assert found("standing=ending") == {office.agency.code}
    assert found(f"q={office.contact.email}") == {office.agency.code}
    assert found(f"representative={office.rep.pk}") == {office.agency.code}
    assert "never had one" in text_of(client.get(f"/asd/agencies/?q={never.code}"))


def test_an_agency_shows_only_requests_its_reader_may_see_td03(office: Office) -> None:
    request = walk.to_pending(office)
    address = office.agency.get_absolute_url()
    assert request.reference in text_of(as_user(office.rep).get(address))
    assert request.reference in text_of(as_user(office.specialist).get(address))
    assert request.reference not in text_of(as_user(office.stranger).get(address))


def test_the_catalogue_counts_coverage_and_use(office: Office) -> None:
    AgencyService.objects.create(agency=office.agency, service=office.service, since=clock.today())
    expired = AgreementFactory(ends_on=clock.today() - timedelta(days=1))
    CoveredServiceFactory(agreement=expired, service=office.service)
    rows = csv.DictReader(
        io.StringIO(text_of(as_user(office.rep).get("/asd/services/?export=csv")))
    )
    (row,) = [row for row in rows if row["Service"] == office.service.name]
    assert (row["Agreements that cover it"], row["Agencies that use it"]) == ("1", "1")


def test_an_agency_that_uses_very_much_has_it_on_pages(office: Office) -> None:
    for service in ServiceFactory.create_batch(30):
        AgencyService.objects.create(agency=office.agency, service=service, since=clock.today())
    address = office.agency.get_absolute_url()
    first = as_user(office.rep).get(address)
    second = as_user(office.rep).get(address, {"page": "2"})
    shown = [use.service for page in (first, second) for use in page.context["uses"]]
    assert len(shown) == len(set(shown)) == 30
    assert len(first.context["uses"]) == 25
    assert 'rel="next" href="?page=2#uses"' in text_of(first)


@pytest.mark.parametrize("path", [*PAGES, "agency", "service"])
def test_the_number_of_queries_does_not_grow_with_the_rows(office: Office, path: str) -> None:
    address = {
        "agency": office.agency.get_absolute_url(), "service": office.service.get_absolute_url()
    }.get(path, path)  # fmt: skip

    def more() -> None:
        agreement = AgreementFactory(agency=office.agency)
        CoveredServiceFactory(agreement=agreement, service=office.service)
        RateCardLineFactory(agreement=agreement, service=office.service)
        other = AgreementFactory(agency=AgencyFactory(deputy=office.rep2))
        CoveredServiceFactory(agreement=other, service=office.service)
        ContactFactory(agency=office.agency)
        AgencyService.objects.create(
            agency=other.agency, service=office.service, since=clock.today()
        )
        request = walk.to_billing(office)
        do(request, "request_asd_update", office.rep, **WANTED)

    client = as_user(office.asd)

    def queries() -> int:
        client.get(address)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    more()
    before = queries()
    more()
    more()
    assert queries() == before


def test_exports_are_made_harmless_td04(office: Office) -> None:
    Agency.objects.filter(pk=office.agency.pk).update(name="=1+1", code="+9")
    Service.objects.filter(pk=office.service.pk).update(name="@cmd", description="-1")
    client = as_user(office.rep)
    agencies = text_of(client.get("/asd/agencies/?export=csv"))
    assert "'=1+1" in agencies
    assert "'+9" in agencies
    services = text_of(client.get("/asd/services/?export=csv"))
    assert "'@cmd" in services
    assert "'-1" in services


def test_its_representative_keeps_contacts_d4(office: Office) -> None:
    address = f"{office.agency.get_absolute_url()}contacts/new/"
    client = as_user(office.rep)
    wrong = client.post(address, {"name": " ", "email": "nowhere", "language": "en"})
    assert wrong.status_code == 422
    assert "Enter a valid email address." in text_of(wrong)
    twice = {"name": "Again", "email": office.contact.email.upper(), "language": "en"}
    assert "has this address" in text_of(client.post(address, twice))
    good = {"name": "  Kim   Keeper ", "email": "kim@agency.example", "language": "es",
            "is_signatory": "on", "is_active": "on"}  # fmt: skip
    assert client.post(address, good).status_code == 302
    kim = Contact.objects.get(name="Kim Keeper")
    assert (kim.agency, kim.is_signatory, kim.language) == (office.agency, True, "es")
    page = f"{office.agency.get_absolute_url()}contacts/{kim.pk}/"
    assert client.post(page, {**good, "is_active": ""}).status_code == 302
    kim.refresh_from_db()
    assert not kim.is_active
    history = text_of(client.get(f"{office.agency.get_absolute_url()}history/"))
    assert "Contact changed: Kim Keeper" in history
    assert str(office.rep) in history


def test_who_does_not_keep_an_agency_only_reads_it(office: Office) -> None:
    pages = ["edit/", "contacts/new/", f"contacts/{office.contact.pk}/", "agreements/new/",
             f"agreements/{office.agreement.pk}/"]  # fmt: skip
    for user in (office.rep2, office.specialist, office.billing, office.auditor):
        client = as_user(user)
        for page in pages:
            address = office.agency.get_absolute_url() + page
            assert client.get(address).status_code == 403, (user, page)
            assert client.post(address, {"name": "X"}).status_code == 403
        assert "contacts/new/" not in text_of(client.get(office.agency.get_absolute_url()))
    for user in (office.rep, office.asd, UserFactory(admin=True)):
        assert as_user(user).get(office.agency.get_absolute_url() + pages[0]).status_code == 200


def test_a_contact_of_another_agency_is_not_found_here(office: Office) -> None:
    other = ContactFactory(agency=AgencyFactory(representative=office.rep))
    address = f"{office.agency.get_absolute_url()}contacts/{other.pk}/"
    assert as_user(office.rep).get(address).status_code == 404
    assert as_user(office.rep).get("/asd/agencies/a%00b/").status_code == 404
    assert as_user(office.rep).get("/asd/agencies/nothing/").status_code == 404


def test_an_sla_is_recorded_with_services_and_rates_d2(office: Office) -> None:
    service = ServiceFactory(provider_group=office.group)
    client = as_user(office.rep)
    address = f"{office.agency.get_absolute_url()}agreements/new/"
    assert client.get(address).status_code == 200
    data = agreement_data(**{
        "covered-0-service": service.pk, "covered-0-limit": "4",
        "rates-0-service": service.pk, "rates-0-rate": "88.50",
    })  # fmt: skip
    assert client.post(address, data).status_code == 302
    made = Agreement.objects.get(reference="SLA-NEW-1")
    assert made.covered.get().limit == 4
    assert str(made.rates.get().rate) == "88.50"
    assert made.standing == "in force"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends_on": "2001-01-01"}, "The end must not be before the start."),
        ({"starts_on": "soon"}, "Enter a valid date."),
        ({"reference": ""}, "This field is required."),
        ({"suspended_until": "2027-01-01"}, "Since when is it suspended?"),
        ({"covered-0-service": "x"}, "Select a valid choice."),
        ({"covered-0-limit": "-2"}, "greater than or equal to 0"),
        ({"rates-0-rate": "-1"}, "greater than or equal to 0"),
        ({"rates-0-currency": "dollars"}, "USD"),
        ({"rates-0-valid_until": "2001-01-01"}, "The end must not be before the start."),
        ({"covered-TOTAL_FORMS": "many"}, "management"),
    ],
)
def test_a_wrong_agreement_comes_back_with_its_errors_and_nothing_is_written(
    office: Office, changes: dict[str, str], said: str
) -> None:
    before = Agreement.objects.count()
    address = f"{office.agency.get_absolute_url()}agreements/new/"
    answer = as_user(office.rep).post(address, agreement_data(**changes))
    assert answer.status_code == 422
    assert said.lower() in text_of(answer).lower()
    assert Agreement.objects.count() == before


def test_the_same_service_twice_in_one_agreement_is_refused(office: Office) -> None:
    pk = office.service.pk
    data = agreement_data(**{"covered-0-service": pk, "covered-1-service": pk})
    address = f"{office.agency.get_absolute_url()}agreements/new/"
    answer = as_user(office.rep).post(address, data)
    assert answer.status_code == 422
    assert "duplicate" in text_of(answer)


def test_a_rate_that_a_charge_stands_on_is_not_deleted_f13(office: Office) -> None:
    walk.to_billing(office)
    rate = office.rate
    data = agreement_data(**{
        "reference": office.agreement.reference,
        "rates-TOTAL_FORMS": "1", "rates-INITIAL_FORMS": "1", "rates-0-id": rate.pk,
        "rates-0-service": rate.service.pk, "rates-0-rate": "95.00", "rates-0-DELETE": "on",
        "covered-TOTAL_FORMS": "0",
    })  # fmt: skip
    address = f"{office.agency.get_absolute_url()}agreements/{office.agreement.pk}/"
    answer = as_user(office.rep).post(address, data)
    assert answer.status_code == 422
    assert "A charge stands on this rate" in text_of(answer)
    assert office.agreement.rates.count() == 1


def test_an_agency_is_added_and_two_of_one_name_are_not_d4(office: Office) -> None:
    client = as_user(office.rep)
    data = {"name": "Office  of New Things", "code": "NEW-1", "is_active": "on",
            "representative": office.rep2.pk}  # fmt: skip
    assert client.post("/asd/agencies/new/", data).status_code == 302
    assert Agency.objects.get(code="NEW-1").name == "Office of New Things"
    again = client.post("/asd/agencies/new/", {**data, "code": "NEW-2"})
    assert "of this name already" in text_of(again)
    for code in ("new", "a/b", "x" * 21, ""):
        wrong = client.post("/asd/agencies/new/", {**data, "name": "Else", "code": code})
        assert wrong.status_code == 422
    assert as_user(office.specialist).get("/asd/agencies/new/").status_code == 403


def test_the_billing_office_records_that_it_knows_a_customer_f13(office: Office) -> None:
    Agency.objects.filter(pk=office.agency.pk).update(known_to_billing=False)
    address = f"{office.agency.get_absolute_url()}billing/"
    assert as_user(office.rep).post(address).status_code == 403
    assert as_user(office.billing).post(address).status_code == 302
    assert Agency.objects.get(pk=office.agency.pk).known_to_billing


def test_a_service_added_begins_as_proposed_and_goes_through_the_door_d10(office: Office) -> None:
    client = as_user(office.asd)
    data = {"name": "Brand new", "description": "", "provider_group": office.group.pk}
    assert client.post("/asd/services/new/", data).status_code == 302
    service = Service.objects.get(name="Brand new")
    assert service.state == "proposed"
    assert "of this name already" in text_of(client.post("/asd/services/new/", data))
    steps = f"{service.get_absolute_url()}steps/"
    assert client.post(f"{steps}develop/").status_code == 302
    tomorrow = clock.today() + timedelta(days=1)
    wrong = client.post(f"{steps}go_live/", {"live_on": tomorrow.isoformat()})
    assert wrong.status_code == 422
    assert "today or before" in text_of(wrong)
    assert client.post(f"{steps}go_live/", {"live_on": clock.today()}).status_code == 302
    service.refresh_from_db()
    assert (service.state, service.live_on) == ("live", clock.today())
    assert client.post(f"{steps}go_live/", {"live_on": clock.today()}).status_code == 409
    assert client.post(f"{steps}retire/", {"reason": ""}).status_code == 422
    assert client.post(f"{steps}nonsense/").status_code == 404


def test_editing_a_service_keeps_its_state_and_says_what_changed_x7(office: Office) -> None:
    client = as_user(office.asd)
    address = f"{office.service.get_absolute_url()}edit/"
    data = {"name": "Renamed", "description": "Words", "provider_group": office.group.pk,
            "state": "retired"}  # fmt: skip
    assert client.post(address, data).status_code == 302
    service = Service.objects.get(pk=office.service.pk)
    assert (service.name, service.state) == ("Renamed", "live")
    assert client.post(address, {**data, "name": ""}).status_code == 422


def test_only_the_asd_manager_moves_and_edits_services_d10(office: Office) -> None:
    service = Service.objects.create(name="Draft", slug="draft", state="proposed")
    for user in (office.rep, office.lead, office.billing, office.auditor):
        client = as_user(user)
        assert client.get(f"{service.get_absolute_url()}edit/").status_code == 403
        live = client.post(f"{service.get_absolute_url()}steps/go_live/",
                           {"live_on": clock.today()})  # fmt: skip
        assert live.status_code == 403
        assert 'data-action="go_live"' not in text_of(client.get(service.get_absolute_url()))


def test_updates_are_applied_from_their_list_f14(office: Office) -> None:
    request = walk.to_billing(office)
    update = do(request, "request_asd_update", office.rep, **WANTED)
    client = as_user(office.asd)
    said = text_of(client.get("/asd/updates/"))
    assert 'data-action="apply_asd_update"' in said
    assert 'data-action="apply_asd_update"' not in text_of(as_user(office.rep).get("/asd/updates/"))
    done = client.post(
        f"/requests/{request.reference}/actions/apply_asd_update/",
        {"update": update.pk, "next": "/asd/updates/"},
    )
    assert done.status_code == 302
    assert done["Location"] == "/asd/updates/"
    assert AgencyService.objects.get().quantity == 2


def test_updates_of_other_groups_requests_are_not_listed_td03(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    for user, found in ((office.specialist, True), (office.stranger, False)):
        for path in ("/asd/updates/", office.service.get_absolute_url()):
            assert (request.reference in text_of(as_user(user).get(path))) is found


def test_administration_lists_and_edits_and_never_moves_a_state(office: Office) -> None:
    client = as_user(UserFactory(admin=True))
    walk.to_billing(office)
    for model in ("agency", "contact", "agreement", "service", "agencyservice", "serviceupdate"):
        assert client.get(f"/admin/asd/{model}/?q=a").status_code == 200
    for row in (office.agency, office.contact, office.agreement, office.service):
        base = f"/admin/asd/{row._meta.model_name}/{row.pk}"
        assert client.get(f"{base}/change/").status_code == 200
        assert client.get(f"{base}/history/").status_code == 200
    data = {"name": "By the admin", "description": "", "state": "live", "live_on": "2020-01-01"}
    assert client.post("/admin/asd/service/add/", data).status_code == 302
    made = Service.objects.get(name="By the admin")
    assert (made.state, made.live_on, made.slug) == ("proposed", None, "by-the-admin")
    client.post("/admin/asd/service/", {"action": "go_live", "_selected_action": [made.pk]})
    made.refresh_from_db()
    assert made.state == "live"
