"""What is done to a booked slot: move, swap, fix, undo; and from when at the earliest (F2)."""

from datetime import date
from decimal import Decimal

from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from fulfillment import capacity, slot_forms, slots
from fulfillment.actions.schedule import wish_of
from fulfillment.models import ScheduleEntry
from requests_app.models import Request
from requests_app.states import S
from requests_app.who import car, lead
from workflow.actors import Actor
from workflow.door import record
from workflow.machine import Refused, guard
from workflow.models import Event
from workflow.registry import action
from workflow.together import read_with

REQUEST = "requests_app.request"
MOVES = ("reschedule", "swap_slot", "undo_move", "replan")
UNKNOWN = "There is no move here that could be undone."


def _booked(request: Request) -> ScheduleEntry | None:
    movable = [one for one in request.schedule_entries.all() if one.state in slots.MOVABLE]
    return movable[0] if movable else None


@guard("It has no slot that could be moved.")
def has_movable_slot(request: Request) -> bool:
    return _booked(request) is not None


@guard("Its slot is fixed: let it move again first.")
def slot_not_fixed(request: Request) -> bool:
    entries = request.schedule_entries.all()
    return not any(entry.is_fixed and entry.state in slots.MOVABLE for entry in entries)


@guard("Its slot is not fixed.")
def slot_fixed(request: Request) -> bool:
    return not slot_not_fixed(request)


@guard(UNKNOWN)
def was_moved(request: Request) -> bool:
    return last_move(request) is not None


@guard("The last move cannot be undone any more: something changed there since.")
def can_be_undone(request: Request) -> bool:
    move = last_move(request)
    return move is not None and not why_not_undone(move)


@action("reschedule", "Move to another day", model=REQUEST, at=[S.SCHEDULED],
        form=slot_forms.RescheduleForm, who=[lead], given=[has_movable_slot, slot_not_fixed],
        place="more", order=51)  # fmt: skip
def reschedule(
    request: Request,
    *,
    by: Actor,
    day: date,
    hours: Decimal,
    per_day: Decimal | None = None,
    split: list[capacity.Slice] | None = None,
    reason: str = "",
    seen: str = "",
) -> ScheduleEntry:
    """Another day or other hours, with the customer told the new date (F2)."""
    entry = request.schedule_entries.active().get()
    if seen and seen != version(entry):
        raise Refused(
            f"Somebody moved it meanwhile: it begins on {capacity.in_words(entry.first_day)} now, "
            f"with {capacity.hours_in_words(entry.minutes)}. What you typed is still here.",
            code="stale",
        )
    wish = wish_of(day, hours, per_day, split)
    [moved] = slots.rebook(entry.group, {entry: wish}, by=by, reason=reason)
    return moved


def version(entry: ScheduleEntry) -> str:
    """What a page carries along to notice that somebody else changed the slot meanwhile."""
    return f"{entry.pk}.{entry.sequence}"


@action("swap_slot", "Swap with another", model=REQUEST, at=[S.SCHEDULED],
        form=slot_forms.SwapForm, who=[lead], given=[has_movable_slot, slot_not_fixed],
        place="more", order=52)  # fmt: skip
def swap_slot(request: Request, *, by: Actor, other: str, reason: str = "") -> list[ScheduleEntry]:
    """Each begins where the other began; both move or neither (F2)."""
    partner = _partner(request, other)
    mine, theirs = request.schedule_entries.active().get(), partner.schedule_entries.active().get()
    wishes = {
        mine: capacity.Wish(theirs.first_day, mine.minutes, mine.most_per_day),
        theirs: capacity.Wish(mine.first_day, theirs.minutes, theirs.most_per_day),
    }
    in_order = dict(sorted(wishes.items(), key=lambda pair: pair[1].day))
    return slots.rebook(mine.group, in_order, by=by, reason=reason, name="swap_slot")


