"""What a step of the request does to its slot and its charge decision, inside the door."""

from typing import Any

from fulfillment import slots
from fulfillment.actions import schedule
from fulfillment.models import ScheduleEntry
from fulfillment.work_models import ChargeDecision
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, consequence

WHY = {
    "unschedule": "Taken off the schedule",
    "put_back": "Put back to await scheduling",
    "return_to_triage": "Returned to triage",
    "queue_assistance": "Goes through the pending queue instead",
    "transfer": "Transferred to another group",
    "decline": "The request was declined",
    "cancel": "The request was cancelled",
    "reopen": "The request was reopened",
    "send_to_discovery": "Sent to discovery",
}


def _entries(request: Request, *states: str) -> list[ScheduleEntry]:
    """Its places on the schedule that are in one of these states."""
    return [entry for entry in request.schedule_entries.all() if entry.state in states]


def _give_back(request: Request, actor: Actor, why: str) -> None:
    for entry in _entries(request, "booked", "suspended", "started"):
        slots.free(entry)
        advance(entry, "release", by=SYSTEM.caused_by(actor), reason=why)


def _releasing(step: str) -> None:
    @consequence(step, order=40)
    def release_slot(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
        """The slot is given back and its hours are free for others (F2, X2)."""
        reason = facts.get("reason", "")
        _give_back(request, actor, f"{WHY[step]}: {reason}" if reason else f"{WHY[step]}.")


for _step in WHY:
    if _step != "send_to_discovery":
        _releasing(_step)


@consequence("send_to_discovery", order=40)
def release_or_keep_slot(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Kept only by explicit choice; a slot already begun waits as booked (F17)."""
    if not facts.get("keep_slot"):
        _give_back(request, actor, f"{WHY['send_to_discovery']}: {facts['reason']}")
        return
    for entry in _entries(request, "started"):
        advance(entry, "keep_entry", by=SYSTEM.caused_by(actor))


@consequence("schedule", order=40)
def keep_estimate(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """The estimate that the lead validated becomes the request's (F2)."""
    if facts.get("estimate_hours"):
        request.estimate_hours = facts["estimate_hours"]


@consequence("hold", order=40)
def suspend_slot(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """A scheduled request that does not keep its slot frees its hours meanwhile (X1)."""
    if request.state != S.SCHEDULED or facts.get("keep_slot", True):
        return
    for entry in _entries(request, "booked"):
        slots.free(entry)
        advance(entry, "suspend", by=SYSTEM.caused_by(actor))


@consequence("resume", order=40)
def rebook_slot(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Back on the next days with room; with none, the lead sees it as waiting for a day (X1).

    Resuming itself never fails for want of a day: the customer's answer may resume it.
    """
    for entry in _entries(request, "suspended"):
        schedule.book_again(entry, actor)


@consequence("pull", order=40)
def start_entry(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Its hours are being worked from now on (F6)."""
    for entry in _entries(request, "booked", "suspended", "started"):
        schedule.refuse_pull_without_slot(entry)
        advance(entry, "start_entry", by=SYSTEM.caused_by(actor))


def _decide(request: Request, actor: Actor, *, charged: bool, basis: str, why: str) -> None:
    """Keep the decision and end the slot: what it was booked for is tested and settled (F10)."""
    ChargeDecision.objects.create(
        request=request,
        pass_number=request.pass_number,
        charged=charged,
        basis=basis,
        reason=why,
        by=actor.user,
        at=clock.now(),
    )
    for entry in _entries(request, "started"):
        advance(entry, "finish_entry", by=SYSTEM.caused_by(actor))


@consequence("forward_to_representative", order=40)
def decide_no_charge(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Not charged, with basis and reason: on record with equal weight (F10, F11)."""
    basis = facts.get("basis") or ChargeDecision.Basis.OTHER
    _decide(request, actor, charged=False, basis=basis, why=facts["no_charge_reason"])


@consequence("open_billing", order=40)
def decide_charge(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Charged: the billing case says what and why (F10, F12)."""
    _decide(
        request, actor, charged=True, basis=ChargeDecision.Basis.CHARGED, why=facts.get("why", "")
    )
