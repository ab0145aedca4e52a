"""After billing: the ASD says what is live, then the customer can be told (F14, F15, D10)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from asd.models import AgencyService, Service
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.billing.test_charging import FACTS, offer
from tests.factories import Office
from tests.walk import do
from workflow import clock
from workflow.machine import Refused
from workflow.registry import InvalidFacts

WANTED = {"change": "Two lines from December on.", "starts_on": "2026-12-01", "quantity": "2"}


def proposed(office: Office, request: Request, name: str = "A service of its own") -> Service:
    """A service as discovery initiates it: proposed, tied to its request."""
    return Service.objects.create(
        name=name, slug=name.lower().replace(" ", "-"), state="proposed", origin_request=request
    )


def test_an_update_for_a_service_already_live_passes_f14(office: Office) -> None:
    request = walk.to_billing(office)
    update = do(request, "request_asd_update", office.rep, **WANTED)
    assert (update.service, update.quantity, update.state) == (office.service, 2, "requested")
    assert update.requested_by == office.rep


def test_an_update_before_the_service_is_live_is_refused_f14(office: Office) -> None:
    request = walk.to_billing(office)
    service = proposed(office, request)
    Request.objects.filter(pk=request.pk).update(service=service)
    request.refresh_from_db()
    with pytest.raises(Refused, match="not live yet"):
        do(request, "request_asd_update", office.rep, **WANTED)
    do(request, "go_live", office.asd, live_on=clock.today().isoformat())
    update = do(request, "request_asd_update", office.rep, **WANTED)
    assert update.service == service


def test_a_proposed_service_is_not_asked_for_beside_a_live_one_f14(office: Office) -> None:
    """The request's own service is live, the one it proposed is not: the form says so."""
    request = walk.to_billing(office)
    service = proposed(office, request)
    with pytest.raises(InvalidFacts, match="not live yet"):
        do(request, "request_asd_update", office.rep, service=service.pk, **WANTED)


def test_live_some_day_is_not_live_f14(office: Office) -> None:
    tomorrow = clock.today() + timedelta(days=1)
    request = walk.to_billing(office)
    proposed(office, request)
    for day in (tomorrow.isoformat(), "", "soon"):
        with pytest.raises(InvalidFacts) as caught:
            do(request, "go_live", office.asd, live_on=day)
        assert "live_on" in caught.value.form.errors
    Service.objects.filter(pk=office.service.pk).update(live_on=tomorrow)
    with pytest.raises(Refused, match="not live yet"):
        do(request, "request_asd_update", office.rep, **WANTED)


