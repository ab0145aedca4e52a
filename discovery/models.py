"""Discovery: the record of a pass, its team, findings and needs."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from discovery.answer_models import ProposalAnswer
from discovery.part_models import Part, PartLine, PartRate, PartReceipt, PublishedList
from discovery.proposal_models import Proposal, ProposalLine, PurchaseOrder
from requests_app.models import Request
from requests_app.querysets import AmongKeys
from requests_app.states import Kind
from requests_app.who import SYSTEM, car
from requests_app.who import team as on_team
from workflow import clock
from workflow.machine import guard, reason, step
from workflow.models import Event, Machine

if TYPE_CHECKING:
    from notifications.outbox import Recipient
    from workflow.models import User

__all__ = [
    "Discovery",
    "Finding",
    "Need",
    "Part",
    "PartLine",
    "PartRate",
    "PartReceipt",
    "Proposal",
    "ProposalAnswer",
    "ProposalLine",
    "PublishedList",
    "PurchaseOrder",
    "TeamMember",
]


class Stage(models.TextChoices):
    DOCUMENTING = "documenting", _("Documenting")
    ASSEMBLING = "assembling", _("Assembling the team")
    CLIENT_DISCOVERY = "client_discovery", _("Client discovery")
    PROPOSING = "proposing", _("Proposal and case update")
    COMPLETE = "complete", _("Complete")
    ABANDONED = "abandoned", _("Abandoned")


class Verdict(models.TextChoices):
    """Of one need against the frozen original (D7)."""

    AS_REQUESTED = "as_requested", _("As requested")
    MORE = "more", _("More")
    LESS = "less", _("Less")
    REMOVED = "removed", _("Removed")


class Determination(models.TextChoices):
    """Of the whole: whether more or less is needed than was asked (D7)."""

    AS_REQUESTED = "as_requested", _("As requested")
    MORE = "more", _("More")
    LESS = "less", _("Less")
    MIXED = "mixed", _("More and less")
    NOTHING = "nothing", _("Nothing needed")


class ServiceLevel(models.TextChoices):
    """The level of service fulfillment that discovery states (D3)."""

    IN_SLA = "in_sla", _("Within the SLA")
    SLA_CHANGE = "sla_change", _("SLA change")
    NEW_SLA = "new_sla", _("New SLA")
    ONE_OFF = "one_off", _("One-off agreement (MOU)")


class Ending(models.TextChoices):
    """How a discovery ends; only the first needs D8-D11 again."""

    PROPOSAL = "proposal", _("Proposal accepted")
    EARLIER_PROPOSAL = "earlier_proposal", _("An earlier proposal stands")
    EXISTING_SERVICE = "existing_service", _("Within an existing service, no proposal needed")
    NOTHING_NEEDED = "nothing_needed", _("Nothing needed")


@guard("Document the requested service and why it is outside the agreement.")
def documented(discovery: "Discovery") -> bool:
    return bool(discovery.requested_service and discovery.why_outside_scope)


@guard("Assemble a team: at least one member besides the representative.")
def team_assembled(discovery: "Discovery") -> bool:
    return bool(discovery.team.all())


@guard("Write down at least one dated finding.")
def has_findings(discovery: "Discovery") -> bool:
    return bool(discovery.findings.all())


@guard("List what the customer needs, and give every need its verdict.")
def needs_judged(discovery: "Discovery") -> bool:
    verdicts = [need.verdict for need in discovery.needs.all()]
    return bool(verdicts) and all(verdicts)


@guard("Say whether more or less is needed than was asked, with the revised scope.")
def determined(discovery: "Discovery") -> bool:
    return bool(discovery.determination) and bool(
        discovery.revised_scope or discovery.determination == Determination.AS_REQUESTED
    )


@guard("State the outcome: kind, service, provider group, service level and estimate.")
def outcome_stated(discovery: "Discovery") -> bool:
    if discovery.ending == Ending.NOTHING_NEEDED:
        return True
    return all(
        (
            discovery.outcome_kind,
            discovery.outcome_service_id,
            discovery.outcome_group_id,
            discovery.service_level,
            discovery.estimate_hours is not None,
        )
    )


@guard("State how the discovery ends.")
def ending_stated(discovery: "Discovery") -> bool:
    return bool(discovery.ending)


@guard("The customer must accept the proposal first.")
def proposal_settled(discovery: "Discovery") -> bool:
    if discovery.ending in (Ending.EXISTING_SERVICE, Ending.NOTHING_NEEDED):
        proposals = discovery.request.proposals.all()
        return not any(proposal.state in ("draft", "issued") for proposal in proposals)
    return discovery.standing_proposal is not None


@guard("Attach the proposal and the purchase order to the case first (or why no PO is needed).")
def case_updated(discovery: "Discovery") -> bool:
    if discovery.ending in (Ending.EXISTING_SERVICE, Ending.NOTHING_NEEDED):
        return True
    proposal = discovery.standing_proposal
    return proposal is not None and proposal.pdf_id is not None and proposal.has_purchase_order


@guard("The proposal names a new service: initiate it in the ASD first.")
def new_service_initiated(discovery: "Discovery") -> bool:
    proposal = discovery.standing_proposal
    if discovery.ending != Ending.PROPOSAL or proposal is None or not proposal.new_service_name:
        return True
    services = discovery.request.proposed_services.all()
    return any(service.state != "cancelled" for service in services)


@guard("Answer whether new parts and equipment are required.")
def parts_answered(discovery: "Discovery") -> bool:
    if discovery.ending == Ending.NOTHING_NEEDED:
        return True
    if discovery.parts_required is None:
        return False
    return discovery.parts_required is False or bool(discovery.request.part_lines.all())


class DiscoveryQuerySet(models.QuerySet["Discovery"]):
    def visible_to(self, user: "User") -> "DiscoveryQuerySet":
        """Discoveries of the requests that this person may see."""
        if user.oversees:
            return self
        return self.filter(request__in=Request.objects.visible_to(user))

    def open_visible_to(self, user: "User") -> "DiscoveryQuerySet":
        """The open ones of `visible_to`. Who sees the requests of some groups alone has few open
        ones: the database begins with these. A discovery ends with its request (X2)."""
        if user.oversees or user.is_billing or user.is_asd_manager:
            return self.visible_to(user).open()
        requests = Request.objects.visible_to(user).open().order_by()
        return self.open().filter(AmongKeys("request", requests.values("pk")))

    def open(self) -> "DiscoveryQuerySet":
        return self.exclude(state__in=[Stage.COMPLETE, Stage.ABANDONED])


class Discovery(Machine):
    """One pass through discovery: its stages, findings and outcome (D1-D7)."""

    request = models.ForeignKey("requests_app.Request", models.PROTECT, related_name="discoveries")
    number = models.PositiveSmallIntegerField(default=1)
    pass_number = models.PositiveSmallIntegerField(default=1)
    state = FSMField(default=Stage.DOCUMENTING, choices=Stage, max_length=20, editable=False)
    started_at = models.DateTimeField(default=clock.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    original = models.JSONField(default=dict, editable=False)

    requested_service = models.TextField(max_length=5000, blank=True)
    why_outside_scope = models.TextField(max_length=5000, blank=True)
    new_customer = models.BooleanField(default=False)
    wants = models.TextField(max_length=10_000, blank=True)

    determination = models.CharField(max_length=14, choices=Determination, blank=True)
    revised_scope = models.TextField(max_length=10_000, blank=True)

    ending = models.CharField(max_length=20, choices=Ending, blank=True)
    outcome_kind = models.CharField(max_length=12, choices=Kind, blank=True)
    outcome_service = models.ForeignKey(
        "asd.Service", models.PROTECT, null=True, blank=True, related_name="+"
    )
    outcome_group = models.ForeignKey(
        "fulfillment.ProviderGroup", models.PROTECT, null=True, blank=True, related_name="+"
    )
    service_level = models.CharField(max_length=12, choices=ServiceLevel, blank=True)
    estimate_hours = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    parts_required = models.BooleanField(null=True, blank=True)
    parts_note = models.TextField(max_length=2000, blank=True)
    earlier_proposal = models.ForeignKey(
        "Proposal", models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = DiscoveryQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        verbose_name_plural = "discoveries"
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="discovery_number_once"),
            models.UniqueConstraint(
                fields=["request"],
                name="one_open_discovery",
                condition=~Q(state__in=["complete", "abandoned"]),
            ),
            models.CheckConstraint(
                condition=Q(state__in=Stage.values), name="discovery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(estimate_hours__isnull=True) | Q(estimate_hours__gt=0),
                name="discovery_estimate_positive",
            ),
        ]
        indexes = [
            models.Index(
                fields=["started_at"],
                name="discovery_open",
                condition=~Q(state__in=["complete", "abandoned"]),
            )
        ]

    def __str__(self) -> str:
        return f"Discovery {self.number} of {self.request}"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    def recipients(self, template: str, event: Event) -> list["Recipient"]:
        """Who joins later is told alone; when client discovery starts the whole team is (D5)."""
        found = super().recipients(template, event)
        if event.name != "add_team_member":
            return found
        return [r for r in found if r.user is not None and r.user.pk == event.facts["member_id"]]

    def has_member(self, user: "User") -> bool:
        """Whether the person is on the team (D5)."""
        return any(m.user_id == user.pk and m.left_at is None for m in self.team.all())

    @property
    def is_open(self) -> bool:
        return self.state not in (Stage.COMPLETE, Stage.ABANDONED)

    @property
    def standing_proposal(self) -> Any:
        """The accepted proposal this discovery rests on, of this discovery or an earlier one."""
        if self.ending == Ending.EARLIER_PROPOSAL:
            return self.earlier_proposal
        own = [p for p in self.request.proposals.all() if p.discovery_id == self.pk]
        accepted = [p for p in own if p.state == "accepted"]
        return max(accepted, key=lambda proposal: proposal.version, default=None)

    @step(Stage.DOCUMENTING, Stage.ASSEMBLING, who=[car], given=[documented])
    def finish_documenting(self) -> None:
        """The requested service is documented as outside the agreements (D4)."""

    @step(
        Stage.ASSEMBLING,
        Stage.CLIENT_DISCOVERY,
        who=[car],
        given=[team_assembled],
        tell=["team_invited"],
    )
    def start_client_discovery(self) -> None:
        """The team is assembled and finds out what the customer wants (D5, D6)."""

    @step(
        Stage.CLIENT_DISCOVERY,
        Stage.PROPOSING,
        who=[car, on_team],
        given=[has_findings, needs_judged, determined],
    )
    def finalise(self) -> None:
        """Client discovery is final: the team builds the proposal (D6, D7, D8)."""

    @step(Stage.PROPOSING, Stage.CLIENT_DISCOVERY, who=[car], check=[reason])
    def reopen_findings(self) -> None:
        """Another round with the client, with the reason (D7)."""

    @step(
        [Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY],
        Stage.PROPOSING,
        who=[car],
        check=[reason],
    )
    def shorten(self) -> None:
        """An earlier proposal stands, or it is within an existing service after all (D15)."""

    @step(
        Stage.PROPOSING,
        Stage.COMPLETE,
        who=[car, SYSTEM],
        given=[
            ending_stated,
            outcome_stated,
            proposal_settled,
            case_updated,
            new_service_initiated,
            parts_answered,
        ],
        stamps=["ended_at"],
    )
    def complete(self) -> None:
        """Kind, service, group, level and estimate become the request's (D3, D9, D10, D11)."""

    @step(
        [Stage.DOCUMENTING, Stage.ASSEMBLING, Stage.CLIENT_DISCOVERY, Stage.PROPOSING],
        Stage.ABANDONED,
        who=[car, SYSTEM],
        check=[reason],
        stamps=["ended_at"],
    )
    def abandon(self) -> None:
        """The request ended before its discovery did (D9, X2)."""


