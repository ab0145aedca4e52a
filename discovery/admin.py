"""Discovery, proposals and parts as records; the parts list can be kept here."""

from django.contrib import admin

from discovery.models import (
    Discovery,
    Finding,
    Need,
    Part,
    PartLine,
    PartRate,
    PartReceipt,
    Proposal,
    ProposalLine,
    PublishedList,
    PurchaseOrder,
    TeamMember,
)
from workflow.admin import NoDelete, ReadOnly


class TeamInline(ReadOnly, admin.TabularInline):
    model = TeamMember
    extra = 0


class NeedInline(ReadOnly, admin.TabularInline):
    model = Need
    extra = 0


class FindingInline(ReadOnly, admin.TabularInline):
    model = Finding
    extra = 0


@admin.register(Discovery)
class DiscoveryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["request", "number", "state", "determination", "ending", "started_at"]
    list_filter = ["state", "determination", "ending"]
    list_select_related = ["request"]
    search_fields = ["request__reference", "requested_service"]
    inlines = [TeamInline, NeedInline, FindingInline]


class ProposalLineInline(ReadOnly, admin.TabularInline):
    model = ProposalLine
    extra = 0


class PurchaseOrderInline(ReadOnly, admin.TabularInline):
    model = PurchaseOrder
    extra = 0


@admin.register(Proposal)
class ProposalAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["__str__", "request", "state", "valid_until", "issued_at", "answered_at"]
    list_filter = ["state"]
    list_select_related = ["request"]
    search_fields = ["reference", "request__reference"]
    inlines = [ProposalLineInline, PurchaseOrderInline]


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["__str__", "request", "proposal", "amount", "issued_on"]
    list_select_related = ["request", "proposal"]
    search_fields = ["number", "request__reference"]


class PartRateInline(ReadOnly, admin.TabularInline):
    model = PartRate
    extra = 0


@admin.register(Part)
class PartAdmin(NoDelete, admin.ModelAdmin):
    list_display = ["number", "name", "unit", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["number", "name"]
    inlines = [PartRateInline]


class ReceiptInline(ReadOnly, admin.TabularInline):
    model = PartReceipt
    extra = 0


@admin.register(PartLine)
class PartLineAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "request", "quantity", "quantity_received", "state", "expected_on"]
    list_filter = ["state", "change", "to_order"]
    list_select_related = ["request"]
    search_fields = ["name", "request__reference", "order_number"]
    inlines = [ReceiptInline]


@admin.register(PublishedList)
class PublishedListAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["number", "published_at", "published_by"]
    list_select_related = ["published_by"]
