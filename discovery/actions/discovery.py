"""A discovery from its documentation to its outcome (D1-D7, D10, D11)."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from asd.models import Service, ServiceState
from discovery import forms
from discovery.actions.moving import move_on
from discovery.current import discovery_of, given_of, who_of
from discovery.models import Discovery, Ending, Finding, Need, TeamMember, Verdict, determined
from discovery.stages import (
    ASSEMBLING,
    DOCUMENTING,
    EARLY,
    FINDING,
    LATE,
    OPEN_STAGE,
    PROPOSING,
    nothing_is_needed,
    parts_are_due,
)
from requests_app.files import store
from requests_app.guards import no_charge_nor_new_service
from requests_app.intake import take_in
from requests_app.models import Link, Request
from requests_app.states import Kind, OutOf, S
from requests_app.who import car, team
from workflow import clock
from workflow.action_forms import NothingForm, ReasonForm
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, record
from workflow.machine import Refused
from workflow.registry import action

REQUEST = "requests_app.request"


def write(discovery: Discovery, verb: str, by: Actor, **values: Any) -> None:
    """Write fields of the discovery, before and after on the request's record (X7)."""
    changes = {}
    for name, value in values.items():
        before = getattr(discovery, name)
        if before != value:
            changes[name] = [getattr(before, "pk", before), getattr(value, "pk", value)]
            setattr(discovery, name, value)
    discovery.save(update_fields=list(values))
    record(discovery, verb, by=by, changes=changes)


@action("document", "Document the need", model=REQUEST, at=[S.DISCOVERY], form=forms.DocumentForm,
        who=[car], given=[DOCUMENTING], when=DOCUMENTING, place="next", order=10)  # fmt: skip
def document(request: Request, *, by: Actor, needs: list[str], **documented: Any) -> Discovery:
    """What is asked for lies outside the agreements: written down, the stage ends (D4)."""
    discovery = request.discovery
    write(discovery, "document", by, **documented)
    _list_needs(discovery, needs)
    return advance(discovery, "finish_documenting", by=by)


def _list_needs(discovery: Discovery, lines: list[str]) -> None:
    """The needs as asked for, one a line; what is not named any more was only a prefill (D6)."""
    if not lines:
        return
    discovery.needs.exclude(description__in=lines).delete()
    known = set(discovery.needs.values_list("description", flat=True))
    for line in dict.fromkeys(lines):
        if line not in known:
            Need.objects.create(discovery=discovery, description=line)


@action("add_team_member", "Add to the team", model=REQUEST, at=[S.DISCOVERY],
        form=forms.TeamMemberForm, who=[car], given=[OPEN_STAGE], when=OPEN_STAGE,
        place="discovery", order=11)  # fmt: skip
def add_team_member(request: Request, *, by: Actor, user: Any, role: str) -> TeamMember:
    """Somebody joins the discovery team and is told (D5)."""
    discovery = request.discovery
    member = TeamMember.objects.create(
        discovery=discovery, user=user, role=role, joined_at=clock.now()
    )
    record(
        discovery,
        "add_team_member",
        by=by,
        facts={"member": str(user), "member_id": user.pk},
        tell=("team_invited",),
    )
    return member


@action("remove_team_member", "Remove", model=REQUEST, at=[S.DISCOVERY],
        form=forms.RemoveMemberForm, who=[car], given=[OPEN_STAGE], when=OPEN_STAGE,
        place="discovery", order=12)  # fmt: skip
def remove_team_member(request: Request, *, by: Actor, member: TeamMember) -> None:
    """Somebody leaves the team; that they were on it stays (D5)."""
    member.left_at = clock.now()
    member.save(update_fields=["left_at"])
    record(request, "remove_team_member", by=by, facts={"member": str(member.user)})


@action("start_client_discovery", "Start client discovery", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, who=who_of(Discovery, "start_client_discovery"),
        given=given_of(Discovery, "start_client_discovery", discovery_of), when=ASSEMBLING,
        place="next", order=13)  # fmt: skip
