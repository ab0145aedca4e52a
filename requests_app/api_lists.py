"""How the API narrows and pages the list of requests."""

from typing import Any

import django_filters
from django.db.models import Q
from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rest_framework.fields import DateTimeField
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from asd.models import Agency, Service
from requests_app.clock_models import standing_at
from requests_app.filters import RequestFilter, groups_for
from requests_app.models import Request
from requests_app.states import LANES, State
from workflow.api import Pages
from workflow.paging import CappedPaginator, Keyed
from workflow.statements import AmongValues
from workflow.written import Written

_SHOWN = (
    *("reference", "title", "state", "state_since", "kind", "priority", "due_at", "at_risk_at"),
    *("paused_since", "held_since", "created_at", "closed_at", "archived_at"),
    *("agency__code", "agency__name", "service__slug", "provider_group__slug"),
    *("specialist__username", "representative__username"),
)
_ROWS = Written(
    lambda keys: (
        Request.objects.filter(AmongValues("pk", keys))
        .order_by()
        .values_list("pk", "agency_id", *_SHOWN)
    ),
    planned=True,
)
_moment: Any = DateTimeField().to_representation


def read(keys: list[int]) -> list[dict[str, Any]]:
    """The rows of these keys, in their order, as `RequestRow` describes them."""
    rows = _ROWS.tuples(keys=keys) if keys else []
    found = {row[0]: _row(dict(zip(_SHOWN, row[2:], strict=True)), row[1]) for row in rows}
    return [found[key] for key in keys if key in found]


def _row(read: dict[str, Any], agency: int) -> dict[str, Any]:
    clock = (read[name] for name in ("closed_at", "paused_since", "due_at", "at_risk_at"))
    return {
        "reference": read["reference"],
        "title": read["title"],
        "state": read["state"],
        "state_label": str(State(read["state"]).label),
        "state_since": _moment(read["state_since"]),
        "lane": LANES[read["state"]],
        "kind": read["kind"],
        "agency": {"id": agency, "code": read["agency__code"], "name": read["agency__name"]},
        "service": read["service__slug"],
        "group": read["provider_group__slug"],
        "specialist": read["specialist__username"],
        "representative": read["representative__username"],
        "priority": read["priority"],
        "due_at": _moment(read["due_at"]),
        "standing": standing_at(*clock),
        "on_hold": read["held_since"] is not None,
        "created_at": _moment(read["created_at"]),
        "closed_at": _moment(read["closed_at"]),
        "archived_at": _moment(read["archived_at"]),
        "url": Request(reference=read["reference"]).get_absolute_url(),
    }


class ApiRequestFilter(RequestFilter):
    """The filters of the list, by code and slug instead of id; nothing is left out unasked."""

    same_form = False  # which groups there are to choose depends on who asks
    agency = django_filters.ModelChoiceFilter(
        queryset=Agency.objects.all(), to_field_name="code", label="Agency code"
    )
    service = django_filters.ModelChoiceFilter(
        queryset=Service.objects.all(), to_field_name="slug", label="Service slug"
    )
    group = django_filters.ModelChoiceFilter(
        field_name="provider_group",
        queryset=lambda request: groups_for(request),
        to_field_name="slug",
        label="Provider group slug",
    )
    representative = django_filters.CharFilter(field_name="representative__username")
    specialist = django_filters.CharFilter(field_name="specialist__username")

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any) -> None:
        given = data.copy() if data is not None else QueryDict(mutable=True)
        for name, value in {"scope": "all", "status": "any", "sort": "-created"}.items():
            given.setdefault(name, value)
        super().__init__(given, queryset, request=request)


class RequestPages(Pages):
    """The pages of the list: counted up to a thousand, and followed for as long as there are more.

    In the usual order, the newest first, `next` begins after the last row and not at a number of
    rows: the thousandth page costs what the first one does.
    """

    django_paginator_class = CappedPaginator
    after_query_param = "after"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        self.keyed = request.query_params.get("sort", "-created") == "-created"
        after = request.query_params.get(self.after_query_param, "")
        self.rest = bool(after) and self.keyed
        if self.rest:
            queryset = queryset.filter(self._after(after))
        return super().paginate_queryset(Keyed(queryset, read), request, view)  # type: ignore[arg-type]

    def _after(self, reference: str) -> Q:
        row = Request.objects.filter(reference__iexact=reference).values("created_at", "pk").first()
        if row is None:
            raise ValidationError({"after": ["There is no request with this reference."]})
        at, pk = row["created_at"], row["pk"]
        return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=pk))

    def get_next_link(self) -> str | None:
        page: Any = self.page
        if not self.keyed:
            return super().get_next_link()
        if not page.object_list or not (page.has_next() or page.paginator.is_capped):
            return None
        request: Any = self.request
        url = request.build_absolute_uri()
        last = list(page.object_list)[-1]["reference"]
        return replace_query_param(
            remove_query_param(url, self.page_query_param), self.after_query_param, last
        )

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        paginator: Any = self.page.paginator  # type: ignore[union-attr]
        response.data["count_is_capped"] = paginator.is_capped
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        described["properties"]["count_is_capped"] = {
            "type": "boolean",
            "description": "There are more than are counted.",
        }
        return described