def _partner(request: Request, reference: str) -> Request:
    """The other request, locked without waiting: two who swap across each other never block."""
    found = (
        Request.objects.filter(reference=reference, provider_group=request.provider_group)
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if found is None:
        raise Refused(f"Somebody is changing {reference} at this moment: try again.")
    if not found.schedule_entries.filter(state__in=slots.MOVABLE).exists():
        raise Refused(f"{reference} is {found.whereabouts()}: it has no slot to swap with.")
    return found


@action("fix_slot", "Fix its slot", model=REQUEST, at=[S.SCHEDULED], who=[lead],
        given=[has_movable_slot], when=slot_not_fixed, place="more", order=53)  # fmt: skip
def fix_slot(request: Request, *, by: Actor) -> None:
    """It stays where it is, whatever is planned around it (F2)."""
    _fix(request, by, fixed=True)


@action("unfix_slot", "Let its slot move again", model=REQUEST, at=[S.SCHEDULED], who=[lead],
        given=[has_movable_slot], when=slot_fixed, place="more", order=53)  # fmt: skip
def unfix_slot(request: Request, *, by: Actor) -> None:
    """Moves and plans may change it again (F2)."""
    _fix(request, by, fixed=False)


def _fix(request: Request, by: Actor, *, fixed: bool) -> None:
    entry = request.schedule_entries.filter(state__in=slots.MOVABLE).get()
    entry.is_fixed = fixed
    slots.touch(entry)
    entry.save(update_fields=["is_fixed", "sequence", "changed_at"])
    name = "fix_slot" if fixed else "unfix_slot"
    record(request, name, by=by, changes={"is_fixed": [not fixed, fixed]})


def last_move(request: Request, number: int | None = None) -> Event | None:
    """The latest move of a request, or the one of this number in its history."""
    read = read_with(request, "slot_moves")
    if read is not None:
        return next((event for event in reversed(read) if number in (None, event.number)), None)
    moves = moves_of_slot(ContentType.objects.get_for_model(request).pk, request.pk)
    if number is not None:
        moves = moves.filter(number=number)
    return moves.last()


def moves_of_slot(content_type: int, pk: int) -> QuerySet[Event]:
    """The moves of a request's slot, in order."""
    events = Event.objects.filter(stream_type=content_type, stream_id=pk)
    return events.filter(name__in=MOVES, facts__has_key="move").order_by("number")


def why_not_undone(move: Event) -> str:
    """Why a move cannot be undone any more; empty where it can (F2)."""
    moved = [event.facts["move"] for event in slots.moves_of(move)]
    entries = ScheduleEntry.objects.select_related("request").in_bulk([f["entry"] for f in moved])
    for facts in moved:
        entry = entries[facts["entry"]]
        ref = entry.request.reference
        if entry.state != "booked" or entry.request.state != S.SCHEDULED:
            return f"It cannot be undone any more: {ref} is {entry.request.whereabouts()}."
        if entry.sequence != facts["sequence"]:
            return f"It cannot be undone any more: {ref} was changed again since."
        if not facts["before"]:
            return f"It cannot be undone: {ref} had no days before."
    return ""


@action("undo_move", "Undo the last move", model=REQUEST, at=[S.SCHEDULED],
        form=slot_forms.UndoForm, who=[lead], given=[can_be_undone], when=was_moved,
        order=54)  # fmt: skip
def undo_move(request: Request, *, by: Actor, event: int | None = None) -> list[ScheduleEntry]:
    """Back to the days before, with everything that was moved along; itself on record (F2, X7)."""
    move = last_move(request, event)
    if move is None:
        raise Refused(UNKNOWN)
    refused = why_not_undone(move)
    if refused:
        raise Refused(refused)
    together = slots.moves_of(move)
    others = {e.stream_id for e in together} - {request.pk}
    rows = Request.objects.filter(pk__in=others).select_for_update(skip_locked=True, of=("self",))
    if len(rows) != len(others):
        raise Refused("Somebody is changing one of them at this moment: try again.")
    entry = _booked(request)
    if entry is None:
        raise Refused(UNKNOWN)
    return slots.restore(entry.group, together, by=by)


@action("set_earliest", "Set the earliest date", model=REQUEST,
        at=[S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE, S.AWAITING_SCHEDULING, S.SCHEDULED],
        form=slot_forms.EarliestForm, who=[car, lead], place="more", order=60)  # fmt: skip
def set_earliest(
    request: Request, *, by: Actor, earliest_on: date | None = None, reason: str = ""
) -> None:
    """Not to be begun before a day, as agreed with the customer; empty lifts it (F2)."""
    before = request.earliest_on
    request.earliest_on = earliest_on
    request.save(update_fields=["earliest_on"])
    record(
        request,
        "set_earliest",
        by=by,
        reason=reason,
        changes={"earliest_on": [before, earliest_on]},
    )
