"""The queues of a provider group through the API: pending, schedule, work list (F2, F6)."""

from typing import Any

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import generics, serializers

from fulfillment import lists
from fulfillment.models import ProviderGroup, ScheduledDay, ScheduleEntry
from requests_app.api import RequestRow
from requests_app.models import Request
from requests_app.states import S
from workflow.api import Pages, PlainInput


class ScheduledDayData(serializers.ModelSerializer):
    """Minutes of an entry on one day."""

    class Meta:
        model = ScheduledDay
        fields = ["day", "minutes"]
        read_only_fields = fields


class ScheduleEntryData(serializers.ModelSerializer):
    """A place in the 60-day schedule: its days, and how often its day passed unbegun."""

    hours = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    days = ScheduledDayData(many=True, read_only=True)

    class Meta:
        model = ScheduleEntry
        fields = [
            "state",
            "first_day",
            "last_day",
            "hours",
            "days",
            "most_per_day",
            "is_fixed",
            "carried_over",
        ]
        read_only_fields = fields


class ScheduleRow(serializers.Serializer):
    """A request of the schedule; `entry` is empty while it waits for a slot."""

    request = RequestRow(source="*", read_only=True)
    entry = serializers.SerializerMethodField()

    @extend_schema_field(ScheduleEntryData(allow_null=True))
    def get_entry(self, req: Any) -> Any:
        entry = next(iter(req.active_entries), None)
        return ScheduleEntryData(entry).data if entry else None


class WorkRow(serializers.Serializer):
    """A request on the work list, with its hours (F6)."""

    request = RequestRow(source="req", read_only=True)
    estimated = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    spent = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    left = serializers.DecimalField(max_digits=9, decimal_places=2, read_only=True)
    percent = serializers.IntegerField(read_only=True)


class GroupQueue(PlainInput, generics.ListAPIView):
    """A queue of a group whose queues one may open; others do not exist."""

    queryset = Request.objects.none()
    pagination_class = Pages
    filterset_class = None

    @property
    def group(self) -> ProviderGroup:
        groups = ProviderGroup.objects.visible_to(self.request.user)
        return get_object_or_404(groups, slug=self.kwargs["group"])


class PendingQueue(GroupQueue):
    """The CRM Pending Queue, in the order of the rule (F2, F4)."""

    serializer_class = RequestRow

    def get_queryset(self) -> QuerySet[Request]:
        return lists.pending(self.group, self.request.user)


class Schedule(GroupQueue):
    """The 60-day schedule: by planned start; what waits for a slot comes last (F2)."""

    serializer_class = ScheduleRow

    def get_queryset(self) -> QuerySet[Request]:
        active = ScheduleEntry.objects.active().prefetch_related("days")
        start = active.filter(request=OuterRef("pk")).values("first_day")[:1]
        return (
            lists.of_group(self.group, self.request.user)
            .filter(state__in=[S.AWAITING_SCHEDULING, S.SCHEDULED])
            .annotate(start=Subquery(start))
            .order_by(F("start").asc(nulls_last=True), "priority", "created_at", "pk")
            .prefetch_related(Prefetch("schedule_entries", active, to_attr="active_entries"))
        )


class WorkList(GroupQueue):
    """Every plan of the group with estimated, spent and left (F6)."""

    serializer_class = WorkRow

    def get_queryset(self) -> QuerySet[Request]:
        return lists.worklist(self.group, self.request.user)

    def paginate_queryset(self, queryset: Any) -> Any:
        """A page of requests, each with its plan added up."""
        page = super().paginate_queryset(queryset)
        return page if page is None else lists.work_rows(page)


pending = PendingQueue.as_view()
schedule = Schedule.as_view()
worklist = WorkList.as_view()
