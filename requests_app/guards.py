"""The conditions of the process table: each reads the request alone, in its current pass."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

from requests_app.states import NEEDS_LINK, Kind
from workflow import clock
from workflow.machine import check, guard

if TYPE_CHECKING:
    from requests_app.models import Request


def _current(request: "Request", relation: str) -> list[Any]:
    """The rows of a relation that belong to the current pass, in its order.

    Read whole and chosen here: the door's fresh row asks the database, a page has read them before.
    """
    return [r for r in getattr(request, relation).all() if r.pass_number == request.pass_number]


@guard("The request is on hold: resume it first.")
def not_on_hold(request: "Request") -> bool:
    return not request.is_on_hold


@guard("It is not on hold.")
def on_hold(request: "Request") -> bool:
    return request.is_on_hold


@guard("Triage must decide that this is an assistance request.")
def is_assistance(request: "Request") -> bool:
    return request.kind == Kind.ASSISTANCE


@guard("Triage must decide that this is an enhancement request.")
def is_enhancement(request: "Request") -> bool:
    return request.kind == Kind.ENHANCEMENT


@guard("Set the service and the provider group first.")
def has_service_and_group(request: "Request") -> bool:
    return request.service_id is not None and request.provider_group_id is not None


@guard("Record triage first: the table recommends the route, or an override says why not.")
def triage_decided(request: "Request") -> bool:
    decision = request.triage
    return decision is not None and decision.decided == request.kind


@guard("The discovery is not complete.")
def discovery_complete(request: "Request") -> bool:
    discovery = request.discovery
    return discovery is not None and discovery.state == "complete"


@guard("Discovery found a charge or a new service, so this is an enhancement.")
def no_charge_nor_new_service(request: "Request") -> bool:
    proposal = request.accepted_proposal
    return (proposal is None or not proposal.is_charged) and not _current_new_services(request)


def _current_new_services(request: "Request") -> bool:
    return any(service.state != "cancelled" for service in request.proposed_services.all())


@guard("Discovery says that parts are required: start parts maintenance.")
def parts_not_required(request: "Request") -> bool:
    discovery = request.discovery
    return discovery is not None and discovery.parts_required is False


@guard("Answer first whether parts and equipment are required; here they are not.")
def parts_required(request: "Request") -> bool:
    discovery = request.discovery
    return discovery is not None and discovery.parts_required is True


@guard("Part lines are still open: finish, cancel or release them.")
def parts_done_or_released(request: "Request") -> bool:
    lines = request.part_lines.all()
    return all(line.is_done or line.released_at is not None for line in lines)


@guard("A part line is still open.")
def no_part_open(request: "Request") -> bool:
    return all(line.is_done for line in request.part_lines.all())


@guard("A proposal waits for the customer's answer.")
def no_proposal_waiting(request: "Request") -> bool:
    return not any(p.state in ("draft", "issued") for p in _current(request, "proposals"))


@guard("Record an SLA or a one-off agreement for the new customer first.")
def agreement_recorded(request: "Request") -> bool:
    discovery = request.discovery
    if discovery is None or not discovery.new_customer:
        return True
    today = clock.today()
    return any(a.ends_on is None or a.ends_on >= today for a in request.agency.agreements.all())


@guard("Draw up the work plan first: at least one item, and every item estimated.")
def plan_estimated(request: "Request") -> bool:
    items = [i for i in _current(request, "plan_items") if i.state != "cancelled"]
    return bool(items) and all(i.estimate_hours for i in items)


@guard("Finish every plan item, or cancel it with a reason.")
def plan_finished(request: "Request") -> bool:
    items = _current(request, "plan_items")
    return any(i.state == "done" for i in items) and not any(i.state == "open" for i in items)


@guard("Record a test run with findings that failed.")
def test_failed(request: "Request") -> bool:
    run = request.last_test_run
    return run is not None and run.result == "failed" and bool(run.findings)


@guard("The last test run must have passed.")
def test_passed(request: "Request") -> bool:
    run = request.last_test_run
    return run is not None and run.result == "passed"


@guard("Add at least one charge line; each needs a basis.")
def charge_lines(request: "Request") -> bool:
    case = request.billing_case
    return case is not None and case.state == "draft" and bool(case.lines.all())


@guard("Charge lines are written: open billing, or remove them first.")
def no_charge_lines(request: "Request") -> bool:
    case = request.billing_case
    return case is None or case.state != "draft" or not case.lines.all()


@guard("Billing has been initiated: credit it in full first.")
def billing_not_initiated(request: "Request") -> bool:
    return not any(case.state == "initiated" for case in _current(request, "billing_cases"))


@guard("Initiate billing first.")
def billing_initiated(request: "Request") -> bool:
    case = request.billing_case
    return case is not None and case.state == "initiated"


@guard("The ASD update must be applied, or marked not needed with a reason.")
def asd_settled(request: "Request") -> bool:
    states = {update.state for update in _current(request, "service_updates")}
    return bool(states & {"applied", "not_needed"}) and "requested" not in states


@guard("A service this request proposed is neither live nor cancelled yet.")
def new_services_settled(request: "Request") -> bool:
    unsettled = ("proposed", "in_development")
    return not any(service.state in unsettled for service in request.proposed_services.all())


@guard("Closed too long ago to be opened again: take in a new request instead.")
def recently_closed(request: "Request") -> bool:
    limit = timedelta(days=settings.THROUGHLINE["REOPEN_DAYS"])
    return request.closed_at is not None and clock.now() - request.closed_at <= limit


@check("specialist", "Choose a member of the provider group.")
def specialist_in_group(request: "Request", facts: dict[str, Any]) -> bool:
    person = facts.get("specialist")
    return person is not None and person.is_active and request.is_member(person)


@check("review_on", "Give a date after today on which the hold is looked at again.")
def review_date(request: "Request", facts: dict[str, Any]) -> bool:
    day = facts.get("review_on")
    return day is not None and day > clock.today()


@check("provider_group", "Choose another, active provider group.")
def other_group(request: "Request", facts: dict[str, Any]) -> bool:
    group = facts.get("provider_group")
    return group is not None and group.is_active and group.pk != request.provider_group_id


@check("representative", "Choose another active account representative.")
def other_representative(request: "Request", facts: dict[str, Any]) -> bool:
    person = facts.get("representative")
    return (
        person is not None
        and person.is_active
        and person.is_representative
        and person.pk != request.representative_id
    )


@check("resolution", "Say what was done: the customer reads it.")
def resolution(request: "Request", facts: dict[str, Any]) -> bool:
    return bool(facts.get("resolution", "").strip())


@check("message", "Write the message to the customer.")
def message(request: "Request", facts: dict[str, Any]) -> bool:
    return bool(facts.get("message", "").strip())


@check("outcome", "Choose the reason code.")
def outcome_given(request: "Request", facts: dict[str, Any]) -> bool:
    return bool(facts.get("outcome"))


@check("link", "Name the incident, the problem record or the request that this duplicates.")
def link_given(request: "Request", facts: dict[str, Any]) -> bool:
    return facts.get("outcome") not in NEEDS_LINK or bool(facts.get("link"))


@check("day", "Book a slot for it within the 60 days.")
def slot_booked(request: "Request", facts: dict[str, Any]) -> bool:
    """The action books before it knocks; without an active entry nothing is scheduled."""
    return any(entry.state == "booked" for entry in request.schedule_entries.all())


@check("charge_expected", "Say whether a charge is expected.")
def charge_expected(request: "Request", facts: dict[str, Any]) -> bool:
    return facts.get("charge_expected") in (True, False)


@check(
    "charge_expected",
    "A charge needs a basis: an accepted proposal with its purchase order, "
    "a rate of the agency's SLA, or rated parts.",
)
def charge_basis_known(request: "Request", facts: dict[str, Any]) -> bool:
    return facts.get("charge_expected") is not True or request.has_charge_basis


@check("no_charge_reason", "Say why nothing is charged.")
def no_charge_reason(request: "Request", facts: dict[str, Any]) -> bool:
    return bool(facts.get("no_charge_reason", "").strip())


@check("impact", "Choose impact and urgency.")
def priority_given(request: "Request", facts: dict[str, Any]) -> bool:
    return bool(facts.get("priority"))
