"""Billing cases and their charge lines, each with the basis it stands on (F12, F13)."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.models import Request
from requests_app.who import SYSTEM, billing_office, car, member
from workflow import clock
from workflow.machine import check, guard, reason, step
from workflow.models import Machine

if TYPE_CHECKING:
    from workflow.models import User

CENT = Decimal("0.01")
# Only a draft's lines change: neither a form nor anybody at the database can edit a sent charge.
FROZEN = """
    IF EXISTS (
        SELECT 1 FROM billing_billingcase
        WHERE id IN (OLD.case_id, NEW.case_id) AND state <> 'draft'
    ) THEN
        RAISE EXCEPTION 'The lines of this billing case are frozen: correct it by a credit.'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
"""


class BillingState(models.TextChoices):
    DRAFT = "draft", _("Draft with the provider")
    FORWARDED = "forwarded", _("With the representative")
    INITIATED = "initiated", _("Billing initiated")
    CREDITED = "credited", _("Credited in full")
    CANCELLED = "cancelled", _("Cancelled")


class Avenue(models.TextChoices):
    """Which way the money goes (F13)."""

    NEW_SERVICE = "new_service", _("New service")
    MOU = "mou", _("MOU after a project")
    CHANGE_ORDER = "change_order", _("SLA change order")
    TRUE_UP = "true_up", _("True-up")


@guard("A billing case needs at least one charge line.")
def has_lines(case: "BillingCase") -> bool:
    return bool(case.lines.all())


@check("avenue", "Choose which way the money goes.")
def avenue_given(case: "BillingCase", facts: dict[str, Any]) -> bool:
    return facts.get("avenue") in Avenue.values


@check("starts_on", "Give the day from which it is billed.")
def start_given(case: "BillingCase", facts: dict[str, Any]) -> bool:
    return facts.get("starts_on") is not None


@guard("The request has no service in the Agency Services Database yet.")
def service_known(case: "BillingCase") -> bool:
    return case.request.service_id is not None or case.request.proposed_services.exists()


@guard("The customer is not known to billing yet: the billing office records it first.")
def customer_known(case: "BillingCase") -> bool:
    return case.request.agency.known_to_billing


@guard("A charged part has no billing code yet.")
def parts_known(case: "BillingCase") -> bool:
    return not case.lines.filter(part_rate__isnull=False, part_rate__billing_code="").exists()


class BillingCaseQuerySet(models.QuerySet["BillingCase"]):
    def visible_to(self, user: "User") -> "BillingCaseQuerySet":
        """The billing office sees all money; others that of requests they may see."""
        if user.oversees or (user.is_active and user.is_billing):
            return self
        return self.filter(request__in=Request.objects.visible_to(user))


class BillingCase(Machine):
    """The record of charging one request: made by the provider, initiated by the CAR (F12, F13)."""

    request = models.ForeignKey(
        "requests_app.Request", models.PROTECT, related_name="billing_cases"
    )
    pass_number = models.PositiveSmallIntegerField(default=1)
    reference = models.CharField(max_length=20, unique=True, editable=False)
    state = FSMField(
        default=BillingState.DRAFT, choices=BillingState, max_length=10, editable=False
    )
    avenue = models.CharField(max_length=14, choices=Avenue, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    purchase_order = models.ForeignKey(
        "discovery.PurchaseOrder", models.PROTECT, null=True, blank=True, related_name="+"
    )
    finance_number = models.CharField(max_length=60, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    opened_at = models.DateTimeField(default=clock.now, editable=False)
    initiated_at = models.DateTimeField(null=True, blank=True, editable=False)
    initiated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    times_returned = models.PositiveSmallIntegerField(default=0)
    credit_for = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="credits"
    )

    objects = BillingCaseQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "pass_number"],
                name="one_open_billing_case",
                condition=~Q(state__in=["credited", "cancelled"]),
            ),
            models.CheckConstraint(
                condition=Q(state__in=BillingState.values), name="billing_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "-id"],
                name="billing_open",
                condition=Q(state__in=["draft", "forwarded"]),
            ),
            # parts of a number, as Django asks for them
            GinIndex(
                OpClass(Upper("reference"), "gin_trgm_ops"),
                OpClass(Upper("finance_number"), "gin_trgm_ops"),
                name="billing_numbers",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return f"/billing/{self.reference}/"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines.all()), Decimal(0))

    @step(BillingState.DRAFT, BillingState.FORWARDED, who=[member], given=[has_lines])
    def forward(self) -> None:
        """The provider is done: the case goes to the representative (F12)."""

    @step(
        BillingState.FORWARDED,
        BillingState.DRAFT,
        who=[car],
        check=[reason],
        writes=["times_returned"],
    )
    def send_back(self) -> None:
        """Wrong amount or missing purchase order: back to the provider (F12)."""

    @step(
        BillingState.FORWARDED,
        BillingState.INITIATED,
        who=[car],
        given=[has_lines, customer_known, service_known, parts_known],
        check=[avenue_given, start_given],
        writes=["avenue", "finance_number", "starts_on", "initiated_by"],
        stamps=["initiated_at"],
    )
    def initiate(self) -> None:
        """Billing is initiated: avenue, number, date; its lines are frozen (F13)."""

    @step(BillingState.INITIATED, BillingState.CREDITED, who=[car, billing_office], check=[reason])
    def credit(self) -> None:
        """Corrected by a credit of the whole amount, never by an edit (F13)."""

    @step(
        [BillingState.DRAFT, BillingState.FORWARDED],
        BillingState.CANCELLED,
        who=[car, SYSTEM],
        check=[reason],
    )
    def cancel_billing(self) -> None:
        """The request ended or went back to discovery before billing was initiated (X2)."""


class ChargeLine(models.Model):
    """One charge: quantity × rate, on a basis that can be shown to the customer (F13)."""

    class Basis(models.TextChoices):
        PROPOSAL = "proposal", _("Accepted proposal with PO")
        RATE_CARD = "rate_card", _("Rate card of the SLA")
        PARTS_LIST = "parts_list", _("Parts list")

    case = models.ForeignKey(BillingCase, models.CASCADE, related_name="lines")
    description = models.CharField(max_length=200)
    quantity = models.DecimalField(
        max_digits=9, decimal_places=2, validators=[MinValueValidator(CENT)]
    )
    unit = models.CharField(max_length=30, default="hour")
    rate = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    basis = models.CharField(max_length=12, choices=Basis)
    proposal_line = models.ForeignKey(
        "discovery.ProposalLine", models.PROTECT, null=True, blank=True, related_name="+"
    )
    rate_card_line = models.ForeignKey(
        "asd.RateCardLine", models.PROTECT, null=True, blank=True, related_name="+"
    )
    part_rate = models.ForeignKey(
        "discovery.PartRate", models.PROTECT, null=True, blank=True, related_name="+"
    )
    evidence = models.CharField(
        max_length=300, help_text=_("Where the quantity comes from: hours worked, receipts ...")
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, rate__gte=0), name="charge_line_positive"
            ),
            models.CheckConstraint(
                condition=Q(basis="proposal", proposal_line__isnull=False)
                | Q(basis="rate_card", rate_card_line__isnull=False)
                | Q(basis="parts_list", part_rate__isnull=False),
                name="charge_line_has_basis",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=FROZEN,
            )
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def amount(self) -> Decimal:
        return (self.quantity * self.rate).quantize(CENT)
