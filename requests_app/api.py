"""Requests through the API: the same door, the same words, the same rights."""

import uuid
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request as ApiRequest
from rest_framework.response import Response

from asd.models import Agency, Contact, Service, normalised
from requests_app.api_detail import detail
from requests_app.api_lists import ApiRequestFilter, RequestPages
from requests_app.models import Request
from requests_app.onboarding import take_in_at_the_desk
from requests_app.pages import page_of
from requests_app.states import LANES, Level
from requests_app.who import any_representative
from workflow import clock, together
from workflow.actors import as_actor
from workflow.api import Pages, PlainInput, once
from workflow.api_actions import ActionData, EventData, describe_all, result_of, typed_in
from workflow.registry import offers, perform

REFERENCE = r"[A-Za-z]+-\d{4}-\d+"
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="The same key again gets the first answer; the work is done once.",
)
NO = {
    400: OpenApiResponse(description="The facts do not do: sentences by field."),
    403: OpenApiResponse(description="Not yours to do."),
    404: OpenApiResponse(description="No such request, or not yours to see; or no such action."),
    409: OpenApiResponse(description="The process does not allow it now: a sentence and a code."),
    422: OpenApiResponse(description="The Idempotency-Key was used for another call."),
}


class AgencyBrief(serializers.ModelSerializer):
    """An agency, as much as a row needs."""

    class Meta:
        model = Agency
        fields = ["id", "code", "name"]


class ContactBrief(serializers.ModelSerializer):
    """Who asks."""

    class Meta:
        model = Contact
        fields = ["id", "name", "email"]


class RequestRow(serializers.ModelSerializer):
    """A request in a list."""

    state_label = serializers.CharField(source="get_state_display", read_only=True)
    lane = serializers.ChoiceField(choices=sorted(set(LANES.values())), read_only=True)
    agency = AgencyBrief(read_only=True)
    service = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    group = serializers.SlugRelatedField(source="provider_group", slug_field="slug", read_only=True)
    specialist = serializers.SlugRelatedField(slug_field="username", read_only=True)
    representative = serializers.SlugRelatedField(slug_field="username", read_only=True)
    on_hold = serializers.BooleanField(source="is_on_hold", read_only=True)
    url = serializers.CharField(source="get_absolute_url", read_only=True)

    class Meta:
        model = Request
        fields = [
            "reference",
            "title",
            "state",
            "state_label",
            "state_since",
            "lane",
            "kind",
            "agency",
            "service",
            "group",
            "specialist",
            "representative",
            "priority",
            "due_at",
            "standing",
            "on_hold",
            "created_at",
            "closed_at",
            "archived_at",
            "url",
        ]
        read_only_fields = fields


class ResultData(serializers.Serializer):
    """What an action made."""

    model = serializers.CharField()
    id = serializers.CharField()
    reference = serializers.CharField(allow_null=True)


class FactsData(serializers.Serializer):
    """The key facts of D14 and F16."""

    current_customer = serializers.BooleanField()
    existing_service = serializers.BooleanField()


class ForecastData(serializers.Serializer):
    """When it will probably be done; no dates where too little is known (F1)."""

    p50_on = serializers.DateField(allow_null=True, help_text="Half of such requests are done by.")
    p85_on = serializers.DateField(allow_null=True, help_text="85 of 100 are done by.")
    in_words = serializers.CharField()
    moved_in_words = serializers.CharField()
    sample = serializers.IntegerField()
    whose = serializers.CharField()
    computed_at = serializers.DateTimeField()


