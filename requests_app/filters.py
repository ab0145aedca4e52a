"""How the list of requests is narrowed and ordered. Only what stands here reaches the database."""

from typing import Any

import django_filters
from django import forms
from django.contrib.postgres.search import TrigramSimilarity
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.lookups import Exact
from django.http import QueryDict

from asd.models import Agreement
from requests_app import standing
from requests_app.lookup import LookupField
from requests_app.models import Request, RequestQuerySet
from requests_app.querysets import FINISHED, UNASSIGNED, UNFINISHED_Q
from requests_app.states import CLOSED_STATES, LANES, Kind, Priority, State
from workflow.facets import Light
from workflow.models import User

LANE_NAMES = {
    "intake": "Intake",
    "discovery": "Discovery",
    "parts": "Parts",
    "queue": "Queue",
    "fulfillment": "Fulfillment",
    "testing": "Testing",
    "billing": "Billing",
    "closing": "Closing",
    "done": "Done",
}
SCOPES = [("mine", "Mine"), ("groups", "My groups"), ("all", "All")]
STATUSES = [("open", "Open"), ("closed", "Closed"), ("archived", "Archived"), ("any", "All")]
SORTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "first": ("By rule", ()),
    "-created": ("Newest", ("-created_at", "-pk")),
    "created": ("Oldest", ("created_at", "pk")),
    "due": ("Due date", (F("due_at").asc(nulls_last=True), "pk")),
    "priority": ("Priority", ("priority", F("due_at").asc(nulls_last=True), "pk")),
    "reference": ("Reference", ("reference",)),
    "agency": ("Agency", ("agency__name", "-created_at", "-pk")),
    "state": ("Longest in its state", ("state_since", "pk")),
}
FOLDED = (
    "state",
    "priority",
    "lane",
    "agency",
    "current",
    "service",
    "group",
    "representative",
    "specialist",
    "created_from",
    "created_to",
)
DATE = forms.DateInput(attrs={"type": "date"})


def default_scope(user: User) -> str:
    """Representatives begin with their own, members with their groups', all others with all."""
    if user.is_representative:
        return "mine"
    return "groups" if user.group_ids else "all"


def first_things_first(queryset: Any, status: str = "any") -> Any:
    """Unassigned requests in triage on top, then the rule of the queues (F4): the order of an index
    of the table, with what is open before what has ended."""
    ordered = queryset.annotate(finished=FINISHED, unassigned=UNASSIGNED)
    if status != "any":
        ordered = ordered.filter(finished=int(status != "open"))
    return ordered.order_by(
        "finished",
        "unassigned",
        "-overdue",
        "priority",
        F("due_at").asc(nulls_last=True),
        "created_at",
        "pk",
    )


class LookupFilter(django_filters.Filter):
    """By one of very many, chosen by name."""

    field_class = LookupField


