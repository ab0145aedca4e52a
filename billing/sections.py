"""What billing shows on the page of a request: its charge explained, checks, the ASD update."""

from typing import TYPE_CHECKING, Any

from asd.models import ServiceUpdate
from billing.explain import cases_of, checks, credits_of, explained
from billing.models import BillingState
from requests_app.models import Request
from requests_app.states import S
from workflow.actors import as_actor
from workflow.registry import Offer, offers, section

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
SHOWN = (S.TESTING, S.BILLING)


def _has_billing(request: Request, user: "User") -> bool:
    return (
        request.state in SHOWN
        or request.billing_cases.exists()
        or ServiceUpdate.objects.filter(request=request).exists()
    )


@section("billing", "Billing", model=REQUEST, template="billing/_section.html",
         order=60, show=_has_billing)  # fmt: skip
def billing_section(request: Request, user: "User") -> dict[str, Any]:
    """Every charge with its basis, what billing must know, and how the ASD stands (F12-F14)."""
    cases: list[Any] = cases_of(request)
    credited = credits_of(cases)
    for case in cases:
        case.explained = explained(case)
        case.credited = credited.get(case.pk)
        case.waits = case.state in (BillingState.DRAFT, BillingState.FORWARDED)
        case.checks = checks(case) if case.waits else []
    draft = next((case for case in cases if case.state == BillingState.DRAFT), None)
    if draft is not None:
        _with_edit_offers(request, user, draft)
    ask = next(iter(offers(request, user, names={"request_asd_update"})), None)
    updates = ServiceUpdate.objects.filter(request=request).select_related(
        "service", "requested_by"
    )
    return {
        "billing_cases": cases,
        "updates": list(updates),
        "asks_here": ask is not None and ask.place == "billing",
        "new_services": list(request.proposed_services.order_by("-pk")),
    }


def _with_edit_offers(request: Request, user: "User", case: Any) -> None:
    """Each line's change form, filled in with what the line says now."""
    edit = next(iter(offers(request, user, names={"edit_charge_line"})), None)
    case.editable = edit is not None
    for row in case.explained:
        row.line.edit_offer = edit and _filled(edit, request, user, row.line)


def _filled(edit: Offer, request: Request, user: "User", line: Any) -> Offer:
    initial = {name: getattr(line, name) for name in ("quantity", "evidence", "description")}
    form = edit.action.bind(request, as_actor(user), initial=initial | {"line": line.pk})
    form.auto_id = f"edit-line-{line.pk}-%s"
    return Offer(edit.action, edit.blockers, form)
