"""The request and what hangs on it in every stage."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.archive_models import NoticeArchive
from requests_app.case_models import Attachment, Case, CaseEntry
from requests_app.clock_models import Clocked, Escalation, TargetDefault
from requests_app.customer_models import LinkAsked, Question, QuestionReminder, Rating
from requests_app.digest_models import DigestDay
from requests_app.indexes import REQUEST_INDEXES
from requests_app.mail_models import BlockedSender, InboundMessage, InboundRaw, Mailbox
from requests_app.process import Process
from requests_app.public_models import PendingFile, PendingIntake, PublicForm
from requests_app.querysets import RequestQuerySet
from requests_app.report_models import ReportCount, ReportFigure
from requests_app.states import (
    CLOSED_STATES,
    LANES,
    Kind,
    Level,
    OutOf,
    Priority,
    State,
)
from workflow import clock
from workflow.models import Event
from workflow.together import read_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifications.outbox import Recipient
    from workflow.models import User

__all__ = [
    "Attachment",
    "BlockedSender",
    "Case",
    "CaseEntry",
    "DigestDay",
    "Escalation",
    "InboundMessage",
    "InboundRaw",
    "Link",
    "LinkAsked",
    "Mailbox",
    "NoticeArchive",
    "PendingFile",
    "PendingIntake",
    "PublicForm",
    "Question",
    "QuestionReminder",
    "Rating",
    "ReportCount",
    "ReportFigure",
    "Request",
    "TargetDefault",
    "TriageDecision",
    "Watcher",
]


class Request(Process, Clocked):
    """What an agency asks for, from intake to closed. The state moves through the door only."""

    class Channel(models.TextChoices):
        REPRESENTATIVE = "representative", _("Taken in by a representative")
        WEB = "web", _("Web form")
        EMAIL = "email", _("E-mail")
        API = "api", _("API")
        SPLIT = "split", _("Split off another request")
        IMPORT = "import", _("Import")

    class WaitingFor(models.TextChoices):
        CUSTOMER = "customer", _("the customer's answer")
        VENDOR = "vendor", _("a vendor")
        BUDGET = "budget", _("budget")
        OTHER = "other", _("something else")

    reference = models.CharField(max_length=20, unique=True, editable=False)
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    title = models.CharField(max_length=160)
    description = models.TextField(max_length=20_000)
    agency = models.ForeignKey(  # the index request_agency begins with it
        "asd.Agency", models.PROTECT, related_name="requests", db_index=False
    )
    contact = models.ForeignKey("asd.Contact", models.PROTECT, related_name="requests")
    channel = models.CharField(max_length=16, choices=Channel, default=Channel.REPRESENTATIVE)
    needed_by = models.DateField(null=True, blank=True)
    taken_in_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    state = FSMField(default=State.TRIAGE, choices=State, max_length=20, editable=False)
    pass_number = models.PositiveSmallIntegerField(default=1, editable=False)
    kind = models.CharField(max_length=12, choices=Kind, blank=True)
    service = models.ForeignKey(
        "asd.Service", models.PROTECT, null=True, blank=True, related_name="requests"
    )
    provider_group = models.ForeignKey(
        "fulfillment.ProviderGroup", models.PROTECT, null=True, blank=True, related_name="requests"
    )
    representative = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="represented_requests",
    )
    specialist = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="assigned_requests",
    )
    assigned_at = models.DateTimeField(null=True, blank=True, editable=False)
    impact = models.PositiveSmallIntegerField(choices=Level, default=Level.MEDIUM)
    urgency = models.PositiveSmallIntegerField(choices=Level, default=Level.MEDIUM)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)

    service_level = models.CharField(max_length=12, blank=True, editable=False)
    estimate_hours = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    earliest_on = models.DateField(null=True, blank=True)
    charge_expected = models.BooleanField(null=True, blank=True)

    hold_reason = models.TextField(blank=True, default="")
    held_since = models.DateTimeField(null=True, blank=True, editable=False)
    review_on = models.DateField(null=True, blank=True)
    waiting_for = models.CharField(max_length=10, choices=WaitingFor, blank=True)

    resolution = models.TextField(blank=True)
    outcome = models.CharField(max_length=20, choices=OutOf, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    events = GenericRelation(Event, content_type_field="stream_type", object_id_field="stream_id")

    objects = RequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="request_state_known"),
            models.CheckConstraint(
                condition=Q(kind__in=["", *Kind.values]), name="request_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=CLOSED_STATES, closed_at__isnull=False)
                | (~Q(state__in=CLOSED_STATES) & Q(closed_at__isnull=True)),
                name="request_closed_has_date",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["assigned", "planning", "in_fulfillment", "testing"])
                | Q(specialist__isnull=False),
                name="request_in_work_has_specialist",
            ),
            models.CheckConstraint(
                condition=Q(archived_at__isnull=True) | Q(closed_at__isnull=False),
                name="request_archived_is_closed",
            ),
        ]
        indexes = REQUEST_INDEXES

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return f"/requests/{self.reference}/"

    @property
    def is_open(self) -> bool:
        return self.state not in CLOSED_STATES

    @property
    def is_on_hold(self) -> bool:
        """On hold is an overlay, not a state (X1)."""
        return self.held_since is not None

    @property
    def lane(self) -> str:
        """The lane its state stands in, for colour and for the process line."""
        return LANES[self.state]

    def whereabouts(self) -> str:
        """With who has it: of two who take it at once, the loser sees whom to ask (F5)."""
        words = super().whereabouts()
        return f"{words}, with {self.specialist}" if self.specialist_id else words

    def is_represented_by(self, user: "User") -> bool:
        """CAR: the agency's representative or deputy, or any where there is none."""
        if not user.is_representative:
            return False
        owners = {
            self.representative_id,
            self.agency.representative_id,
            self.agency.deputy_id,
        } - {None}
        return not owners or user.pk in owners or self._deputises(user)

    def _deputises(self, user: "User") -> bool:
        owner = self.representative
        return owner is not None and owner.deputy_id == user.pk and owner.is_away

    def is_member(self, user: "User") -> bool:
        """Of the request's provider group."""
        return self.provider_group_id in user.group_ids

    def is_lead(self, user: "User") -> bool:
        """Of the request's provider group."""
        return self.provider_group_id in user.led_group_ids

    def is_on_team(self, user: "User") -> bool:
        """Of the current discovery (D5)."""
        discovery = self.discovery
        return discovery is not None and discovery.has_member(user)

    @property
    def discovery(self) -> Any:
        """The latest discovery of this pass, or None (D1)."""
        return max(self._of_this_pass("discoveries"), key=lambda d: d.number, default=None)

    def _of_this_pass(self, relation: str) -> list[Any]:
        """Read whole and chosen here: a fresh row asks the database, a page has read them."""
        return [row for row in getattr(self, relation).all() if row.pass_number == self.pass_number]

    @property
    def accepted_proposal(self) -> Any:
        """The proposal version that the customer accepted in this pass, or None (D9)."""
        accepted = [p for p in self._of_this_pass("proposals") if p.state == "accepted"]
        return max(accepted, key=lambda p: p.version, default=None)

    @property
    def last_test_run(self) -> Any:
        """The latest test run of this pass since it was last submitted for testing (F9)."""
        runs = self._of_this_pass("test_runs")
        moves = read_with(self, "moves") or read_with(self, "history")
        if moves is None:
            sent = self.events.filter(name="submit_for_testing").order_by("number").last()
        else:
            sent = next((m for m in reversed(moves) if m.name == "submit_for_testing"), None)
        since = [run for run in runs if sent is None or run.at >= sent.at]
        return max(since, key=lambda run: run.number, default=None)

    @property
    def billing_case(self) -> Any:
        """The billing case of this pass that is neither credited nor cancelled, or None (F12)."""
        ended = ("credited", "cancelled")
        open_ones = [c for c in self._of_this_pass("billing_cases") if c.state not in ended]
        return max(open_ones, key=lambda case: case.pk, default=None)

    @property
    def has_charge_basis(self) -> bool:
        """An accepted proposal with its PO, a rate of the SLA in force, or a rated part (F10)."""
        proposal = self.accepted_proposal
        if proposal is not None and proposal.is_charged and proposal.has_purchase_order:
            return True
        if self._has_rate():
            return True
        void = ("cancelled", "substituted")
        return any(x.rate_id is not None and x.state not in void for x in self.part_lines.all())

    def _has_rate(self) -> bool:
        """Whether an SLA in force has a rate for its service."""
        rates = read_with(self, "rates")
        if rates is None:
            agreements = self.agency.agreements.in_force()
            return agreements.filter(rates__service=self.service_id).exists()
        counting = {a.pk for a in self.agency.agreements.all() if a.is_in_force}
        return any(rate.agreement_id in counting for rate in rates)

    @property
    def triage(self) -> "TriageDecision | None":
        """The last triage decision of this pass."""
        return next(iter(reversed(self._of_this_pass("triage_decisions"))), None)

    @cached_property
    def has_sla(self) -> bool:
        """D14: whether the requester is a current customer."""
        return self.agency.is_current()

    def follow(self, events: "Sequence[Event]") -> dict[str, list[Any]]:
        """Its clock follows its history: see requests_app/targets.py (F1)."""
        from requests_app import targets

        return targets.follow(self, events)

    def recipients(self, template: str, event: Event) -> list["Recipient"]:
        """Who is told by a notice: see requests_app/notices.py."""
        from requests_app import notices

        return notices.recipients(self, template, event)

    def notice_context(self, template: str, event: Event) -> dict[str, Any]:
        """What a notice about this request says."""
        from requests_app import notices

        return notices.context(self, template, event)


