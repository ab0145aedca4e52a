"""Under which terms an agency is served: SLAs, what they cover, and what it costs (D2, F1)."""

from typing import Any

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflow import clock


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def in_force(self, on: Any = None) -> "AgreementQuerySet":
        """SLAs in force on a day (today by default): started, not ended, not suspended (D2)."""
        day = on or clock.today()
        return (
            self.filter(kind=Agreement.Kind.SLA, starts_on__lte=day)
            .filter(Q(ends_on__isnull=True) | Q(ends_on__gte=day))
            .exclude(
                Q(suspended_from__lte=day)
                & (Q(suspended_until__isnull=True) | Q(suspended_until__gte=day))
            )
        )


@pghistory.track()
class Agreement(models.Model):
    """A Service-Level Agreement, or a one-off agreement (MOU) for a single piece of work."""

    class Kind(models.TextChoices):
        SLA = "sla", _("Service-Level Agreement")
        ONE_OFF = "one_off", _("One-off agreement (MOU)")

    agency = models.ForeignKey("asd.Agency", models.PROTECT, related_name="agreements")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SLA)
    reference = models.CharField(max_length=40, unique=True)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    suspended_from = models.DateField(null=True, blank=True)
    suspended_until = models.DateField(null=True, blank=True)
    notes = models.TextField(blank=True)

    objects = AgreementQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on"]
        verbose_name = "agreement (SLA)"
        verbose_name_plural = "agreements (SLA)"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=models.F("starts_on")),
                name="agreement_ends_after_start",
                violation_error_message=_("The end must not be before the start."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.agency})"

    @property
    def standing(self) -> str:
        """How it stands today: in force, not begun, ended or suspended (D2)."""
        return self.standing_on(clock.today())

    @property
    def is_in_force(self) -> bool:
        """As `in_force` says it of many: an SLA that counts today (D2)."""
        return self.counts_on(clock.today())

    def counts_on(self, day: Any) -> bool:
        """Whether it is an SLA that is in force on a day (D2)."""
        return self.kind == Agreement.Kind.SLA and self.standing_on(day) == "in force"

    def standing_on(self, day: Any) -> str:
        """How it stands on a day."""
        if self.starts_on > day:
            return "starts"
        if self.ends_on is not None and self.ends_on < day:
            return "ended"
        suspended = self.suspended_from is not None and self.suspended_from <= day
        if suspended and (self.suspended_until is None or self.suspended_until >= day):
            return "suspended"
        return "in force"


@pghistory.track()
class CoveredService(models.Model):
    """A service covered by an SLA, its limit and its targets in working hours (F1)."""

    agreement = models.ForeignKey(Agreement, models.CASCADE, related_name="covered")
    service = models.ForeignKey("asd.Service", models.PROTECT, related_name="coverage")
    limit = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Open requests at a time; empty means no limit.")
    )
    response_hours = models.PositiveIntegerField(
        default=8,
        validators=[MinValueValidator(1)],
        help_text=_("Working hours to first response."),
    )
    assistance_hours = models.PositiveIntegerField(
        default=24, validators=[MinValueValidator(1)], help_text=_("Working hours to fulfill it.")
    )
    enhancement_hours = models.PositiveIntegerField(
        default=360, validators=[MinValueValidator(1)], help_text=_("Working hours to fulfill it.")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agreement", "service"], name="service_covered_once")
        ]

    def __str__(self) -> str:
        return f"{self.service} under {self.agreement.reference}"


@pghistory.track()
class RateCardLine(models.Model):
    """What a service costs an agency under its SLA: unit, rate, currency, from-to."""

    agreement = models.ForeignKey(Agreement, models.CASCADE, related_name="rates")
    service = models.ForeignKey("asd.Service", models.PROTECT, related_name="rates")
    unit = models.CharField(max_length=30, default="hour")
    rate = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, default="USD")
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["service", "-valid_from"]
        constraints = [
            models.CheckConstraint(condition=Q(rate__gte=0), name="rate_not_negative"),
            models.UniqueConstraint(
                fields=["agreement", "service", "unit", "valid_from"], name="rate_once_per_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service}: {self.rate} {self.currency} per {self.unit}"
