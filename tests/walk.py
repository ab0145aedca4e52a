"""Taking a request to any state through the same actions that people use."""

from datetime import date, timedelta
from typing import Any

from django.utils.datastructures import MultiValueDict

from requests_app.models import Request
from requests_app.states import S
from requests_app.triage import CHECKLIST
from tests.factories import Office
from workflow import clock
from workflow.registry import perform
from workflow.worktime import STANDARD, add_working_days

STANDARD_YES = {key: "yes" for key, _ in CHECKLIST}
STANDARD_NO = {**STANDARD_YES, "solution": "no"}


def do(request: Request, name: str, by: Any, /, files: Any = None, **data: Any) -> Any:
    """Perform an action with form data and bring `request` up to date."""
    typed = MultiValueDict({k: v if isinstance(v, list) else [v] for k, v in data.items()})
    result = perform(request, name, by=by, data=typed, files=files)
    request.refresh_from_db()
    for cached in ("has_sla",):
        request.__dict__.pop(cached, None)
    return result


def next_working_day(days: int = 3) -> date:
    """A working day of the standard week, `days` working days ahead."""
    return add_working_days(clock.today(), days, STANDARD)


def to_pending(office: Office, **fields: Any) -> Request:
    request = office.request(**fields)
    do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
       **STANDARD_YES)  # fmt: skip
    assert request.state == S.PENDING
    return request


def to_assigned(office: Office, **fields: Any) -> Request:
    request = to_pending(office, **fields)
    do(request, "take", office.specialist)
    assert request.state == S.ASSIGNED
    return request


def to_awaiting(office: Office, **fields: Any) -> Request:
    request = office.request(**fields)
    do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
       **STANDARD_NO)  # fmt: skip
    assert request.state == S.AWAITING_SCHEDULING
    return request


def to_scheduled(office: Office, charge: bool = False, **fields: Any) -> Request:
    request = to_awaiting(office, **fields)
    do(
        request,
        "schedule",
        office.lead,
        day=next_working_day().isoformat(),
        hours="4",
        charge_expected="yes" if charge else "no",
    )
    assert request.state == S.SCHEDULED
    return request


def to_planning(office: Office, charge: bool = False, **fields: Any) -> Request:
    request = to_scheduled(office, charge, **fields)
    do(request, "pull", office.specialist, specialist=office.specialist.pk)
    assert request.state == S.PLANNING
    return request


def to_in_fulfillment(office: Office, charge: bool = False, **fields: Any) -> Request:
    request = to_planning(office, charge, **fields)
    do(request, "add_plan_item", office.specialist, title="Do the work", estimate_hours="4")
    do(request, "start_work", office.specialist)
    assert request.state == S.IN_FULFILLMENT
    return request


def to_testing(office: Office, charge: bool = False, **fields: Any) -> Request:
    request = to_in_fulfillment(office, charge, **fields)
    item = request.plan_items.get()
    do(request, "log_time", office.specialist, item=item.pk, hours="3.5",
       on=clock.today().isoformat())  # fmt: skip
    do(request, "finish_plan_item", office.specialist, item=item.pk)
    do(request, "submit_for_testing", office.specialist)
    assert request.state == S.TESTING
    return request


def passed(office: Office, charge: bool = False, **fields: Any) -> Request:
    """In testing with a passing run."""
    request = to_testing(office, charge, **fields)
    do(request, "record_test_run", office.specialist2, result="passed", cases="It works: passed")
    return request


def to_customer_notice(office: Office, **fields: Any) -> Request:
    request = passed(office, **fields)
    do(request, "forward_to_representative", office.specialist, basis="included",
       no_charge_reason="Included in the agreement.")  # fmt: skip
    assert request.state == S.CUSTOMER_NOTICE
    return request


def to_billing(office: Office, **fields: Any) -> Request:
    request = passed(office, charge=True, **fields)
    do(request, "prefill_charge", office.specialist)
    do(request, "open_billing", office.specialist)
    assert request.state == S.BILLING
    return request


def to_discovery(office: Office, **fields: Any) -> Request:
    request = office.request(**fields)
    do(request, "send_to_discovery", office.rep, reason="What is needed is not clear.")
    assert request.state == S.DISCOVERY
    return request


def to_closed(office: Office, **fields: Any) -> Request:
    request = to_assigned(office, **fields)
    do(request, "fulfill", office.specialist, resolution="Done and tried out together.")
    assert request.state == S.CLOSED
    return request


def to_declined(office: Office, **fields: Any) -> Request:
    request = office.request(**fields)
    do(request, "decline", office.rep, outcome="not_offered", reason="We do not offer this.")
    return request


def to_cancelled(office: Office, **fields: Any) -> Request:
    request = office.request(**fields)
    do(request, "cancel", office.rep, reason="Withdrawn by the agency.")
    return request


def later(days: int) -> str:
    """An ISO date some days from now."""
    return (clock.today() + timedelta(days=days)).isoformat()
