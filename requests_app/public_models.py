"""What the public form keeps until the customer's address is confirmed. None of it counts yet."""

import ipaddress
import uuid
from datetime import timedelta
from typing import Any

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from workflow import clock

LIFETIME = timedelta(days=7)


@pghistory.track()
class PublicForm(models.Model):
    """The switch of the public form `/new/`; one row at most. Without a row the form is open."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    is_open = models.BooleanField(
        default=True, help_text=_("Whether customers can send requests by the form at /new/.")
    )
    closed_note = models.TextField(
        max_length=1000,
        blank=True,
        help_text=_("What the page says while the form is closed: whom to ask instead, and how."),
    )

    class Meta:
        verbose_name = "public request form"
        constraints = [
            models.CheckConstraint(
                condition=Q(id=1),
                name="public_form_is_one_row",
                violation_error_message=_("There is one already: change that one."),
            )
        ]

    def __str__(self) -> str:
        return "Open" if self.is_open else "Closed"

    @classmethod
    def current(cls) -> "PublicForm":
        """The switch as it stands; reading it writes nothing."""
        return cls.objects.first() or cls()


def in_a_week() -> Any:
    """Until when a confirmation is possible."""
    return clock.now() + LIFETIME


def network_of(address: str) -> str:
    """What a limit counts: an IPv4 address, or the /64 that one IPv6 customer has; "" if neither"""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network(f"{found}/64", strict=False))


class PendingIntake(models.Model):
    """A form that was sent and waits for its e-mail address to be confirmed (X10).

    Its row number is the form's own key, so a form sent twice is one. Only the hash of the
    confirmation's token is kept. Deleted seven days after it was sent, confirmed or not.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField(default=in_a_week, editable=False)
    network = models.CharField(max_length=50, blank=True, editable=False)
    agency = models.ForeignKey(
        "asd.Agency", models.CASCADE, null=True, blank=True, related_name="+"
    )
    agency_name = models.CharField(max_length=200, blank=True)
    agency_about = models.CharField(max_length=500, blank=True)
    name = models.CharField(max_length=120)
    email = models.EmailField()
    phone = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=10, default="en", choices=settings.LANGUAGES)
    service = models.ForeignKey(
        "asd.Service", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    title = models.CharField(max_length=160)
    description = models.TextField(max_length=20_000)
    needed_by = models.DateField(null=True, blank=True)
    request = models.OneToOneField(
        "requests_app.Request", models.CASCADE, null=True, blank=True, related_name="public_intake"
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(agency__isnull=False) | ~Q(agency_name=""),
                name="pending_intake_has_agency",
            )
        ]
        indexes = [
            models.Index(fields=["network", "created_at"], name="pending_intake_network"),
            models.Index(Lower("email"), "created_at", name="pending_intake_email"),
            models.Index(fields=["expires_at"], name="pending_intake_expires"),
        ]

    def __str__(self) -> str:
        return self.title


def staged_name(file: "PendingFile", name: str) -> str:
    """Names given by people are never trusted."""
    return f"intake/{clock.now():%Y/%m}/{uuid.uuid4().hex}"


class PendingFile(models.Model):
    """A file of such a form, checked already; goes to the case when the address is confirmed."""

    intake = models.ForeignKey(PendingIntake, models.CASCADE, related_name="files")
    file = models.FileField(upload_to=staged_name, max_length=200)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name
