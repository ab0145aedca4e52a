"""Who acts, what happened, and when the office works. Knows no domain."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from workflow import clock
from workflow.leave_models import Leave  # noqa: F401 - Django finds models here
from workflow.session_models import BrowserSession  # noqa: F401
from workflow.written import Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifications.outbox import Recipient


@pghistory.track(exclude=["password", "last_login"])
class User(AbstractUser):
    """A member of staff. Roles are flags; membership of provider groups is kept in fulfillment."""

    called_by = ("first_name", "last_name", "username")

    is_representative = models.BooleanField(_("account representative"), default=False)
    is_billing = models.BooleanField(_("billing office"), default=False)
    is_asd_manager = models.BooleanField(_("ASD manager"), default=False)
    is_auditor = models.BooleanField(
        _("auditor"), default=False, help_text=_("Reads everything, changes nothing.")
    )
    language = models.CharField(
        _("language"), max_length=10, default="en", choices=settings.LANGUAGES
    )
    deputy = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="deputises_for"
    )
    daily_digest = models.BooleanField(
        _("daily digest"),
        default=True,
        help_text=_("A mail each working morning with what is new, due and overdue."),
    )
    away_from = models.DateField(_("out of office from"), null=True, blank=True)
    away_until = models.DateField(_("out of office until"), null=True, blank=True)

    class Meta(AbstractUser.Meta):
        indexes = [
            models.Index(
                fields=["id"],
                name="user_representatives",
                condition=models.Q(is_representative=True, is_active=True),
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def is_away(self) -> bool:
        """Whether the person is out of office today (a missing end means until further notice)."""
        today = clock.today()
        return bool(
            self.away_from
            and self.away_from <= today
            and (self.away_until is None or today <= self.away_until)
        )

    @cached_property
    def own_memberships(self) -> list[Any]:
        """Its places in provider groups of fulfillment, groups read: once per account object."""
        return _PLACES.instances(person=self.pk)

    @property
    def oversees(self) -> bool:
        """Whether this person sees the requests of the whole office."""
        return self.is_active and (self.is_superuser or self.is_representative or self.is_auditor)

    @property
    def group_ids(self) -> set[int]:
        """The provider groups this person belongs to."""
        return {m.group_id for m in self.own_memberships}

    @property
    def led_group_ids(self) -> set[int]:
        """The provider groups this person leads."""
        return {m.group_id for m in self.own_memberships if m.is_lead}


def places_of(**whose: Any) -> models.QuerySet[Any]:
    """Places in provider groups. Which model they are of is the stage app's to say."""
    related: Any = User._meta.get_field("memberships").related_model
    found = related.objects.filter(**whose).select_related("group__calendar")
    return found.order_by("group__name")  # type: ignore[no-any-return]


_PLACES = Written(lambda person: places_of(user=person))


class ApiToken(models.Model):
    """A person's key to the API. Only its hash is kept; the text is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    last_used_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ApiCall(models.Model):
    """An answer already given to a POST with this Idempotency-Key: the same again, done once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=120)
    path = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="api_call_once_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.key}"


@lru_cache(maxsize=500)
def _labels(field: Any, language: str) -> dict[Any, str]:
    """What the choices of a field are called in a language."""
    return {value: str(label) for value, label in field.flatchoices}


class Machine(models.Model):
    """What has a state that only the door moves. Subclasses declare `state` and their steps."""

    state_since = models.DateTimeField(default=clock.now, editable=False)

    if TYPE_CHECKING:
        state: str

        def get_state_display(self) -> str:
            """Django makes it from the choices of the state."""

    class Meta:
        abstract = True

    def _get_FIELD_display(self, field: Any) -> Any:  # noqa: N802 - Django's name
        """Django reads the labels of all choices to say one of them; here they are read once."""
        value = getattr(self, field.attname)
        return _labels(field, get_language()).get(value, value)

    def stream(self) -> "Machine":
        """Whose history this belongs to: the request, or the thing itself."""
        return self

    def whereabouts(self) -> str:
        """Where it is by now, in words, for whoever comes too late."""
        return f"{self.get_state_display().lower()} now"  # type: ignore[attr-defined]

    def recipients(self, template: str, event: "Event") -> list["Recipient"]:
        """Who is told by the notice of this name; by default what the stream's owner says."""
        root = self.stream()
        return [] if root is self else root.recipients(template, event)

    def follow(self, events: "Sequence[Event]") -> dict[str, list[Any]]:
        """Set what is computed from this stream's history, of which the last event is about to join
        and those before it have joined since it was called last.

        Called by the door on the stream, which saves it. Returns before and after of what is to
        be recorded with the event.
        """
        return {}

    def notice_context(self, template: str, event: "Event") -> dict[str, Any]:
        """What the notice says, as plain JSON."""
        root = self.stream()
        return {} if root is self else root.notice_context(template, event)


