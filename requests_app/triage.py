"""Triage: the facts, the table, what would change its answer. Pure, tested exhaustively (D2)."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from asd.models import Agreement, CoveredService
from workflow import clock
from workflow.statements import AmongValues
from workflow.together import read_with
from workflow.written import Written

if TYPE_CHECKING:
    from requests_app.models import Request

ASSISTANCE, ENHANCEMENT, DISCOVERY, UNKNOWN = "assistance", "enhancement", "discovery", "unknown"

CHECKLIST: tuple[tuple[str, str], ...] = (
    ("requirements", "The requirements are known"),
    ("solution", "The solution is known"),
    ("cost", "The cost is known"),
    ("risk", "The risk is known and low"),
    ("no_sla_change", "The SLA need not change"),
    ("pre_approved", "The provider group has approved this sort of request beforehand"),
    ("target", "There is a predefined target for it"),
)


_LINES = Written(
    lambda agreements, service: CoveredService.objects.filter(
        AmongValues("agreement", agreements), service=service
    ).select_related("agreement")
)


@dataclass(frozen=True)
class Recommendation:
    """What the table says, why, and which facts would change it."""

    route: str
    why: str
    onboarding_only: bool = False
    would_change: tuple[str, ...] = ()


def standard_from(checklist: dict[str, bool | None]) -> bool | None:
    """A standard request answers yes to all seven; one no is enough for no; else unknown."""
    answers = [checklist.get(key) for key, _ in CHECKLIST]
    if any(answer is False for answer in answers):
        return False
    return True if all(answer is True for answer in answers) else None


def recommend(
    standard: bool | None, existing_service: bool | None, current_customer: bool | None
) -> Recommendation:
    """The truth table of triage: standard request, existing service, current customer with SLA."""
    facts = {
        "whether it is a standard request": standard,
        "whether it relates to an existing service": existing_service,
        "whether the agency has an SLA in force that covers it": current_customer,
    }
    unknown = [name for name, value in facts.items() if value is None]
    if unknown:
        return Recommendation(UNKNOWN, f"Not known yet: {'; '.join(unknown)}.", False, ())
    if not existing_service:
        return Recommendation(
            DISCOVERY,
            "It relates to no existing service.",
            False,
            ("An existing service for a current customer would need no discovery.",),
        )
    if not current_customer:
        return Recommendation(
            DISCOVERY,
            "The agency has no SLA in force that covers the service; it may only need onboarding.",
            True,
            ("With an SLA in force it would go straight to the provider group.",),
        )
    if standard:
        return Recommendation(
            ASSISTANCE,
            "A standard request of a current customer for an existing service.",
            False,
            ("One no in the checklist makes it an enhancement.",),
        )
    return Recommendation(
        ENHANCEMENT,
        "Not a standard request, but an existing service of a current customer.",
        False,
        ("Yes to the whole checklist makes it an assistance request.",),
    )


@dataclass(frozen=True)
class Scope:
    """Whether a request is inside an SLA on a day, with the reason said (D2)."""

    in_force: bool
    covered: bool
    reason: str
    coverage: Any = None


def scope_of(request: "Request", service: Any, on: date | None = None) -> Scope:
    """Read the ASD: is an SLA in force, and does it cover the service within its limit?"""
    day = on or clock.today()
    every = request.agency.agreements.all()
    agreements = [agreement for agreement in every if agreement.counts_on(day)]
    if not agreements:
        return Scope(False, False, _why_none(list(every), day))
    if service is None:
        return Scope(True, False, f"{agreements[0].reference} is in force; no service chosen yet.")
    lines = _covered(request, service, agreements)
    full = None
    for line in lines:
        if line.limit is None or _open_now(request, service) < line.limit:
            return Scope(True, True, f"{service} is covered by {line.agreement.reference}.", line)
        full = line
    if full is not None:
        return Scope(
            True,
            False,
            f"{full.agreement.reference} covers {full.limit} open requests for {service}; "
            "the limit is reached.",
        )
    return Scope(
        True, False, f"{agreements[0].reference} is in force but does not cover {service}."
    )


def _open_now(request: "Request", service: Any) -> int:
    """How many other open requests of the agency the service has."""
    others = request.agency.requests.open().filter(service=service)
    return others.exclude(pk=request.pk).count()  # type: ignore[no-any-return]


def _covered(request: "Request", service: Any, agreements: list[Agreement]) -> list[Any]:
    """The lines of these agreements that name the service."""
    read = read_with(request, "covered", service_id=service.pk)
    if read is not None:
        counting = {agreement.pk for agreement in agreements}
        return [line for line in read if line.agreement_id in counting]
    return _LINES.instances(agreements=[one.pk for one in agreements], service=service.pk)


def _why_none(agreements: list[Agreement], day: date) -> str:
    """Why no SLA counts today: never one, expired, not started, suspended."""
    slas = [a for a in agreements if a.kind == Agreement.Kind.SLA]
    last = max(slas, key=lambda a: a.starts_on, default=None)
    if last is None:
        return "The agency has no SLA."
    if last.starts_on > day:
        return f"{last.reference} starts on {last.starts_on:%d %b %Y}."
    if last.ends_on is not None and last.ends_on < day:
        return f"{last.reference} ended on {last.ends_on:%d %b %Y}."
    return f"{last.reference} is suspended."
