"""Agencies and services through the API, to read: what a new request can name."""

from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from rest_framework import serializers, viewsets

from asd.models import Agency, AgencyService, Contact, Service, ServiceState
from workflow.api import Pages, PlainInput


class ServiceData(serializers.ModelSerializer):
    """An entry of the Agency Services Database."""

    group = serializers.SlugRelatedField(source="provider_group", slug_field="slug", read_only=True)
    state_label = serializers.CharField(source="get_state_display", read_only=True)

    class Meta:
        model = Service
        fields = ["id", "slug", "name", "description", "state", "state_label", "group", "live_on"]
        read_only_fields = fields


class ServiceFilter(django_filters.FilterSet):
    """Which services."""

    state = django_filters.MultipleChoiceFilter(choices=ServiceState.choices)
    group = django_filters.CharFilter(field_name="provider_group__slug")
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Name")

    class Meta:
        model = Service
        fields: list[str] = []


class ServiceViewSet(PlainInput, viewsets.ReadOnlyModelViewSet):
    """The catalogue of services."""

    queryset = Service.objects.none()
    serializer_class = ServiceData
    filterset_class = ServiceFilter
    pagination_class = Pages
    lookup_field = "slug"
    lookup_value_regex = r"[-\w]+"

    def get_queryset(self) -> QuerySet[Service]:
        services = Service.objects.visible_to(self.request.user)
        return services.select_related("provider_group").order_by("name", "pk")


class ContactData(serializers.ModelSerializer):
    """A person at an agency."""

    class Meta:
        model = Contact
        fields = ["id", "name", "email", "phone", "language", "is_signatory"]
        read_only_fields = fields


class UsedServiceData(serializers.ModelSerializer):
    """A service that the agency uses (F14)."""

    service = serializers.SlugRelatedField(slug_field="slug", read_only=True)

    class Meta:
        model = AgencyService
        fields = ["service", "since", "until", "quantity"]
        read_only_fields = fields


class AgencyRow(serializers.ModelSerializer):
    """An agency; `is_current` is computed from its agreements today (D14)."""

    representative = serializers.SlugRelatedField(slug_field="username", read_only=True)
    deputy = serializers.SlugRelatedField(slug_field="username", read_only=True)
    is_current = serializers.BooleanField(source="has_sla", read_only=True)

    class Meta:
        model = Agency
        fields = ["id", "code", "name", "is_current", "representative", "deputy", "is_active"]
        read_only_fields = fields


class AgencyDetail(AgencyRow):
    """An agency with its contacts and what it uses."""

    contacts = ContactData(many=True, read_only=True)
    services_used = UsedServiceData(many=True, read_only=True)

    class Meta(AgencyRow.Meta):
        fields = [*AgencyRow.Meta.fields, "contacts", "services_used"]
        read_only_fields = fields


class AgencyFilter(django_filters.FilterSet):
    """Which agencies."""

    is_current = django_filters.BooleanFilter(field_name="has_sla", label="Current customer")
    is_active = django_filters.BooleanFilter()
    representative = django_filters.CharFilter(field_name="representative__username")
    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Name")

    class Meta:
        model = Agency
        fields: list[str] = []


class AgencyViewSet(PlainInput, viewsets.ReadOnlyModelViewSet):
    """Whom we serve."""

    queryset = Agency.objects.none()
    filterset_class = AgencyFilter
    pagination_class = Pages
    lookup_field = "code"
    lookup_value_regex = r"[^/]+"

    def get_queryset(self) -> QuerySet[Agency]:
        agencies = Agency.objects.visible_to(self.request.user).with_current()
        agencies = agencies.select_related("representative", "deputy").order_by("name", "pk")
        if self.action == "list":
            return agencies
        active = Prefetch("contacts", Contact.objects.active())
        return agencies.prefetch_related(active, "services_used__service")

    def get_serializer_class(self) -> Any:
        return AgencyRow if self.action == "list" else AgencyDetail
