"""Placing one request on its next free days, and planning a whole group anew (F2)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from fulfillment import capacity, placement, replan, slot_forms, slots
from fulfillment.actions.schedule import keeps_slot, schedule
from fulfillment.models import ProviderGroup
from fulfillment.placement_check import faults
from fulfillment.replan_models import LEASE, Replan, ReplanState
from requests_app.models import Request
from requests_app.states import S
from requests_app.who import lead
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM, Actor, as_actor
from workflow.door import advance, record
from workflow.machine import Refused, guard
from workflow.registry import action

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
LOST = "The worker that was planning has stopped. Nothing was changed: plan anew."
BUSY = "A plan for this group is being made or waits to be looked at."


@guard("It keeps its slot: confirm it, or give it back first.")
def has_no_slot(request: Request) -> bool:
    return not keeps_slot(request)


# one request


@action("place", "Place on the next free days", model=REQUEST, at=[S.AWAITING_SCHEDULING],
        form=slot_forms.PlaceForm, step="schedule", given=[has_no_slot], when=has_no_slot,
        place="next", order=11)  # fmt: skip
def place(request: Request, *, by: Actor, hours: Decimal, charge_expected: bool) -> Request:
    """The days on which it is finished soonest, without moving anybody else (F2)."""
    group: Any = request.provider_group
    slices = next_free(request, group, int(hours * 60))
    return schedule(
        request,
        by=by,
        day=slices[0][0],
        hours=hours,
        split=list(slices),
        charge_expected=charge_expected,
    )


@action("set_estimate", "Set the estimate", model=REQUEST, at=[S.AWAITING_SCHEDULING],
        form=slot_forms.EstimateForm, who=[lead], place="more", order=49)  # fmt: skip
def set_estimate(request: Request, *, by: Actor, hours: Decimal) -> None:
    """The lead says what it will take before it has a slot, so that it can be planned (F2)."""
    before = request.estimate_hours
    request.estimate_hours = hours
    request.save(update_fields=["estimate_hours"])
    record(request, "set_estimate", by=by, changes={"estimate_hours": [before, hours]})


def next_free(request: Request, group: ProviderGroup, minutes: int) -> placement.Slices:
    """The days on which it would be finished soonest, the days locked. Raises ValidationError."""
    bars = slots.bars(request)
    first, unknown = replan.after_needs(request)
    if unknown:
        raise ValidationError(unknown)
    start = max([clock.today(), *(day for day, _ in bars), *([first] if first else [])])
    last = capacity.window_end()
    if start > last:
        why = next((said for day, said in bars if day > last), "")
        said = f"It cannot begin before {capacity.in_words(start)}: {why or 'beyond the window.'}"
        raise ValidationError({"hours": said})
    free = {row.day: row.free for row in capacity.lock_days(group, start, last)}
    job = placement.Job(key=request.pk, minutes=minutes, not_before=start)
    slices = placement.soonest(sorted(free), free, job, start)
    if slices is None:
        raise ValidationError(
            {
                "hours": f"{capacity.hours_in_words(minutes)} do not fit: "
                f"{capacity.hours_in_words(sum(free.values()))} are free from "
                f"{capacity.in_words(start)} to {capacity.in_words(last)}. "
                "Plan the group anew, or book fewer hours."
            }
        )
    return slices


# the group


def ask(
    group: ProviderGroup, *, by: "User | Actor", for_days: Sequence[date] = (), anew: bool = False
) -> Replan:
    """Ask for a plan; a worker makes it. One open plan per group (F2).

    `anew` gives up the one that is open. Raises PermissionDenied or Refused.
    """
    actor = as_actor(by)
    wanted = Replan(
        group=group,
        asked_by=actor.person,
        asked_at=clock.now(),
        state_since=clock.now(),
        for_days=[day.isoformat() for day in for_days],
    )
    if actor.person is None or not lead.allows(wanted, actor):
        raise PermissionDenied
    give_up_lost(group)
    try:
        with transaction.atomic():
            if anew:
                for other in Replan.objects.open().filter(group=group):
                    advance(other, "discard", by=actor)
            wanted.save(force_insert=True)
            record(wanted, "ask_for_plan", by=actor, facts={"for_days": wanted.for_days})
    except IntegrityError:
        raise Refused(BUSY, code="busy") from None
    return wanted


def give_up_lost(group: ProviderGroup | None = None) -> int:
    """Fail the plans whose worker has died; says how many (F2)."""
    rows = Replan.objects.lost()
    count = 0
    for lost in rows.filter(group=group) if group is not None else rows:
        try:
            advance(lost, "fail", by=SYSTEM, error=LOST)
        except Refused:
            continue  # it ended at this very moment
        count += 1
    return count


def make(pk: int) -> bool:
    """Make a plan that was asked for: claim, read, plan, check, keep. For a worker (F2).

    Twice delivered is made once. If the worker dies, the lease runs out and the plan fails.
    """
    try:
        row = advance(
            Replan.objects.get(pk=pk), "begin", by=SYSTEM, lease_until=clock.now() + LEASE
        )
    except (Replan.DoesNotExist, Refused):
        return False
    try:
        _make(row)
    except Refused:
        return False  # given up meanwhile
    except Exception as error:
        advance(row, "fail", by=SYSTEM, error=f"Planning failed: {type(error).__name__}.")
        raise
    return True


def _make(row: Replan) -> None:
    _stage(row, "Reading the schedule")
    reading = replan.read(row.group, only_booked=bool(row.for_days))
    _stage(row, f"Planning {len(reading.problem.jobs)} requests")
    seconds = float(settings.THROUGHLINE["REPLAN_SECONDS"])
    found = placement.plan(reading.problem, seconds=seconds)
    wrong = faults(reading.problem, found.placed)
    if wrong:
        advance(row, "fail", by=SYSTEM, error=f"The plan is not sound: {wrong[0]}")
        return
    before = placement.cost(reading.problem, placement.as_it_stands(reading.problem))
    with transaction.atomic():
        Replan.objects.filter(pk=row.pk).update(
            snapshot=reading.snapshot(),
            result={
                "rows": replan.rows(reading, found.placed),
                "days": replan.days(reading, found.placed),
                "left_out": [[r.pk, r.reference, why] for r, why in reading.left_out],
                "planned": len(reading.problem.jobs),
                "late": replan.late_days(reading, found.placed),
            },
        )
        advance(
            row,
            "finish",
            by=SYSTEM,
            made_by=found.made_by,
            why=found.why[:200],
            cost_before=before,
            cost_after=found.cost,
            bound=found.bound,
            seconds=round(found.seconds, 1),
        )


def _stage(row: Replan, words: str) -> None:
    """Say how far it is, and that the worker is alive."""
    Replan.objects.filter(pk=row.pk).update(stage=words, lease_until=clock.now() + LEASE)


def apply_plan(row: Replan, *, by: "User | Actor", charges: Mapping[int, bool]) -> int:
    """Book everything in the plan, all or nothing; says how many requests got other days (F2).

    `charges` says for requests placed for the first time whether a charge is expected; those
    without an answer keep waiting. Raises PermissionDenied, or Refused with what is in the way:
    if anything it rests on has changed, the plan is out of date from then on.
    """
    actor = as_actor(by)
    try:
        with transaction.atomic():
            return _apply(row, actor, charges)
    except Refused as refused:
        if refused.code == "stale":
            said = " ".join(refused.sentences)[:400]
            advance(row, "outdate", by=SYSTEM.caused_by(actor), error=said)
        raise


def _apply(row: Replan, actor: Actor, charges: Mapping[int, bool]) -> int:
    fresh = lock(row)
    if not lead.allows(fresh, actor):
        raise PermissionDenied
    if fresh.state != ReplanState.READY:
        raise Refused(f"Not possible any more: the plan is {fresh.whereabouts()}.")
    group, planned = fresh.group, fresh.result["rows"]
    locked_requests([r["pk"] for r in planned])
    capacity.lock_days(group, clock.today(), capacity.window_end())
    reading = replan.read(group, only_booked=bool(fresh.for_days))
    changed = reading.changed_since(fresh.snapshot)
    if changed:
        raise Refused(f"{changed} The plan does not fit any more: plan anew.", code="stale")
    _refuse_unsound(reading, planned)
    count = _move(reading, group, planned, actor) + _place_new(reading, planned, charges, actor)
    advance(fresh, "apply_plan", by=actor)
    return count


def locked_requests(pks: Sequence[int]) -> None:
    """The requests of a plan, locked before the days are, as every booking does."""
    list(Request.objects.filter(pk__in=pks).order_by("pk").select_for_update(of=("self",)))


def _refuse_unsound(reading: replan.Reading, planned: list[Any]) -> None:
    """The same check as when it was made, over what is in the row now."""
    placed = placement.as_it_stands(reading.problem)
    for row in planned:
        placed.pop(row["pk"], None)
        if row["after"]:
            placed[row["pk"]] = replan.slices_from(row["after"])
    wrong = faults(reading.problem, placed)
    if wrong:
        raise Refused(f"The plan is not sound: {wrong[0]} Plan anew.", code="stale")


def _move(reading: replan.Reading, group: ProviderGroup, planned: list[Any], by: Actor) -> int:
    moves: dict[Any, slots.Wanted] = {}
    for row in planned:
        if row["new"] or not row["after"]:
            continue
        entry = reading.candidates[row["pk"]].entry
        if entry is not None:
            days = replan.slices_from(row["after"])
            moves[entry] = capacity.Wish(days[0][0], entry.minutes, entry.most_per_day, days)
    if moves:
        slots.rebook(group, moves, by=by, name="replan", reason="Planned anew for the whole group.")
    return len(moves)


def _place_new(
    reading: replan.Reading, planned: list[Any], charges: Mapping[int, bool], by: Actor
) -> int:
    placed = 0
    for row in planned:
        if not row["new"] or not row["after"] or row["pk"] not in charges:
            continue
        request = reading.candidates[row["pk"]].req
        days = replan.slices_from(row["after"])
        wish = capacity.Wish.exactly(days)
        slots.place(request, by=by, wish=wish)
        try:
            advance(
                request,
                "schedule",
                by=by,
                charge_expected=charges[row["pk"]],
                day=wish.day,
                hours=Decimal(wish.minutes) / 60,
            )
        except (Refused, ValidationError) as refused:
            said = getattr(refused, "sentences", None) or getattr(refused, "messages", [])
            raise Refused(f"{row['ref']}: {' '.join(said)}") from refused
        placed += 1
    return placed
