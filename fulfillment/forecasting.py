"""Keeps the forecasts of open requests fresh: reads the history, reckons, notes why one moved.

`Forecast` and `ForecastTold` are written here only. A run is bounded and takes one group after
the other; it never runs in the transaction of a person's action.
"""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, F, Max, OuterRef, Q, Subquery

from fulfillment import forecast_history
from fulfillment.calibration import Advice, Fates
from fulfillment.forecast import Open, View
from fulfillment.forecast_history import HOLD, STEP, STEPS, date_of, planned
from fulfillment.forecast_models import Forecast, ForecastTold, Moved
from fulfillment.models import ScheduleEntry
from fulfillment.replay import replay
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.models import Event

AT_ONCE = 400
OF_GROUP, OF_ALL = 1500, 2500
REPLAY_DAYS, REPLAY_CASES = 40, 40
MOVED_DAYS = 2
SAYS: dict[str, str] = {
    "hold": Moved.HELD,
    "resume": Moved.RESUMED,
    "schedule": Moved.SLOT,
    "reschedule": Moved.RESCHEDULED,
    "unschedule": Moved.UNSCHEDULED,
    "put_back": Moved.UNSCHEDULED,
    "send_to_discovery": Moved.DISCOVERY,
    "start_parts_maintenance": Moved.PARTS,
    "fail_test": Moved.TEST,
    "transfer": Moved.GROUP,
    "unassign": Moved.BACK,
    "return_to_triage": Moved.BACK,
    "return_billing": Moved.BACK,
    "change_priority": Moved.PRIORITY,
}
_kept: dict[Any, dict[int, Advice]] = {}


def stale() -> Any:
    """Open requests without a forecast, or with one from before a change or before today."""
    own = ContentType.objects.get_for_model(Request)
    changed = Event.objects.filter(
        stream_type=own,
        stream_id=OuterRef("pk"),
        subject_type=own,
        at__gt=OuterRef("forecast__computed_at"),
        at__lte=clock.now(),
    ).filter(~Q(source=F("target")) | Q(name__in=SAYS))
    old = clock.now() - timedelta(days=1)
    return (
        Request.objects.open()
        .filter(Q(forecast__isnull=True) | Q(forecast__computed_at__lt=old) | Q(Exists(changed)))
        .order_by(F("forecast__computed_at").asc(nulls_first=True), "pk")
    )


def refresh(at_once: int = AT_ONCE) -> int:
    """Forecast what is stale, at most so many, the oldest first; returns how many were."""
    _note_ends()
    due: dict[int | None, list[int]] = {}
    for pk, group in stale().values_list("pk", "provider_group_id")[:at_once]:
        due.setdefault(group, []).append(pk)
    return sum(refresh_group(group, pks) for group, pks in due.items())


def refresh_group(group: int | None, pks: list[int]) -> int:
    """Forecast these open requests of one group from its history and the organisation's."""
    now = clock.now()
    visits = forecast_history.read(_history(group, pks))
    history = visits.history()
    view = View(history, forecast_history.days(now))
    here = {visits.whose[one.case]: one for one in view.open_cases()}
    advice = _advice(group, visits.groups, view, history, now)
    bounds = _bounds(pks)
    requests = Request.objects.filter(pk__in=pks).select_related("forecast").order_by("pk")
    found, told = [], []
    for request in requests:
        one = here.get(request.pk)
        if one is None:
            continue
        new = _reckon(request, view, _bounded(one, bounds.get(request.pk, {})), advice)
        new["computed_at"] = now
        if _told_anew(request, new):
            told.append(_told(request, new))
        found.append(Forecast(request=request, **new))
    _write(found, told)
    return len(pks)


def _write(found: list[Forecast], told: list[ForecastTold]) -> None:
    """In two statements; whoever forecasts at the same time writes the same rows in this order."""
    Forecast.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["request"],
        update_fields=[f.name for f in Forecast._meta.fields if f.name != "request"],
    )
    ForecastTold.objects.bulk_create(
        told,
        update_conflicts=True,
        unique_fields=["request", "pass_number", "told_on"],
        update_fields=["p50_on", "p85_on"],
    )


def _told(request: Request, new: dict[str, Any]) -> ForecastTold:
    return ForecastTold(
        request=request,
        pass_number=request.pass_number,
        told_on=clock.today(),
        p50_on=new["p50_on"],
        p85_on=new["p85_on"],
    )


def _history(group: int | None, pks: list[int]) -> Any:
    """The latest requests of the group and of all, by intake, with the open ones asked for.

    By intake and not by end, so that slow ones are there too.
    """
    recent = Request.objects.order_by("-created_at", "-pk")
    chosen = Q(pk__in=pks) | Q(pk__in=recent.values("pk")[:OF_ALL])
    if group is not None:
        chosen |= Q(pk__in=recent.filter(provider_group=group).values("pk")[:OF_GROUP])
    return Request.objects.filter(chosen)


