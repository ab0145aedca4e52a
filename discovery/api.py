"""Proposals through the API, to read: every version, with its lines and what was answered."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets

from discovery.models import Proposal, ProposalLine
from discovery.proposal_models import ProposalState
from workflow.api import Pages, PlainInput


class ProposalLineData(serializers.ModelSerializer):
    """One line of a proposal."""

    amount = serializers.DecimalField(max_digits=21, decimal_places=2, read_only=True)

    class Meta:
        model = ProposalLine
        fields = ["id", "kind", "description", "quantity", "unit", "rate", "amount"]
        read_only_fields = fields


class ProposalRow(serializers.ModelSerializer):
    """A version of a proposal."""

    request = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    state_label = serializers.CharField(source="get_state_display", read_only=True)
    one_off_total = serializers.DecimalField(max_digits=21, decimal_places=2, read_only=True)
    monthly_total = serializers.DecimalField(max_digits=21, decimal_places=2, read_only=True)
    url = serializers.CharField(source="get_absolute_url", read_only=True)

    class Meta:
        model = Proposal
        fields = [
            "id",
            "reference",
            "version",
            "request",
            "state",
            "state_label",
            "valid_until",
            "currency",
            "one_off_total",
            "monthly_total",
            "issued_at",
            "answered_at",
            "url",
        ]
        read_only_fields = fields


class ProposalDetail(ProposalRow):
    """A version with its words, lines and answer."""

    lines = ProposalLineData(many=True, read_only=True)

    class Meta(ProposalRow.Meta):
        fields = [
            *ProposalRow.Meta.fields,
            "summary",
            "assumptions",
            "terms",
            "new_service_name",
            "answered_by",
            "answer_note",
            "lines",
        ]
        read_only_fields = fields


class ApiProposalFilter(django_filters.FilterSet):
    """Which proposals."""

    state = django_filters.MultipleChoiceFilter(choices=ProposalState.choices)
    request = django_filters.CharFilter(field_name="request__reference", lookup_expr="iexact")
    reference = django_filters.CharFilter(lookup_expr="iexact")

    class Meta:
        model = Proposal
        fields: list[str] = []


class ProposalViewSet(PlainInput, viewsets.ReadOnlyModelViewSet):
    """Proposals of the requests that one may see; one is read in its latest version."""

    queryset = Proposal.objects.none()
    filterset_class = ApiProposalFilter
    pagination_class = Pages
    lookup_field = "reference"
    lookup_value_regex = r"[A-Za-z]+-\d{4}-\d+"

    def get_queryset(self) -> QuerySet[Proposal]:
        mine = Proposal.objects.visible_to(self.request.user)
        return mine.select_related("request").prefetch_related("lines").order_by("-pk")

    def get_serializer_class(self) -> Any:
        return ProposalRow if self.action == "list" else ProposalDetail

    def filter_queryset(self, queryset: QuerySet[Proposal]) -> QuerySet[Proposal]:
        """A single proposal is its latest version, or the one asked for."""
        if self.action == "list":
            return super().filter_queryset(queryset)
        reference = self.kwargs["reference"]
        versions = queryset.filter(reference=reference)
        wanted = self.request.query_params.get("version", "")
        if wanted.isascii() and wanted.isdigit():
            versions = versions.filter(version=min(int(wanted), 32767))
        latest = versions.order_by("-version").values_list("pk", flat=True)[:1]
        return queryset.filter(pk__in=list(latest))

    @extend_schema(
        parameters=[OpenApiParameter("version", int, description="Instead of the latest.")]
    )
    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """A proposal in its latest version, or in `?version=`."""
        return super().retrieve(request, *args, **kwargs)
