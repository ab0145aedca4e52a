"""What has nothing to do with each other does not wait for each other.

While one person's act is not finished, others act on other requests, in other groups, for other
agencies, and take in more.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from requests_app.intake import take_in
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import (
    AgencyFactory,
    AgreementFactory,
    ContactFactory,
    CoveredServiceFactory,
    MembershipFactory,
    Office,
    ServiceFactory,
)
from tests.fulfillment.racing import WAIT
from workflow.registry import perform

pytestmark = pytest.mark.django_db(transaction=True)
Act = Callable[[], Any]


class Elsewhere(Office):
    """A second agency of the same office, with a service of the other group."""

    def __init__(self, first: Office) -> None:
        self.__dict__.update(first.__dict__)
        self.group = first.other_group
        self.lead = MembershipFactory(group=self.group, is_lead=True).user
        self.specialist = MembershipFactory(group=self.group).user
        self.service = ServiceFactory(provider_group=self.group)
        self.agency = AgencyFactory(representative=first.rep2)
        self.rep = first.rep2
        self.contact = ContactFactory(agency=self.agency)
        self.agreement = AgreementFactory(agency=self.agency)
        CoveredServiceFactory(agreement=self.agreement, service=self.service)


@pytest.fixture
def office(transactional_db: None) -> Office:
    return Office()


@pytest.fixture
def elsewhere(office: Office) -> Elsewhere:
    return Elsewhere(office)


@contextmanager
def unfinished(act: Act) -> Iterator[None]:
    """On another connection the act is done, and its transaction stays open meanwhile."""
    done, enough = threading.Event(), threading.Event()
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                enough.wait(WAIT)
        except BaseException as error:  # noqa: BLE001 - the test says it
            wrong.append(error)
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert done.wait(WAIT)
        yield
    finally:
        enough.set()
        thread.join(WAIT)
    assert not thread.is_alive()
    assert not wrong, wrong


def without_waiting(act: Act) -> Any:
    """The act, which gives up as soon as it has to wait for somebody's lock."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '500ms'")
        return act()


def schedule(request: Request, by: Any) -> Act:
    facts = {"day": walk.next_working_day().isoformat(), "hours": "4", "charge_expected": "no"}
    return lambda: perform(request, "schedule", by=by, data=facts)


def fulfill(request: Request, by: Any) -> Act:
    return lambda: perform(request, "fulfill", by=by, data={"resolution": "Done."})


def triage(office: Office, request: Request) -> Act:
    facts = {"service": office.service.pk, "service_known": "yes", **walk.STANDARD_YES}
    return lambda: perform(request, "triage", by=office.rep, data=facts)


def intake(office: Office) -> Act:
    return lambda: take_in(
        by=office.rep,
        agency=office.agency,
        contact=office.contact,
        title="Another line",
        description="One more.",
        service=office.service,
    )


def test_steps_of_two_requests_do_not_wait_for_each_other(
    office: Office, elsewhere: Elsewhere
) -> None:
    """Neither of two agencies and groups, nor of the same agency, group and specialist."""
    one, other = walk.to_assigned(office), walk.to_assigned(office)
    with unfinished(fulfill(one, office.specialist)):
        without_waiting(fulfill(other, office.specialist))
    mine, theirs = office.request(), elsewhere.request()
    with unfinished(triage(office, mine)):
        without_waiting(triage(elsewhere, theirs))
    for request, state in ((one, S.CLOSED), (other, S.CLOSED), (mine, S.PENDING)):
        request.refresh_from_db()
        assert request.state == state


def test_control_a_second_step_of_one_request_waits_for_the_first(office: Office) -> None:
    request = walk.to_assigned(office)
    with (
        unfinished(fulfill(request, office.specialist)),
        pytest.raises(OperationalError, match="lock timeout"),
    ):
        without_waiting(fulfill(request, office.specialist))


def test_days_of_two_groups_are_booked_without_waiting(
    office: Office, elsewhere: Elsewhere
) -> None:
    """F2: a booking locks the days of its own group alone."""
    one, other = walk.to_awaiting(office), walk.to_awaiting(elsewhere)
    with unfinished(schedule(one, office.lead)):
        without_waiting(schedule(other, elsewhere.lead))
    other.refresh_from_db()
    assert other.state == S.SCHEDULED


def test_control_days_of_one_group_are_booked_one_after_the_other(office: Office) -> None:
    """F2: no day is ever overbooked, so whoever books it waits for whoever is booking it."""
    one, other = walk.to_awaiting(office), walk.to_awaiting(office)
    with (
        unfinished(schedule(one, office.lead)),
        pytest.raises(OperationalError, match="lock timeout"),
    ):
        without_waiting(schedule(other, office.lead))


def test_two_requests_are_taken_in_at_once(office: Office, elsewhere: Elsewhere) -> None:
    """X10: references are drawn from a sequence, for which nobody waits; numbers differ."""
    with unfinished(intake(office)):
        theirs = without_waiting(intake(elsewhere))
        own = without_waiting(intake(office))
    references = set(Request.objects.values_list("reference", flat=True))
    assert len(references) == Request.objects.count() == 3
    assert {theirs.reference, own.reference} < references
