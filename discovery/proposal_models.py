"""Proposals, their lines, and the purchase order that answers one."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.models import Request
from requests_app.who import SYSTEM, car, team
from workflow import clock
from workflow.actors import Actor, Who
from workflow.machine import guard, reason, step
from workflow.models import Machine

if TYPE_CHECKING:
    from workflow.models import User

CENT = Decimal("0.01")


class ProposalState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ISSUED = "issued", _("Waiting for the customer")
    ACCEPTED = "accepted", _("Accepted")
    DECLINED = "declined", _("Declined")
    EXPIRED = "expired", _("Expired")
    SUPERSEDED = "superseded", _("Superseded")
    WITHDRAWN = "withdrawn", _("Withdrawn")


@guard("A proposal needs at least one line.")
def has_lines(proposal: "Proposal") -> bool:
    return bool(proposal.lines.all())


@guard("Give the date until which the proposal is valid, not in the past.")
def validity_given(proposal: "Proposal") -> bool:
    return proposal.valid_until is not None and proposal.valid_until >= clock.today()


@guard("The proposal has expired: revise it.")
def still_valid(proposal: "Proposal") -> bool:
    return proposal.valid_until is None or proposal.valid_until >= clock.today()


def signatories_of(request: Any) -> Any:
    """Whom the office has named as those who may sign for the request's agency (S1.7d)."""
    return request.agency.contacts.signatories()


def may_decide(request: Any, contact: Any) -> bool:
    """The authorised signatory decides; where the office has named none, whoever asked (S1.7d).

    A contact whom the office has not checked yet decides nothing.
    """
    if contact is None or contact.agency_id != request.agency_id or not contact.is_active:
        return False
    if contact.unverified_since is not None:
        return False
    if contact.is_signatory:
        return True
    return contact.pk == request.contact_id and not signatories_of(request).exists()


def _signs(subject: Machine, actor: Actor) -> bool:
    return may_decide(subject.stream(), actor.contact)


SIGNATORY = Who("authorised signatory", _signs, frozenset({"customer"}))


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def visible_to(self, user: "User") -> "ProposalQuerySet":
        """Proposals of the requests that this person may see."""
        if user.oversees:
            return self
        return self.filter(request__in=Request.objects.visible_to(user))


