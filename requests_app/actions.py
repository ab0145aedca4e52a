"""What people do with a request itself. Stage apps add what belongs to their stage."""

from typing import Any

from django.core.exceptions import ValidationError

from requests_app import (
    answers,
    archive,
    at_hand,
    customer_actions,
    forms,
    link_actions,
    mail_actions,
    notice_section,
    similar,
    stale,
    undeliverable,
    unsubscribing,
)
from requests_app.case import add_entry, close_case, reopen_case
from requests_app.files import store
from requests_app.guards import discovery_complete, on_hold
from requests_app.intake import take_in
from requests_app.models import Link, Request, TriageDecision, Watcher
from requests_app.process import BEFORE_BILLING, INTAKE, QUEUED
from requests_app.states import CLOSED_STATES, OPEN, Kind, OutOf, S, State, priority_of
from requests_app.triage import recommend, scope_of, standard_from
from requests_app.who import any_representative, car, member, staff
from workflow import clock
from workflow.acting import owe
from workflow.action_forms import NothingForm, ReasonForm
from workflow.actors import Actor
from workflow.door import advance, consequence, record
from workflow.machine import guard
from workflow.registry import action
from workflow.together import put

REQUEST = "requests_app.request"
__all__ = [
    "archive",
    "at_hand",
    "customer_actions",
    "link_actions",
    "mail_actions",
    "notice_section",
    "similar",
    "stale",
    "undeliverable",
    "unsubscribing",
]


@guard("It goes another way.")
def towards_pending(request: Request) -> bool:
    return request.kind == Kind.ASSISTANCE and _decided(request)


@guard("It goes another way.")
def towards_schedule(request: Request) -> bool:
    return request.kind == Kind.ENHANCEMENT and _decided(request)


def _decided(request: Request) -> bool:
    """In discovery the queue is no choice before the discovery is complete."""
    return request.state != S.DISCOVERY or discovery_complete(request)


@guard("It is represented already.")
def unrepresented(request: Request) -> bool:
    return request.representative_id is None


@action("triage", "Decide triage", model=REQUEST, at=[S.TRIAGE], form=forms.TriageForm,
        who=[car], place="next", order=10)  # fmt: skip
def triage(
    request: Request,
    *,
    by: Actor,
    checklist: dict[str, bool | None],
    service: Any,
    service_known: bool,
    decision: str = "",
    override_reason: str = "",
) -> Request:
    """Keep the facts, the table's recommendation and the decision, and send it on (D2, D15, F16).

    Routing past discovery against the table needs a reason, which is recorded.
    """
    scope = scope_of(request, service)
    standard = standard_from(checklist)
    existing = bool(service) if service_known else None
    current = scope.covered if service else (scope.in_force if service_known else None)
    table = recommend(standard, existing, current)
    decided = decision or table.route
    if decided != table.route and not override_reason.strip():
        raise ValidationError(
            {
                "override_reason": f"The table recommends {table.route}: "
                "say why you decide otherwise."
            }
        )
    if decided in Kind.values and service is None:
        raise ValidationError({"service": "Choose the service: without one it goes to discovery."})
    if decided in Kind.values and service.provider_group_id is None:
        raise ValidationError({"service": f"{service} has no provider group yet."})
    before = list(request.triage_decisions.all())  # type: ignore[attr-defined]
    decision_made = TriageDecision(
        request=request,
        pass_number=request.pass_number,
        checklist=checklist,
        standard=standard,
        existing_service=existing,
        current_customer=current,
        scope_reason=scope.reason,
        recommended=table.route,
        decided=decided,
        override_reason=override_reason if decided != table.route else "",
        by=by.person,
        at=clock.now(),
    )
    _keep_decision(request, by, decided, service, override_reason)
    owe(decision_made)
    put(request, "triage_decisions", [*before, decision_made])
    return _route(request, by, decided, override_reason or table.why)


def _keep_decision(request: Request, by: Actor, decided: str, service: Any, why: str) -> None:
    """Write what triage decided on the request, before and after on record."""
    kind = decided if decided in Kind.values else ""
    group = request.provider_group
    if service and service.provider_group_id != request.provider_group_id:
        group = service.provider_group
    changes = {
        "kind": [request.kind, kind],
        "service": [str(request.service or ""), str(service or "")],
        "provider_group": [str(request.provider_group or ""), str(group or "")],
    }
    record(
        request,
        "triage",
        by=by,
        reason=why,
        sets={"kind": kind, "service": service, "provider_group": group},
        changes={k: v for k, v in changes.items() if v[0] != v[1]},
        facts={"decided": decided},
    )


