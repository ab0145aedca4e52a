"""Provider groups with their calendars, and the 60-day schedule."""

import uuid
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pghistory
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from fulfillment.forecast_models import Forecast, ForecastTold  # noqa: F401 - the app's too
from fulfillment.replan_models import Replan  # noqa: F401 - the app's too
from fulfillment.work_models import (  # noqa: F401 - the app's too
    QUARTER,
    ChargeDecision,
    PlanItem,
    TestRun,
    TimeEntry,
)
from requests_app.who import SYSTEM, lead, member
from workflow import clock
from workflow.machine import reason, step
from workflow.models import Calendar, Machine

if TYPE_CHECKING:
    from workflow.models import User


class ProviderGroupQuerySet(models.QuerySet["ProviderGroup"]):
    def visible_to(self, user: "User") -> "ProviderGroupQuerySet":
        """Whose queues a person may open: own groups; representatives and auditors all."""
        if not user.is_active:
            return self.none()
        if user.is_superuser or user.is_representative or user.is_auditor:
            return self
        return self.filter(pk__in=user.group_ids)


@pghistory.track()
class ProviderGroup(models.Model):
    """A team that fulfills: members, a lead, working hours, a pending queue, a schedule."""

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    email = models.EmailField(blank=True)
    digest_to = models.CharField(
        _("daily digest to"),
        max_length=8,
        choices=[("leads", _("Leads")), ("members", _("All members")), ("nobody", _("Nobody"))],
        default="leads",
    )
    calendar = models.ForeignKey(
        Calendar, models.PROTECT, null=True, blank=True, related_name="groups"
    )
    focus = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.60"),
        validators=[MinValueValidator(Decimal("0.05"))],
        help_text=_("The share of the members' hours that planned work gets."),
    )
    is_active = models.BooleanField(default=True)

    objects = ProviderGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(focus__gt=0, focus__lte=1), name="group_focus_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def is_visible_to(self, user: "User") -> bool:
        """As `visible_to` says it of many."""
        if not user.is_active:
            return False
        sees_all = user.is_superuser or user.is_representative or user.is_auditor
        return sees_all or self.pk in user.group_ids


