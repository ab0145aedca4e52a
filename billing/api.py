"""Billing cases through the API, to read: each charge with the basis it stands on (F12, F13)."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers, viewsets

from billing.models import Avenue, BillingCase, BillingState, ChargeLine
from workflow.api import Pages, PlainInput


class ChargeLineData(serializers.ModelSerializer):
    """One charge: quantity × rate, its basis and its evidence (F13)."""

    amount = serializers.DecimalField(max_digits=21, decimal_places=2, read_only=True)

    class Meta:
        model = ChargeLine
        fields = [
            "id",
            "description",
            "quantity",
            "unit",
            "rate",
            "amount",
            "basis",
            "evidence",
        ]
        read_only_fields = fields


class BillingCaseRow(serializers.ModelSerializer):
    """The record of charging one request."""

    request = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    state_label = serializers.CharField(source="get_state_display", read_only=True)
    total = serializers.DecimalField(max_digits=21, decimal_places=2, read_only=True)
    purchase_order = serializers.SlugRelatedField(slug_field="number", read_only=True)
    url = serializers.CharField(source="get_absolute_url", read_only=True)

    class Meta:
        model = BillingCase
        fields = [
            "reference",
            "request",
            "state",
            "state_label",
            "avenue",
            "currency",
            "total",
            "purchase_order",
            "finance_number",
            "starts_on",
            "opened_at",
            "initiated_at",
            "url",
        ]
        read_only_fields = fields


class BillingCaseDetail(BillingCaseRow):
    """A billing case with its lines."""

    lines = ChargeLineData(many=True, read_only=True)

    class Meta(BillingCaseRow.Meta):
        fields = [*BillingCaseRow.Meta.fields, "times_returned", "lines"]
        read_only_fields = fields


class ApiBillingFilter(django_filters.FilterSet):
    """Which billing cases."""

    state = django_filters.MultipleChoiceFilter(choices=BillingState.choices)
    avenue = django_filters.ChoiceFilter(choices=Avenue.choices)
    request = django_filters.CharFilter(field_name="request__reference", lookup_expr="iexact")

    class Meta:
        model = BillingCase
        fields: list[str] = []


class BillingCaseViewSet(PlainInput, viewsets.ReadOnlyModelViewSet):
    """Billing cases: the billing office sees all, others those of requests they may see."""

    queryset = BillingCase.objects.none()
    filterset_class = ApiBillingFilter
    pagination_class = Pages
    lookup_field = "reference"
    lookup_value_regex = r"[A-Za-z]+-\d{4}-\d+"

    def get_queryset(self) -> QuerySet[BillingCase]:
        cases = BillingCase.objects.visible_to(self.request.user)
        return (
            cases.select_related("request", "purchase_order")
            .prefetch_related("lines")
            .order_by("-pk")
        )

    def get_serializer_class(self) -> Any:
        return BillingCaseRow if self.action == "list" else BillingCaseDetail
