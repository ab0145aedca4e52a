"""A discovery from its documentation to its outcome (D1-D7, D10, D11)."""

from typing import Any

from django.utils.text import slugify

from asd.models import Service, ServiceState
from discovery import forms
from discovery.actions.moving import move_on
from discovery.models import Discovery, Ending, Finding, Need, Stage, TeamMember
from requests_app.files import store
from requests_app.intake import take_in
from requests_app.models import Link, Request
from requests_app.states import S
from requests_app.who import car, team
from workflow import clock
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.machine import Guard, guard
from workflow.registry import NothingForm, ReasonForm, action

REQUEST = "requests_app.request"


def in_stage(*stages: str) -> Guard:
    """The action belongs to these stages of the discovery."""

    @guard("The discovery is in another stage.")
    def rule(request: Request) -> bool:
        discovery = request.discovery
        return discovery is not None and discovery.state in stages

    rule.name = f"in_stage:{'+'.join(stages)}"
    return rule


EARLY = in_stage(Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY)
OPEN_STAGE = in_stage(Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY, Stage.PROPOSING)
DOCUMENTING = in_stage(Stage.DOCUMENTING)
ASSEMBLING = in_stage(Stage.ASSEMBLING)
FINDING = in_stage(Stage.CLIENT_DISCOVERY)
PROPOSING = in_stage(Stage.PROPOSING)
COMPLETE = in_stage(Stage.COMPLETE)


def _save(discovery: Discovery, request: Request, verb: str, by: Actor, **values: Any) -> None:
    """Write fields of the discovery, before and after on the request's record (X7)."""
    changes = {}
    for name, value in values.items():
        before = getattr(discovery, name)
        if before != value:
            changes[name] = [str(before), str(value)]
            setattr(discovery, name, value)
    discovery.save(update_fields=list(values))
    record(discovery, verb, by=by, changes=changes)


@action("document", "Document the need", model=REQUEST, at=[S.DISCOVERY], form=forms.DocumentForm,
        who=[car], given=[DOCUMENTING], when=DOCUMENTING, place="next", order=10)  # fmt: skip
def document(request: Request, *, by: Actor, **documented: Any) -> Discovery:
    """What is asked for lies outside the agreements: written down, the stage ends (D4)."""
    discovery = request.discovery
    _save(discovery, request, "document", by, **documented)
    return advance(discovery, "finish_documenting", by=by)


@action("add_team_member", "Add to the team", model=REQUEST, at=[S.DISCOVERY],
        form=forms.TeamMemberForm, who=[car], given=[OPEN_STAGE], when=OPEN_STAGE,
        place="discovery", order=11)  # fmt: skip
def add_team_member(request: Request, *, by: Actor, user: Any, role: str) -> TeamMember:
    """Somebody joins the discovery team and is told (D5)."""
    member = TeamMember.objects.create(
        discovery=request.discovery, user=user, role=role, joined_at=clock.now()
    )
    record(request, "add_team_member", by=by, facts={"member": str(user)}, tell=("team_invited",))
    return member


@action("remove_team_member", "Remove", model=REQUEST, at=[S.DISCOVERY],
        form=forms.RemoveMemberForm, who=[car], given=[OPEN_STAGE], place="discovery",
        order=12)  # fmt: skip
def remove_team_member(request: Request, *, by: Actor, member: TeamMember) -> None:
    """Somebody leaves the team; that they were on it stays (D5)."""
    member.left_at = clock.now()
    member.save(update_fields=["left_at"])
    record(request, "remove_team_member", by=by, facts={"member": str(member.user)})


@action("start_client_discovery", "Start client discovery", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, who=[car], given=[ASSEMBLING], when=ASSEMBLING, place="next",
        order=13)  # fmt: skip
def start_client_discovery(request: Request, *, by: Actor) -> Discovery:
    """The team finds out what the customer wants (D5, D6)."""
    return advance(request.discovery, "start_client_discovery", by=by)


@action("add_finding", "Add a finding", model=REQUEST, at=[S.DISCOVERY], form=forms.FindingForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=14)  # fmt: skip
def add_finding(request: Request, *, by: Actor, attachment: Any = None, **facts: Any) -> Finding:
    """A dated finding: a meeting, a note, a file (D6)."""
    kept = store(request, attachment, by=by) if attachment else None
    finding = Finding.objects.create(
        discovery=request.discovery, author=by.user, attachment=kept, at=clock.now(), **facts
    )
    record(request, "add_finding", by=by, facts={"text": facts["text"][:200]})
    return finding


