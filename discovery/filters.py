"""How the lists of discovery are narrowed. Only what stands here reaches the database."""

from typing import Any

import django_filters
from django.db.models import F, Q, QuerySet

from asd.models import Agency, normalised
from discovery.models import Discovery, Part, PartLine, Proposal
from discovery.models import Stage as DiscoveryStage
from discovery.part_models import LineState
from discovery.proposal_models import ProposalState
from requests_app.models import Request
from workflow.facets import OccurringChoices

TO_DO = [
    ("requested", "To rate"),
    ("rated", "To give a billing code"),
    ("coded", "To list"),
    ("listed", "To order"),
    ("ordered", "To receive"),
]


def _of_request(text: str) -> Q:
    """A request found by words of its title or a part of its reference."""
    return Q(request__title__icontains=text) | Q(request__reference__icontains=text)


class OfRequest(OccurringChoices, django_filters.FilterSet):
    """What lists of things that belong to a request have in common."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    agency = django_filters.ModelChoiceFilter(
        field_name="request__agency",
        queryset=Agency.objects.all(),
        label="Agency",
        empty_label="Any",
    )

    narrowed = {"agency": (Agency, F("name"), "request__agency")}

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Any]:
        """Words of the request's title, or a part of its reference."""
        return queryset.filter(_of_request(normalised(value)))


class DiscoveryFilter(OfRequest):
    """Whose discoveries, and how far they are."""

    whose = django_filters.ChoiceFilter(
        choices=[("mine", "I represent"), ("team", "I am on the team")],
        method="belonging",
        label="Whose",
        empty_label="All I may see",
    )
    stage = django_filters.MultipleChoiceFilter(
        field_name="state", choices=DiscoveryStage.choices, label="Stage"
    )
    ended = django_filters.ChoiceFilter(
        choices=[("yes", "Open and ended"), ("only", "Ended only")],
        method="ending",
        label="Ended",
        empty_label="Open only",
    )

    class Meta:
        model = Discovery
        fields: list[str] = []

    def belonging(self, queryset: Any, name: str, value: str) -> QuerySet[Discovery]:
        """Mine to represent, or mine to work on (D5)."""
        user = self.request.user
        if value == "mine":
            mine = Request.objects.represented_by(user) if user.is_representative else None
            return queryset.filter(request__in=mine) if mine is not None else queryset.none()
        on_team = Discovery.objects.filter(team__user=user, team__left_at__isnull=True)
        return queryset.filter(pk__in=on_team.values("pk"))

    def ending(self, queryset: Any, name: str, value: str) -> QuerySet[Discovery]:
        """Narrowed in `qs`, because it narrows also when nothing is chosen."""
        return queryset

    @property
    def qs(self) -> QuerySet[Discovery]:
        """Open ones unless ended ones are asked for, by the choice or by their stage."""
        found = super().qs
        chosen = self.form.cleaned_data if self.form.is_valid() else {}
        ended = [DiscoveryStage.COMPLETE, DiscoveryStage.ABANDONED]
        if chosen.get("ended") == "only":
            return found.filter(state__in=ended)
        if chosen.get("ended") or set(chosen.get("stage") or []) & {str(s) for s in ended}:
            return found
        return found.exclude(state__in=ended)


class ProposalFilter(OfRequest):
    """Which proposals."""

    state = django_filters.MultipleChoiceFilter(choices=ProposalState.choices, label="State")

    class Meta:
        model = Proposal
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Proposal]:
        """The proposal's own reference counts too."""
        text = normalised(value)
        return queryset.filter(_of_request(text) | Q(reference__icontains=text))


class PartFilter(django_filters.FilterSet):
    """Which parts of the list."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    active = django_filters.ChoiceFilter(
        field_name="is_active",
        choices=[("True", "In use"), ("False", "No longer offered")],
        label="State",
        empty_label="All",
    )

    class Meta:
        model = Part
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[Part]:
        """Number, name or billing code."""
        text = normalised(value)
        by_code = Part.objects.filter(rates__billing_code__icontains=text).values("pk")
        return queryset.filter(
            Q(number__icontains=text) | Q(name__icontains=text) | Q(pk__in=by_code)
        )


class PartLineFilter(OfRequest):
    """Which part lines, by what is to do next."""

    state = django_filters.MultipleChoiceFilter(choices=TO_DO, label="To do")
    all = django_filters.ChoiceFilter(
        choices=[("true", "Done ones too")],
        method="including_done",
        label="Lines",
        empty_label="Open only",
    )

    class Meta:
        model = PartLine
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[PartLine]:
        """The part's name or number counts too."""
        text = normalised(value)
        part = Q(name__icontains=text) | Q(part__number__icontains=text)
        return queryset.filter(_of_request(text) | part)

    def including_done(self, queryset: Any, name: str, value: str) -> QuerySet[PartLine]:
        """Narrowed in `qs`, because it narrows also when nothing is chosen."""
        return queryset

    @property
    def qs(self) -> QuerySet[PartLine]:
        """Lines with something left to do."""
        found = super().qs
        everything = self.form.is_valid() and self.form.cleaned_data.get("all")
        if everything:
            return found
        done = [LineState.RECEIVED, LineState.CANCELLED, LineState.SUBSTITUTED]
        return found.exclude(state__in=done).exclude(state=LineState.LISTED, to_order=False)
