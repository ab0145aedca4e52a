"""CRM cases through the API, to read."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets

from requests_app.api import REFERENCE
from requests_app.models import Attachment, Case, CaseEntry, Request
from workflow.api import Pages, PlainInput


class EntryData(serializers.ModelSerializer):
    """An update on the case."""

    author = serializers.CharField(source="author_name", read_only=True)

    class Meta:
        model = CaseEntry
        fields = ["id", "at", "author", "from_customer", "public", "text"]
        read_only_fields = fields


class AttachmentData(serializers.ModelSerializer):
    """A file of the case; its address asks for the same rights."""

    url = serializers.CharField(source="get_absolute_url", read_only=True)
    uploaded_by = serializers.CharField(source="uploaded_by_name", read_only=True)

    class Meta:
        model = Attachment
        fields = [
            "id",
            "name",
            "purpose",
            "size",
            "sha256",
            "public",
            "uploaded_by",
            "uploaded_at",
            "url",
        ]
        read_only_fields = fields


class CaseRow(serializers.ModelSerializer):
    """The record of dealings about a request."""

    request = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    title = serializers.CharField(source="request.title", read_only=True)
    agency = serializers.CharField(source="request.agency.code", read_only=True)

    class Meta:
        model = Case
        fields = ["reference", "request", "title", "agency", "opened_at", "closed_at"]
        read_only_fields = fields


class CaseDetail(CaseRow):
    """A case with its updates, files and billing."""

    entries = EntryData(many=True, read_only=True)
    attachments = serializers.SerializerMethodField()

    class Meta(CaseRow.Meta):
        fields = [*CaseRow.Meta.fields, "entries", "attachments"]
        read_only_fields = fields

    @extend_schema_field(AttachmentData(many=True))
    def get_attachments(self, case: Case) -> Any:
        kept = case.attachments.kept().select_related("case__request")
        return AttachmentData(kept, many=True).data


class CaseFilter(django_filters.FilterSet):
    """Which cases."""

    request = django_filters.CharFilter(field_name="request__reference", lookup_expr="iexact")
    agency = django_filters.CharFilter(field_name="request__agency__code", lookup_expr="iexact")
    open = django_filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull")

    class Meta:
        model = Case
        fields: list[str] = []


class CaseViewSet(PlainInput, viewsets.ReadOnlyModelViewSet):
    """CRM cases of the requests that one may see."""

    queryset = Case.objects.none()
    filterset_class = CaseFilter
    pagination_class = Pages
    lookup_field = "reference"
    lookup_value_regex = REFERENCE

    def get_queryset(self) -> QuerySet[Case]:
        user: Any = self.request.user
        mine = Request.objects.visible_to(user)
        return (
            Case.objects.filter(request__in=mine)
            .select_related("request__agency")
            .order_by("-opened_at", "-pk")
        )

    def get_serializer_class(self) -> Any:
        return CaseRow if self.action == "list" else CaseDetail
