"""The Agency Services Database: agencies, contacts, agreements, services and who uses what."""

import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from asd.agreement_models import Agreement, CoveredService, RateCardLine
from notifications.models import UndeliverableAddress
from workflow import clock
from workflow.actors import BY_SYSTEM, who
from workflow.machine import check, reason, step
from workflow.models import Machine

if TYPE_CHECKING:
    from workflow.models import User

__all__ = [
    "Agency",
    "AgencyService",
    "Agreement",
    "Contact",
    "CoveredService",
    "RateCardLine",
    "Service",
    "ServiceUpdate",
]


def normalised(text: str) -> str:
    """Names are kept in NFC with single spaces, so that one name is one agency."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class AgencyQuerySet(models.QuerySet["Agency"]):
    def visible_to(self, user: "User") -> "AgencyQuerySet":
        """All staff may look up whom we serve."""
        return self if user.is_active else self.none()

    def with_current(self) -> "AgencyQuerySet":
        """Annotates `has_sla`: whether an SLA is in force today (D14; computed, never stored)."""
        return self.annotate(
            has_sla=Exists(Agreement.objects.in_force().filter(agency=OuterRef("pk")))
        )


@pghistory.track()
class Agency(models.Model):
    """A customer organisation. A *current* customer has an SLA in force today."""

    name = models.CharField(max_length=200)
    code = models.CharField(
        max_length=20, unique=True, help_text=_("Agency number, or a short code until it has one.")
    )
    representative = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="agencies",
        limit_choices_to={"is_representative": True, "is_active": True},
    )
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="deputy_agencies",
        limit_choices_to={"is_representative": True, "is_active": True},
    )
    is_active = models.BooleanField(default=True)
    known_to_billing = models.BooleanField(
        default=False, help_text=_("The billing office has a customer record for this agency.")
    )
    notes = models.TextField(blank=True)

    objects = AgencyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "agencies"
        constraints = [models.UniqueConstraint(Lower("name"), name="agency_name_once")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name = normalised(self.name)

    def get_absolute_url(self) -> str:
        return f"/asd/agencies/{quote(self.code, safe='')}/"

    def is_current(self) -> bool:
        """Whether an SLA is in force today (D2, D14)."""
        return any(agreement.is_in_force for agreement in self.agreements.all())


class ContactQuerySet(models.QuerySet["Contact"]):
    def active(self) -> "ContactQuerySet":
        return self.filter(is_active=True)

    def with_mail_trouble(self) -> "ContactQuerySet":
        """Annotates `mail_trouble`: why mails to the contact do not arrive; empty where they do."""
        marks = UndeliverableAddress.objects.filter(address=Lower(OuterRef("email")))
        return self.annotate(
            mail_trouble=Coalesce(Subquery(marks.values("why")), Value("", models.TextField()))
        )

    def signatories(self) -> "ContactQuerySet":
        """Who may accept proposals: named by the office, and checked by it (S1.7d)."""
        return self.active().filter(is_signatory=True, unverified_since__isnull=True)


@pghistory.track()
class Contact(models.Model):
    """A person at an agency: asks, signs, watches."""

    called_by = ("name",)

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="contacts")
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=10, default="en", choices=settings.LANGUAGES)
    is_signatory = models.BooleanField(
        default=False, help_text=_("May accept proposals for the agency.")
    )
    is_active = models.BooleanField(default=True)
    unverified_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("Made from a form or a mail of the person's own; the office has not checked."),
    )

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "agency",
                Lower("email"),
                name="contact_email_once_per_agency",
                condition=~Q(email=""),
            )
        ]

    def __str__(self) -> str:
        return self.name


@who("ASD manager")
def asd_manager(subject: Any, user: "User") -> bool:
    """Keeps the Agency Services Database."""
    return user.is_asd_manager


@who("the account representative of the request")
def service_representative(subject: Any, user: "User") -> bool:
    """Who may speak for the request that a service or update belongs to (D10)."""
    request = subject.stream()
    if request is subject:
        return user.is_representative
    return request.is_represented_by(user)


@check("live_on", "Give the day it went live: today or before.")
def live_day_given(service: Any, facts: dict[str, Any]) -> bool:
    """A service that will be live some day is not live (F14)."""
    day = facts.get("live_on")
    return day is not None and day <= clock.today()


class ServiceState(models.TextChoices):
    PROPOSED = "proposed", _("Proposed")
    IN_DEVELOPMENT = "in_development", _("In development")
    LIVE = "live", _("Live")
    RETIRED = "retired", _("Retired")
    CANCELLED = "cancelled", _("Cancelled")


class ServiceQuerySet(models.QuerySet["Service"]):
    def orderable(self) -> "ServiceQuerySet":
        """What a request can be about: live services only (D10)."""
        return self.filter(state=ServiceState.LIVE)

    def visible_to(self, user: "User") -> "ServiceQuerySet":
        """All staff may read the catalogue."""
        return self if user.is_active else self.none()


@pghistory.track()
class Service(Machine):
    """What the organisation offers: an entry of the Agency Services Database."""

    called_by = ("name",)

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    state = FSMField(default=ServiceState.LIVE, choices=ServiceState, max_length=20)
    provider_group = models.ForeignKey(
        "fulfillment.ProviderGroup",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="services",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    origin_request = models.ForeignKey(
        "requests_app.Request",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="proposed_services",
    )
    live_on = models.DateField(null=True, blank=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="service_name_once",
                condition=~Q(state__in=["retired", "cancelled"]),
            ),
            models.CheckConstraint(
                condition=Q(state__in=ServiceState.values), name="service_state_known"
            ),
        ]
        indexes = [models.Index(fields=["name", "id"], name="service_by_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/asd/services/{self.slug}/"

    def stream(self) -> Machine:
        """A service proposed by a request is part of that request's history."""
        return self.origin_request or self

    @step(
        ServiceState.PROPOSED,
        ServiceState.IN_DEVELOPMENT,
        who=[asd_manager, service_representative],
    )
    def develop(self) -> None:
        """The proposed service is being made (D10)."""

    @step(
        [ServiceState.PROPOSED, ServiceState.IN_DEVELOPMENT],
        ServiceState.LIVE,
        who=[asd_manager],
        check=[live_day_given],
        writes=["live_on"],
    )
    def go_live(self) -> None:
        """The service can be used and billed from now on (F14)."""

    @step(ServiceState.LIVE, ServiceState.RETIRED, who=[asd_manager], check=[reason])
    def retire(self) -> None:
        """No longer offered; history keeps it."""

    @step(
        [ServiceState.PROPOSED, ServiceState.IN_DEVELOPMENT],
        ServiceState.CANCELLED,
        who=[asd_manager, service_representative, BY_SYSTEM],
        check=[reason],
    )
    def cancel_service(self) -> None:
        """The draft is kept with its reason, never offered (D10)."""