def _advice(
    group: int | None, groups: dict[int, int], view: View, history: Any, now: datetime
) -> dict[int, Advice]:
    """The corrections for the group's requests, learned anew once a day in each process."""
    key = (group, now.date(), view.finished // 20)
    if key not in _kept:
        learned = replay(history, days=REPLAY_DAYS, cases=REPLAY_CASES).calibration
        fates = Fates.of(history)
        if len(_kept) > 200:
            _kept.clear()
        places = {0, groups.get(group or 0, 0)}
        _kept[key] = {place: learned.advice(view, fates, place) for place in places}
    return _kept[key]


def _bounds(pks: list[int]) -> dict[int, dict[str, date]]:
    """Dates that are known beforehand: the slot, the parts, the earliest day, the review."""
    entries = ScheduleEntry.objects.booked().filter(request=OuterRef("pk")).values("first_day")
    line_model: Any = Request._meta.get_field("part_lines").related_model
    lines = line_model.objects.unfinished().filter(request=OuterRef("pk")).order_by()
    parts = lines.values("request").annotate(last=Max("expected_on")).values("last")
    rows: Any = Request.objects.filter(pk__in=pks).values(
        "pk", "review_on", "earliest_on", slot=Subquery(entries[:1]), parts=Subquery(parts[:1])
    )
    return {row.pop("pk"): row for row in rows}


def _bounded(one: Open, dates: dict[str, Any]) -> Open:
    known = {HOLD: "review_on", STEP["scheduled"]: "slot", STEP["parts_maintenance"]: "parts"}
    day = dates.get(known.get(one.step, ""))
    if one.step in (STEP["parts_maintenance"], STEP["awaiting_scheduling"]):
        days = [d for d in (dates.get("parts"), dates.get("earliest_on")) if d]
        return one._replace(not_before=planned(max(days)) if days else float("-inf"))
    return one._replace(known=planned(day))


def _reckon(request: Request, view: View, one: Open, advice: dict[int, Advice]) -> dict[str, Any]:
    """The range of one request, and what it rests on."""
    ways = view.ways(one, seed=request.pk)
    said = advice.get(one.group, advice[0]).of(ways) if ways is not None else None
    moments = view.moment(said) if said is not None else []
    days: list[date | None] = [max(date_of(float(m)), clock.today()) for m in moments]
    days = days or [None, None]
    sample, own = view.basis(one.group)
    queue = view.queues.get((one.step, one.group))
    return {
        "p50_on": days[0],
        "p85_on": days[1],
        "sample": sample,
        "whose": Forecast.Whose.GROUP if own else Forecast.Whose.ORGANISATION,
        "ahead": max(0, queue.number - 1) if queue else 0,
        "stage": STEPS[one.step],
    }


MOVE = ("previous_p50_on", "previous_p85_on", "moved_at", "moved_because")


def _told_anew(request: Request, new: dict[str, Any]) -> bool:
    """Whether there is another range to tell; then `new` also says why it moved.

    A range that stays within two days stands as it was told, so that it does not flicker.
    """
    old: Forecast | None = getattr(request, "forecast", None)
    if old is not None:
        new |= {name: getattr(old, name) for name in MOVE}
    if new["p85_on"] is None:
        return False
    if old is None or old.p85_on is None or old.p50_on is None:
        return True
    by = (new["p85_on"] - old.p85_on).days
    near = abs(by) < MOVED_DAYS and abs((new["p50_on"] - old.p50_on).days) < MOVED_DAYS
    if near and old.p50_on >= clock.today():
        new |= {"p50_on": old.p50_on, "p85_on": old.p85_on}
    if near:
        return False
    new |= {
        "previous_p50_on": old.p50_on,
        "previous_p85_on": old.p85_on,
        "moved_at": new["computed_at"],
        "moved_because": _why(request, old, new, by),
    }
    return True


def _why(request: Request, old: Forecast, new: dict[str, Any], by: int) -> str:
    """The last event that explains it; else the queue, the waiting, or what others took lately."""
    own = ContentType.objects.get_for_model(Request)
    events = request.events.filter(
        at__gt=old.computed_at, subject_type=own, subject_id=request.pk
    ).order_by("-number")
    moved = False
    for name, source, target in events.values_list("name", "source", "target"):
        if name in SAYS:
            return SAYS[name]
        moved = moved or source != target
    if moved:
        return Moved.EARLIER_STEP if by < 0 else Moved.LATER_STEP
    if by > 0 and new["ahead"] > old.ahead:
        return Moved.GREW
    if by < 0 and new["ahead"] < old.ahead:
        return Moved.SHRANK
    return Moved.WAITING if by > 0 else Moved.RECENT


def _note_ends() -> None:
    """Beside what was told, what came of it: the day on which it closed."""
    closed = Request.objects.filter(pk=OuterRef("request")).values("closed_at__date")
    ForecastTold.objects.filter(
        ended_on__isnull=True,
        request__state=S.CLOSED,
        pass_number=F("request__pass_number"),
    ).update(ended_on=Subquery(closed))
    Forecast.objects.exclude(request__in=Request.objects.open()).delete()