class TeamMember(models.Model):
    """Somebody whom the representative put on the discovery team (D5)."""

    class Role(models.TextChoices):
        TECHNICAL = "technical", _("Technical")
        BILLING = "billing", _("Billing")
        SECURITY = "security", _("Security")
        OTHER = "other", _("Other")

    discovery = models.ForeignKey(Discovery, models.CASCADE, related_name="team")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="discovery_teams"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.TECHNICAL)
    joined_at = models.DateTimeField(default=clock.now)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["joined_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["discovery", "user"],
                name="team_member_once",
                condition=Q(left_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Finding(models.Model):
    """A dated finding of client discovery: a meeting, a note, a file (D6)."""

    class Kind(models.TextChoices):
        MEETING = "meeting", _("Meeting")
        NOTE = "note", _("Note")
        FILE = "file", _("File")

    discovery = models.ForeignKey(Discovery, models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MEETING)
    on = models.DateField(default=clock.today)
    text = models.TextField(max_length=10_000)
    participants = models.CharField(max_length=300, blank=True)
    hours = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    attachment = models.ForeignKey(
        "requests_app.Attachment", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-on", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(hours__isnull=True) | Q(hours__gte=0), name="finding_hours_positive"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.on}"


class Need(models.Model):
    """One thing the customer needs, judged against the frozen original (D7)."""

    class Source(models.TextChoices):
        ORIGINAL = "original", _("In the original request")
        ADDED = "added", _("Found in discovery")

    discovery = models.ForeignKey(Discovery, models.CASCADE, related_name="needs")
    description = models.CharField(max_length=300)
    source = models.CharField(max_length=10, choices=Source, default=Source.ORIGINAL)
    verdict = models.CharField(max_length=14, choices=Verdict, blank=True)
    why = models.CharField(max_length=300, blank=True)
    quantity_before = models.PositiveIntegerField(default=1)
    quantity_after = models.PositiveIntegerField(default=1)
    split_to = models.ForeignKey(
        "requests_app.Request", models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(verdict="removed") | ~Q(why=""), name="need_removed_with_reason"
            ),
            models.CheckConstraint(
                condition=~Q(verdict="less") | Q(quantity_after__lte=F("quantity_before")),
                name="need_less_is_less",
            ),
        ]

    def __str__(self) -> str:
        return self.description
