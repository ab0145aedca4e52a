"""What discovery shows on the page of a request: the discovery, its proposals, its parts."""

from typing import TYPE_CHECKING, Any

from discovery.forms import suggestion
from discovery.models import Determination, Discovery, Stage
from requests_app.models import Request
from requests_app.states import S
from workflow.actors import as_actor
from workflow.machine import find_step
from workflow.registry import Offer, offers, section

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
FINDING_FIELDS = ("kind", "on", "text", "participants", "hours")
NEED_FIELDS = ("verdict", "quantity_after", "why")
LINE_STATES = ["requested", "rated", "coded", "listed", "ordered"]


@section("discovery", "Discovery", model=REQUEST, template="discovery/_discovery.html", order=20,
         show=lambda request, user: request.discoveries.exists())  # fmt: skip
def discovery_section(request: Request, user: "User") -> dict[str, Any]:
    """Stage, what is missing to leave it, team, findings, needs beside the original (D1-D7)."""
    every = list(
        request.discoveries.select_related(
            "outcome_service", "outcome_group", "earlier_proposal"
        ).order_by("number")
    )
    discovery = every[-1]
    mine = {o.name: o for o in offers(request, user, names={"judge_need", "edit_finding"})}
    needs = _needs(request, user, discovery, mine.get("judge_need"))
    return {
        "discovery": discovery,
        "stages": _stages(discovery),
        "checklist": _checklist(discovery),
        "team": discovery.team.filter(left_at__isnull=True).select_related("user"),
        "findings": _findings(request, user, discovery, mine.get("edit_finding")),
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


def _findings(
    request: Request, user: "User", discovery: Discovery, edit: Offer | None
) -> list[Any]:
    found: list[Any] = list(discovery.findings.select_related("author", "attachment"))
    for finding in found:
        initial = {name: getattr(finding, name) for name in FINDING_FIELDS}
        finding.edit_offer = _filled(edit, request, user, {**initial, "finding": finding.pk})
    return found


def _needs(request: Request, user: "User", discovery: Discovery, judge: Offer | None) -> list[Any]:
    needs: list[Any] = list(discovery.needs.select_related("split_to"))
    for need in needs:
        initial = {name: getattr(need, name) for name in NEED_FIELDS}
        need.judge_offer = _filled(judge, request, user, {**initial, "need": need.pk})
    return needs


def _filled(
    offer: Offer | None, request: Request, user: "User", initial: dict[str, Any]
) -> Offer | None:
    """An offer of one row, filled in with what the row says now."""
    if offer is None:
        return None
    form = offer.action.bind(request, as_actor(user), initial=initial)
    form.auto_id = f"{offer.name}-{list(initial.values())[-1]}-%s"
    return Offer(offer.action, offer.blockers, form)


@section("proposals", "Proposals and purchase order", model=REQUEST,
         template="discovery/_proposals.html", order=25,
         show=lambda request, user: request.is_open or request.proposals.exists())  # fmt: skip
def proposals_section(request: Request, user: "User") -> dict[str, Any]:
    """Every version with its answer, and the purchase orders (D8, D9)."""
    versions = request.proposals.order_by("-version").select_related("pdf", "evidence")
    return {
        "proposals": versions.prefetch_related("lines"),
        "orders": request.purchase_orders.select_related("attachment", "proposal"),
    }


def _has_parts(request: Request, user: "User") -> bool:
    """Where there are parts, or where one can find that some are needed (D11)."""
    if request.state in (S.PARTS_MAINTENANCE, S.PLANNING, S.IN_FULFILLMENT, S.TESTING):
        return True
    if request.part_lines.exists():
        return True
    discovery = request.discovery if request.state == S.DISCOVERY else None
    return discovery is not None and discovery.state in (Stage.CLIENT_DISCOVERY, Stage.PROPOSING)


@section("parts", "Parts and equipment", model=REQUEST, template="discovery/_parts.html", order=30,
         show=_has_parts)  # fmt: skip
def parts_section(request: Request, user: "User") -> dict[str, Any]:
    """One line per part, with what is still to be done with it (D12)."""
    lines = list(
        request.part_lines.select_related("part", "rate", "substitute_for")
        .prefetch_related("receipts__by")
        .order_by("pk")
    )
    return {
        "part_lines": lines,
        "open_parts": sum(1 for line in lines if not line.is_done),
        "line_states": LINE_STATES,
    }
