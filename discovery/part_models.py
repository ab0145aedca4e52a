"""Parts maintenance: the parts list with its rates, and a request's part lines (D11-D13)."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pghistory
from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.models import Request
from requests_app.who import SYSTEM, billing_office, car, member
from workflow import clock
from workflow.machine import guard, reason, step
from workflow.models import Machine

if TYPE_CHECKING:
    from workflow.models import User


class PartQuerySet(models.QuerySet["Part"]):
    def visible_to(self, user: "User") -> "PartQuerySet":
        """All staff may read the parts list."""
        return self if user.is_active else self.none()


@pghistory.track()
class Part(models.Model):
    """An entry of the parts list: what can be provided and charged."""

    number = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    unit = models.CharField(max_length=30, default="piece")
    is_active = models.BooleanField(default=True)

    objects = PartQuerySet.as_manager()

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    @property
    def current_rate(self) -> "PartRate | None":
        """The listed rate version in force today."""
        today = clock.today()
        versions = sorted(self.rates.all(), key=lambda rate: -rate.version)
        return next((r for r in versions if r.listed_at and r.valid_from <= today), None)


class PartRate(models.Model):
    """A version of a part's rate. Proposals and charges keep the version they used (D12)."""

    part = models.ForeignKey(Part, models.PROTECT, related_name="rates")
    version = models.PositiveSmallIntegerField(default=1)
    rate = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, default="USD")
    basis = models.TextField(max_length=2000, help_text=_("How the rate was computed."))
    billing_code = models.CharField(max_length=40, blank=True)
    valid_from = models.DateField(default=clock.today)
    listed_at = models.DateTimeField(null=True, blank=True)
    documented_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["part", "version"], name="part_rate_version_once"),
            models.CheckConstraint(condition=Q(rate__gte=0), name="part_rate_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.part.number} v{self.version}: {self.rate} {self.currency}"


class PublishedList(models.Model):
    """One publication of the parts list: when, by whom, and what it said (D12)."""

    number = models.PositiveIntegerField(unique=True)
    published_at = models.DateTimeField(default=clock.now)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    rows = models.JSONField(default=list)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"Parts list {self.number}"


class LineState(models.TextChoices):
    REQUESTED = "requested", _("Requested")
    RATED = "rated", _("Rated")
    CODED = "coded", _("Coded")
    LISTED = "listed", _("Listed")
    ORDERED = "ordered", _("Ordered")
    RECEIVED = "received", _("Received in full")
    CANCELLED = "cancelled", _("Cancelled")
    SUBSTITUTED = "substituted", _("Substituted")


class PartLineQuerySet(models.QuerySet["PartLine"]):
    def visible_to(self, user: "User") -> "PartLineQuerySet":
        """Part lines of the requests that this person may see."""
        if user.oversees:
            return self
        return self.filter(request__in=Request.objects.visible_to(user))

    def unfinished(self) -> "PartLineQuerySet":
        """Lines that are not done: listed and, if it is to be ordered, received in full."""
        done = Q(state__in=["received", "cancelled", "substituted"])
        done |= Q(state="listed", to_order=False)
        return self.exclude(done)

    def waiting(self) -> "PartLineQuerySet":
        """Unfinished lines that the representative has not released (D13)."""
        return self.unfinished().filter(released_at__isnull=True)

    def rated(self) -> "PartLineQuerySet":
        return self.filter(rate__isnull=False).exclude(state__in=["cancelled", "substituted"])


@guard("Compute and document the rate first.")
def has_rate(line: "PartLine") -> bool:
    return line.rate_id is not None


@guard("Give the rate its billing code first.")
def has_code(line: "PartLine") -> bool:
    return line.rate is not None and bool(line.rate.billing_code)


@guard("This line is not to be ordered.")
def is_to_order(line: "PartLine") -> bool:
    return line.to_order


@guard("Not everything ordered has been received.")
def received_in_full(line: "PartLine") -> bool:
    return line.quantity_received >= line.quantity


class PartLine(Machine):
    """A part a request needs: requested, rated, coded, listed; then ordered, received (D12)."""

    class Change(models.TextChoices):
        LISTED = "listed", _("Already on the parts list")
        ADD = "add", _("Add to the parts list")
        MODIFY = "modify", _("Modify on the parts list")

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="part_lines")
    pass_number = models.PositiveSmallIntegerField(default=1)
    state = FSMField(default=LineState.REQUESTED, choices=LineState, max_length=12, editable=False)
    change = models.CharField(max_length=8, choices=Change, default=Change.LISTED)
    part = models.ForeignKey(Part, models.PROTECT, null=True, blank=True, related_name="lines")
    name = models.CharField(max_length=120)
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    site = models.CharField(max_length=120, blank=True)
    needed_by = models.DateField(null=True, blank=True)
    proposed_rate = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    rate = models.ForeignKey(PartRate, models.PROTECT, null=True, blank=True, related_name="lines")
    to_order = models.BooleanField(default=False)
    order_number = models.CharField(max_length=60, blank=True)
    vendor = models.CharField(max_length=120, blank=True)
    expected_on = models.DateField(null=True, blank=True)
    quantity_received = models.PositiveIntegerField(default=0)
    substitute_for = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="substitutes"
    )
    released_at = models.DateTimeField(null=True, blank=True)
    released_reason = models.CharField(max_length=300, blank=True)

    objects = PartLineQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=LineState.values), name="part_line_state_known"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="part_line_quantity_positive"),
            models.CheckConstraint(
                condition=~Q(state="received") | Q(quantity_received__gte=F("quantity")),
                name="part_line_received_in_full",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "id"],
                name="part_line_open",
                condition=~Q(state__in=["received", "cancelled", "substituted"]),
            ),
            # what is expected on a day that the schedule does not reach
            models.Index(
                fields=["expected_on"],
                include=["request"],
                name="part_line_expected",
                condition=Q(expected_on__isnull=False)
                & ~Q(state__in=["received", "cancelled", "substituted"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    @property
    def outstanding(self) -> int:
        """Pieces ordered and not yet received."""
        return max(0, self.quantity - self.quantity_received)

    @property
    def is_done(self) -> bool:
        """As `unfinished` says it of many: listed and, if it is to be ordered, received (D13)."""
        return self.state in ("received", "cancelled", "substituted") or (
            self.state == "listed" and not self.to_order
        )

    @property
    def amount(self) -> Decimal:
        return (self.rate.rate if self.rate else Decimal(0)) * self.quantity

    @step(LineState.REQUESTED, LineState.RATED, who=[billing_office, SYSTEM], given=[has_rate])
    def rate_line(self) -> None:
        """The billing office has computed and documented the rate (D12)."""

    @step(LineState.RATED, LineState.CODED, who=[billing_office, SYSTEM], given=[has_code])
    def code_line(self) -> None:
        """The rate has its billing code (D12)."""

    @step(LineState.CODED, LineState.LISTED, who=[billing_office, SYSTEM])
    def list_line(self) -> None:
        """The parts list is republished with it (D12)."""

    @step(
        LineState.LISTED,
        LineState.ORDERED,
        who=[car, member, billing_office],
        given=[is_to_order],
        writes=["order_number", "vendor", "expected_on"],
    )
    def order(self) -> None:
        """Ordered from a vendor (D12)."""

    @step(
        LineState.ORDERED,
        LineState.RECEIVED,
        who=[car, member, billing_office, SYSTEM],
        given=[received_in_full],
    )
    def receive_in_full(self) -> None:
        """The last delivery is in (D12, D13)."""

    @step(
        [
            LineState.REQUESTED,
            LineState.RATED,
            LineState.CODED,
            LineState.LISTED,
            LineState.ORDERED,
        ],
        LineState.CANCELLED,
        who=[car, billing_office, SYSTEM],
        check=[reason],
    )
    def cancel_line(self) -> None:
        """Not needed any more, or not to be had (D12, X2)."""

    @step(
        [
            LineState.REQUESTED,
            LineState.RATED,
            LineState.CODED,
            LineState.LISTED,
            LineState.ORDERED,
        ],
        LineState.SUBSTITUTED,
        who=[car, billing_office],
        check=[reason],
    )
    def substitute(self) -> None:
        """Another part takes its place, on a line of its own (D12)."""


class PartReceipt(models.Model):
    """One delivery of a part line; several make a partial receipt (D12)."""

    line = models.ForeignKey(PartLine, models.PROTECT, related_name="receipts")
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    on = models.DateField(default=clock.today)
    note = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["on", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="receipt_quantity_positive")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} on {self.on}"
