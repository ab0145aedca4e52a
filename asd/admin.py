"""Agencies, agreements and services, edited with their rows; states move through the door only."""

from typing import Any

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from asd.actions import free_slug
from asd.history import changes_of
from asd.models import (
    Agency,
    AgencyService,
    Agreement,
    Contact,
    CoveredService,
    RateCardLine,
    Service,
    ServiceState,
    ServiceUpdate,
)
from workflow import clock
from workflow.admin import NoDelete, ReadOnly
from workflow.door import advance
from workflow.machine import Refused
from workflow.upkeep import Upkeep


class Tracked:
    """History is what the database itself kept; who edits is written down with it (X7)."""

    object_history_template = "admin/asd/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        tracked = changes_of(row) if row is not None else []
        return super().history_view(request, object_id, {"tracked": tracked})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with pghistory.context(user=request.user.pk, name=str(request.user)):
            return super().changeform_view(request, *args, **kwargs)


class CurrentFilter(admin.SimpleListFilter):
    """Current customers, computed from the agreements today (D14)."""

    title = "current customer"
    parameter_name = "current"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agency]) -> QuerySet[Agency]:
        if self.value() in ("yes", "no"):
            return queryset.filter(has_sla=self.value() == "yes")
        return queryset


class ContactInline(admin.TabularInline):
    model = Contact
    extra = 0
    fields = ["name", "email", "phone", "language", "is_signatory", "is_active"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Requests name their contacts: those who left are set inactive."""
        return False


class AgreementInline(admin.TabularInline):
    model = Agreement
    extra = 0
    fields = ["reference", "kind", "starts_on", "ends_on", "suspended_from", "suspended_until"]
    show_change_link = True
    can_delete = False


class UsedInline(ReadOnly, admin.TabularInline):
    model = AgencyService
    extra = 0
    fields = ["service", "quantity", "since", "until", "note"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgencyService]:
        return super().get_queryset(request).select_related("service")


@admin.register(Agency)
class AgencyAdmin(Upkeep, Tracked, NoDelete, admin.ModelAdmin):
    topic = "agency"
    list_display = [
        "name", "code", "current", "representative", "deputy", "known_to_billing", "is_active",
    ]  # fmt: skip
    list_filter = [CurrentFilter, "is_active", "known_to_billing", "representative"]
    list_select_related = ["representative", "deputy"]
    search_fields = ["name", "code", "contacts__name", "contacts__email"]
    autocomplete_fields = ["representative", "deputy"]
    inlines = [ContactInline, AgreementInline, UsedInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agency]:
        return super().get_queryset(request).with_current()

    @admin.display(boolean=True, ordering="has_sla")
    def current(self, agency: Agency) -> bool:
        return agency.has_sla


@admin.register(Contact)
class ContactAdmin(Tracked, NoDelete, admin.ModelAdmin):
    list_display = ["name", "agency", "email", "phone", "language", "is_signatory", "is_active"]
    list_filter = ["is_active", "is_signatory", "language"]
    list_select_related = ["agency"]
    search_fields = ["name", "email", "agency__name", "agency__code"]
    autocomplete_fields = ["agency"]


class StandingFilter(admin.SimpleListFilter):
    """SLAs that count today, and the others (D2)."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In force today"), ("no", "Not in force")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agreement]) -> Any:
        now = Agreement.objects.in_force().values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=now)
        return queryset.exclude(pk__in=now) if self.value() == "no" else queryset


class Compact:
    """Rows that fit the page: short fields, and no buttons to edit the service from within."""

    short = {"unit": 8, "rate": 8, "currency": 4}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.short:
            kwargs["widget"] = forms.TextInput(attrs={"size": self.short[db_field.name]})
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_view_related"):
            if field is not None and hasattr(field.widget, button):
                setattr(field.widget, button, False)
        return field


class CoveredInline(Compact, admin.TabularInline):
    model = CoveredService
    extra = 1
    autocomplete_fields = ["service"]


class RateInline(Compact, admin.TabularInline):
    model = RateCardLine
    extra = 1
    autocomplete_fields = ["service"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RateCardLine]:
        return super().get_queryset(request).select_related("service", "agreement")


@admin.register(Agreement)
class AgreementAdmin(Upkeep, Tracked, NoDelete, admin.ModelAdmin):
    topic = "agency"
    list_display = [
        "reference", "agency", "kind", "standing", "starts_on", "ends_on", "covers", "rated",
    ]  # fmt: skip
    list_filter = [StandingFilter, "kind"]
    list_select_related = ["agency"]
    date_hierarchy = "starts_on"
    search_fields = ["reference", "agency__name", "agency__code"]
    autocomplete_fields = ["agency"]
    inlines = [CoveredInline, RateInline]
    save_as = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agreement]:
        counted = super().get_queryset(request)
        return counted.annotate(
            covers=Count("covered", distinct=True), rated=Count("rates", distinct=True)
        )

    def kept(self, obj: Agreement) -> Agency:
        return obj.agency

    @admin.display(description="services", ordering="covers")
    def covers(self, agreement: Agreement) -> int:
        return agreement.covers

    @admin.display(description="rates", ordering="rated")
    def rated(self, agreement: Agreement) -> int:
        return agreement.rated


class ServiceAdminForm(forms.ModelForm):
    """A service added here begins as proposed: the door takes it live."""

    def __init__(self, *args: Any, instance: Service | None = None, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance or Service(state=ServiceState.PROPOSED), **kwargs)


@admin.register(Service)
class ServiceAdmin(Tracked, NoDelete, admin.ModelAdmin):
    form = ServiceAdminForm
    list_display = ["name", "state", "provider_group", "owner", "live_on"]
    list_filter = ["state", "provider_group"]
    list_select_related = ["provider_group", "owner"]
    search_fields = ["name", "slug", "description"]
    autocomplete_fields = ["provider_group", "owner"]
    fields = [
        "name", "description", "provider_group", "owner", "state", "live_on", "origin_request",
        "slug",
    ]  # fmt: skip
    readonly_fields = ["state", "live_on", "origin_request", "slug"]
    actions = ["develop", "go_live"]

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        if not change:
            obj.slug = free_slug(obj.name)
        super().save_model(request, obj, form, change)

    def _step(
        self, request: HttpRequest, services: QuerySet[Service], step: str, **facts: Any
    ) -> None:
        """Each through the door, each with its own answer."""
        for service in services:
            try:
                moved = advance(service, step, by=request.user, **facts)
            except (Refused, ValidationError) as refused:
                self.message_user(request, f"{service}: {refused}", messages.ERROR)
            except PermissionDenied:
                self.message_user(request, f"{service}: not yours to move.", messages.ERROR)
            else:
                self.message_user(request, f"{moved}: {moved.get_state_display().lower()}.")

    @admin.action(description="Start developing")
    def develop(self, request: HttpRequest, services: QuerySet[Service]) -> None:
        self._step(request, services, "develop")

    @admin.action(description="Take live today")
    def go_live(self, request: HttpRequest, services: QuerySet[Service]) -> None:
        self._step(request, services, "go_live", live_on=clock.today())


@admin.register(AgencyService)
class AgencyServiceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["agency", "service", "quantity", "since", "until"]
    list_filter = ["service"]
    list_select_related = ["agency", "service"]
    search_fields = ["agency__name", "agency__code", "service__name"]


@admin.register(ServiceUpdate)
class ServiceUpdateAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "service", "state", "quantity", "starts_on", "requested_by"]
    list_filter = ["state"]
    list_select_related = ["request", "service", "requested_by"]
    search_fields = ["request__reference", "service__name", "change"]