@action("add_need", "Add a need", model=REQUEST, at=[S.DISCOVERY], form=forms.NeedForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=15)  # fmt: skip
def add_need(request: Request, *, by: Actor, **facts: Any) -> Need:
    """One thing the customer needs, original or found (D6)."""
    need = Need.objects.create(discovery=request.discovery, **facts)
    record(request, "add_need", by=by, facts={"need": need.description})
    return need


@action("judge_need", "Judge", model=REQUEST, at=[S.DISCOVERY], form=forms.JudgeNeedForm,
        who=[car, team], given=[FINDING], place="discovery", order=16)  # fmt: skip
def judge_need(
    request: Request, *, by: Actor, need: Need, verdict: str, quantity_after: int, why: str
) -> Need:
    """The verdict on a need against the frozen original: as requested, more, less, removed (D7)."""
    before = need.verdict
    need.verdict, need.why = verdict, why
    need.quantity_after = 0 if verdict == "removed" else quantity_after
    need.save(update_fields=["verdict", "why", "quantity_after"])
    record(request, "judge_need", by=by, facts={"need": need.description},
           changes={"verdict": [before, verdict]})  # fmt: skip
    return need


@action("split_need", "Split off", model=REQUEST, at=[S.DISCOVERY], form=forms.SplitNeedForm,
        who=[car], given=[OPEN_STAGE], place="discovery", order=17)  # fmt: skip
def split_need(request: Request, *, by: Actor, need: Need) -> Request:
    """More than was asked: the need becomes a linked request of its own (D7, X4)."""
    part = take_in(
        by=by,
        agency=request.agency,
        contact=request.contact,
        title=need.description[:160],
        description=f"{need.description}\n\nFound in the discovery of {request.reference}.",
        channel=Request.Channel.SPLIT,
        impact=request.impact,
        urgency=request.urgency,
    )
    Link.objects.create(source=part, target=request, relation=Link.Relation.SPLIT_FROM)
    need.split_to = part
    need.save(update_fields=["split_to"])
    record(request, "split_need", by=by, facts={"need": need.description, "to": part.reference})
    return part


@action("determine", "Determine", model=REQUEST, at=[S.DISCOVERY], form=forms.DetermineForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=18)  # fmt: skip
def determine(request: Request, *, by: Actor, determination: str, revised_scope: str) -> Discovery:
    """Whether more or less is needed than was asked, with the revised scope (D7)."""
    discovery = request.discovery
    _save(discovery, request, "determine", by, determination=determination,
          revised_scope=revised_scope)  # fmt: skip
    return discovery


@action("revise_request", "Revise the request", model=REQUEST, at=[S.DISCOVERY],
        form=forms.ReviseRequestForm, who=[car], given=[OPEN_STAGE], when=OPEN_STAGE,
        place="discovery", order=19)  # fmt: skip
def revise_request(request: Request, *, by: Actor, title: str, description: str) -> Request:
    """The request's words follow the findings; the frozen original is kept beside them (D7)."""
    return advance(request, "edit", by=by, title=title, description=description)


@action("finalise_discovery", "Finalise client discovery", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, who=[car, team], given=[FINDING], when=FINDING, place="next",
        order=20)  # fmt: skip
def finalise_discovery(request: Request, *, by: Actor) -> Discovery:
    """Client discovery is final: the proposal can be built (D7, D8)."""
    return advance(request.discovery, "finalise", by=by)


@action("reopen_findings", "Back to client discovery", model=REQUEST, at=[S.DISCOVERY],
        form=ReasonForm, who=[car], given=[PROPOSING], when=PROPOSING, place="discovery",
        order=31)  # fmt: skip
def reopen_findings(request: Request, *, by: Actor, reason: str) -> Discovery:
    """Another round with the client (D7)."""
    return advance(request.discovery, "reopen_findings", by=by, reason=reason)


@action("shorten_discovery", "Shorten the discovery", model=REQUEST, at=[S.DISCOVERY],
        form=ReasonForm, who=[car], given=[EARLY], when=EARLY, order=32)  # fmt: skip
