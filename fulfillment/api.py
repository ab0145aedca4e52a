"""The queues of a provider group through the API: pending, schedule, work list (F2, F6)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import DecimalField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from rest_framework import generics, serializers

from fulfillment.models import PlanItem, ProviderGroup, ScheduleEntry, TimeEntry
from requests_app.api import RequestRow
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.api import Pages, PlainInput

HOURS = DecimalField(max_digits=9, decimal_places=2)
ON_WORK_LIST = [S.PLANNING, S.IN_FULFILLMENT, S.TESTING]


class ScheduledRow(serializers.ModelSerializer):
    """A request in the 60-day schedule, with its days."""

    request = RequestRow(read_only=True)
    hours = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)

    class Meta:
        model = ScheduleEntry
        fields = ["request", "state", "first_day", "last_day", "hours", "is_fixed"]
        read_only_fields = fields


class WorkRow(RequestRow):
    """A request on the work list, with its hours."""

    estimated = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    spent = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    left = serializers.SerializerMethodField()

    class Meta(RequestRow.Meta):
        fields = [*RequestRow.Meta.fields, "estimated", "spent", "left"]
        read_only_fields = fields

    def get_left(self, req: Any) -> Decimal:
        return max(Decimal(0), req.estimated - req.spent)


class GroupQueue(PlainInput, generics.ListAPIView):
    """A queue of a group whose queues one may open; others do not exist."""

    queryset = Request.objects.none()
    pagination_class = Pages
    filterset_class = None

    @property
    def group(self) -> ProviderGroup:
        groups = ProviderGroup.objects.visible_to(self.request.user)
        return get_object_or_404(groups, slug=self.kwargs["group"])

    def requests(self) -> Any:
        mine = Request.objects.visible_to(self.request.user)
        return mine.filter(provider_group=self.group).for_list()


class PendingQueue(GroupQueue):
    """The CRM Pending Queue, in the order of the rule (F2, F4)."""

    serializer_class = RequestRow

    def get_queryset(self) -> QuerySet[Request]:
        return self.requests().pending(self.group).by_rule()


class Schedule(GroupQueue):
    """The 60-day schedule, and what stood in it before and is not done (F2)."""

    serializer_class = ScheduledRow

    def get_queryset(self) -> QuerySet[ScheduleEntry]:
        until = clock.today() + timedelta(days=settings.THROUGHLINE["SCHEDULE_WINDOW_DAYS"])
        entries = ScheduleEntry.objects.active().filter(
            group=self.group, request__in=self.requests().values("pk"), first_day__lte=until
        )
        shown = ["agency", "service", "provider_group", "specialist", "representative"]
        return entries.select_related(*[f"request__{name}" for name in shown])


class WorkList(GroupQueue):
    """Every plan of the group with estimated, spent and left (F6)."""

    serializer_class = WorkRow

    def get_queryset(self) -> QuerySet[Request]:
        return (
            self.requests()
            .filter(state__in=ON_WORK_LIST)
            .annotate(
                estimated=_total(PlanItem.objects.exclude(state="cancelled"), "estimate_hours"),
                spent=_total(TimeEntry.objects.all(), "hours"),
            )
            .by_rule()
        )


def _total(rows: Any, field: str) -> Coalesce:
    """The sum of a field over a request's rows of its current pass."""
    mine = rows.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number")).order_by()
    total = mine.values("request").annotate(total=Sum(field)).values("total")
    return Coalesce(Subquery(total, output_field=HOURS), Value(Decimal(0)), output_field=HOURS)


pending = PendingQueue.as_view()
schedule = Schedule.as_view()
worklist = WorkList.as_view()