@pghistory.track()
class Membership(models.Model):
    """A person's place in a group."""

    group = models.ForeignKey(ProviderGroup, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    is_lead = models.BooleanField(default=False)
    hours_per_day = models.DecimalField(
        max_digits=4,
        decimal_places=2,
        default=Decimal(8),
        validators=[MinValueValidator(0)],
        help_text=_("Part time is less than eight."),
    )
    week = ArrayField(
        models.DecimalField(max_digits=4, decimal_places=2, validators=[MinValueValidator(0)]),
        size=7,
        null=True,
        blank=True,
        help_text=_("Hours from Monday to Sunday where they differ by day; empty means every day."),
    )

    class Meta:
        ordering = ["-is_lead", "user__username"]
        constraints = [
            models.UniqueConstraint(fields=["group", "user"], name="member_once"),
            models.CheckConstraint(
                condition=Q(hours_per_day__gte=0, hours_per_day__lte=24),
                name="member_hours_fit_a_day",
            ),
            models.CheckConstraint(
                condition=Q(week__isnull=True) | Q(week__len=7), name="member_week_has_seven_days"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"

    def hours_on(self, day: date) -> Decimal:
        """Hours of this weekday, before holidays and leave (F1)."""
        return self.week[day.weekday()] if self.week else self.hours_per_day


class DayCapacity(models.Model):
    """What a group can do on one day, in minutes, and what is booked: never more (F2)."""

    group = models.ForeignKey(ProviderGroup, models.CASCADE, related_name="days")
    day = models.DateField()
    capacity = models.PositiveIntegerField(help_text=_("Minutes."))
    booked = models.PositiveIntegerField(default=0, help_text=_("Minutes."))

    class Meta:
        ordering = ["day"]
        verbose_name_plural = "day capacities"
        constraints = [
            models.UniqueConstraint(fields=["group", "day"], name="day_once_per_group"),
            models.CheckConstraint(
                condition=Q(booked__lte=F("capacity")), name="day_not_overbooked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} on {self.day}"

    @property
    def free(self) -> int:
        return self.capacity - self.booked


class EntryState(models.TextChoices):
    BOOKED = "booked", _("Booked")
    SUSPENDED = "suspended", _("Suspended while on hold")
    STARTED = "started", _("Started")
    RELEASED = "released", _("Released")
    DONE = "done", _("Done")


class ScheduleEntryQuerySet(models.QuerySet["ScheduleEntry"]):
    def active(self) -> "ScheduleEntryQuerySet":
        return self.filter(state__in=["booked", "suspended", "started"])

    def booked(self) -> "ScheduleEntryQuerySet":
        return self.filter(state="booked")


class ScheduleEntry(Machine):
    """A request's place in the 60-day schedule: hours on one or more working days (F2)."""

    request = models.ForeignKey(
        "requests_app.Request", models.PROTECT, related_name="schedule_entries"
    )
    group = models.ForeignKey(ProviderGroup, models.PROTECT, related_name="schedule_entries")
    pass_number = models.PositiveSmallIntegerField(default=1)
    state = FSMField(default=EntryState.BOOKED, choices=EntryState, max_length=10, editable=False)
    minutes = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    first_day = models.DateField()
    last_day = models.DateField()
    most_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Minutes of one day at most; empty: as many as fit.")
    )
    is_fixed = models.BooleanField(
        default=False, help_text=_("It stays where it is until it is let go again.")
    )
    carried_over = models.PositiveSmallIntegerField(
        default=0, help_text=_("How often its day passed before it was begun.")
    )
    sequence = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Counts its changes, for undo and for calendars.")
    )
    changed_at = models.DateTimeField(default=clock.now, editable=False)
    booked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    objects = ScheduleEntryQuerySet.as_manager()

    class Meta:
        ordering = ["first_day", "pk"]
        verbose_name_plural = "schedule entries"
        constraints = [
            models.UniqueConstraint(
                fields=["request"],
                name="one_active_schedule_entry",
                condition=Q(state__in=["booked", "suspended", "started"]),
            ),
            models.CheckConstraint(
                condition=Q(state__in=EntryState.values), name="schedule_entry_state_known"
            ),
            models.CheckConstraint(
                condition=Q(minutes__gt=0, last_day__gte=F("first_day")),
                name="schedule_entry_makes_sense",
            ),
            models.CheckConstraint(
                condition=Q(most_per_day__isnull=True) | Q(most_per_day__gt=0),
                name="schedule_entry_daily_most_positive",
            ),
        ]
        indexes = [
            models.Index(
                fields=["group", "first_day", "id"],
                include=["last_day", "state", "request"],
                name="schedule_entry_active",
                condition=Q(state__in=["booked", "suspended", "started"]),
            ),
            models.Index(
                fields=["group", "first_day"],
                name="schedule_entry_suspended",
                condition=Q(state="suspended"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request} from {self.first_day}"

    def stream(self) -> Machine:
        """Part of its request's history."""
        return self.request

    @property
    def is_active(self) -> bool:
        """As `active` says it of many: it holds, held or will hold days of the schedule."""
        return self.state in ("booked", "suspended", "started")

    @property
    def hours(self) -> Decimal:
        return (Decimal(self.minutes) / 60).quantize(QUARTER)

    @property
    def hours_per_day(self) -> Decimal | None:
        """At most so many hours a day, if that was asked for."""
        return (Decimal(self.most_per_day) / 60).quantize(QUARTER) if self.most_per_day else None

    @step(EntryState.BOOKED, EntryState.STARTED, who=[member, SYSTEM])
    def start_entry(self) -> None:
        """Pulled from the schedule: its hours are being worked (F6)."""

    @step(EntryState.BOOKED, EntryState.SUSPENDED, who=[SYSTEM])
    def suspend(self) -> None:
        """On hold without keeping its slot: the hours are free for others (X1)."""

    @step(EntryState.SUSPENDED, EntryState.BOOKED, who=[SYSTEM], writes=["first_day", "last_day"])
    def rebook(self) -> None:
        """Resumed: the next days with room (X1)."""

    @step(
        [EntryState.BOOKED, EntryState.SUSPENDED, EntryState.STARTED],
        EntryState.RELEASED,
        who=[lead, SYSTEM],
        check=[reason],
    )
    def release(self) -> None:
        """The slot is given back and its hours are free again (F2, F17, X2)."""

    @step(EntryState.STARTED, EntryState.BOOKED, who=[SYSTEM])
    def keep_entry(self) -> None:
        """Kept by choice while the request goes back to discovery: it waits as booked (F17)."""

    @step(EntryState.STARTED, EntryState.DONE, who=[SYSTEM])
    def finish_entry(self) -> None:
        """The work it was booked for is tested and settled (F9)."""


class CalendarFeed(models.Model):
    """A person's secret address of a calendar: a group's schedule, or their own work (F2).

    The address is `key` with its signature, so the database alone does not give it away; a new
    key makes the old address void. What it shows is what the person may see when it is fetched.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="calendar_feeds"
    )
    group = models.ForeignKey(
        ProviderGroup, models.CASCADE, null=True, blank=True, related_name="calendar_feeds"
    )
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    made_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "group"], name="calendar_feed_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"Calendar of {self.group or self.user}"


class ScheduledDay(models.Model):
    """Minutes of an entry on one day."""

    entry = models.ForeignKey(ScheduleEntry, models.CASCADE, related_name="days")
    day = models.DateField()
    minutes = models.PositiveIntegerField(validators=[MinValueValidator(1)])

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["entry", "day"], name="scheduled_day_once")]

    def __str__(self) -> str:
        return f"{self.entry}: {self.minutes} min on {self.day}"


class QueueCheck(models.Model):
    """When a queue of a group was last looked at by one of its members (F3)."""

    group = models.ForeignKey(ProviderGroup, models.CASCADE, related_name="checks")
    queue = models.CharField(
        max_length=10, choices=[("pending", _("Pending queue")), ("schedule", _("Schedule"))]
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "queue"], name="queue_check_latest")
        ]

    def __str__(self) -> str:
        return f"{self.group} {self.queue}"
