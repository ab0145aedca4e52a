"""Billing cases as they are: written by actions, frozen by the database, only read here (F13)."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.models import BillingCase, ChargeLine
from workflow.admin import ReadOnly


class ChargeLineInline(ReadOnly, admin.TabularInline):
    model = ChargeLine
    extra = 0
    fields = ["description", "quantity", "unit", "rate", "amount", "basis", "evidence"]
    readonly_fields = fields

    @admin.display
    def amount(self, line: ChargeLine) -> Decimal:
        return line.amount


@admin.register(BillingCase)
class BillingCaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "reference", "request", "agency", "state", "avenue", "total", "currency",
        "finance_number", "opened_at", "initiated_at",
    ]  # fmt: skip
    list_filter = ["state", "avenue", "currency"]
    list_select_related = ["request__agency"]
    date_hierarchy = "opened_at"
    search_fields = ["reference", "finance_number", "request__reference", "request__agency__name"]
    inlines = [ChargeLineInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingCase]:
        return super().get_queryset(request).prefetch_related("lines")

    @admin.display(ordering="request__agency__name")
    def agency(self, case: BillingCase) -> str:
        return case.request.agency.name

    @admin.display
    def total(self, case: BillingCase) -> Decimal:
        return case.total