class Proposal(Machine):
    """What is offered, one row per version; a version that was issued never changes (D8)."""

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="proposals")
    discovery = models.ForeignKey(
        "Discovery", models.PROTECT, null=True, blank=True, related_name="proposals"
    )
    pass_number = models.PositiveSmallIntegerField(default=1)
    reference = models.CharField(max_length=20, editable=False)
    version = models.PositiveSmallIntegerField(default=1, editable=False)
    state = FSMField(
        default=ProposalState.DRAFT, choices=ProposalState, max_length=12, editable=False
    )
    summary = models.TextField(max_length=5000, blank=True)
    assumptions = models.TextField(max_length=5000, blank=True)
    terms = models.TextField(max_length=5000, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    new_service_name = models.CharField(
        max_length=120,
        blank=True,
        help_text=_("Where the proposal is for a service not yet provided."),
    )
    pdf = models.ForeignKey(
        "requests_app.Attachment", models.PROTECT, null=True, blank=True, related_name="+"
    )
    issued_at = models.DateTimeField(null=True, blank=True, editable=False)
    answered_at = models.DateTimeField(null=True, blank=True, editable=False)
    answered_by = models.CharField(max_length=200, blank=True)
    answer_note = models.TextField(max_length=2000, blank=True)
    evidence = models.ForeignKey(
        "requests_app.Attachment", models.PROTECT, null=True, blank=True, related_name="+"
    )
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ProposalQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["reference", "version"], name="proposal_version_once"),
            models.UniqueConstraint(
                fields=["request"],
                name="one_open_proposal",
                condition=Q(state__in=["draft", "issued"]),
            ),
            models.CheckConstraint(
                condition=Q(state__in=ProposalState.values), name="proposal_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} v{self.version}"

    def get_absolute_url(self) -> str:
        return f"/proposals/{self.reference}/?version={self.version}"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    @property
    def one_off_total(self) -> Decimal:
        return sum(
            (line.amount for line in self.lines.all() if line.kind != "recurring"), Decimal(0)
        )

    @property
    def monthly_total(self) -> Decimal:
        return sum(
            (line.amount for line in self.lines.all() if line.kind == "recurring"), Decimal(0)
        )

    @property
    def total(self) -> Decimal:
        """One-off and the first month of what recurs: what the PO must at least cover."""
        return self.one_off_total + self.monthly_total

    @property
    def is_past(self) -> bool:
        """Past the day until which it counts, whether or not it was marked so yet."""
        return self.valid_until is not None and self.valid_until < clock.today()

    @property
    def is_charged(self) -> bool:
        return self.total > 0

    @property
    def has_purchase_order(self) -> bool:
        """A PO with file, number and amount; where the total is zero, why none is needed (D9)."""
        order = max(self.purchase_orders.all(), key=lambda one: one.pk, default=None)
        if order is None:
            return False
        if order.not_needed_because:
            return not self.is_charged
        return order.attachment_id is not None and order.amount is not None

    @step(
        ProposalState.DRAFT,
        ProposalState.ISSUED,
        who=[car, team],
        given=[has_lines, validity_given],
        stamps=["issued_at"],
        tell=["proposal_issued"],
    )
    def issue(self) -> None:
        """Sent to the customer, with its PDF on the case (D8, D9)."""

    @step(
        ProposalState.ISSUED,
        ProposalState.ACCEPTED,
        who=[car, SIGNATORY, SYSTEM],
        given=[still_valid],
        writes=["answered_by", "answer_note", "evidence"],
        stamps=["answered_at"],
        tell=["proposal_accepted", "proposal_answered"],
    )
    def accept(self) -> None:
        """The customer accepts, with evidence (D9)."""

    @step(
        ProposalState.ISSUED,
        ProposalState.DECLINED,
        who=[car, SIGNATORY, SYSTEM],
        check=[reason],
        writes=["answered_by", "answer_note", "evidence"],
        stamps=["answered_at"],
        tell=["proposal_declined", "proposal_answered"],
    )
    def decline_proposal(self) -> None:
        """The customer declines: revise it, or close the request as declined (D9)."""

    @step(ProposalState.ISSUED, ProposalState.EXPIRED, who=[car, SYSTEM])
    def expire(self) -> None:
        """Its validity has run out without an answer (D9)."""

    @step(
        [ProposalState.DRAFT, ProposalState.ISSUED, ProposalState.ACCEPTED],
        ProposalState.SUPERSEDED,
        who=[car, team, SYSTEM],
    )
    def supersede(self) -> None:
        """A newer version takes its place; an acceptance of the old one is void (D9, D12)."""

    @step(
        [ProposalState.DRAFT, ProposalState.ISSUED],
        ProposalState.WITHDRAWN,
        who=[car, SYSTEM],
        check=[reason],
    )
    def withdraw(self) -> None:
        """The request ended, or the offer is taken back (X2)."""


class ProposalLine(models.Model):
    """One line: labour by hours, a part, a one-off amount, or a recurring monthly fee (D8)."""

    class Kind(models.TextChoices):
        LABOUR = "labour", _("Labour (hours)")
        PART = "part", _("Part")
        ONE_OFF = "one_off", _("One-off")
        RECURRING = "recurring", _("Recurring, per month")

    proposal = models.ForeignKey(Proposal, models.CASCADE, related_name="lines")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.ONE_OFF)
    description = models.CharField(max_length=200)
    quantity = models.DecimalField(
        max_digits=9, decimal_places=2, validators=[MinValueValidator(CENT)]
    )
    unit = models.CharField(max_length=30, default="hour")
    rate = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    part_rate = models.ForeignKey(
        "PartRate", models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, rate__gte=0), name="proposal_line_positive"
            )
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def amount(self) -> Decimal:
        return (self.quantity * self.rate).quantize(CENT)


class PurchaseOrder(models.Model):
    """The customer's PO for a proposal, or why none is needed (D9)."""

    request = models.ForeignKey(
        "requests_app.Request", models.PROTECT, related_name="purchase_orders"
    )
    proposal = models.ForeignKey(Proposal, models.PROTECT, related_name="purchase_orders")
    number = models.CharField(max_length=60, blank=True)
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(CENT)],
    )
    currency = models.CharField(max_length=3, default="USD")
    issued_on = models.DateField(null=True, blank=True)
    attachment = models.ForeignKey(
        "requests_app.Attachment", models.PROTECT, null=True, blank=True, related_name="+"
    )
    not_needed_because = models.TextField(max_length=1000, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(not_needed_because="", amount__gt=0) & ~Q(number="")
                | ~Q(not_needed_because=""),
                name="purchase_order_has_number_and_amount",
            )
        ]

    def __str__(self) -> str:
        return self.number or "No PO needed"