class RequestFilter(Light, django_filters.FilterSet):
    """The filters of the list, the saved filters, the export and the feed: one place."""

    same_form = True

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    scope = django_filters.ChoiceFilter(
        choices=SCOPES, method="within", label="Whose", empty_label=None
    )
    status = django_filters.ChoiceFilter(
        choices=STATUSES, method="by_status", label="Open or closed", empty_label=None
    )
    state = django_filters.MultipleChoiceFilter(
        choices=State.choices, label="State", distinct=False
    )
    lane = django_filters.ChoiceFilter(
        choices=list(LANE_NAMES.items()), method="in_lane", label="Lane", empty_label="Any"
    )
    kind = django_filters.ChoiceFilter(
        choices=[*Kind.choices, ("undecided", "Not decided")],
        method="of_kind",
        label="Kind",
        empty_label="Any",
    )
    agency = LookupFilter(label="Agency", name="agency")
    service = LookupFilter(label="Service", name="service")
    group = LookupFilter(field_name="provider_group", label="Provider group", name="group")
    representative = LookupFilter(label="Representative", name="representative")
    specialist = LookupFilter(label="Specialist", name="specialist")
    priority = django_filters.MultipleChoiceFilter(
        choices=Priority.choices, label="Priority", distinct=False
    )
    attention = django_filters.ChoiceFilter(
        choices=[
            *standing.CHOICES,
            ("held", "On hold"),
            ("unassigned", "Nobody represents it"),
        ],
        method="needing_attention",
        label="Attention",
        empty_label="Any",
    )
    current = django_filters.ChoiceFilter(
        choices=[("yes", "Current customer"), ("no", "Not a current customer")],
        method="of_current_customers",
        label="Customer",
        empty_label="Any",
    )
    created_from = django_filters.DateFilter(
        field_name="created_at", lookup_expr="date__gte", label="Created from", widget=DATE
    )
    created_to = django_filters.DateFilter(
        field_name="created_at", lookup_expr="date__lte", label="Created to", widget=DATE
    )
    sort = django_filters.ChoiceFilter(
        choices=[(key, label) for key, (label, _) in SORTS.items()],
        method="ordered",
        label="Sorted by",
        empty_label=None,
    )

    class Meta:
        model = Request
        fields: list[str] = []

    def __init__(self, data: Any, queryset: Any, *, request: Any) -> None:
        self.user = request.user
        given = data.copy() if data is not None else QueryDict(mutable=True)
        given.setdefault("scope", default_scope(self.user))
        given.setdefault("status", "any" if given.getlist("state") else "open")
        given.setdefault("sort", "first")
        super().__init__(given, queryset, request=request)
        for field in self.form.fields.values():
            if isinstance(field, LookupField):
                field.user = self.user

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that its form shows apart from the search box, which is drawn each time."""
        given = [(name, self.data.getlist(name)) for name in self.filters if name != "q"]
        names = [getattr(field.widget, "shown", None) for field in self.form.fields.values()]
        return (given, names, str(self.form.errors) if self.form.errors else "")

    def beside(self) -> dict[str, Any]:
        """The filters that a page keeps folded until one of them is set."""
        fields = [self.form[name] for name in FOLDED]
        count = sum(1 for field in fields if field.value() not in (None, "", [], [""]))
        wrong = any(field.errors for field in fields)
        return {"more_fields": fields, "more_count": count, "more_open": bool(count or wrong)}

    def search(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        """Words of the title or parts of the reference, also by their beginnings."""
        return queryset.said(value)

    def within(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        """Mine: represented by me, given to me, or with me on the discovery team."""
        if value == "mine":
            mine = Q(specialist=self.user) | queryset.on_team_q(self.user)
            if self.user.is_representative:
                mine |= queryset.represented_q(self.user)
            if self.form.cleaned_data.get("q"):
                # Asked of those that have the words. Else the database looks up by index all that
                # was ever one's own, too: many times more.
                return queryset.filter(Exact(Case(When(mine, then=1), default=0), Value(1)))
            return queryset.filter(mine)
        if value == "groups":
            return queryset.filter(provider_group__in=self.user.group_ids)
        return queryset

    def by_status(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        if value == "open":
            given = self.form.cleaned_data
            if given.get("sort") == "first" and (given.get("q") or given.get("scope") != "groups"):
                return queryset  # that order's own index says which are open; a group has its own
            return queryset.filter(UNFINISHED_Q) if given.get("q") else queryset.open()
        if value == "closed":
            return queryset.filter(state__in=CLOSED_STATES, archived_at__isnull=True)
        return queryset.filter(archived_at__isnull=False) if value == "archived" else queryset

    def _status(self) -> str:
        """Open or closed, also where the chosen states say so."""
        states = self.form.cleaned_data.get("state")
        if states and self.form.cleaned_data.get("status") == "any":
            ended = {state in CLOSED_STATES for state in states}
            return "any" if len(ended) > 1 else "closed" if True in ended else "open"
        return str(self.form.cleaned_data.get("status") or "any")

    def in_lane(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        return queryset.filter(state__in=[s for s, lane in LANES.items() if lane == value])

    def of_kind(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        return queryset.filter(kind="" if value == "undecided" else value)

    def needing_attention(
        self, queryset: RequestQuerySet, name: str, value: str
    ) -> QuerySet[Request]:
        if value == "held":
            return queryset.filter(held_since__isnull=False)
        if value == "unassigned":
            return queryset.filter(representative__isnull=True)
        return queryset.open().filter(standing.q_of(value))

    def of_current_customers(
        self, queryset: RequestQuerySet, name: str, value: str
    ) -> QuerySet[Request]:
        """D14: whether the agency has an SLA in force today."""
        in_force = Exists(Agreement.objects.in_force().filter(agency=OuterRef("agency_id")))
        return queryset.filter(in_force if value == "yes" else ~in_force)

    def ordered(self, queryset: RequestQuerySet, name: str, value: str) -> QuerySet[Request]:
        if value == "first":
            return first_things_first(queryset, self._status())
        return queryset.order_by(*SORTS[value][1])


def groups_for(request: Any) -> QuerySet[Any]:
    """The provider groups whose requests this person can list."""
    groups = Request._meta.get_field("provider_group").related_model.objects
    return groups.visible_to(request.user)


def with_current_customer(queryset: RequestQuerySet) -> Any:
    """Annotates `customer_is_current` for the chip beside the agency (D14)."""
    return queryset.annotate(
        customer_is_current=Exists(
            Agreement.objects.in_force().filter(agency=OuterRef("agency_id"))
        )
    )


def near_names(queryset: Any, name: str, limit: float = 0.3) -> Any:
    """Rows whose name is like this one, nearest first."""
    return queryset.annotate(near=TrigramSimilarity("name", name)).filter(near__gt=limit)
