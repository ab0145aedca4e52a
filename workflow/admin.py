"""Staff, calendars, events. What the process writes is only read here."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from workflow.leave_models import Leave
from workflow.models import (
    ApiToken,
    Calendar,
    CalendarException,
    Event,
    SavedFilter,
    User,
    WorkingHours,
)
from workflow.upkeep import Upkeep
from workflow.worktime import knows_holidays


class ReadOnly:
    """For rows that only the door and its actions write: admin looks, it does not touch."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NoDelete:
    """For rows that history points at: they are retired, never removed."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class StaffAdmin(NoDelete, UserAdmin):
    list_display = ["username", "first_name", "last_name", "email", "roles", "is_active"]
    list_filter = [
        "is_active", "is_representative", "is_billing", "is_asd_manager", "is_auditor",
        "is_superuser",
    ]  # fmt: skip
    search_fields = ["username", "first_name", "last_name", "email"]
    autocomplete_fields = ["deputy"]
    filter_horizontal = ["groups", "user_permissions"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "language", "daily_digest"]}),
        (
            "Roles",
            {
                "fields": [
                    "is_representative", "is_billing", "is_asd_manager", "is_auditor",
                ],
                "description": "Membership of provider groups is kept with the groups.",
            },
        ),
        ("Out of office", {"fields": ["deputy", "away_from", "away_until"]}),
        (
            "Account",
            {
                "classes": ["collapse"],
                "fields": [
                    "is_active", "is_staff", "is_superuser", "groups", "user_permissions",
                    "last_login", "date_joined",
                ],
            },
        ),
    ]  # fmt: skip

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        names = [
            (person.is_representative, "account representative"),
            (person.is_billing, "billing office"),
            (person.is_asd_manager, "ASD manager"),
            (person.is_auditor, "auditor"),
            (person.is_superuser, "administrator"),
        ]
        return ", ".join(name for has, name in names if has)


class WorkingHoursInline(admin.TabularInline):
    model = WorkingHours
    extra = 0


class CalendarExceptionInline(admin.TabularInline):
    model = CalendarException
    extra = 0


class CalendarForm(forms.ModelForm):
    """The public holidays must be known by the name that is given."""

    def clean_holidays(self) -> str:
        where = self.cleaned_data["holidays"].strip()
        if where and not knows_holidays(where):
            raise forms.ValidationError(
                f"No public holidays are known for {where}: give a country such as US, "
                "a subdivision such as US-OK, or nothing."
            )
        return where


@admin.register(Calendar)
class CalendarAdmin(Upkeep, admin.ModelAdmin):
    topic = "calendar"
    form = CalendarForm
    list_display = ["name", "holidays", "is_default"]
    search_fields = ["name"]
    inlines = [WorkingHoursInline, CalendarExceptionInline]


@admin.register(Leave)
class LeaveAdmin(Upkeep, admin.ModelAdmin):
    topic = "leave"
    list_display = ["user", "first_day", "last_day", "part", "note"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__first_name", "user__last_name"]
    autocomplete_fields = ["user"]
    date_hierarchy = "first_day"
    exclude = ["added_by", "added_at"]

    def kept(self, obj: Leave) -> User:
        return obj.user


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    list_display = ["name", "user", "created_at", "last_used_on"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    readonly_fields = ["name", "user", "created_at", "last_used_on"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tokens are made by their owners: the text is shown to nobody else."""
        return False


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["at", "name", "subject_type", "subject_id", "source", "target", "actor_name"]
    list_filter = ["name", "actor_kind", "subject_type"]
    list_select_related = ["subject_type", "actor"]
    search_fields = ["=stream_id", "actor_name", "name"]
    show_full_result_count = False
    ordering = ["-at"]


@admin.register(SavedFilter)
class SavedFilterAdmin(admin.ModelAdmin):
    list_display = ["name", "page", "user"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    autocomplete_fields = ["user"]
