"""How the list of billing cases is narrowed. Only what stands here reaches the database."""

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet, Value

from asd.models import Agency, normalised
from billing.models import Avenue, BillingCase, BillingState
from requests_app.models import Request
from workflow.paging import MOST, Chained

DATE = forms.DateInput(attrs={"type": "date"})


class BillingFilter(django_filters.FilterSet):
    """State, avenue, agency, when it was opened, words."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    state = django_filters.ChoiceFilter(
        choices=BillingState.choices, label="State", empty_label="Any"
    )
    avenue = django_filters.ChoiceFilter(choices=Avenue.choices, label="Avenue", empty_label="Any")
    agency = django_filters.ModelChoiceFilter(
        field_name="request__agency",
        queryset=Agency.objects.all(),
        label="Agency",
        empty_label="Any",
    )
    opened_from = django_filters.DateFilter(
        field_name="opened_at", lookup_expr="date__gte", label="Opened from", widget=DATE
    )
    opened_to = django_filters.DateFilter(
        field_name="opened_at", lookup_expr="date__lte", label="Opened to", widget=DATE
    )

    class Meta:
        model = BillingCase
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[BillingCase]:
        """A reference of the case or its request, finance's number, or words of the title."""
        text = normalised(value)
        return queryset.filter(
            Q(reference__icontains=text)
            | Q(finance_number__icontains=text)
            | Q(request__reference__icontains=text)
            | Q(request__title__icontains=text)
        )


def mine_first(cases: QuerySet[BillingCase], user: Any) -> Any:
    """Cases that wait for this representative come first, then the newest (F12).

    The few that wait are found first, by the index of open cases; nothing is sorted.
    """
    cases = cases.order_by("-pk")
    if not user.is_representative:
        return cases
    represented = Request.objects.represented_by(user).filter(pk=OuterRef("request_id"))
    first = cases.filter(Exists(represented), state=BillingState.FORWARDED)
    first = first.annotate(place=Value(0))
    waiting = list(first.values_list("pk", flat=True)[:MOST])
    return (
        Chained(first.filter(pk__in=waiting), cases.exclude(pk__in=waiting)) if waiting else cases
    )