class RequestDetail(RequestRow):
    """A request with everything about it and what the caller can do."""

    contact = ContactBrief(read_only=True)
    case = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    facts = serializers.SerializerMethodField()
    forecast = serializers.SerializerMethodField()
    available_actions = serializers.SerializerMethodField()

    class Meta(RequestRow.Meta):
        fields = [
            *RequestRow.Meta.fields,
            "description",
            "contact",
            "channel",
            "needed_by",
            "impact",
            "urgency",
            "pass_number",
            "case",
            "facts",
            "forecast",
            "response_due_at",
            "responded_at",
            "at_risk_at",
            "paused_since",
            "target_source",
            "service_level",
            "estimate_hours",
            "earliest_on",
            "charge_expected",
            "hold_reason",
            "held_since",
            "review_on",
            "waiting_for",
            "resolution",
            "outcome",
            "available_actions",
        ]
        read_only_fields = fields

    @extend_schema_field(FactsData)
    def get_facts(self, req: Request) -> dict[str, bool]:
        return {"current_customer": req.has_sla, "existing_service": req.service_id is not None}

    @extend_schema_field(ForecastData(allow_null=True))
    def get_forecast(self, req: Any) -> Any:
        forecast = getattr(req, "forecast", None) if req.is_open else None
        return ForecastData(forecast).data if forecast else None

    @extend_schema_field(ActionData(many=True))
    def get_available_actions(self, req: Request) -> list[dict[str, Any]]:
        return describe_all(offers(req, self.context["request"].user))

    @classmethod
    def read(cls, req: Request, user: Any) -> dict[str, Any]:
        """What an instance would say of it, put together at once."""
        return detail(req, user, cls.Meta.fields)


class RequestDone(RequestDetail):
    """A request after an action, and what the action made."""

    result = ResultData(allow_null=True, read_only=True)

    class Meta(RequestDetail.Meta):
        fields = [*RequestDetail.Meta.fields, "result"]
        read_only_fields = fields


class ContactInput(serializers.Serializer):
    """A contact: by id, or by name and e-mail (found by the e-mail, or made)."""

    id = serializers.IntegerField(required=False, min_value=1)
    name = serializers.CharField(required=False, max_length=120)
    email = serializers.EmailField(required=False)
    phone = serializers.CharField(required=False, max_length=40, allow_blank=True, default="")

    def to_internal_value(self, data: Any) -> Any:
        """A bare id will do."""
        if isinstance(data, int | str) and str(data).isdigit():
            data = {"id": data}
        return super().to_internal_value(data)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if "id" not in data and not (data.get("name") and data.get("email")):
            raise serializers.ValidationError("Give the id of a contact, or name and e-mail.")
        return data


class RequestInput(serializers.Serializer):
    """A request taken in on behalf of an agency's contact (X10)."""

    title = serializers.CharField(max_length=160)
    description = serializers.CharField(max_length=20_000)
    agency = serializers.CharField(help_text="Its code, or its id.")
    contact = ContactInput(help_text="An id, or name and e-mail.")
    service = serializers.SlugRelatedField(
        slug_field="slug", queryset=Service.objects.orderable(), required=False, allow_null=True
    )
    needed_by = serializers.DateField(required=False, allow_null=True)
    impact = serializers.ChoiceField(choices=Level.choices, default=Level.MEDIUM)
    urgency = serializers.ChoiceField(choices=Level.choices, default=Level.MEDIUM)
    submission_key = serializers.UUIDField(
        required=False, help_text="The same key twice is one request."
    )

    def validate_title(self, text: str) -> str:
        return normalised(text)

    def validate_agency(self, text: str) -> Agency:
        active = Agency.objects.filter(is_active=True)
        found = active.filter(code__iexact=text).first()
        if found is None and text.isascii() and text.isdigit():
            found = active.filter(pk=min(int(text), 2**63 - 1)).first()
        if found is None:
            raise serializers.ValidationError("There is no active agency with this code or id.")
        return found

    def validate_needed_by(self, day: date | None) -> date | None:
        if day is not None and day < clock.today():
            raise serializers.ValidationError("Choose today or a later date.")
        return day

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """Whose contact it is can only be said once the agency is known."""
        given = data.pop("contact")
        mine = Contact.objects.active().filter(agency=data["agency"])
        wanted = Q(pk=given["id"]) if "id" in given else Q(email__iexact=given["email"])
        data["contact"] = mine.filter(wanted).first()
        data["new_contact"] = None
        if data["contact"] is None and "id" in given:
            raise serializers.ValidationError(
                {"contact": ["This agency has no active contact with this id."]}
            )
        if data["contact"] is None:
            data["new_contact"] = {k: given[k] for k in ("name", "email", "phone")}
        return data


