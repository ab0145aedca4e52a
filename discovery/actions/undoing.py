"""What other steps of a request do to its discovery, proposals, parts and draft services."""

import re
from typing import Any

from discovery.models import Discovery, Need
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, consequence

LISTED = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?P<need>\S.*)$")
MOST_NEEDS = 20


def asked_for(request: Request) -> list[str]:
    """The points that the request lists, or its title: a first list of needs to judge (D6)."""
    lines = (LISTED.match(line) for line in request.description.splitlines())
    points = [found["need"].strip()[:300] for found in lines if found]
    return list(dict.fromkeys(points))[:MOST_NEEDS] or [request.title[:300]]


@consequence("send_to_discovery", order=30)
def open_discovery(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """A new pass through discovery, the request as it stands frozen beside it (D1, D2, F17)."""
    number = len(request.discoveries.all()) + 1
    discovery = Discovery(
        request=request,
        number=number,
        pass_number=request.pass_number,
        started_at=clock.now(),
        state_since=clock.now(),
        original={
            "title": request.title,
            "description": request.description,
            "service": str(request.service or ""),
            "needed_by": str(request.needed_by or ""),
        },
    )
    discovery.save(force_insert=True)
    Need.objects.bulk_create(Need(discovery=discovery, description=x) for x in asked_for(request))
    if facts.get("keep_parts") is False:
        _cancel_parts(request, actor, facts["reason"])


@consequence("cancel", "decline", "return_to_triage", order=40)
def close_what_is_open(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Open discovery, proposals, parts and draft services end with the request (D9, D10, X2)."""
    reason = facts["reason"]
    by = SYSTEM.caused_by(actor)
    for discovery in request.discoveries.all():
        if discovery.is_open:
            advance(discovery, "abandon", by=by, reason=reason)
    for proposal in request.proposals.all():
        if proposal.state in ("draft", "issued"):
            advance(proposal, "withdraw", by=by, reason=reason)
    if request.state == S.TRIAGE:
        return
    _cancel_parts(request, actor, reason)
    for service in request.proposed_services.all():
        if service.state in ("proposed", "in_development"):
            advance(service, "cancel_service", by=by, reason=reason)


def _cancel_parts(request: Request, actor: Actor, reason: str) -> None:
    for line in request.part_lines.all():
        if line.is_done:
            continue
        advance(line, "cancel_line", by=SYSTEM.caused_by(actor), reason=reason)
