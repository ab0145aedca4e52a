"""Mail that came in: each message is kept as it came before anything is made of it (X6, X10)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.who import SYSTEM, any_representative
from workflow import clock
from workflow.machine import reason, step
from workflow.models import Event, Machine

if TYPE_CHECKING:
    from workflow.models import User


class MailState(models.TextChoices):
    """Where a message is on its way."""

    STORED = "stored", _("Not read yet")
    APPLIED = "applied", _("On a case")
    REQUEST_MADE = "request_made", _("Request made")
    REVIEW = "review", _("To review")
    IGNORED = "ignored", _("Set aside by the program")
    FAILED = "failed", _("Could not be read")
    DISCARDED = "discarded", _("Discarded")


REVIEWED = (MailState.REVIEW, MailState.FAILED)
ASIDE = (MailState.IGNORED, MailState.DISCARDED)
ON_A_CASE = (MailState.APPLIED, MailState.REQUEST_MADE)


def _raw_until() -> datetime | None:
    days = settings.THROUGHLINE["RAW_MAIL_DAYS"]
    return clock.now() - timedelta(days=days) if days else None


class Mailbox(models.Model):
    """A folder of a mail server that is looked into, and how that went; never its password."""

    name = models.CharField(max_length=300, unique=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(default=clock.now)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return self.name


class BlockedSender(models.Model):
    """An address whose messages nobody wants to review again; they are kept, and set aside."""

    address = models.CharField(max_length=254, unique=True, help_text=_("In small letters."))
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["address"]

    def __str__(self) -> str:
        return self.address


class InboundMessageQuerySet(models.QuerySet["InboundMessage"]):
    def visible_to(self, user: "User") -> "InboundMessageQuerySet":
        """Representatives and auditors see all; others what stands on a case they may see."""
        if not user.is_active:
            return self.none()
        if user.is_superuser or user.is_representative or user.is_auditor:
            return self
        requests = apps.get_model("requests_app", "Request").objects.visible_to(user)
        return self.filter(state__in=ON_A_CASE, request__in=requests)

    def to_review(self) -> "InboundMessageQuerySet":
        return self.filter(state__in=REVIEWED)

    def on_a_case(self) -> "InboundMessageQuerySet":
        return self.filter(state__in=ON_A_CASE)

    def long_handled(self) -> "InboundMessageQuerySet":
        """On a case for so long that nobody needs them as they came; none where all are kept."""
        until = _raw_until()
        return self.on_a_case().filter(state_since__lt=until) if until else self.none()


class InboundMessage(Machine):
    """One message, from the moment it is stored until it has become something, or nothing."""

    class Source(models.TextChoices):
        IMAP = "imap", _("Mailbox")
        WEBHOOK = "webhook", _("Mail service")
        PIPE = "pipe", _("Mail server")

    state = FSMField(default=MailState.STORED, choices=MailState, max_length=12, editable=False)
    why = models.TextField(blank=True, help_text=_("Why it is where it is, in a sentence."))
    source = models.CharField(max_length=8, choices=Source)
    mailbox = models.ForeignKey(
        Mailbox, models.PROTECT, null=True, blank=True, related_name="messages"
    )
    uid_validity = models.BigIntegerField(null=True, blank=True)
    uid = models.BigIntegerField(null=True, blank=True)
    envelope_to = models.CharField(max_length=320, blank=True)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    size = models.PositiveBigIntegerField(help_text=_("Bytes, as it was sent."))
    is_cut = models.BooleanField(default=False)
    received_at = models.DateTimeField(default=clock.now, editable=False)

    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=clock.now)
    last_error = models.TextField(blank=True)

    message_id = models.CharField(max_length=300, blank=True)
    content_key = models.CharField(max_length=64, blank=True, editable=False)
    from_address = models.CharField(max_length=254, blank=True)
    from_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    text = models.TextField(blank=True)
    quoted = models.TextField(blank=True)
    signature = models.TextField(blank=True)
    files = models.JSONField(
        default=list, blank=True, help_text=_("Name, bytes, and why one was not kept.")
    )
    notes = models.JSONField(default=list, blank=True)

    request = models.ForeignKey(
        "requests_app.Request",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        help_text=_("The request it is on; in review, the one it seems to be about."),
    )
    entry = models.OneToOneField(
        "requests_app.CaseEntry", models.SET_NULL, null=True, blank=True, related_name="message"
    )
    contact = models.ForeignKey(
        "asd.Contact", models.PROTECT, null=True, blank=True, related_name="+"
    )
    is_verified = models.BooleanField(
        default=False, help_text=_("Came to an address that only this person was given.")
    )
    other_sender = models.CharField(max_length=254, blank=True)

    events = GenericRelation(Event, content_type_field="stream_type", object_id_field="stream_id")

    objects = InboundMessageQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=MailState.values), name="inbound_state_known"
            ),
            models.UniqueConstraint(
                fields=["mailbox", "uid_validity", "uid"], name="inbound_once_per_mailbox"
            ),
            models.UniqueConstraint(
                fields=["content_key"],
                name="inbound_once_per_content",
                condition=~Q(content_key=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="inbound_due", condition=Q(state=MailState.STORED)
            ),
            models.Index(
                fields=["-received_at", "-id"],
                name="inbound_review",
                condition=Q(state__in=REVIEWED),
            ),
            models.Index(fields=["state", "-received_at"], name="inbound_state"),
            models.Index(fields=["from_address", "-received_at"], name="inbound_sender"),
        ]

    def __str__(self) -> str:
        return f"{self.subject or 'Message'} from {self.sender}"

    def get_absolute_url(self) -> str:
        return f"/mail/{self.pk}/"

    @property
    def sender(self) -> str:
        """Who it says it is from."""
        if self.from_name and self.from_address:
            return f"{self.from_name} <{self.from_address}>"
        return self.from_name or self.from_address or "nobody named"

    # Steps

    @step(MailState.STORED, MailState.APPLIED, who=[SYSTEM], writes=["why"])
    def apply(self):
        """It came to a signed reply address: it is put on that case (X6)."""

    @step(MailState.STORED, MailState.REQUEST_MADE, who=[SYSTEM], writes=["why"])
    def become_request(self):
        """A contact we know wrote to the intake address: a request in triage (X10)."""

    @step(MailState.STORED, MailState.REVIEW, who=[SYSTEM], writes=["why"])
    def set_for_review(self):
        """Who sent it, or what about, is not certain: a representative decides (X10)."""

    @step(MailState.STORED, MailState.IGNORED, who=[SYSTEM], writes=["why"])
    def ignore(self):
        """An automatic answer, a returned mail, a loop, a copy: kept, and never answered (X10)."""

    @step(MailState.STORED, MailState.FAILED, who=[SYSTEM], writes=["why"])
    def give_up(self):
        """Reading it failed again and again: a representative looks at it (X10)."""

    @step(REVIEWED, MailState.APPLIED, who=[any_representative], writes=["why"])
    def attach(self):
        """A representative puts it on a case (X6)."""

    @step(REVIEWED, MailState.REQUEST_MADE, who=[any_representative], writes=["why"])
    def make_request(self):
        """A representative makes a request of it (X10)."""

    @property
    def has_raw(self) -> bool:
        """Whether it can still be had as it came."""
        until = _raw_until()
        return not (until and self.state in ON_A_CASE and self.state_since < until)

    @step(REVIEWED, MailState.DISCARDED, who=[any_representative], check=[reason], writes=["why"])
    def discard(self):
        """Of no use; it stays readable (X10)."""

    @step(ASIDE, MailState.REVIEW, who=[any_representative], writes=["why"], label="Review it")
    def take_up(self):
        """It was set aside or discarded wrongly (X10)."""


class InboundRaw(models.Model):
    """The message as it came, apart from its row so that lists do not carry it.

    In the database and not in a folder: stored with its row or not at all, whatever dies when.
    """

    message = models.OneToOneField(InboundMessage, models.CASCADE, related_name="raw")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"raw of {self.message_id}"
