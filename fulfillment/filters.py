"""How the queues and the work list are narrowed. Only what stands here reaches the database."""

from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.db.models import F, Q, QuerySet

from asd.models import Agency, Service, normalised
from fulfillment.lists import ON_WORK_LIST
from fulfillment.names import name_of
from requests_app import standing
from requests_app.models import Request
from requests_app.states import Priority, State
from workflow.facets import Light, OccurringChoices

ATTENTION = [*standing.CHOICES, ("held", "On hold")]


class QueueFilter(Light, OccurringChoices, django_filters.FilterSet):
    """What both lists of a group have in common; choices are those that occur in it."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    priority = django_filters.ChoiceFilter(
        choices=Priority.choices, label="Priority", empty_label="Any"
    )
    agency = django_filters.ModelChoiceFilter(
        queryset=Agency.objects.all(), label="Agency", empty_label="Any"
    )
    service = django_filters.ModelChoiceFilter(
        queryset=Service.objects.all(), label="Service", empty_label="Any"
    )
    attention = django_filters.ChoiceFilter(
        choices=ATTENTION, method="needing_attention", label="Attention", empty_label="Any"
    )

    same_form = True
    narrowed = {
        "agency": (Agency, F("name"), "agency"),
        "service": (Service, F("name"), "service"),
    }

    class Meta:
        model = Request
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Request]:
        """Words of the title, or a part of the reference."""
        text = normalised(value)
        return queryset.filter(Q(title__icontains=text) | Q(reference__icontains=text))

    def needing_attention(self, queryset: Any, name: str, value: str) -> QuerySet[Request]:
        """Overdue, at risk, due soon, its clock stopped, or on hold (F1)."""
        if value == "held":
            return queryset.filter(held_since__isnull=False)
        return queryset.filter(standing.q_of(value))


class PendingFilter(QueueFilter):
    """The pending queue."""


class WorkFilter(QueueFilter):
    """The work list, also by who has it and how far it is."""

    state = django_filters.ChoiceFilter(
        choices=[(s.value, s.label) for s in State if s in ON_WORK_LIST],
        label="State",
        empty_label="Any",
    )
    specialist = django_filters.ModelChoiceFilter(
        queryset=get_user_model().objects.all(), label="Specialist", empty_label="Anybody"
    )

    narrowed = QueueFilter.narrowed | {"specialist": (get_user_model(), name_of(), "specialist")}