def test_applying_makes_the_agency_service_f14(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    do(request, "apply_asd_update", office.asd)
    used = AgencyService.objects.get()
    assert (used.agency, used.service, used.quantity) == (office.agency, office.service, 2)
    assert used.since.isoformat() == "2026-12-01"
    assert request.events.filter(name="apply").count() == 1
    assert request.events.get(name="apply").facts["quantity"] == [0, 2]


def test_applying_changes_or_ends_the_use_there_is_f14(office: Office) -> None:
    since = clock.today() - timedelta(days=90)
    used = AgencyService.objects.create(
        agency=office.agency, service=office.service, since=since, quantity=5
    )
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    do(request, "apply_asd_update", office.asd)
    used.refresh_from_db()
    assert (used.quantity, used.since, used.until) == (2, since, None)
    do(request, "request_asd_update", office.rep, **{**WANTED, "quantity": "0"})
    do(request, "apply_asd_update", office.asd)
    used.refresh_from_db()
    assert used.until is not None


def test_only_the_asd_manager_applies_f14(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    for person in (office.rep, office.specialist, office.billing, office.auditor):
        with pytest.raises(PermissionDenied):
            do(request, "apply_asd_update", person)


def test_an_update_sent_back_is_asked_for_again_f14(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    with pytest.raises(Refused, match="waits for the ASD manager"):
        do(request, "request_asd_update", office.rep, **WANTED)
    with pytest.raises(InvalidFacts):
        do(request, "send_back_asd_update", office.asd, reason="")
    do(request, "send_back_asd_update", office.asd, reason="Which site?")
    do(request, "initiate_billing", office.rep, **FACTS)
    with pytest.raises(Refused, match="ASD update must be applied"):
        do(request, "settle", office.rep)
    do(request, "request_asd_update", office.rep, **WANTED)
    do(request, "apply_asd_update", office.asd)
    do(request, "settle", office.rep)
    assert request.state == S.CUSTOMER_NOTICE


def test_settle_waits_for_billing_and_for_the_update_f14(office: Office) -> None:
    request = walk.to_billing(office)
    with pytest.raises(Refused) as refused:
        do(request, "settle", office.rep)
    assert len(refused.value.sentences) == 2
    do(request, "initiate_billing", office.rep, **FACTS)
    with pytest.raises(Refused, match="ASD update must be applied"):
        do(request, "settle", office.rep)
    do(request, "request_asd_update", office.rep, **WANTED)
    with pytest.raises(Refused, match="ASD update must be applied"):
        do(request, "settle", office.rep)
    do(request, "apply_asd_update", office.asd)
    do(request, "settle", office.rep)
    do(request, "notify_and_close", office.rep, message="Your Request for Change is fulfilled.")
    assert request.state == S.CLOSED


def test_no_update_needed_says_why_f14(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "initiate_billing", office.rep, **FACTS)
    with pytest.raises(InvalidFacts):
        do(request, "waive_asd_update", office.rep, reason="")
    update = do(request, "waive_asd_update", office.rep, reason="A repair; nothing changes.")
    assert update.state == "not_needed"
    do(request, "settle", office.rep)
    assert not AgencyService.objects.exists()


def test_waiving_settles_what_was_asked_for_f14(office: Office) -> None:
    request = walk.to_billing(office)
    do(request, "request_asd_update", office.rep, **WANTED)
    do(request, "waive_asd_update", office.rep, reason="It was in the database already.")
    assert [u.state for u in request.service_updates.all()] == ["not_needed"]
    assert offer(request, office.rep, "waive_asd_update") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("quantity", "-1"), ("quantity", "x"), ("starts_on", "31.31."), ("change", "")],
)
def test_bad_facts_of_an_update_are_said_beside_the_field(
    office: Office, field: str, value: str
) -> None:
    request = walk.to_billing(office)
    with pytest.raises(InvalidFacts) as caught:
        do(request, "request_asd_update", office.rep, **{**WANTED, field: value})
    assert field in caught.value.form.errors


def test_an_update_of_another_request_cannot_be_applied_here_f14(office: Office) -> None:
    first, second = walk.to_billing(office), walk.to_billing(office)
    other = do(first, "request_asd_update", office.rep, **WANTED)
    do(second, "request_asd_update", office.rep, **WANTED)
    with pytest.raises(InvalidFacts):
        do(second, "apply_asd_update", office.asd, update=other.pk)


def test_a_proposed_service_is_developed_taken_live_and_retired_d10(office: Office) -> None:
    request = walk.to_billing(office)
    service = proposed(office, request)

    def state() -> str:
        return Service.objects.get(pk=service.pk).state

    do(request, "develop_service", office.rep)
    assert state() == "in_development"
    with pytest.raises(PermissionDenied):
        do(request, "go_live", office.rep, live_on=clock.today().isoformat())
    do(request, "go_live", office.asd, live_on=clock.today().isoformat())
    assert state() == "live"
    do(request, "retire_service", office.asd, reason="Replaced by another.")
    assert state() == "retired"
    assert request.events.get(name="go_live").target == "live"


def test_a_proposed_service_is_cancelled_with_its_reason_d10(office: Office) -> None:
    request = walk.to_billing(office)
    service = proposed(office, request)
    do(request, "cancel_service", office.rep, reason="An existing one does.")
    assert Service.objects.get(pk=service.pk).state == "cancelled"
    assert offer(request, office.asd, "go_live") is None


def test_with_two_proposed_services_one_is_chosen_d10(office: Office) -> None:
    request = walk.to_billing(office)
    first, second = proposed(office, request, "First"), proposed(office, request, "Second")
    with pytest.raises(InvalidFacts) as caught:
        do(request, "go_live", office.asd, live_on=clock.today().isoformat())
    assert "service" in caught.value.form.errors
    do(request, "go_live", office.asd, live_on=clock.today().isoformat(), service=second.pk)
    states: dict[str, Any] = dict(Service.objects.values_list("name", "state"))
    assert (states["First"], states["Second"]) == ("proposed", "live")
    assert first.origin_request == request


@pytest.mark.parametrize(
    ("name", "person", "facts"),
    [
        ("apply_asd_update", "asd", {}),
        ("send_back_asd_update", "asd", {"reason": "Why"}),
        ("initiate_billing", "rep", FACTS),
        ("credit_billing", "rep", {"reason": "Why"}),
        ("credit_billing", "billing", {"reason": "Why"}),
        ("go_live", "asd", {"live_on": "2026-01-01"}),
        ("develop_service", "asd", {}),
        ("cancel_service", "asd", {"reason": "Why"}),
        ("retire_service", "asd", {"reason": "Why"}),
        ("settle", "rep", {}),
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence_and_never_fails(
    office: Office, name: str, person: str, facts: dict[str, str]
) -> None:
    request = walk.to_billing(office)
    do(request, "initiate_billing", office.rep, **FACTS)
    do(request, "credit_billing", office.rep, reason="Twice")
    with pytest.raises(Refused):
        do(request, name, getattr(office, person), **facts)
