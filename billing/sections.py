"""What billing shows on the page of a request: its charge explained, checks, the ASD update."""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from asd.models import ServiceUpdate
from billing.explain import OF_LINE, checks, credits_of, explained
from billing.models import BillingCase, BillingState, ChargeLine
from requests_app.models import Request
from requests_app.states import S
from workflow.registry import section
from workflow.together import Marks, hangs_on

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
SHOWN = (S.TESTING, S.BILLING)


def _has_billing(request: Request, user: "User") -> bool:
    return (
        request.state in SHOWN
        or bool(request.billing_cases.all())
        or bool(request.service_updates.all())
    )


@section("billing", "Billing", model=REQUEST, template="billing/_section.html",
         order=60, show=_has_billing)  # fmt: skip
def billing_section(request: Request, user: "User") -> dict[str, Any]:
    """Every charge with its basis, what billing must know, and how the ASD stands (F12-F14)."""
    cases: list[Any] = sorted(request.billing_cases.all(), key=lambda case: -case.pk)
    credited = credits_of(cases)
    for case in cases:
        case.explained = explained(case)
        case.credited = credited.get(case.pk)
        case.waits = case.state in (BillingState.DRAFT, BillingState.FORWARDED)
        case.checks = checks(case) if case.waits else []
    return {
        "billing_cases": cases,
        "updates": list(request.service_updates.all()),
        "new_services": sorted(request.proposed_services.all(), key=lambda one: -one.pk),
    }


# What hangs on a request in billing


@hangs_on(REQUEST, "billing_cases", steps=True)
def _cases(about: Marks) -> QuerySet[Any]:
    cases = BillingCase.objects.filter(request=about.pk)
    return cases.select_related("purchase_order", "initiated_by")


@hangs_on(REQUEST, "billing_cases__lines", steps=True)
def _lines(about: Marks) -> QuerySet[Any]:
    return ChargeLine.objects.filter(case__request=about.pk).select_related(*OF_LINE)


@hangs_on(REQUEST, "service_updates", steps=True)
def _updates(about: Marks) -> QuerySet[Any]:
    updates = ServiceUpdate.objects.filter(request=about.pk)
    return updates.select_related("service", "requested_by")
