"""What hangs on the clock of a request: the office's own targets, and who was told when (F1)."""

from datetime import datetime
from typing import TYPE_CHECKING

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from requests_app.states import Kind, Priority
from workflow import clock


def standing_at(
    closed_at: datetime | None,
    paused_since: datetime | None,
    due_at: datetime | None,
    at_risk_at: datetime | None,
) -> str:
    """How a clock with these columns stands at this moment."""
    now = clock.now()
    if closed_at is not None:
        return "done"
    if paused_since is not None:
        return "paused"
    if due_at is not None and due_at < now:
        return "late"
    return "risk" if at_risk_at is not None and at_risk_at <= now else ""


class Clocked(models.Model):
    """The columns of a clock. Computed from the events by requests_app/targets.py alone, so that
    lists sort and filter by them (F1)."""

    class PausedFor(models.TextChoices):
        CUSTOMER = "customer", _("waiting for the customer")
        VENDOR = "vendor", _("waiting for a vendor")
        BUDGET = "budget", _("waiting for budget")
        PARTS = "parts", _("waiting for parts")
        OTHER = "other", _("on hold")

    response_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    responded_at = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    at_risk_at = models.DateTimeField(null=True, blank=True, editable=False)
    target_source = models.CharField(max_length=120, blank=True, editable=False)
    paused_since = models.DateTimeField(null=True, blank=True, editable=False)
    paused_for = models.CharField(
        max_length=10, choices=PausedFor, blank=True, default="", editable=False
    )
    overdue = models.BooleanField(
        default=False,
        editable=False,
        help_text=_("Set when its due moment passes, by whoever sees it first."),
    )
    alarm_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When somebody is to be told next.")
    )
    stale_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Its calendar or agreement was edited.")
    )

    if TYPE_CHECKING:
        closed_at: models.DateTimeField[datetime | None, datetime | None]

    class Meta:
        abstract = True

    @property
    def is_paused(self) -> bool:
        """Whether the clock stands still: on hold, for the customer, for parts."""
        return self.paused_since is not None

    @property
    def standing(self) -> str:
        """At this moment: "done", "paused", "late", "risk" (75 % of its time gone), or ""."""
        return standing_at(self.closed_at, self.paused_since, self.due_at, self.at_risk_at)

    @property
    def is_overdue(self) -> bool:
        """Past its due moment with its clock running."""
        return self.standing == "late"


@pghistory.track()
class TargetDefault(models.Model):
    """Targets in working hours where no SLA covers the service, by kind and priority (F1)."""

    kind = models.CharField(max_length=12, choices=Kind)
    priority = models.PositiveSmallIntegerField(choices=Priority)
    response_hours = models.PositiveIntegerField(
        default=8,
        validators=[MinValueValidator(1)],
        help_text=_("Working hours to first response."),
    )
    fulfillment_hours = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text=_("Working hours to fulfill it.")
    )

    class Meta:
        ordering = ["kind", "priority"]
        verbose_name = "default target"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "priority"], name="target_default_once_per_kind_and_priority"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_priority_display()}"


class Escalation(models.Model):
    """Somebody was told that a request is at risk or overdue: once per pass and level (F1).

    A row that was armed again stays as history and no longer counts.
    """

    LEVELS = [(75, _("At risk: 75 % of the time gone")), (100, _("Overdue"))]
    request = models.ForeignKey("requests_app.Request", models.CASCADE, related_name="escalations")
    pass_number = models.PositiveSmallIntegerField()
    level = models.PositiveSmallIntegerField(choices=LEVELS)
    target = models.DateTimeField(help_text=_("The moment of the level when it was told."))
    at = models.DateTimeField(default=clock.now)
    rearmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "pass_number", "level"],
                name="escalated_once_per_pass_and_level",
                condition=Q(rearmed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.request} at {self.level} %"
