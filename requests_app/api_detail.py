"""A request with everything about it, as `RequestDetail` describes it, in a plain dictionary.

To make forty fields of a serializer anew for each answer takes longer than to read the request.
"""

from typing import Any

from rest_framework.fields import DateTimeField

from requests_app.models import Request
from workflow.api_actions import describe_all
from workflow.models import User
from workflow.registry import offers

_moment: Any = DateTimeField().to_representation
_PLAIN = ("reference", "title", "state", "kind", "priority", "standing", "description", "channel",
          "impact", "urgency", "pass_number", "target_source", "service_level", "charge_expected",
          "hold_reason", "waiting_for", "resolution", "outcome", "lane")  # fmt: skip
_MOMENTS = ("state_since", "due_at", "created_at", "closed_at", "archived_at", "response_due_at",
            "responded_at", "at_risk_at", "paused_since", "held_since")  # fmt: skip
_DAYS = ("needed_by", "earliest_on", "review_on")


def detail(req: Any, user: User, order: list[str]) -> dict[str, Any]:
    """All of it, with what this person can do; its fields in this order."""
    agency, contact, service = req.agency, req.contact, req.service
    found: dict[str, Any] = {name: getattr(req, name) for name in _PLAIN}
    found |= {name: _moment(getattr(req, name)) for name in _MOMENTS}
    found |= {name: _day(getattr(req, name)) for name in _DAYS}
    found |= {
        "state_label": str(req.get_state_display()),
        "agency": {"id": agency.pk, "code": agency.code, "name": agency.name},
        "contact": {"id": contact.pk, "name": contact.name, "email": contact.email},
        "service": service and service.slug,
        "group": req.provider_group and req.provider_group.slug,
        "specialist": req.specialist and req.specialist.username,
        "representative": req.representative and req.representative.username,
        "case": req.case.reference if hasattr(req, "case") else None,
        "estimate_hours": None if req.estimate_hours is None else f"{req.estimate_hours:f}",
        "on_hold": req.is_on_hold,
        "url": req.get_absolute_url(),
        "facts": {"current_customer": req.has_sla, "existing_service": service is not None},
        "forecast": _forecast(req),
        "available_actions": describe_all(offers(req, user)),
    }
    return {name: found[name] for name in order}


def _day(day: Any) -> str | None:
    return day.isoformat() if day else None


def _forecast(req: Request) -> dict[str, Any] | None:
    """When it will probably be done; nothing of one that has ended."""
    forecast: Any = getattr(req, "forecast", None) if req.is_open else None
    return forecast and {
        "p50_on": _day(forecast.p50_on),
        "p85_on": _day(forecast.p85_on),
        "in_words": forecast.in_words(),
        "moved_in_words": forecast.moved_in_words(),
        "sample": forecast.sample,
        "whose": forecast.whose,
        "computed_at": _moment(forecast.computed_at),
    }
