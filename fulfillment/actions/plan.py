"""The work plan and the hours worked: the work list is made of them (F6, F7)."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Max

from fulfillment import accuracy, forms
from fulfillment.work_models import PlanItem, TimeEntry
from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from requests_app.who import member
from workflow import clock
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.machine import Refused, guard
from workflow.registry import action

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
PLANNED = (S.PLANNING, S.IN_FULFILLMENT)
EDITABLE = ("title", "estimate_hours", "assignee", "test_criterion")


def items_of(request: Request) -> Any:
    """The plan of the current pass."""
    return request.plan_items.filter(pass_number=request.pass_number)


def _states_of(request: Request) -> set[str]:
    """The states of its pieces; chosen here, as a page has read them all."""
    pieces = request.plan_items.all()
    return {item.state for item in pieces if item.pass_number == request.pass_number}


@guard("The plan has no item yet.")
def has_items(request: Request) -> bool:
    return bool(_states_of(request))


@guard("No item is open.")
def has_open_items(request: Request) -> bool:
    return PlanItem.State.OPEN in _states_of(request)


@guard("Every item is open.")
def has_settled_items(request: Request) -> bool:
    return bool(_states_of(request) - {PlanItem.State.OPEN})


@action("start_work", "Start work", model=REQUEST, at=[S.PLANNING], place="next",
        order=10)  # fmt: skip
def start_work(request: Request, *, by: Actor) -> Request:
    """Work starts once the plan has items and all are estimated (F6, F9)."""
    return advance(request, "start_work", by=by)


@guard("There is a plan.")
def without_plan(request: Request) -> bool:
    return request.state == S.PLANNING and not _states_of(request)


@action("add_plan_item", "Add to the plan", model=REQUEST, at=PLANNED, form=forms.PlanItemForm,
        who=[member], place="plan", order=20, first_while=without_plan)  # fmt: skip
def add_plan_item(request: Request, *, by: Actor, **facts: Any) -> PlanItem:
    """A piece of the detailed work plan; its estimate shows on the work list at once (F6)."""
    last = items_of(request).aggregate(last=Max("position"))["last"] or 0
    item = PlanItem.objects.create(
        request=request,
        pass_number=request.pass_number,
        position=last + 1,
        **{name: facts.get(name) for name in EDITABLE if name in facts},
    )
    record(
        request,
        "add_plan_item",
        by=by,
        facts={"item": item.title, "estimate_hours": item.estimate_hours},
    )
    return item


@action("edit_plan_item", "Change", model=REQUEST, at=PLANNED, form=forms.EditPlanItemForm,
        who=[member], given=[has_items], place="plan", order=21)  # fmt: skip
def edit_plan_item(
    request: Request, *, by: Actor, item: PlanItem, reason: str = "", **facts: Any
) -> PlanItem:
    """Before and after are kept; once work has begun another estimate needs its reason (F6, X7)."""
    changes = {
        name: [getattr(item, name), facts[name]]
        for name in EDITABLE
        if getattr(item, name) != facts[name]
    }
    if "estimate_hours" in changes and request.state == S.IN_FULFILLMENT and not reason.strip():
        raise ValidationError({"reason": "Say why the estimate changes: work has begun."})
    for name in EDITABLE:
        setattr(item, name, facts[name])
    item.save(update_fields=EDITABLE)
    record(
        request,
        "edit_plan_item",
        by=by,
        reason=reason,
        changes={name: [_plain(a), _plain(b)] for name, (a, b) in changes.items()},
        facts={"item": item.title},
    )
    return item


@action("take_suggested_estimate", "Take the suggested estimate", model=REQUEST,
        at=[S.PLANNING], form=forms.SuggestedItemForm, who=[member], given=[has_open_items],
        place="plan", order=21)  # fmt: skip
def take_suggested_estimate(request: Request, *, by: Actor, item: PlanItem) -> PlanItem:
    """The estimate as similar work turned out, by choice and once for each piece (F6)."""
    found = accuracy.suggestions(request, [item]).get(item.pk)
    if found is None:
        raise Refused("Nothing is suggested for this piece any more.")
    before, item.estimate_hours = item.estimate_hours, found.suggested
    item.save(update_fields=["estimate_hours"])
    record(
        request,
        "take_suggested_estimate",
        by=by,
        reason=str(found),
        changes={"estimate_hours": [before, found.suggested]},
        facts={"item": item.title},
    )
    return item


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | Decimal | None) else str(value)


@action("finish_plan_item", "Done", model=REQUEST, at=[S.IN_FULFILLMENT],
        form=forms.OpenItemForm, who=[member], given=[has_open_items],
        place="plan", order=22)  # fmt: skip
def finish_plan_item(request: Request, *, by: Actor, item: PlanItem) -> PlanItem:
    """One piece is done; testing waits for all of them (F9)."""
    return _settle(request, by, item, PlanItem.State.DONE, "finish_plan_item")


@action("cancel_plan_item", "Drop", model=REQUEST, at=PLANNED, form=forms.CancelItemForm,
        who=[member], given=[has_open_items], place="plan", order=24)  # fmt: skip
def cancel_plan_item(request: Request, *, by: Actor, item: PlanItem, reason: str) -> PlanItem:
    """A piece is not needed after all, with the reason (F9)."""
    return _settle(request, by, item, PlanItem.State.CANCELLED, "cancel_plan_item", reason)


@action("reopen_plan_item", "Reopen", model=REQUEST, at=PLANNED, form=forms.SettledItemForm,
        who=[member], given=[has_settled_items], place="plan", order=23)  # fmt: skip
def reopen_plan_item(request: Request, *, by: Actor, item: PlanItem) -> PlanItem:
    """There is more to do on it (F9)."""
    return _settle(request, by, item, PlanItem.State.OPEN, "reopen_plan_item")


def _settle(
    request: Request, by: Actor, item: PlanItem, state: str, verb: str, reason: str = ""
) -> PlanItem:
    before = item.state
    item.state, item.cancel_reason = state, reason[:300]
    item.done_at = clock.now() if state == PlanItem.State.DONE else None
    item.save(update_fields=["state", "cancel_reason", "done_at"])
    record(
        request,
        verb,
        by=by,
        reason=reason,
        changes={"item_state": [str(before), str(state)]},
        facts={"item": item.title, "estimate_hours": item.estimate_hours},
    )
    return item


def _move(request: Request, by: Actor, item: PlanItem, places: int, verb: str) -> None:
    """Swap with its neighbour; positions are rewritten, so gaps and doubles heal."""
    order = list(items_of(request).order_by("position", "pk"))
    old = order.index(item)
    new = min(max(old + places, 0), len(order) - 1)
    order.insert(new, order.pop(old))
    for position, one in enumerate(order, start=1):
        if one.position != position:
            one.position = position
            one.save(update_fields=["position"])
    record(
        request, verb, by=by, changes={"position": [old + 1, new + 1]}, facts={"item": item.title}
    )


@action("move_plan_item_up", "Up", model=REQUEST, at=PLANNED, form=forms.AnyItemForm,
        who=[member], given=[has_items], place="plan", order=25)  # fmt: skip
def move_plan_item_up(request: Request, *, by: Actor, item: PlanItem) -> None:
    """One place earlier in the plan (F6)."""
    _move(request, by, item, -1, "move_plan_item_up")


@action("move_plan_item_down", "Down", model=REQUEST, at=PLANNED, form=forms.AnyItemForm,
        who=[member], given=[has_items], place="plan", order=26)  # fmt: skip
def move_plan_item_down(request: Request, *, by: Actor, item: PlanItem) -> None:
    """One place later in the plan (F6)."""
    _move(request, by, item, 1, "move_plan_item_down")


@action("log_time", "Log time", model=REQUEST, at=FULFILLMENT, form=forms.TimeForm,
        who=[member], place="plan", order=30)  # fmt: skip
def log_time(
    request: Request,
    *,
    by: Actor,
    hours: Decimal,
    on: date,
    item: PlanItem | None = None,
    note: str = "",
) -> TimeEntry:
    """Hours that the person worked, on a piece of the plan or on the whole (F6, F7)."""
    person: User = by.person  # type: ignore[assignment]
    entry = TimeEntry.objects.create(
        request=request,
        pass_number=request.pass_number,
        item=item,
        user=person,
        on=on,
        hours=hours,
        note=note,
        at=clock.now(),
    )
    record(
        request,
        "log_time",
        by=by,
        facts={"hours": hours, "on": on, "item": item.title if item else "", "note": note},
    )
    return entry