def _route(request: Request, by: Actor, decided: str, why: str) -> Request:
    if decided == Kind.ASSISTANCE:
        return advance(request, "queue_assistance", by=by)
    if decided == Kind.ENHANCEMENT:
        return advance(request, "await_scheduling", by=by)
    if decided == "discovery":
        return advance(request, "send_to_discovery", by=by, reason=why)
    return request


@action("send_to_discovery", "Send to discovery", model=REQUEST, at=BEFORE_BILLING,
        form=forms.DiscoverForm, order=60)  # fmt: skip
def send_to_discovery(request: Request, *, by: Actor, reason: str, **keep: bool) -> Request:
    """What is needed is not known, or not covered: find out first (D1, D2, F17)."""
    return advance(request, "send_to_discovery", by=by, reason=reason, **keep)


@consequence("send_to_discovery", order=10)
def release_specialist(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """The assignment is kept only by explicit choice (F17)."""
    if not facts.get("keep_specialist"):
        request.specialist = None
        request.assigned_at = None


@action("queue_assistance", "Send to the pending queue", model=REQUEST, at=INTAKE,
        place="next", order=20, when=towards_pending)  # fmt: skip
def queue_assistance(request: Request, *, by: Actor) -> Request:
    """Into the group's CRM Pending Queue (D13, F2)."""
    return advance(request, "queue_assistance", by=by)


@action("await_scheduling", "Send to scheduling", model=REQUEST, at=INTAKE,
        place="next", order=21, when=towards_schedule)  # fmt: skip
def await_scheduling(request: Request, *, by: Actor) -> Request:
    """Into the intake of the group's 60-day schedule (D13, F2)."""
    return advance(request, "await_scheduling", by=by)


@action("return_to_triage", "Return to triage", model=REQUEST, at=QUEUED,
        form=forms.ReturnForm, order=61)  # fmt: skip
def return_to_triage(request: Request, *, by: Actor, reason: str, why: str) -> Request:
    """Wrong kind, wrong group, or not a request: triage decides again (F16)."""
    return advance(request, "return_to_triage", by=by, reason=reason, why=why)


@action("decline", "Decline", model=REQUEST, at=INTAKE, form=forms.DeclineForm,
        order=90, danger=True)  # fmt: skip
def decline(
    request: Request,
    *,
    by: Actor,
    reason: str,
    outcome: str,
    link: str = "",
    other: Request | None = None,
) -> Request:
    """End it without fulfillment, with a reason code and, where one belongs, a link (D9, X2)."""
    fresh = advance(request, "decline", by=by, reason=reason, outcome=outcome, link=link)
    if link:
        Link.objects.get_or_create(
            source=fresh,
            target=other,
            external="" if other else link,
            relation=Link.Relation.DUPLICATES
            if outcome == OutOf.DUPLICATE
            else Link.Relation.RELATED,
        )
    return fresh


@action("cancel", "Cancel", model=REQUEST, at=OPEN, form=ReasonForm, order=95, danger=True)
def cancel(request: Request, *, by: Actor, reason: str) -> Request:
    """Withdrawn by the customer or by us; every booking is undone (X2)."""
    return advance(request, "cancel", by=by, reason=reason)


@consequence("fulfill", "notify_and_close", "decline", "cancel", order=90)
def close_its_case(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Case updated, closed, customer told: all or nothing (F8)."""
    text = facts.get("resolution") or facts.get("message")
    if text:
        add_entry(request, text, by=actor, public=True)
    close_case(request)


@action("reopen", "Reopen", model=REQUEST, at=CLOSED_STATES, form=ReasonForm, order=30)
def reopen(request: Request, *, by: Actor, reason: str) -> Request:
    """Not solved after all: the next pass begins in triage (X3)."""
    return advance(request, "reopen", by=by, reason=reason)


@consequence("reopen", order=10)
def begin_next_pass(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Guards read the records of the current pass only; charges of earlier ones stand (X3)."""
    request.pass_number += 1
    request.kind = ""
    request.charge_expected = None
    reopen_case(request)


@action("notify_and_close", "Notify the customer and close", model=REQUEST,
        at=[S.CUSTOMER_NOTICE], form=forms.NoticeForm, place="next", order=10)  # fmt: skip
def notify_and_close(request: Request, *, by: Actor, message: str) -> Request:
    """The customer is told that the Request for Change is fulfilled; it closes (F11, F15)."""
    return advance(request, "notify_and_close", by=by, message=message)


@action("hold", "Put on hold", model=REQUEST, at=OPEN, form=forms.HoldForm, order=70)
def hold(
    request: Request, *, by: Actor, reason: str, review_on: Any, waiting_for: str, **keep: bool
) -> Request:
    """The clock stops until somebody looks again (X1)."""
    return advance(
        request,
        "hold",
        by=by,
        reason=reason,
        hold_reason=reason,
        review_on=review_on,
        waiting_for=waiting_for,
        **keep,
    )


@guard("It is on hold for another reason: resume it first.")
def can_ask(request: Request) -> bool:
    return not request.is_on_hold or answers.waits_for_customer(request)


@action("ask_customer", "Ask the customer", model=REQUEST, at=OPEN, form=forms.AskForm,
        who=[car, member], given=[can_ask], order=41, on_hold=True)  # fmt: skip
def ask_customer(request: Request, *, by: Actor, question: str, review_on: Any = None) -> Request:
    """A question on the case; the request waits for the answer with its clock stopped (X1, X6).

    While it waits already, the question joins those that were asked before.
    """
    answers.ask(request, by=by, question=question)
    if request.is_on_hold:
        return request
    why = f"Waiting for the customer's answer: {question[:200]}"
    return advance(
        request,
        "hold",
        by=by,
        reason=why,
        hold_reason=why,
        review_on=review_on,
        waiting_for=Request.WaitingFor.CUSTOMER,
        keep_slot=True,
        asked=True,
    )


@action("resume", "Resume", model=REQUEST, at=OPEN, place="next", order=5, when=on_hold)
def resume(request: Request, *, by: Actor) -> Request:
    """The clock runs again (X1)."""
    return advance(request, "resume", by=by)


@action("transfer", "Transfer to another group", model=REQUEST,
        at=[S.PENDING, S.AWAITING_SCHEDULING], form=forms.TransferForm, order=62)  # fmt: skip
def transfer(request: Request, *, by: Actor, provider_group: Any, reason: str) -> Request:
    """From group to group without going back to triage (X5)."""
    return advance(request, "transfer", by=by, reason=reason, provider_group=provider_group)


@action("reassign_representative", "Reassign representative", model=REQUEST, at=OPEN,
        form=forms.RepresentativeForm, order=80)  # fmt: skip
def reassign_representative(
    request: Request, *, by: Actor, representative: Any, reason: str = ""
) -> Request:
    """Another representative takes over (X5)."""
    return advance(
        request, "reassign_representative", by=by, reason=reason, representative=representative
    )


@action("claim", "Claim", model=REQUEST, at=OPEN, form=NothingForm, who=[any_representative],
        given=[unrepresented], when=unrepresented, place="next", order=4)  # fmt: skip
def claim(request: Request, *, by: Actor) -> Request:
    """A representative takes on a request that nobody represents (X5)."""
    return advance(request, "reassign_representative", by=by, representative=by.person)


@action("change_priority", "Change priority", model=REQUEST, at=OPEN,
        form=forms.PriorityForm, order=50)  # fmt: skip
def change_priority(
    request: Request, *, by: Actor, impact: int, urgency: int, reason: str = ""
) -> Request:
    """Impact and urgency give the priority (X8)."""
    return advance(
        request,
        "change_priority",
        by=by,
        reason=reason,
        impact=impact,
        urgency=urgency,
        priority=priority_of(impact, urgency),
    )


@action("edit", "Edit", model=REQUEST, at=OPEN, form=forms.EditForm, order=51)
def edit(request: Request, *, by: Actor, **words: Any) -> Request:
    """Title, description, needed-by and contact; before and after are kept (X7)."""
    return advance(request, "edit", by=by, **words)


@action("comment", "Add an update", model=REQUEST, at=State, form=forms.CommentForm,
        who=[staff], place="case", order=40, on_hold=True)  # fmt: skip
def comment(request: Request, *, by: Actor, text: str, public: bool, files: list[Any]) -> Any:
    """An update on the case, internal unless said otherwise; public ones are mailed (X6)."""
    entry = add_entry(request, text, by=by, public=public, files=files)
    record(
        request,
        "comment",
        by=by,
        facts={"public": public, "message": text if public else "", "files": len(files)},
        tell=("comment",) if public else (),
        public=public,
    )
    return entry


@action("upload_file", "Attach files", model=REQUEST, at=OPEN, form=forms.UploadForm,
        who=[staff], place="case", order=42, on_hold=True)  # fmt: skip
def upload_file(request: Request, *, by: Actor, files: list[Any], public: bool) -> None:
    """Files for the case: internal unless the customer may read them (D9)."""
    stored = [store(request, upload, by=by, public=public) for upload in files]
    record(request, "upload_file", by=by, facts={"files": [a.name for a in stored]}, public=public)


@action("withdraw_file", "Withdraw", model=REQUEST, at=OPEN, form=forms.WithdrawFileForm,
        who=[car], place="case", order=43, on_hold=True)  # fmt: skip
def withdraw_file(request: Request, *, by: Actor, attachment: Any, reason: str) -> None:
    """The file is no longer shown or given out; its name and the reason stay (X7)."""
    attachment.withdrawn_at = clock.now()
    attachment.withdrawn_reason = reason[:300]
    attachment.save(update_fields=["withdrawn_at", "withdrawn_reason"])
    record(request, "withdraw_file", by=by, reason=reason, facts={"file": attachment.name})


@action("add_watcher", "Add a watcher", model=REQUEST, at=OPEN, form=forms.AddWatcherForm,
        who=[staff], place="people", order=81, on_hold=True)  # fmt: skip
def add_watcher(request: Request, *, by: Actor, contact: Any, user: Any) -> None:
    """Somebody else is told as well (X9)."""
    Watcher.objects.get_or_create(request=request, contact=contact, user=user)
    record(request, "add_watcher", by=by, facts={"watcher": str(contact or user)})


@action("remove_watcher", "Remove", model=REQUEST, at=OPEN, form=forms.RemoveWatcherForm,
        who=[staff], place="people", order=82, on_hold=True)  # fmt: skip
def remove_watcher(request: Request, *, by: Actor, watcher: Watcher) -> None:
    """Somebody is no longer told (X9)."""
    customer_actions.drop(request, watcher, by=by, name="remove_watcher")


@action("link", "Link to another request", model=REQUEST, at=State, form=forms.LinkForm,
        who=[staff], order=83, on_hold=True)  # fmt: skip
def link(request: Request, *, by: Actor, relation: str, other: Request) -> None:
    """How two requests belong together (X4)."""
    Link.objects.get_or_create(source=request, target=other, relation=relation)
    record(request, "link", by=by, facts={"relation": relation, "other": other.reference})


@action("unlink", "Take away", model=REQUEST, at=OPEN, form=forms.UnlinkForm,
        who=[staff], place="related", order=83, on_hold=True)  # fmt: skip
def unlink(request: Request, *, by: Actor, link: Link) -> None:
    """A link that was made by mistake, or is over, no longer stands (X4)."""
    facts = {"relation": link.relation, "other": str(link.target or link.external)}
    link.delete()
    record(request, "unlink", by=by, facts=facts)


@action("split", "Split off a request", model=REQUEST, at=OPEN, form=forms.SplitForm,
        who=[car], order=84)  # fmt: skip
def split(
    request: Request, *, by: Actor, title: str, description: str, service: Any = None
) -> Request:
    """A part of the request becomes a linked one of its own, in triage (X4, D7)."""
    part = take_in(
        by=by,
        agency=request.agency,
        contact=request.contact,
        title=title,
        description=description,
        service=service,
        needed_by=request.needed_by,
        impact=request.impact,
        urgency=request.urgency,
        channel=Request.Channel.SPLIT,
    )
    Link.objects.create(source=part, target=request, relation=Link.Relation.SPLIT_FROM)
    record(request, "split", by=by, facts={"other": part.reference})
    return part
