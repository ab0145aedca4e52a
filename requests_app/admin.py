"""Requests as records: everything of the process is read here and moved on the request's page."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime

from requests_app import mail_admin
from requests_app.case_models import TrackingToken
from requests_app.models import (
    Attachment,
    Case,
    CaseEntry,
    DigestDay,
    Escalation,
    Link,
    NoticeArchive,
    PendingIntake,
    PublicForm,
    ReportCount,
    ReportFigure,
    Request,
    TargetDefault,
    TriageDecision,
    Watcher,
)
from workflow import clock
from workflow.admin import ReadOnly
from workflow.upkeep import Upkeep

__all__ = ["mail_admin"]


class TriageInline(ReadOnly, admin.TabularInline):
    model = TriageDecision
    fields = ["at", "by", "recommended", "decided", "override_reason", "scope_reason"]
    readonly_fields = fields
    extra = 0


class WatcherInline(ReadOnly, admin.TabularInline):
    model = Watcher
    extra = 0


class EntryInline(ReadOnly, admin.TabularInline):
    model = CaseEntry
    fields = ["at", "author_name", "public", "text"]
    extra = 0


class AttachmentInline(ReadOnly, admin.TabularInline):
    model = Attachment
    fields = ["uploaded_at", "name", "purpose", "size", "public", "withdrawn_at"]
    extra = 0


@admin.register(Request)
class RequestAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "reference", "page", "title", "agency", "kind", "state", "priority", "provider_group",
        "specialist", "due_at",
    ]  # fmt: skip
    list_filter = ["state", "kind", "priority", "provider_group", "channel"]
    list_select_related = ["agency", "provider_group", "specialist"]
    search_fields = ["reference", "title", "agency__name"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    inlines = [TriageInline, WatcherInline]
    readonly_fields = ["page", "history"]

    @admin.display(description="page")
    def page(self, request: Request) -> str:
        """Steps are taken on the request's own page, through the door."""
        return format_html('<a href="{}">Open</a>', request.get_absolute_url())

    @admin.display(description="history")
    def history(self, request: Request) -> str:
        """The latest events; all of them are under Events."""
        rows = request.events.order_by("-number")[:50]
        moments = (f"{localtime(e.at):%Y-%m-%d %H:%M}" for e in rows)
        told = (
            (e.number, at, e.name, e.source, e.target, e.actor_name, e.reason)
            for e, at in zip(rows, moments, strict=True)
        )
        line = "{}. {} {} ({} to {}) by {}. {}"
        return format_html_join(mark_safe("<br>"), line, told)  # noqa: S308 - a constant


@admin.register(TargetDefault)
class TargetDefaultAdmin(Upkeep, admin.ModelAdmin):
    """The office's own targets, where no SLA covers the service."""

    topic = "target"
    list_display = ["kind", "priority", "response_hours", "fulfillment_hours"]
    list_filter = ["kind"]


@admin.register(Escalation)
class EscalationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["at", "request", "pass_number", "level", "target", "rearmed_at"]
    list_filter = ["level"]
    list_select_related = ["request"]
    search_fields = ["request__reference"]


@admin.register(NoticeArchive)
class NoticeArchiveAdmin(ReadOnly, admin.ModelAdmin):
    """What was said about archived requests; their own pages show it row by row."""

    list_display = ["request", "count", "at"]
    list_select_related = ["request"]
    search_fields = ["request__reference"]


@admin.register(DigestDay)
class DigestDayAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["day", "at", "sent"]


@admin.register(ReportCount)
class ReportCountAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["counted_at", "whole_at", "asked_at"]


@admin.register(ReportFigure)
class ReportFigureAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["report", "month", "whole", "group", "service", "key", "number", "amount"]
    list_filter = ["report", "whole"]
    list_select_related = ["group", "service"]


@admin.register(Case)
class CaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["reference", "request", "opened_at", "closed_at"]
    list_select_related = ["request"]
    search_fields = ["reference", "request__reference"]
    inlines = [EntryInline, AttachmentInline]


@admin.register(Attachment)
class AttachmentAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "case", "purpose", "size", "public", "uploaded_by_name", "uploaded_at"]
    list_filter = ["purpose", "public"]
    list_select_related = ["case"]
    search_fields = ["name", "case__reference", "sha256"]


@admin.register(Link)
class LinkAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["source", "relation", "target", "external", "at"]
    list_filter = ["relation"]
    list_select_related = ["source", "target"]
    search_fields = ["source__reference", "target__reference", "external"]


@admin.register(Watcher)
class WatcherAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "contact", "user"]
    list_select_related = ["request", "contact", "user"]
    search_fields = ["request__reference", "contact__name", "user__username"]


@admin.register(TrackingToken)
class TrackingTokenAdmin(ReadOnly, admin.ModelAdmin):
    """Who has an address of the tracking page; the address itself is not kept."""

    list_display = ["request", "contact", "created_at", "expires_at", "revoked_at"]
    list_select_related = ["request", "contact"]
    search_fields = ["request__reference", "contact__name", "contact__email"]
    exclude = ["digest"]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("requests_app.change_trackingtoken")

    @admin.action(description="Revoke: it leads nowhere any more", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[TrackingToken]) -> None:
        number = queryset.filter(revoked_at__isnull=True).update(revoked_at=clock.now())
        messages.success(request, f"{number} addresses are revoked.")


@admin.register(PublicForm)
class PublicFormAdmin(admin.ModelAdmin):
    """The switch of the form at /new/."""

    list_display = ["__str__", "closed_note"]
    fields = ["is_open", "closed_note"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not PublicForm.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PendingIntake)
class PendingIntakeAdmin(ReadOnly, admin.ModelAdmin):
    """What waits for its address to be confirmed; read only."""

    list_display = ["created_at", "title", "name", "email", "agency", "request", "expires_at"]
    list_select_related = ["agency", "request"]
    search_fields = ["title", "email", "name"]
    exclude = ["digest"]