def start_client_discovery(request: Request, *, by: Actor) -> Discovery:
    """The team finds out what the customer wants (D5, D6)."""
    return advance(request.discovery, "start_client_discovery", by=by)


@action("add_finding", "Add a finding", model=REQUEST, at=[S.DISCOVERY], form=forms.FindingForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=14)  # fmt: skip
def add_finding(request: Request, *, by: Actor, attachment: Any = None, **facts: Any) -> Finding:
    """A dated finding: a meeting, a note, a file (D6)."""
    kept = store(request, attachment, by=by) if attachment else None
    author: Any = by.user  # only people find something: the system is not among the who
    finding = Finding.objects.create(
        discovery=request.discovery, author=author, attachment=kept, at=clock.now(), **facts
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
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=16)  # fmt: skip
def judge_need(
    request: Request, *, by: Actor, need: Need, verdict: str, quantity_after: int, why: str
) -> Need:
    """The verdict on a need against the frozen original: as requested, more, less, removed (D7)."""
    before = [need.verdict, need.quantity_after]
    need.verdict, need.why = verdict, why
    need.quantity_after = 0 if verdict == Verdict.REMOVED else quantity_after
    need.save(update_fields=["verdict", "why", "quantity_after"])
    record(
        need.discovery,
        "judge_need",
        by=by,
        reason=why,
        changes={"verdict": [before[0], verdict], "quantity": [before[1], need.quantity_after]},
        facts={"need": need.description},
    )
    return need


@action("split_need", "Split off", model=REQUEST, at=[S.DISCOVERY], form=forms.SplitNeedForm,
        who=[car], given=[LATE], when=LATE, place="discovery", order=17)  # fmt: skip
def split_need(request: Request, *, by: Actor, need: Need, title: str, description: str) -> Request:
    """More than was asked: the need becomes a linked request of its own (D7, X4)."""
    told = f"{need.description}\n\nFound in the discovery of {request.reference}."
    part = take_in(
        by=by,
        agency=request.agency,
        contact=request.contact,
        title=title or need.description[:160],
        description=description or told,
        needed_by=request.needed_by,
        channel=Request.Channel.SPLIT,
        impact=request.impact,
        urgency=request.urgency,
    )
    Link.objects.create(
        source=part, target=request, relation=Link.Relation.SPLIT_FROM, at=clock.now()
    )
    need.split_to = part
    need.save(update_fields=["split_to"])
    facts = {"need": need.description, "to": part.reference}
    record(need.discovery, "split_need", by=by, facts=facts)
    return part


@action("determine", "Determine", model=REQUEST, at=[S.DISCOVERY], form=forms.DetermineForm,
        who=[car, team], given=[FINDING], when=FINDING, place="discovery", order=18)  # fmt: skip
def determine(request: Request, *, by: Actor, determination: str, revised_scope: str) -> Discovery:
    """Whether more or less is needed than was asked, with the revised scope (D7)."""
    discovery = request.discovery
    write(discovery, "determine", by, determination=determination, revised_scope=revised_scope)
    if not determined(discovery):
        raise ValidationError({"revised_scope": "Say what the scope is now."})
    return discovery


@action("revise_request", "Revise the request", model=REQUEST, at=[S.DISCOVERY],
        form=forms.ReviseRequestForm, step="edit", when=LATE, place="discovery",
        order=19)  # fmt: skip
def revise_request(request: Request, *, by: Actor, title: str, description: str) -> Request:
    """The request's words follow the findings; the frozen original is kept beside them (D7)."""
    return advance(request, "edit", by=by, title=title, description=description)


@action("finalise_discovery", "Finalise client discovery", model=REQUEST, at=[S.DISCOVERY],
        form=forms.FinaliseForm, who=who_of(Discovery, "finalise"),
        given=given_of(Discovery, "finalise", discovery_of), when=FINDING, place="next",
        order=20)  # fmt: skip
