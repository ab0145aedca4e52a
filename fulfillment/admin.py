"""Provider groups with their members; what the process writes is shown, never edited, here."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fulfillment.models import (
    DayCapacity,
    Membership,
    ProviderGroup,
    QueueCheck,
    Replan,
    ScheduledDay,
    ScheduleEntry,
)
from fulfillment.work_models import ChargeDecision, PlanItem, TestRun, TimeEntry
from workflow.admin import ReadOnly
from workflow.upkeep import Upkeep


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(ProviderGroup)
class ProviderGroupAdmin(Upkeep, admin.ModelAdmin):
    topic = "group"
    list_display = ["name", "slug", "calendar", "focus", "member_count", "leads", "is_active"]
    list_filter = ["is_active", "calendar"]
    list_select_related = ["calendar"]
    search_fields = ["name", "slug", "memberships__user__username"]
    prepopulated_fields = {"slug": ["name"]}
    autocomplete_fields = ["calendar"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> Any:
        counted = super().get_queryset(request).annotate(n=Count("memberships"))
        return counted.prefetch_related("memberships__user")

    @admin.display(description=_("members"), ordering="n")
    def member_count(self, group: Any) -> int:
        return group.n

    @admin.display(description=_("leads"))
    def leads(self, group: Any) -> str:
        return ", ".join(str(m.user) for m in group.memberships.all() if m.is_lead)


@admin.register(DayCapacity)
class DayCapacityAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["day", "group", "capacity", "booked", "free"]
    list_filter = ["group"]
    list_select_related = ["group"]
    date_hierarchy = "day"
    ordering = ["-day"]


class ScheduledDayInline(ReadOnly, admin.TabularInline):
    model = ScheduledDay
    extra = 0


@admin.register(ScheduleEntry)
class ScheduleEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "group", "state", "first_day", "last_day", "hours", "booked_by"]
    list_filter = ["state", "group"]
    list_select_related = ["request", "group", "booked_by"]
    search_fields = ["request__reference", "request__title"]
    date_hierarchy = "first_day"
    ordering = ["-first_day"]
    inlines = [ScheduledDayInline]


@admin.register(PlanItem)
class PlanItemAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["title", "request", "assignee", "estimate_hours", "state", "done_at"]
    list_filter = ["state", "request__provider_group"]
    list_select_related = ["request", "assignee"]
    search_fields = ["title", "request__reference"]


@admin.register(TimeEntry)
class TimeEntryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["on", "user", "request", "item", "hours", "note"]
    list_filter = ["request__provider_group"]
    list_select_related = ["user", "request", "item"]
    search_fields = ["request__reference", "user__username", "note"]
    date_hierarchy = "on"


@admin.register(TestRun)
class TestRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "number", "result", "tester", "tester_did_the_work", "at"]
    list_filter = ["result", "tester_did_the_work"]
    list_select_related = ["request", "tester"]
    search_fields = ["request__reference", "findings"]
    date_hierarchy = "at"


@admin.register(ChargeDecision)
class ChargeDecisionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "charged", "basis", "by", "at"]
    list_filter = ["charged", "basis"]
    list_select_related = ["request", "by"]
    search_fields = ["request__reference", "reason"]
    date_hierarchy = "at"


@admin.register(QueueCheck)
class QueueCheckAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["group", "queue", "by", "at"]
    list_filter = ["queue", "group"]
    list_select_related = ["group", "by"]


@admin.register(Replan)
class ReplanAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["id", "group", "state", "asked_by", "asked_at", "made_by", "seconds"]
    list_filter = ["state", "made_by", "group"]
    list_select_related = ["group", "asked_by"]
    exclude = ["result", "snapshot"]
