"""How the list of billing cases is narrowed. Only what stands here reaches the database."""

from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value

from asd.models import Agency, normalised
from billing.models import Avenue, BillingCase, BillingState
from requests_app.models import Request
from requests_app.querysets import AmongKeys
from workflow.facets import OccurringChoices
from workflow.paging import MOST, Chained

DATE = forms.DateInput(attrs={"type": "date"})


class BillingFilter(OccurringChoices, django_filters.FilterSet):
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

    narrowed = {"agency": (Agency, F("name"), "request__agency")}

    class Meta:
        model = BillingCase
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[BillingCase]:
        """Words of the request's title or parts of its reference; where there is a digit in them,
        parts of the case's reference or of finance's number as well."""
        text = normalised(value)
        requests = Request.objects.said(text)
        if not any(map(str.isdigit, text)):
            return queryset.filter(request__in=requests)
        return queryset.filter(
            Q(reference__icontains=text)
            | Q(finance_number__icontains=text)
            | Q(AmongKeys("request", requests.order_by().values("pk")))
        )


def waiting_for(cases: QuerySet[BillingCase], user: Any) -> QuerySet[BillingCase]:
    """Cases that wait for this representative (F12)."""
    if not user.is_representative:
        return cases.none()
    represented = Request.objects.represented_by(user).filter(pk=OuterRef("request_id"))
    return cases.filter(Exists(represented), state=BillingState.FORWARDED)


def in_two(
    cases: QuerySet[BillingCase], user: Any
) -> tuple[QuerySet[BillingCase], QuerySet[BillingCase]]:
    """What waits for this representative, and then the others, the newest first (F12).

    The few that wait are found by the index of open cases; nothing is sorted.
    """
    cases = cases.order_by("-pk")
    if not user.is_representative:
        return cases.none(), cases
    first = waiting_for(cases, user)
    rest = cases.exclude(pk__in=first.order_by().values("pk")[:MOST])
    return first.annotate(place=Value(0)), rest


def mine_first(cases: QuerySet[BillingCase], user: Any) -> Chained:
    """Both as one list, for an export."""
    return Chained(*in_two(cases, user))
