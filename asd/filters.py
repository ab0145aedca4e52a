"""How services, agencies and updates are narrowed. Only what stands here reaches the database."""

from datetime import timedelta
from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from asd.models import (
    Agency,
    Agreement,
    Service,
    ServiceState,
    ServiceUpdate,
    UpdateState,
    normalised,
)
from workflow import clock
from workflow.facets import OccurringChoices

STANDINGS = [
    ("current", "Current customer"),
    ("ending", "SLA ends within 90 days"),
    ("none", "No SLA in force"),
]
ENDING_DAYS = 90


class ServiceFilter(django_filters.FilterSet):
    """The catalogue: by words, state and group."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    state = django_filters.ChoiceFilter(
        choices=ServiceState.choices, label="State", empty_label="Any"
    )
    group = django_filters.ModelChoiceFilter(
        field_name="provider_group",
        queryset=Service._meta.get_field("provider_group").related_model.objects.all(),
        label="Provider group",
        empty_label="Any",
    )

    class Meta:
        model = Service
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Service]:
        """Words of the name or the description."""
        text = normalised(value)
        return queryset.filter(Q(name__icontains=text) | Q(description__icontains=text))


class AgencyFilter(django_filters.FilterSet):
    """Whom we serve: by words, standing and representative."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    standing = django_filters.ChoiceFilter(
        choices=STANDINGS, method="standing_as", label="SLA", empty_label="Any"
    )
    representative = django_filters.ModelChoiceFilter(
        queryset=get_user_model().objects.filter(is_representative=True),
        label="Representative",
        empty_label="Any",
    )
    active = django_filters.ChoiceFilter(
        field_name="is_active",
        choices=[("True", "Active"), ("False", "Not active")],
        label="Active",
        empty_label="Any",
    )

    class Meta:
        model = Agency
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Agency]:
        """Name or number of the agency, name or address of a contact."""
        text = normalised(value)
        contact = Q(contacts__name__icontains=text) | Q(contacts__email__icontains=text)
        found = Agency.objects.filter(Q(name__icontains=text) | Q(code__icontains=text) | contact)
        return queryset.filter(pk__in=found.values("pk"))

    def standing_as(self, queryset: Any, name: str, value: str) -> QuerySet[Agency]:
        """Whether an SLA counts today, and still will in three months (D2)."""
        if value != "ending":
            return queryset.filter(has_sla=value == "current")
        later = clock.today() + timedelta(days=ENDING_DAYS)
        then = Agreement.objects.in_force(later).filter(agency=OuterRef("pk"))
        return queryset.filter(has_sla=True).exclude(Exists(then))


class UpdateFilter(OccurringChoices, django_filters.FilterSet):
    """ASD updates: by state, service and agency, of those that occur."""

    state = django_filters.ChoiceFilter(
        choices=UpdateState.choices, label="State", empty_label="Any"
    )
    service = django_filters.ModelChoiceFilter(
        queryset=Service.objects.all(), label="Service", empty_label="Any"
    )
    agency = django_filters.ModelChoiceFilter(
        field_name="request__agency",
        queryset=Agency.objects.all(),
        label="Agency",
        empty_label="Any",
    )

    narrowed = {
        "service": (Service, F("name"), "service"),
        "agency": (Agency, F("name"), "request__agency"),
    }

    class Meta:
        model = ServiceUpdate
        fields: list[str] = []
