"""What must hold before a charge is written, initiated, or answered in the ASD (F10-F14)."""

from typing import TYPE_CHECKING, Any

from django.db.models import Q

from asd.models import Service, ServiceState, ServiceUpdate, UpdateState
from billing.models import BillingCase, BillingState
from workflow import clock
from workflow.machine import Guard, guard

if TYPE_CHECKING:
    from requests_app.models import Request

NO_BASIS = (
    "A charge needs a basis: an accepted proposal with its purchase order, "
    "a rate of the agency's SLA, or rated parts."
)


def of_case(rule: Guard) -> Guard:
    """A rule of the billing case, asked of the request that it charges."""
    return Guard(
        rule.sentence,
        lambda request: request.billing_case is not None and rule(request.billing_case),
        f"{rule.name}@case",
    )


@guard(NO_BASIS)
def has_charge_basis(request: "Request") -> bool:
    return request.has_charge_basis


@guard("The charge is written already.")
def nothing_charged_yet(request: "Request") -> bool:
    case = request.billing_case
    return case is None or not case.lines.all()


@guard("Nothing is charged yet.")
def something_charged(request: "Request") -> bool:
    case = request.billing_case
    return case is not None and case.state == BillingState.DRAFT and bool(case.lines.all())


@guard("No billing case is with the representative.")
def case_forwarded(request: "Request") -> bool:
    case = request.billing_case
    return case is not None and case.state == BillingState.FORWARDED


@guard("Billing has not been initiated.")
def has_initiated_case(request: "Request") -> bool:
    return any(case.state == BillingState.INITIATED for case in request.billing_cases.all())


@guard("The customer is known to billing already.")
def customer_unknown(request: "Request") -> bool:
    return not request.agency.known_to_billing


def initiated_cases(request: Any) -> Any:
    """Charges that stand, of this pass and of earlier ones; of a request or of its key."""
    return BillingCase.objects.filter(request=request, state=BillingState.INITIATED)


def concerned_services(request: "Request") -> list[Service]:
    """What an ASD update can be about: services it proposed, newest first, then its own."""
    every = sorted(request.proposed_services.all(), key=lambda service: -service.pk)
    proposed = [service for service in every if service.state != ServiceState.CANCELLED]
    own = [request.service] if request.service else []
    return list(dict.fromkeys([*proposed, *own]))


def concerned(about: Any) -> Any:
    """The same as rows to choose from."""
    proposed = Q(origin_request=about.pk) & ~Q(state=ServiceState.CANCELLED)
    return Service.objects.filter(proposed | Q(pk=about.service_id))


def is_live(service: Service) -> bool:
    """Whether it is used and billed today, not some day (F14)."""
    began = service.live_on is None or service.live_on <= clock.today()
    return service.state == ServiceState.LIVE and began


@guard("The service is not live yet: the ASD manager takes it live first.")
def a_service_is_live(request: "Request") -> bool:
    return any(is_live(service) for service in concerned_services(request))


def updates_of_pass(request: "Request") -> Any:
    """The ASD updates of the current pass."""
    return ServiceUpdate.objects.filter(request=request, pass_number=request.pass_number)


def _update_states(request: "Request") -> set[str]:
    updates = request.service_updates.all()
    return {update.state for update in updates if update.pass_number == request.pass_number}


def _proposed_states(request: "Request") -> set[str]:
    return {service.state for service in request.proposed_services.all()}


@guard("An ASD update waits for the ASD manager already.")
def no_update_waiting(request: "Request") -> bool:
    return UpdateState.REQUESTED not in _update_states(request)


@guard("No ASD update waits.")
def update_waiting(request: "Request") -> bool:
    return UpdateState.REQUESTED in _update_states(request)


@guard("The ASD update is settled already.")
def update_unsettled(request: "Request") -> bool:
    return not _update_states(request) & {UpdateState.APPLIED, UpdateState.NOT_NEEDED}


@guard("It proposed no service that is not live yet.")
def has_draft_service(request: "Request") -> bool:
    drafts = {ServiceState.PROPOSED, ServiceState.IN_DEVELOPMENT}
    return bool(_proposed_states(request) & drafts)


@guard("It proposed no service that waits to be developed.")
def has_proposed_service(request: "Request") -> bool:
    return ServiceState.PROPOSED in _proposed_states(request)


@guard("It proposed no service that is live.")
def has_live_service(request: "Request") -> bool:
    return ServiceState.LIVE in _proposed_states(request)