def finalise_discovery(request: Request, *, by: Actor, confirmed_by: str = "") -> Discovery:
    """Client discovery is final: the proposal can be built (D7, D8)."""
    return advance(request.discovery, "finalise", by=by, confirmed_by=confirmed_by)


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


@action("initiate_service", "Initiate a new ASD service", model=REQUEST, at=[S.DISCOVERY],
        form=forms.InitiateServiceForm, who=[car], given=[LATE], when=LATE, place="discovery",
        order=22)  # fmt: skip
def initiate_service(
    request: Request, *, by: Actor, name: str, description: str, provider_group: Any
) -> Service:
    """The ASD gets the service as proposed, tied to the request; not orderable yet (D10)."""
    nth = request.proposed_services.count() + 1
    service = Service(
        name=name,
        slug=f"{slugify(name)[:95] or 'service'}-{request.pk}-{nth}",
        description=description,
        state=ServiceState.PROPOSED,
        provider_group=provider_group,
        owner=by.person,
        origin_request=request,
        state_since=clock.now(),
    )
    service.save(force_insert=True)
    record(service, "initiate_service", by=by, facts={"service": name})
    return service


@action("parts_question", "Answer the parts question", model=REQUEST, at=[S.DISCOVERY],
        form=forms.PartsQuestionForm, who=[car], given=[LATE], when=LATE, place="discovery",
        order=24)  # fmt: skip
def parts_question(request: Request, *, by: Actor, parts_required: bool, note: str) -> Discovery:
    """Whether new parts and equipment are required; there is no default (D11).

    Changing yes to no cancels the lines that are still open.
    """
    discovery = request.discovery
    write(discovery, "parts_question", by, parts_required=parts_required, parts_note=note)
    if not parts_required:
        why = f"No parts are required after all. {note}".strip()
        for line in request.part_lines.unfinished():
            advance(line, "cancel_line", by=SYSTEM.caused_by(by), reason=why)
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
    write(
        discovery,
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
        form=NothingForm, who=who_of(Discovery, "complete"),
        given=given_of(Discovery, "complete", discovery_of), when=PROPOSING, place="next",
        order=25)  # fmt: skip
def complete_discovery(request: Request, *, by: Actor) -> Request:
    """The outcome becomes the request's, and it moves on by itself (D3, D9, D13).

    After a customer's acceptance the system does it; parts maintenance then waits for the CAR.
    """
    discovery = advance(request.discovery, "complete", by=by)
    if discovery.ending == Ending.NOTHING_NEEDED:
        return request
    if discovery.outcome_kind == Kind.ASSISTANCE and not no_charge_nor_new_service(request):
        raise Refused(no_charge_nor_new_service.sentence)
    _take_over(request, discovery, by)
    if discovery.parts_required and by.kind == "person":
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
            changes[name] = [getattr(before, "pk", before), getattr(value, "pk", value)]
            setattr(request, name, value)
    if changes:
        request.save(update_fields=[*changes])
    record(request, "take_over_outcome", by=by, changes=changes)


@action("start_parts_maintenance", "Start parts maintenance", model=REQUEST, at=[S.DISCOVERY],
        form=NothingForm, place="next", order=26, when=parts_are_due)  # fmt: skip
def start_parts_maintenance(request: Request, *, by: Actor) -> Request:
    """Parts are required: have them rated, coded and listed (D11, D12)."""
    return move_on(advance(request, "start_parts_maintenance", by=by), by)


@action("decline_nothing_needed", "Close it: nothing is needed", model=REQUEST,
        at=[S.DISCOVERY], form=forms.NothingNeededForm, step="decline", when=nothing_is_needed,
        place="next", order=9)  # fmt: skip
def decline_nothing_needed(request: Request, *, by: Actor, reason: str) -> Request:
    """Discovery found that nothing is needed; the customer is told so (D7, X2)."""
    return advance(request, "decline", by=by, reason=reason, outcome=OutOf.NOTHING_NEEDED)