class RequestViewSet(
    PlainInput,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet,
):
    """Requests: what one may see of them, taking one in, and everything people do with them."""

    queryset = Request.objects.none()
    serializer_class = RequestRow
    filterset_class = ApiRequestFilter
    pagination_class = RequestPages
    lookup_field = "reference"
    lookup_value_regex = REFERENCE

    def get_queryset(self) -> QuerySet[Request]:
        rows = Request.objects.visible_to(self.request.user)
        if self.action == "list":
            return rows
        return rows.for_list().select_related(
            "contact", "case", "agency__representative", "agency__deputy", "representative__deputy"
        )

    def list(self, request: ApiRequest) -> Response:
        """What one may see, narrowed and ordered."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(page)

    def retrieve(self, request: ApiRequest, reference: str) -> Response:
        return Response(RequestDetail.read(self.get_object(), request.user))

    def get_object(self) -> Any:
        """The request to be shown is read as its page reads it; one to be changed is not."""
        if self.action != "retrieve":
            return super().get_object()
        found = page_of(self.request.user, self.kwargs["reference"])
        if found is None:
            raise Http404
        together.read(found)
        found.__dict__["_guard_answers"] = {}  # what is asked once counts for the whole answer
        return found

    def get_serializer_class(self) -> Any:
        return RequestRow if self.action == "list" else RequestDetail

    @extend_schema(request=RequestInput, responses={201: RequestDetail, **NO}, parameters=[KEY])
    @once
    def create(self, request: ApiRequest) -> Response:
        """Take in a request; the customer is told that it was received (X10)."""
        if not any_representative.allows(None, as_actor(request.user)):
            raise PermissionDenied("Account representatives take in requests.")
        given = RequestInput(data=request.data)
        given.is_valid(raise_exception=True)
        facts = {"submission_key": uuid.uuid4(), "new_agency": None, **given.validated_data}
        made = take_in_at_the_desk(by=request.user, channel=Request.Channel.API, files=[], **facts)
        return Response(self._shown(made.pk), status.HTTP_201_CREATED)

    @extend_schema(responses=EventData(many=True), filters=False)
    @action(
        detail=True,
        filterset_class=None,
        pagination_class=Pages,
        queryset=Request.objects.none(),
    )
    def events(self, request: ApiRequest, reference: str) -> Response:
        """Every change: who, when, what, from, to, why (X7)."""
        events = self.get_object().events.select_related("subject_type").order_by("number")
        page = self.paginate_queryset(events)
        return self.get_paginated_response(EventData(page, many=True).data)

    @extend_schema(
        request=OpenApiTypes.OBJECT,
        responses={200: RequestDone, **NO},
        parameters=[KEY, OpenApiParameter("name", str, OpenApiParameter.PATH)],
    )
    @action(detail=True, methods=["post"], url_path=r"actions/(?P<name>[a-z_]+)")
    @once
    def act(self, request: ApiRequest, reference: str, name: str) -> Response:
        """Do one of the available actions; answers the request as it is afterwards.

        The facts are the fields that `available_actions` names, as JSON or as a form with files.
        `expect` may name the state that the caller saw.
        """
        subject = self.get_object()
        data = typed_in(subject, name, request.user, request.data)
        done = perform(
            subject,
            name,
            by=request.user,
            data=data,
            files=request.FILES,
            expect=str(request.data.get("expect", "")),
        )
        return Response({**self._shown(subject.pk), "result": result_of(done)})

    def _shown(self, pk: int) -> dict[str, Any]:
        """The request afresh; only its name and state where the caller has just passed it on."""
        fresh = self.get_queryset().filter(pk=pk).first()
        if fresh is not None:
            return RequestDetail.read(fresh, self.request.user)
        gone = Request.objects.get(pk=pk)
        return {"reference": gone.reference, "state": gone.state, "available_actions": []}