class Event(models.Model):
    """One thing that happened: who, when, what, from, to, why. Never changed or deleted (X7)."""

    stream_type = models.ForeignKey(ContentType, models.PROTECT, related_name="+")
    stream_id = models.BigIntegerField()
    stream = GenericForeignKey("stream_type", "stream_id")
    number = models.PositiveIntegerField()
    subject_type = models.ForeignKey(ContentType, models.PROTECT, related_name="+")
    subject_id = models.BigIntegerField()
    subject = GenericForeignKey("subject_type", "subject_id")
    name = models.CharField(max_length=60)
    source = models.CharField(max_length=30, blank=True)
    target = models.CharField(max_length=30, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="acts"
    )
    actor_kind = models.CharField(
        max_length=10,
        choices=[("person", _("person")), ("customer", _("customer")), ("system", _("system"))],
    )
    actor_name = models.CharField(max_length=200)
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    public = models.BooleanField(default=False, help_text=_("Shown to the customer."))
    at = models.DateTimeField(default=clock.now)
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["stream_type", "stream_id", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream_type", "stream_id", "number"], name="event_number_once_per_stream"
            )
        ]
        indexes = [
            models.Index(fields=["subject_type", "subject_id"], name="event_subject"),
            models.Index(fields=["-at"], name="event_at"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.number}. {self.name}"

    @property
    def moved(self) -> bool:
        """Whether the state changed."""
        return self.source != self.target


class SavedFilter(models.Model):
    """A list's filter that a person keeps under a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=60)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "page", "name"], name="saved_filter_name_once_per_page"
            )
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class Calendar(models.Model):
    """When a group works: hours by weekday, public holidays of a subdivision, exceptions (F1)."""

    name = models.CharField(max_length=80, unique=True)
    holidays = models.CharField(
        max_length=10,
        blank=True,
        default="US-OK",
        help_text=_("Country or country-subdivision of the public holidays, such as US-OK."),
    )
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                name="one_default_calendar",
                condition=models.Q(is_default=True),
            )
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class WorkingHours(models.Model):
    """A stretch of working time on one weekday, local time."""

    WEEKDAYS = list(
        enumerate(
            [
                _("Monday"),
                _("Tuesday"),
                _("Wednesday"),
                _("Thursday"),
                _("Friday"),
                _("Saturday"),
                _("Sunday"),
            ]
        )
    )
    calendar = models.ForeignKey(Calendar, models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField(choices=WEEKDAYS)
    opens = models.TimeField()
    closes = models.TimeField()

    class Meta:
        ordering = ["weekday", "opens"]
        verbose_name_plural = "working hours"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(closes__gt=models.F("opens")),
                name="working_hours_end_after_start",
                violation_error_message=_("Closing time must be after opening time."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}-{self.closes:%H:%M}"


@pghistory.track()
class CalendarException(models.Model):
    """A day unlike others of its weekday: closed, or with hours of its own."""

    calendar = models.ForeignKey(Calendar, models.CASCADE, related_name="exceptions")
    day = models.DateField()
    opens = models.TimeField(
        null=True, blank=True, help_text=_("Leave both times empty for a closed day.")
    )
    closes = models.TimeField(null=True, blank=True)
    note = models.CharField(max_length=120)

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(
                fields=["calendar", "day"], name="calendar_exception_once_a_day"
            ),
            models.CheckConstraint(
                condition=models.Q(opens__isnull=True, closes__isnull=True)
                | models.Q(opens__isnull=False, closes__gt=models.F("opens")),
                name="calendar_exception_hours_make_sense",
                violation_error_message=_(
                    "Give both times, the closing after the opening, or neither: closed all day."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.note}"


def next_numbers(*sequences: str) -> list[int]:
    """The next of each of these sequences of the database: nobody waits for another's number."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['nextval(%s)'] * len(sequences))}", sequences)
        return list(cursor.fetchone())


def reference_of(prefix: str, number: int) -> str:
    """A reference people can say aloud, such as REQ-2026-000123: never reused, not gapless."""
    return f"{prefix}-{clock.today():%Y}-{number:06d}"


def next_reference(prefix: str) -> str:
    """The next reference of this kind."""
    return reference_of(prefix, next_numbers(f"reference_{prefix.lower()}")[0])
