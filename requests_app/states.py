"""The states of a request, the lanes they stand in and what each waits for."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """Where a request is. The order is the order of the process."""

    TRIAGE = "triage", _("Triage")
    DISCOVERY = "discovery", _("Discovery")
    PARTS_MAINTENANCE = "parts_maintenance", _("Parts maintenance")
    PENDING = "pending", _("Pending")
    ASSIGNED = "assigned", _("Assigned")
    AWAITING_SCHEDULING = "awaiting_scheduling", _("Awaiting scheduling")
    SCHEDULED = "scheduled", _("Scheduled")
    PLANNING = "planning", _("Planning")
    IN_FULFILLMENT = "in_fulfillment", _("In fulfillment")
    TESTING = "testing", _("Testing")
    BILLING = "billing", _("Billing")
    CUSTOMER_NOTICE = "customer_notice", _("Customer notice")
    CLOSED = "closed", _("Closed")
    DECLINED = "declined", _("Declined")
    CANCELLED = "cancelled", _("Cancelled")


S = State

LANES: dict[str, str] = {
    S.TRIAGE: "intake",
    S.DISCOVERY: "discovery",
    S.PARTS_MAINTENANCE: "parts",
    S.PENDING: "queue",
    S.ASSIGNED: "fulfillment",
    S.AWAITING_SCHEDULING: "queue",
    S.SCHEDULED: "queue",
    S.PLANNING: "fulfillment",
    S.IN_FULFILLMENT: "fulfillment",
    S.TESTING: "testing",
    S.BILLING: "billing",
    S.CUSTOMER_NOTICE: "closing",
    S.CLOSED: "done",
    S.DECLINED: "done",
    S.CANCELLED: "done",
}

WAITS_FOR: dict[str, str] = {
    S.TRIAGE: "the account representative's decision",
    S.DISCOVERY: "the discovery to complete",
    S.PARTS_MAINTENANCE: "the last part",
    S.PENDING: "a specialist",
    S.ASSIGNED: "the specialist's work",
    S.AWAITING_SCHEDULING: "a slot",
    S.SCHEDULED: "its date",
    S.PLANNING: "work plan and estimates",
    S.IN_FULFILLMENT: "the work",
    S.TESTING: "test runs; after a passing one, the charge decision",
    S.BILLING: "billing initiated, ASD updated",
    S.CUSTOMER_NOTICE: "the representative's notice",
}

CLOSED_STATES = (S.CLOSED, S.DECLINED, S.CANCELLED)
OPEN = tuple(s for s in S if s not in CLOSED_STATES)
FULFILLMENT = (S.ASSIGNED, S.PLANNING, S.IN_FULFILLMENT, S.TESTING)

ASSISTANCE_LINE = (S.TRIAGE, S.PENDING, S.ASSIGNED, S.CLOSED)
ENHANCEMENT_LINE = (
    S.TRIAGE,
    S.AWAITING_SCHEDULING,
    S.SCHEDULED,
    S.PLANNING,
    S.IN_FULFILLMENT,
    S.TESTING,
    S.BILLING,
    S.CUSTOMER_NOTICE,
    S.CLOSED,
)


class Kind(models.TextChoices):
    """What sort of request it is (F16). An enhancement is the customer's Request for Change."""

    ASSISTANCE = "assistance", _("Assistance")
    ENHANCEMENT = "enhancement", _("Enhancement")


class Priority(models.IntegerChoices):
    """Impact times urgency (X8); 1 comes first."""

    CRITICAL = 1, _("Critical")
    HIGH = 2, _("High")
    NORMAL = 3, _("Normal")
    LOW = 4, _("Low")


class Level(models.IntegerChoices):
    """Of impact and of urgency."""

    HIGH = 1, _("High")
    MEDIUM = 2, _("Medium")
    LOW = 3, _("Low")


def priority_of(impact: int, urgency: int) -> Priority:
    """The usual matrix: both high is critical, both low is low (X8)."""
    return Priority(max(1, min(4, impact + urgency - 1 if impact + urgency < 5 else 4)))


class OutOf(models.TextChoices):
    """Why a request was declined: the reason code (X2)."""

    PROPOSAL_DECLINED = "proposal_declined", _("Proposal declined")
    NOTHING_NEEDED = "nothing_needed", _("Nothing needed")
    NOT_OFFERED = "not_offered", _("Not offered")
    INCIDENT = "incident", _("An incident, not a request")
    PROBLEM = "problem", _("Problem management work, not a request")
    DUPLICATE = "duplicate", _("Duplicate of another request")


NEEDS_LINK = (OutOf.INCIDENT, OutOf.PROBLEM, OutOf.DUPLICATE)
