"""What steps of a request need, read with its lock by one statement: people, clock, conditions.

Stage apps declare what their conditions and consequences read beside what their pages show.
"""

from typing import Any

from django.db.models import Q, QuerySet

from asd.models import Agency, Contact, Service
from requests_app.case_models import Case, TrackingToken
from requests_app.clock_history import matters_q
from requests_app.clock_models import Escalation, TargetDefault
from requests_app.hanging import REQUEST
from requests_app.models import Request
from workflow.models import Calendar, CalendarException, Event, User, WorkingHours
from workflow.together import Later, Marks, asks_for, at_hand

# who is concerned; the clock; whom the customers' notices go to
PEOPLE = (
    "agency", "contact", "service", "provider_group", "representative", "specialist", "last_event",
)  # fmt: skip
CLOCK = (
    "history", "escalations", "target_defaults", "covered", "calendars", "calendars__hours",
    "calendars__exceptions",
)  # fmt: skip
TOLD = ("tokens", "watchers")
GROUPS: Any = Request._meta.get_field("provider_group").related_model


@at_hand(REQUEST, "agency")
def _agency(about: Marks) -> QuerySet[Any]:
    of = Agency.objects.filter(pk=about.agency_id)
    return of.select_related("representative__deputy", "deputy").order_by()


@at_hand(REQUEST, "contact")
def _contact(about: Marks) -> QuerySet[Any]:
    return Contact.objects.filter(pk=about.contact_id).order_by()


@at_hand(REQUEST, "service")
def _service(about: Marks) -> QuerySet[Any]:
    return Service.objects.filter(pk=about.service_id).order_by()


@at_hand(REQUEST, "provider_group")
def _group(about: Marks) -> QuerySet[Any]:
    of = GROUPS.objects.filter(pk=about.provider_group_id)
    return of.select_related("calendar").order_by()  # type: ignore[no-any-return]


@at_hand(REQUEST, "representative")
def _representative(about: Marks) -> QuerySet[Any]:
    return User.objects.filter(pk=about.representative_id).select_related("deputy").order_by()


@at_hand(REQUEST, "specialist")
def _specialist(about: Marks) -> QuerySet[Any]:
    return User.objects.filter(pk=about.specialist_id).order_by()


@at_hand(REQUEST, "case")
def _case(about: Marks) -> QuerySet[Any]:
    return Case.objects.filter(request=about.pk).order_by()


@at_hand(REQUEST, "last_event")
def _last_event(about: Marks) -> QuerySet[Any]:
    events = Event.objects.filter(stream_type=about.content_type, stream_id=about.pk)
    return events.order_by("-number").only("number", "digest")[:1]


@at_hand(REQUEST, "history")
def _history(about: Marks) -> QuerySet[Any]:
    events = Event.objects.filter(stream_type=about.content_type, stream_id=about.pk)
    return events.filter(matters_q()).order_by("number")


@at_hand(REQUEST, "escalations")
def _escalations(about: Marks) -> QuerySet[Any]:
    return Escalation.objects.filter(request=about.pk).order_by("at", "pk")


@at_hand(REQUEST, "target_defaults")
def _target_defaults(about: Marks) -> QuerySet[Any]:
    return TargetDefault.objects.order_by("pk")


@at_hand(REQUEST, "calendars")
def _calendars(about: Marks) -> QuerySet[Any]:
    return Calendar.objects.filter(_calendars_of(about)).order_by("pk")


@at_hand(REQUEST, "calendars__hours")
def _hours(about: Marks) -> QuerySet[Any]:
    rows = WorkingHours.objects.filter(calendar__in=Calendar.objects.filter(_calendars_of(about)))
    return rows.order_by("weekday", "opens")


@at_hand(REQUEST, "calendars__exceptions")
def _exceptions(about: Marks) -> QuerySet[Any]:
    own = Calendar.objects.filter(_calendars_of(about))
    return CalendarException.objects.filter(calendar__in=own).order_by("day")


def _calendars_of(about: Marks) -> Q:
    """The group's and the office's."""
    own = GROUPS.objects.filter(pk=about.provider_group_id).values("calendar")
    return Q(is_default=True) | Q(pk__in=own)


@at_hand(REQUEST, "tokens")
def _tokens(about: Marks) -> QuerySet[Any]:
    tokens = TrackingToken.objects.filter(request=about.pk, revoked_at__isnull=True)
    return tokens.order_by("-expires_at")


@at_hand(REQUEST, "orderable")
def _orderable(about: Marks) -> QuerySet[Any]:
    """The service that it has, or will have, where it can be ordered."""
    of = Service.objects.orderable().filter(pk=about.service_id)
    return of.select_related("provider_group").order_by()


def _keys_of(service: int) -> dict[str, Any]:
    group = Service.objects.filter(pk=service).order_by().values("provider_group")
    return {"service_id": service, "provider_group_id": group[:1]}


def _values_of(service: int, found: dict[str, list[Any]]) -> dict[str, Any]:
    """Of none that can be ordered nothing is of use: no request has that key."""
    group = next((one.provider_group_id for one in found["orderable"]), 0)
    return {"service_id": service, "provider_group_id": group}


asks_for(REQUEST, ["take_in"], *PEOPLE, *CLOCK)
asks_for(
    REQUEST, ["triage"], *PEOPLE, *CLOCK, *TOLD, "triage_decisions", "agency__agreements", "leads",
    "schedule_entries", "orderable", later=Later(_keys_of, _values_of),
)  # fmt: skip
asks_for(REQUEST, ["comment"], *PEOPLE, *CLOCK, *TOLD, "case")
asks_for(REQUEST, ["hold"], *PEOPLE, *CLOCK, *TOLD, "questions", "schedule_entries")
asks_for(REQUEST, ["change_priority", "reassign_representative"], *PEOPLE, *CLOCK)
