"""Counting what the reports say, in the background: the last months often, all of them nightly.

Every fact is counted by month, provider group and, for ratings, service; the sums of the whole
office are added up from these. Counting again replaces what was counted: nothing is added twice.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Round, TruncMonth
from django.utils import timezone

from requests_app.models import Rating, Request
from requests_app.own_work import records_of
from requests_app.report_models import ReportCount, ReportFigure, first_month
from requests_app.standing import late_q
from requests_app.states import CLOSED_STATES, Kind, S
from workflow import clock

MONTHS = 24
LATELY = 2
WHOLE_EVERY = timedelta(hours=20)
LOCK = 7_303_001  # an advisory lock of this counting alone
CLOSINGS = ("fulfill", "notify_and_close")
AGES = (7, 30, 60)
WHOLE = """
INSERT INTO requests_app_reportfigure
    (report, month, whole, group_id, service_id, key, currency, number, amount)
SELECT report, month, true, NULL, service_id, key, currency, sum(number), sum(amount)
FROM requests_app_reportfigure WHERE NOT whole AND report <> 'open' AND month >= %s
GROUP BY report, month, service_id, key, currency
"""


def count(*, whole: bool = False) -> bool:
    """Count the open requests and the last months, or all of them. False: somebody else does."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return False
        began = clock.now()
        state = ReportCount.latest()
        whole = whole or state.whole_at is None or state.whole_at < began - WHOLE_EVERY
        since = first_month(MONTHS if whole else LATELY)
        old = Q(month__isnull=True) | Q(month__gte=since)
        ReportFigure.objects.filter(old if not whole else Q()).delete()
        ReportFigure.objects.bulk_create(figures(since), batch_size=2000)
        with connection.cursor() as cursor:
            cursor.execute(WHOLE, [since])
        ReportCount.objects.update_or_create(
            pk=1,
            defaults={"counted_at": began, "whole_at": began if whole else state.whole_at},
        )
    return True


def figures(since: date) -> Iterator[ReportFigure]:
    """Every figure by group, from a month on."""
    start = timezone.make_aware(datetime.combine(since, time()))
    for report, rows in (
        ("open", _open()),
        ("ended", _ended(start)),
        ("decision", _decisions(start)),
        ("money", _money(start)),
        ("closing", _closings(start)),
        ("rating", _ratings(start)),
        ("forecast", _forecasts(since)),
    ):
        for row in rows:
            moment = row.get("month")
            month = moment.date() if isinstance(moment, datetime) else moment
            yield ReportFigure(report=report, **{**row, "month": month})


def _open() -> Iterator[dict[str, Any]]:
    """Open requests by age, what is late and what is held, by group."""
    now = clock.now()
    week, month, two = (now - timedelta(days=days) for days in AGES)
    found = (
        Request.objects.open()
        .order_by()
        .values("provider_group")
        .annotate(
            week=Count("pk", filter=Q(created_at__gte=week)),
            month=Count("pk", filter=Q(created_at__lt=week, created_at__gte=month)),
            two=Count("pk", filter=Q(created_at__lt=month, created_at__gte=two)),
            older=Count("pk", filter=Q(created_at__lt=two)),
            all=Count("pk"),
            late=Count("pk", filter=late_q()),
            held=Count("pk", filter=Q(held_since__isnull=False)),
        )
    )
    for row in found:
        for key, number in row.items():
            if key != "provider_group":
                yield {"group_id": row["provider_group"], "key": key, "number": number}


def _ended(start: datetime) -> Iterable[dict[str, Any]]:
    """Requests that ended, by kind or by how (F16)."""
    how = Case(
        When(state=S.CLOSED, kind=Kind.ASSISTANCE, then=Value("assistance")),
        When(state=S.CLOSED, kind=Kind.ENHANCEMENT, then=Value("enhancement")),
        When(state=S.CLOSED, then=Value("other")),
        default=F("state"),
        output_field=CharField(),
    )
    rows = Request.objects.filter(state__in=CLOSED_STATES, closed_at__gte=start).order_by()
    return _by(rows.annotate(key=how), "closed_at", "provider_group", "key", number=Count("pk"))


def _decisions(start: datetime) -> Iterable[dict[str, Any]]:
    """The last charge decision of every pass, by its basis (F10)."""
    decisions = records_of("charge_decisions")
    later = decisions.filter(
        request=OuterRef("request"), pass_number=OuterRef("pass_number"), pk__gt=OuterRef("pk")
    )
    rows = decisions.filter(~Exists(later), at__gte=start).order_by()
    rows = rows.annotate(key=F("basis"))
    return _by(rows, "at", "request__provider_group", "key", number=Count("pk"))


def _money(start: datetime) -> Iterable[dict[str, Any]]:
    """What was initiated and what of it was credited (F13)."""
    cases = records_of("billing_cases")
    rows = cases.filter(state__in=["initiated", "credited"], initiated_at__gte=start).order_by()
    amount = Sum(Round(F("lines__quantity") * F("lines__rate"), precision=2), default=0)
    cases_by = rows.annotate(key=F("state"))
    return _by(
        cases_by, "initiated_at", "request__provider_group", "key", "currency",
        number=Count("pk", distinct=True), amount=amount,
    )  # fmt: skip


def _closings(start: datetime) -> Iterable[dict[str, Any]]:
    """What was fulfilled and told to the customer, each time it was, by service."""
    rows = Request.objects.filter(events__name__in=CLOSINGS, events__at__gte=start).order_by()
    return _by(rows, "events__at", "provider_group", "service", number=Count("events"))


def _ratings(start: datetime) -> Iterator[dict[str, Any]]:
    """How often rated and with how many points, and how often badly, by service."""
    rows = Rating.objects.filter(closed_at__gte=start).order_by()
    by = ("closed_at", "request__provider_group", "request__service")
    for row in _by(rows, *by, number=Count("pk"), amount=Sum("score"),
                   low=Count("pk", filter=Q(score__lte=Rating.LOW))):  # fmt: skip
        low = row.pop("low")
        yield row
        if low:
            yield {**row, "key": "low", "number": low, "amount": 0}


def _forecasts(since: date) -> Iterator[dict[str, Any]]:
    """Ranges told whose later date is gone, and how many of them held."""
    rows = (
        records_of("forecasts_told")
        .filter(told_on__gte=since, p85_on__lt=clock.today())
        .exclude(request__state__in=[S.DECLINED, S.CANCELLED])
        .order_by()
    )
    found = _by(
        rows, "told_on", "request__provider_group",
        told=Count("pk"),
        likely=Count("pk", filter=Q(ended_on__lte=F("p50_on"))),
        certain=Count("pk", filter=Q(ended_on__lte=F("p85_on"))),
    )  # fmt: skip
    for row in found:
        told = {key: row.pop(key) for key in ("told", "likely", "certain")}
        for key, number in told.items():
            yield {**row, "key": key, "number": number}


NAMES = {"request__provider_group": "group_id", "provider_group": "group_id",
         "request__service": "service_id", "service": "service_id"}  # fmt: skip


def _by(rows: QuerySet[Any], moment: str, *names: str, **sums: Any) -> Iterator[dict[str, Any]]:
    """Rows added up by the month of a moment and by these columns, as fields of a figure."""
    by = {NAMES.get(name, name): name for name in names}
    month: Any = TruncMonth(moment)
    for row in rows.annotate(in_month=month).values("in_month", *by.values()).annotate(**sums):
        yield {
            "month": row["in_month"],
            **{field: row[name] for field, name in by.items()},
            **{name: row[name] for name in sums},
        }