class TriageDecision(models.Model):
    """What triage knew, what the table recommended, what was decided: kept as it was (D2, F16)."""

    ROUTES = [
        ("assistance", _("Assistance: CRM Pending Queue")),
        ("enhancement", _("Enhancement: awaiting scheduling")),
        ("discovery", _("Discovery")),
        ("unknown", _("Stays in triage")),
    ]
    request = models.ForeignKey(Request, models.CASCADE, related_name="triage_decisions")
    pass_number = models.PositiveSmallIntegerField(default=1)
    checklist = models.JSONField(default=dict)
    standard = models.BooleanField(null=True)
    existing_service = models.BooleanField(null=True)
    current_customer = models.BooleanField(null=True)
    scope_reason = models.CharField(max_length=300, blank=True)
    recommended = models.CharField(max_length=12, choices=ROUTES)
    decided = models.CharField(max_length=12, choices=ROUTES)
    override_reason = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(recommended=F("decided")) | ~Q(override_reason=""),
                name="triage_override_has_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.decided}"

    @property
    def overridden(self) -> bool:
        return self.recommended != self.decided


class Link(models.Model):
    """How two requests belong together (X4)."""

    class Relation(models.TextChoices):
        RELATED = "related", _("is related to")
        DUPLICATES = "duplicates", _("duplicates")
        SPLIT_FROM = "split_from", _("was split from")
        NEEDS = "needs", _("needs first")

    STAYS = Relation.SPLIT_FROM
    """Where a request came from cannot be taken away."""

    source = models.ForeignKey(Request, models.CASCADE, related_name="links_out")
    target = models.ForeignKey(
        Request, models.CASCADE, related_name="links_in", null=True, blank=True
    )
    external = models.CharField(
        max_length=200, blank=True, help_text=_("An incident or problem record elsewhere.")
    )
    relation = models.CharField(max_length=12, choices=Relation, default=Relation.RELATED)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "target", "relation"], name="link_once", nulls_distinct=True
            ),
            models.CheckConstraint(condition=~Q(source=F("target")), name="link_not_to_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.get_relation_display()} {self.target or self.external}"

    def is_removable_from(self, request: Request) -> bool:
        """Whether it is the request's own to take away (X4)."""
        return self.source_id == request.pk and self.relation != self.STAYS


class Watcher(models.Model):
    """Somebody who is told as well: a contact of the customer or a member of staff (X9)."""

    request = models.ForeignKey(Request, models.CASCADE, related_name="watchers")
    contact = models.ForeignKey("asd.Contact", models.CASCADE, null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="watching"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "contact"], name="watcher_contact_once"),
            models.UniqueConstraint(fields=["request", "user"], name="watcher_user_once"),
            models.CheckConstraint(
                condition=Q(contact__isnull=False, user__isnull=True)
                | Q(contact__isnull=True, user__isnull=False),
                name="watcher_is_one_person",
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact or self.user)
