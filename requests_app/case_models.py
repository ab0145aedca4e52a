"""The CRM case: the record of all dealings about a request, with its files."""

import secrets
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflow import clock

if TYPE_CHECKING:
    from workflow.models import User


class Case(models.Model):
    """Every request has one. It mirrors its request, so it has timestamps and no state."""

    request = models.OneToOneField("requests_app.Request", models.PROTECT, related_name="case")
    reference = models.CharField(max_length=20, unique=True, editable=False)
    opened_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-opened_at"]

    def __str__(self) -> str:
        return self.reference


class CaseEntry(models.Model):
    """An update on the case: a comment of staff or customer, public or internal (X6)."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="entries")
    text = models.TextField(max_length=20_000)
    public = models.BooleanField(default=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    author_name = models.CharField(max_length=200)
    from_customer = models.BooleanField(default=False)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["at", "pk"]
        verbose_name_plural = "case entries"

    def __str__(self) -> str:
        return f"{self.author_name} on {self.at:%Y-%m-%d}"


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: "User") -> "AttachmentQuerySet":
        """Files of the requests that this person may see."""
        requests = apps.get_model("requests_app", "Request").objects
        return self.filter(case__request__in=requests.visible_to(user))

    def kept(self) -> "AttachmentQuerySet":
        return self.filter(withdrawn_at__isnull=True)


def stored_name(attachment: "Attachment", name: str) -> str:
    """Names given by people are never trusted: files lie under a random one."""
    return f"attachments/{clock.now():%Y/%m}/{uuid.uuid4().hex}"


class Attachment(models.Model):
    """A file of a case. Lies outside the web root, leaves only through a permission check."""

    class Purpose(models.TextChoices):
        FILE = "file", _("File")
        PROPOSAL = "proposal", _("Proposal")
        PURCHASE_ORDER = "purchase_order", _("Purchase order")
        EVIDENCE = "evidence", _("Evidence")

    case = models.ForeignKey(Case, models.PROTECT, related_name="attachments")
    entry = models.ForeignKey(
        CaseEntry, models.SET_NULL, null=True, blank=True, related_name="attachments"
    )
    purpose = models.CharField(max_length=16, choices=Purpose, default=Purpose.FILE)
    file = models.FileField(upload_to=stored_name, max_length=200)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    public = models.BooleanField(default=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    uploaded_by_name = models.CharField(max_length=200)
    uploaded_at = models.DateTimeField(default=clock.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.CharField(max_length=300, blank=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["uploaded_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | ~Q(withdrawn_reason=""),
                name="attachment_withdrawn_with_reason",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/requests/{self.case.request.reference}/files/{self.pk}/"

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()


def random_key() -> str:
    """256 random bits, in hex."""
    return secrets.token_hex(32)


class TrackingTokenQuerySet(models.QuerySet["TrackingToken"]):
    def valid(self) -> "TrackingTokenQuerySet":
        """What still opens the page: not expired, not revoked, of an active contact."""
        return self.filter(
            contact__is_active=True, revoked_at__isnull=True, expires_at__gt=clock.now()
        )


class TrackingToken(models.Model):
    """A private address of the tracking page, per person and request; only its hash is kept."""

    request = models.ForeignKey(
        "requests_app.Request", models.CASCADE, related_name="tracking_tokens"
    )
    contact = models.ForeignKey("asd.Contact", models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    # half of what the secret is made from; the other half is the program's own key
    salt = models.CharField(max_length=64, default=random_key, editable=False)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    objects = TrackingTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.contact} on {self.request}"
