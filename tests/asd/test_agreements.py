"""What the ASD says about a request: in force, covered, within the limit, and why not (D2, D14)."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from asd.models import Agency, Agreement, CoveredService, normalised
from requests_app.triage import scope_of
from tests import walk
from tests.factories import AgencyFactory, AgreementFactory, CoveredServiceFactory, Office
from workflow import clock


def day(offset: int) -> object:
    return clock.today() + timedelta(days=offset)


def test_an_sla_in_force_that_covers_the_service_is_in_scope_d2(office: Office) -> None:
    scope = scope_of(office.request(), office.service)
    assert (scope.in_force, scope.covered) == (True, True)
    assert office.agreement.reference in scope.reason


def test_expired_yesterday_is_out_and_says_when_d2(office: Office) -> None:
    Agreement.objects.update(ends_on=day(-1))
    scope = scope_of(office.request(), office.service)
    assert (scope.in_force, scope.covered) == (False, False)
    assert f"ended on {day(-1):%d %b %Y}" in scope.reason


def test_the_last_day_and_the_first_day_count_d2(office: Office) -> None:
    request = office.request()
    Agreement.objects.update(ends_on=day(0))
    assert scope_of(request, office.service).covered
    Agreement.objects.update(starts_on=day(0))
    assert scope_of(request, office.service).covered


def test_starting_tomorrow_is_out_and_says_when_d2(office: Office) -> None:
    Agreement.objects.update(starts_on=day(1))
    scope = scope_of(office.request(), office.service)
    assert not scope.in_force
    assert f"starts on {day(1):%d %b %Y}" in scope.reason


@pytest.mark.parametrize(("start", "end", "out"), [(-3, None, True), (-3, 0, True),
                                                    (-3, -1, False), (1, 9, False)])  # fmt: skip
def test_a_suspended_sla_is_out_for_its_days_d2(
    office: Office, start: int, end: int | None, out: bool
) -> None:
    Agreement.objects.update(
        suspended_from=day(start), suspended_until=None if end is None else day(end)
    )
    scope = scope_of(office.request(), office.service)
    assert scope.in_force is not out
    assert ("suspended" in scope.reason) is out


def test_of_two_overlapping_slas_the_one_that_covers_counts_d2(office: Office) -> None:
    other = AgreementFactory(agency=office.agency)
    CoveredService.objects.all().delete()
    request = office.request()
    scope = scope_of(request, office.service)
    assert (scope.in_force, scope.covered) == (True, False)
    assert "does not cover" in scope.reason
    CoveredServiceFactory(agreement=other, service=office.service)
    assert other.reference in scope_of(request, office.service).reason


def test_a_full_limit_in_one_sla_leaves_the_other_d2(office: Office) -> None:
    """S1.1c: two overlapping SLAs, the first one's limit reached."""
    CoveredService.objects.update(limit=1)
    walk.to_pending(office)
    request = office.request()
    scope = scope_of(request, office.service)
    assert (scope.in_force, scope.covered) == (True, False)
    assert "the limit is reached" in scope.reason
    other = AgreementFactory(agency=office.agency)
    CoveredServiceFactory(agreement=other, service=office.service)
    assert scope_of(request, office.service).covered


def test_a_request_does_not_count_against_its_own_limit_d2(office: Office) -> None:
    CoveredService.objects.update(limit=1)
    assert scope_of(office.request(), office.service).covered


def test_a_one_off_agreement_is_no_sla_d2(office: Office) -> None:
    Agreement.objects.update(kind="one_off")
    scope = scope_of(office.request(), office.service)
    assert not scope.in_force
    assert scope.reason == "The agency has no SLA."


def test_current_customer_is_computed_not_kept_d14(office: Office) -> None:
    AgencyFactory()
    found = dict(Agency.objects.with_current().values_list("pk", "has_sla"))
    assert found.pop(office.agency.pk) is True
    assert set(found.values()) == {False}
    assert office.agency.is_current()
    Agreement.objects.update(ends_on=day(-1))
    assert not Agency.objects.with_current().filter(has_sla=True).exists()
    assert not office.agency.is_current()


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, "in force"),
        ({"starts_on": 1}, "starts"),
        ({"ends_on": -1}, "ended"),
        ({"suspended_from": -1}, "suspended"),
        ({"suspended_from": -5, "suspended_until": -1}, "in force"),
    ],
)
def test_how_an_agreement_stands_is_said_as_the_queryset_counts_it_d2(
    office: Office, changes: dict[str, int], standing: str
) -> None:
    Agreement.objects.update(**{name: day(offset) for name, offset in changes.items()})
    agreement = Agreement.objects.get()
    assert agreement.standing == standing
    assert Agreement.objects.in_force().exists() is (standing == "in force")


def test_names_are_kept_in_one_form_d4() -> None:
    assert normalised("  Bure\u0301au   of\tForms ") == "Bur\u00e9au of Forms"


def test_one_name_is_one_agency(office: Office) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AgencyFactory(name=office.agency.name.upper())


def test_an_agreement_cannot_end_before_it_starts(office: Office) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AgreementFactory(starts_on=day(0), ends_on=day(-1))
