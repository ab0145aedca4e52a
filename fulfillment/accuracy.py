"""How good estimates were: hours worked against hours estimated, by kind of service (F6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median, quantiles
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import DecimalField, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from fulfillment.work_models import QUARTER, PlanItem, TimeEntry
from requests_app.models import Request
from requests_app.states import Kind, S
from workflow.models import Event

LATEST = 600
OF_SERVICE = 60
ENOUGH = 5
WORTH_SAYING = Decimal("0.1")
HALF = Decimal("0.5")
HOURS = DecimalField(max_digits=9, decimal_places=2)


@dataclass(frozen=True)
class Accuracy:
    """Of one service: how many times its estimate the work took."""

    service: str
    number: int
    ratio: Decimal
    low: Decimal
    high: Decimal

    @property
    def is_known(self) -> bool:
        """Whether it rests on enough requests to be fed back."""
        return self.number >= ENOUGH

    @property
    def in_words(self) -> str:
        """For people in a hurry."""
        if abs(self.ratio - 1) < WORTH_SAYING:
            return "about as estimated"
        return f"{'more' if self.ratio > 1 else 'less'} than estimated"


@dataclass(frozen=True)
class Suggestion:
    """Another estimate, from what similar work took; never taken silently."""

    estimate: Decimal
    suggested: Decimal
    accuracy: Accuracy

    @property
    def label(self) -> str:
        """On the button that takes it."""
        return f"Take {plain(self.suggested)} h"

    def __str__(self) -> str:
        return (
            f"Similar work ({self.accuracy.number} requests of {self.accuracy.service}) took "
            f"{self.accuracy.ratio} times its estimate: {plain(self.estimate)} h would be "
            f"{plain(self.suggested)} h."
        )


def plain(hours: Decimal) -> str:
    """Hours without idle zeros."""
    return f"{hours.normalize():f}"


def _sum(rows: Any, key: str, of: Any) -> Any:
    total = rows.order_by().values(key).annotate(t=Sum(of)).values("t")
    return Coalesce(Subquery(total, output_field=HOURS), Decimal(0), output_field=HOURS)


def finished() -> QuerySet[Any]:
    """Fulfilled enhancements with the hours first estimated and the hours worked.

    First: what was corrected on the way, by experience or by a suggestion, says nothing about how
    good estimates are. Pieces that were dropped do not count; nor do reopened requests, whose
    plans belong to several passes.
    """
    own = ContentType.objects.get_for_model(Request)
    events = Event.objects.filter(stream_type=own, stream_id=OuterRef("pk"))
    added = events.filter(name="add_plan_item", facts__estimate_hours__isnull=False)
    later = events.filter(name="edit_plan_item", changes__estimate_hours__0=None)
    dropped = PlanItem.objects.filter(request=OuterRef("pk"), state="cancelled")
    times = TimeEntry.objects.filter(request=OuterRef("pk"))
    return (
        Request.objects.filter(
            state=S.CLOSED, kind=Kind.ENHANCEMENT, service__isnull=False, pass_number=1
        )
        .annotate(
            estimated=_sum(added, "stream_id", Cast(KT("facts__estimate_hours"), HOURS))
            + _sum(later, "stream_id", Cast(KT("changes__estimate_hours__1"), HOURS))
            - _sum(dropped, "request", "estimate_hours"),
            worked=_sum(times, "request", "hours"),
        )
        .filter(Q(estimated__gt=0) & Q(worked__gt=0))
        .order_by("-closed_at", "-pk")
    )


def _accuracy(service: str, ratios: list[Decimal]) -> Accuracy:
    low, _middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    tenth = Decimal("0.1")
    return Accuracy(
        service,
        len(ratios),
        median(ratios).quantize(tenth, ROUND_HALF_UP),
        max(low, min(ratios)).quantize(tenth, ROUND_HALF_UP),
        min(high, max(ratios)).quantize(tenth, ROUND_HALF_UP),
    )


def by_service(requests: Iterable[Any]) -> list[Accuracy]:
    """From (service, estimated, worked): what has most evidence first."""
    found: dict[str, list[Decimal]] = {}
    for service, estimated, worked in requests:
        found.setdefault(service, []).append(worked / estimated)
    rows = [_accuracy(service, ratios) for service, ratios in found.items()]
    return sorted(rows, key=lambda row: (-row.number, row.service))


def of_group(group: Any, user: Any) -> list[Accuracy]:
    """Of the services that the group fulfilled lately, among what the person may see. One query."""
    visible = Request.objects.visible_to(user).filter(provider_group=group).values("pk")
    rows = finished().filter(provider_group=group, pk__in=visible)
    return by_service(rows.values_list("service__name", "estimated", "worked")[:LATEST])


def of_service(request: Request) -> Accuracy | None:
    """What the request's own kind of service took lately; None while there is too little."""
    if request.service_id is None:
        return None
    rows = finished().filter(service=request.service_id).annotate(name=F("service__name"))
    found = by_service(rows.values_list("name", "estimated", "worked")[:OF_SERVICE])
    return found[0] if found and found[0].is_known else None


def suggestions(request: Request, items: Iterable[PlanItem]) -> dict[int, Suggestion]:
    """For the open pieces of a plan in planning; one that took its suggestion gets no other."""
    live = [i for i in items if i.state == "open" and i.estimate_hours]
    if request.state != S.PLANNING or not live:
        return {}
    known = of_service(request)
    if known is None:
        return {}
    taken = request.events.filter(name="take_suggested_estimate")
    done = {facts.get("item") for facts in taken.values_list("facts", flat=True)}
    made = {i.pk: suggest(i.estimate_hours, known) for i in live if i.title not in done}
    return {pk: one for pk, one in made.items() if one is not None}


def suggest(estimate: Decimal | None, accuracy: Accuracy | None) -> Suggestion | None:
    """The estimate times what similar work took, in half hours; None where it changes little."""
    if not estimate or accuracy is None or abs(accuracy.ratio - 1) < WORTH_SAYING:
        return None
    halves = (estimate * accuracy.ratio / HALF).quantize(Decimal(1), ROUND_HALF_UP)
    suggested = max(QUARTER, halves * HALF)
    return Suggestion(estimate, suggested, accuracy) if suggested != estimate else None