class AgencyService(models.Model):
    """One agency's use of one service: made and changed by applying an ASD update (F14)."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="services_used")
    service = models.ForeignKey(Service, models.PROTECT, related_name="used_by")
    since = models.DateField()
    until = models.DateField(null=True, blank=True)
    quantity = models.PositiveIntegerField(default=1)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["service__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "service"],
                name="agency_uses_service_once",
                condition=Q(until__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.agency}: {self.service}"


class UpdateState(models.TextChoices):
    REQUESTED = "requested", _("Requested")
    APPLIED = "applied", _("Applied")
    REFUSED = "refused", _("Sent back")
    NOT_NEEDED = "not_needed", _("Not needed")
    CANCELLED = "cancelled", _("Cancelled")


class ServiceUpdateQuerySet(models.QuerySet["ServiceUpdate"]):
    def visible_to(self, user: "User") -> "ServiceUpdateQuerySet":
        """Who keeps or asks for updates sees all; others those of their own groups' requests."""
        if not user.is_active:
            return self.none()
        roles = (user.is_superuser, user.is_auditor, user.is_asd_manager, user.is_representative)
        if any(roles):
            return self
        return self.filter(request__provider_group__in=user.group_ids)


class ServiceUpdate(Machine):
    """An update of the Agency Services Database asked for by a request (F14)."""

    request = models.ForeignKey(
        "requests_app.Request", models.PROTECT, related_name="service_updates"
    )
    pass_number = models.PositiveSmallIntegerField(default=1)
    state = FSMField(default=UpdateState.REQUESTED, choices=UpdateState, max_length=12)
    service = models.ForeignKey(
        Service, models.PROTECT, null=True, blank=True, related_name="updates"
    )
    change = models.TextField(help_text=_("What to change: start date, quantity, owner ..."))
    starts_on = models.DateField(null=True, blank=True)
    quantity = models.PositiveIntegerField(default=1)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True
    )

    objects = ServiceUpdateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=UpdateState.values), name="service_update_state_known"
            ),
            models.UniqueConstraint(
                fields=["request", "pass_number"],
                name="one_open_service_update",
                condition=Q(state="requested"),
            ),
        ]

    def __str__(self) -> str:
        return f"ASD update for {self.request}"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    @step(UpdateState.REQUESTED, UpdateState.APPLIED, who=[asd_manager])
    def apply(self) -> None:
        """The agency service is made or changed (F14)."""

    @step(UpdateState.REQUESTED, UpdateState.REFUSED, who=[asd_manager], check=[reason])
    def send_back(self) -> None:
        """The update cannot be made as asked; the representative asks again (F14)."""

    @step(
        [UpdateState.REQUESTED, UpdateState.REFUSED],
        UpdateState.NOT_NEEDED,
        who=[service_representative],
        check=[reason],
    )
    def waive(self) -> None:
        """No service record changes, with the reason (F14)."""

    @step(
        [UpdateState.REQUESTED, UpdateState.REFUSED],
        UpdateState.CANCELLED,
        who=[service_representative, BY_SYSTEM],
    )
    def cancel_update(self) -> None:
        """The request ended before the update was made (X2)."""
