"""The whole path of fulfillment, step by step, through the actions that people use."""

import pytest

from fulfillment.work_models import ChargeDecision
from requests_app.states import S
from tests import walk
from tests.factories import Office

pytestmark = pytest.mark.django_db


def test_assistance_is_taken_fulfilled_and_closed_in_one_action(office: Office) -> None:
    """F5, F7, F8."""
    request = walk.to_closed(office)
    assert request.specialist == office.specialist
    assert request.resolution == "Done and tried out together."
    assert request.case.closed_at is not None
    entry = request.case.entries.last()
    assert (entry.public, entry.text) == (True, "Done and tried out together.")


def test_an_enhancement_goes_from_the_schedule_to_the_customer_notice(office: Office) -> None:
    """F2, F6, F9, F10, F11."""
    request = walk.to_customer_notice(office)
    entry = request.schedule_entries.get()
    assert (entry.state, entry.minutes) == ("done", 240)
    decision = request.charge_decisions.get()
    assert (decision.charged, decision.basis) == (False, ChargeDecision.Basis.INCLUDED)
    assert decision.reason == "Included in the agreement."
    run = request.test_runs.get()
    assert run.cases == [{"criterion": "It works", "result": "passed"}]
    assert run.tester_did_the_work is False
    assert request.state == S.CUSTOMER_NOTICE
