"""What discovery shows on the page of a request: the discovery, its proposals, its parts."""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from asd.models import Service
from discovery.forms import suggestion
from discovery.models import (
    Determination,
    Discovery,
    Finding,
    Need,
    PartLine,
    PartReceipt,
    Proposal,
    ProposalLine,
    PurchaseOrder,
    Stage,
    TeamMember,
)
from requests_app.models import Request
from requests_app.states import S
from workflow.machine import find_step
from workflow.registry import section
from workflow.together import Marks, hangs_on

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
LEAVES = {
    Stage.DOCUMENTING: "finish_documenting",
    Stage.ASSEMBLING: "start_client_discovery",
    Stage.CLIENT_DISCOVERY: "finalise",
    Stage.PROPOSING: "complete",
}
STAGES = [*LEAVES, Stage.COMPLETE]
LINE_STATES = ["requested", "rated", "coded", "listed", "ordered"]


@section("discovery", "Discovery", model=REQUEST, template="discovery/_discovery.html", order=20,
         show=lambda request, user: bool(request.discoveries.all()))  # fmt: skip
def discovery_section(request: Request, user: "User") -> dict[str, Any]:
    """Stage, what is missing to leave it, team, findings, needs beside the original (D1-D7)."""
    every = sorted(request.discoveries.all(), key=lambda one: one.number)
    discovery = every[-1]
    needs = list(discovery.needs.all())
    return {
        "discovery": discovery,
        "stages": _stages(discovery),
        "checklist": _checklist(discovery),
        "team": [member for member in discovery.team.all() if member.left_at is None],
        "findings": discovery.findings.all(),
        "needs": needs,
        "suggested": _suggested(discovery, needs),
        "earlier": every[:-1],
        "new_services": request.proposed_services.all(),
    }


def _stages(discovery: Discovery) -> list[dict[str, Any]]:
    """The stages with where it is; an abandoned one stopped somewhere nobody needs to know."""
    at = [str(s) for s in STAGES].index(discovery.state) if discovery.state in STAGES else -1
    done = discovery.state == Stage.COMPLETE
    return [
        {"label": stage.label, "here": n == at and not done, "done": n < at or done}
        for n, stage in enumerate(STAGES)
    ]


def _checklist(discovery: Discovery) -> list[tuple[str, bool]]:
    """Everything the stage asks for before it can be left, and whether it is there (D4-D11)."""
    name = LEAVES.get(Stage(discovery.state))
    row = find_step(discovery, name) if name else None
    return [(rule.sentence, rule(discovery)) for rule in row.given] if row else []


def _suggested(discovery: Discovery, needs: list[Any]) -> str:
    """What the verdicts add up to once all are given, unless that was determined (D7)."""
    if not needs or not all(need.verdict for need in needs):
        return ""
    told = suggestion(discovery)
    if not told or told == discovery.determination:
        return ""
    return str(Determination(told).label)


@section("proposals", "Proposals and purchase order", model=REQUEST,
         template="discovery/_proposals.html", order=25,
         show=lambda request, user: request.is_open or bool(request.proposals.all()))  # fmt: skip
def proposals_section(request: Request, user: "User") -> dict[str, Any]:
    """Every version with its answer, and the purchase orders (D8, D9)."""
    versions = sorted(request.proposals.all(), key=lambda one: -one.version)
    orders = [order for version in versions for order in version.purchase_orders.all()]
    return {"proposals": versions, "orders": sorted(orders, key=lambda order: order.pk)}


def _has_parts(request: Request, user: "User") -> bool:
    """Where there are parts, or where one can find that some are needed (D11)."""
    if request.state in (S.PARTS_MAINTENANCE, S.PLANNING, S.IN_FULFILLMENT, S.TESTING):
        return True
    if request.part_lines.all():
        return True
    discovery = request.discovery if request.state == S.DISCOVERY else None
    return discovery is not None and discovery.state in (Stage.CLIENT_DISCOVERY, Stage.PROPOSING)


@section("parts", "Parts and equipment", model=REQUEST, template="discovery/_parts.html", order=30,
         show=_has_parts)  # fmt: skip
def parts_section(request: Request, user: "User") -> dict[str, Any]:
    """One line per part, with what is still to be done with it (D12)."""
    lines = request.part_lines.all()
    return {
        "part_lines": lines,
        "open_parts": sum(1 for line in lines if not line.is_done),
        "line_states": LINE_STATES,
    }


# What hangs on a request in discovery


@hangs_on(REQUEST, "discoveries", steps=True)
def _discoveries(about: Marks) -> QuerySet[Any]:
    every = Discovery.objects.filter(request=about.pk)
    return every.select_related("outcome_service", "outcome_group", "earlier_proposal")


@hangs_on(REQUEST, "discoveries__needs")
def _needs(about: Marks) -> QuerySet[Any]:
    return Need.objects.filter(discovery__request=about.pk).select_related("split_to")


@hangs_on(REQUEST, "discoveries__findings")
def _findings(about: Marks) -> QuerySet[Any]:
    found = Finding.objects.filter(discovery__request=about.pk)
    return found.select_related("author", "attachment")


@hangs_on(REQUEST, "discoveries__team", steps=True)
def _team(about: Marks) -> QuerySet[Any]:
    return TeamMember.objects.filter(discovery__request=about.pk).select_related("user")


@hangs_on(REQUEST, "proposals", steps=True)
def _proposals(about: Marks) -> QuerySet[Any]:
    return Proposal.objects.filter(request=about.pk).select_related("pdf", "evidence")


@hangs_on(REQUEST, "proposals__lines", steps=True)
def _proposal_lines(about: Marks) -> QuerySet[Any]:
    return ProposalLine.objects.filter(proposal__request=about.pk).select_related("part_rate")


@hangs_on(REQUEST, "proposals__purchase_orders", steps=True)
def _orders(about: Marks) -> QuerySet[Any]:
    return PurchaseOrder.objects.filter(request=about.pk).select_related("attachment")


@hangs_on(REQUEST, "part_lines", steps=True)
def _part_lines(about: Marks) -> QuerySet[Any]:
    lines = PartLine.objects.filter(request=about.pk)
    return lines.select_related("part", "rate__part", "substitute_for")


@hangs_on(REQUEST, "part_lines__receipts")
def _receipts(about: Marks) -> QuerySet[Any]:
    return PartReceipt.objects.filter(line__request=about.pk).select_related("by")


@hangs_on(REQUEST, "proposed_services", steps=True)
def _proposed(about: Marks) -> QuerySet[Any]:
    return Service.objects.filter(origin_request=about.pk)