def shorten_discovery(request: Request, *, by: Actor, reason: str) -> Discovery:
    """An earlier proposal stands, or it is within an existing service after all (D15)."""
    return advance(request.discovery, "shorten", by=by, reason=reason)


@action("initiate_service", "Initiate a new ASD service", model=REQUEST,
        at=[S.DISCOVERY, S.PARTS_MAINTENANCE], form=forms.InitiateServiceForm, who=[car],
        place="discovery", order=22)  # fmt: skip
def initiate_service(
    request: Request, *, by: Actor, name: str, description: str, provider_group: Any
) -> Service:
    """The ASD gets the service as proposed, tied to the request; not orderable yet (D10)."""
    service = Service(
        name=name,
        slug=f"{slugify(name)[:100]}-{request.pk}",
        description=description,
        state=ServiceState.PROPOSED,
        provider_group=provider_group,
        origin_request=request,
        state_since=clock.now(),
    )
    service.save(force_insert=True)
    record(request, "initiate_service", by=by, facts={"service": name})
    return service


@action("parts_question", "Answer the parts question", model=REQUEST, at=[S.DISCOVERY],
        form=forms.PartsQuestionForm, who=[car], given=[PROPOSING], when=PROPOSING,
        place="discovery", order=24)  # fmt: skip
def parts_question(request: Request, *, by: Actor, parts_required: bool, note: str) -> Discovery:
    """Whether new parts and equipment are required; there is no default (D11)."""
    discovery = request.discovery
    _save(discovery, request, "parts_question", by, parts_required=parts_required, parts_note=note)
    if not parts_required:
        for line in request.part_lines.unfinished():
            advance(line, "cancel_line", by=by, reason="No parts are required after all.")
    return discovery


@action("state_outcome", "State the outcome", model=REQUEST, at=[S.DISCOVERY],
        form=forms.OutcomeForm, who=[car], given=[PROPOSING], when=PROPOSING,
        place="discovery", order=23)  # fmt: skip
def state_outcome(
    request: Request,
    *,
    by: Actor,
    ending: str,
    kind: str,
    service: Any,
    provider_group: Any,
    service_level: str,
    estimate_hours: Any,
    earlier_proposal: Any = None,
) -> Discovery:
    """Kind, service, group, service level and estimate that the request gets (D3)."""
    discovery = request.discovery
    _save(
        discovery,
        request,
        "state_outcome",
        by,
        ending=ending,
        outcome_kind=kind,
        outcome_service=service,
        outcome_group=provider_group,
        service_level=service_level,
        estimate_hours=estimate_hours,
        earlier_proposal=earlier_proposal,
    )
    return discovery


@action("complete_discovery", "Complete the discovery", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, who=[car], given=[PROPOSING], when=PROPOSING, place="next",
        order=25)  # fmt: skip
def complete_discovery(request: Request, *, by: Actor) -> Request:
    """The outcome becomes the request's, and it moves on by itself (D3, D9, D13)."""
    discovery = advance(request.discovery, "complete", by=by)
    if discovery.ending == Ending.NOTHING_NEEDED:
        return request
    _take_over(request, discovery, by)
    if discovery.parts_required:
        request = advance(request, "start_parts_maintenance", by=by)
    return move_on(request, by)


def _take_over(request: Request, discovery: Discovery, by: Actor) -> None:
    """Write the outcome on the request, before and after on record (D3)."""
    changes = {}
    for name, value in (
        ("kind", discovery.outcome_kind),
        ("service", discovery.outcome_service),
        ("provider_group", discovery.outcome_group),
        ("service_level", discovery.service_level),
        ("estimate_hours", discovery.estimate_hours),
    ):
        before = getattr(request, name)
        if before != value:
            changes[name] = [str(before or ""), str(value)]
            setattr(request, name, value)
    if changes:
        request.save(update_fields=[*changes])
    record(request, "take_over_outcome", by=by, changes=changes)


@action("start_parts_maintenance", "Start parts maintenance", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, place="next", order=26, when=COMPLETE)  # fmt: skip
def start_parts_maintenance(request: Request, *, by: Actor) -> Request:
    """Parts are required: have them rated, coded and listed (D11, D12)."""
    return move_on(advance(request, "start_parts_maintenance", by=by), by)
