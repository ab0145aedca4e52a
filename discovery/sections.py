"""What discovery shows on the page of a request: the discovery, its proposals, its parts."""

from typing import TYPE_CHECKING, Any

from discovery.models import Stage
from requests_app.models import Request
from workflow.machine import blockers
from workflow.registry import section

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
LEAVES = {
    Stage.DOCUMENTING: "finish_documenting",
    Stage.ASSEMBLING: "start_client_discovery",
    Stage.CLIENT_DISCOVERY: "finalise",
    Stage.PROPOSING: "complete",
}
STAGES = [Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY, Stage.PROPOSING,
          Stage.COMPLETE]  # fmt: skip


@section("discovery", "Discovery", model=REQUEST, template="discovery/_discovery.html", order=20,
         show=lambda request, user: request.discoveries.exists())  # fmt: skip
def discovery_section(request: Request, user: "User") -> dict[str, Any]:
    """Stage, what is missing to leave it, team, findings, needs beside the original (D1-D7)."""
    discovery = request.discoveries.select_related("outcome_service", "outcome_group").order_by(
        "number"
    ).last()  # fmt: skip
    step = LEAVES.get(discovery.state)
    return {
        "discovery": discovery,
        "stages": [
            {"label": s.label, "here": s == discovery.state, "done": _before(s, discovery.state)}
            for s in STAGES
        ],
        "missing": blockers(discovery, step) if step else [],
        "team": discovery.team.filter(left_at__isnull=True).select_related("user"),
        "findings": discovery.findings.select_related("author", "attachment")[:20],
        "needs": discovery.needs.select_related("split_to"),
        "earlier": request.discoveries.exclude(pk=discovery.pk),
        "new_services": request.proposed_services.all(),
    }


def _before(stage: str, state: str) -> bool:
    order = [str(s) for s in STAGES]
    return state in order and order.index(stage) < order.index(state)


@section("proposals", "Proposals and purchase order", model=REQUEST,
         template="discovery/_proposals.html", order=25,
         show=lambda request, user: request.is_open or request.proposals.exists())  # fmt: skip
def proposals_section(request: Request, user: "User") -> dict[str, Any]:
    """Every version with its answer, and the purchase orders (D8, D9)."""
    return {
        "proposals": request.proposals.select_related("pdf").prefetch_related("lines"),
        "orders": request.purchase_orders.select_related("attachment", "proposal"),
    }


@section("parts", "Parts and equipment", model=REQUEST, template="discovery/_parts.html", order=30,
         show=lambda request, user: request.part_lines.exists()
         or request.state == "parts_maintenance")  # fmt: skip
def parts_section(request: Request, user: "User") -> dict[str, Any]:
    """One line per part, with what is still to be done with it (D12)."""
    return {"part_lines": request.part_lines.select_related("part", "rate__part")}
