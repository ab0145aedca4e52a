"""What is done for a request in fulfillment: work plan, hours, tests, charge (F6, F9, F10)."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflow import clock

QUARTER = Decimal("0.25")


class PlanItem(models.Model):
    """One piece of the detailed work plan: estimate, assignee, state (F6)."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="plan_items")
    pass_number = models.PositiveSmallIntegerField(default=1)
    position = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(max_length=200)
    test_criterion = models.CharField(max_length=300, blank=True)
    estimate_hours = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(QUARTER)],
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="plan_items",
    )
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    cancel_reason = models.CharField(max_length=300, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(estimate_hours__isnull=True) | Q(estimate_hours__gt=0),
                name="plan_estimate_positive",
            ),
            models.CheckConstraint(
                condition=~Q(state="cancelled") | ~Q(cancel_reason=""),
                name="plan_item_cancelled_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "done", "cancelled"]), name="plan_item_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class TimeEntry(models.Model):
    """Hours that somebody worked on a request (F6, F7)."""

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="time_entries")
    pass_number = models.PositiveSmallIntegerField(default=1)
    item = models.ForeignKey(
        PlanItem, models.PROTECT, null=True, blank=True, related_name="time_entries"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="time_entries")
    on = models.DateField(default=clock.today)
    hours = models.DecimalField(
        max_digits=5, decimal_places=2, validators=[MinValueValidator(Decimal("0.05"))]
    )
    note = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-on", "-pk"]
        verbose_name_plural = "time entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(hours__gt=0, hours__lte=24), name="time_entry_fits_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hours} h by {self.user}"


class TestRun(models.Model):
    """One test of the solution: cases, result, tester, findings, evidence (F9)."""

    __test__ = False

    class Result(models.TextChoices):
        PASSED = "passed", _("Passed")
        FAILED = "failed", _("Failed")

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="test_runs")
    pass_number = models.PositiveSmallIntegerField(default=1)
    number = models.PositiveSmallIntegerField(default=1)
    result = models.CharField(max_length=10, choices=Result)
    cases = models.JSONField(
        default=list, help_text=_("What was tested: criterion and result, one row each.")
    )
    findings = models.TextField(max_length=10_000, blank=True)
    tester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    tester_did_the_work = models.BooleanField(default=False)
    evidence = models.ForeignKey(
        "requests_app.Attachment", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="test_run_number_once"),
            models.CheckConstraint(
                condition=~Q(result="failed") | ~Q(findings=""), name="failed_test_has_findings"
            ),
        ]

    def __str__(self) -> str:
        return f"Test run {self.number} of {self.request}"


class ChargeDecision(models.Model):
    """Whether the customer is charged, decided after a passing test: either way on record (F10)."""

    class Basis(models.TextChoices):
        INCLUDED = "included", _("Included in the SLA")
        WARRANTY = "warranty", _("Warranty or correction of our own work")
        GOODWILL = "goodwill", _("Goodwill")
        CHARGED = "charged", _("Charged")
        OTHER = "other", _("Other")

    request = models.ForeignKey(
        "requests_app.Request", models.PROTECT, related_name="charge_decisions"
    )
    pass_number = models.PositiveSmallIntegerField(default=1)
    charged = models.BooleanField()
    basis = models.CharField(max_length=10, choices=Basis)
    reason = models.TextField(max_length=2000, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(charged=True) | ~Q(reason=""), name="no_charge_has_reason"
            )
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.get_basis_display()}"
