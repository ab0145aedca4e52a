"""When a request will probably be done, and what was said about it on the way."""

from datetime import date, datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from workflow import clock


class Moved(models.TextChoices):
    """Why a forecast moved, in words that a customer may read."""

    HELD = "held", gettext_lazy("it was put on hold")
    RESUMED = "resumed", gettext_lazy("it is being worked on again")
    SLOT = "slot", gettext_lazy("it got a place in the schedule")
    RESCHEDULED = "rescheduled", gettext_lazy("it was moved on the schedule")
    UNSCHEDULED = "unscheduled", gettext_lazy("its place in the schedule was given back")
    DISCOVERY = "discovery", gettext_lazy("we are finding out what is needed")
    PARTS = "parts", gettext_lazy("parts and equipment are needed first")
    TEST = "test", gettext_lazy("a test found something to put right")
    GROUP = "group", gettext_lazy("another team takes care of it")
    BACK = "back", gettext_lazy("it went back a step")
    PRIORITY = "priority", gettext_lazy("its priority changed")
    EARLIER_STEP = "earlier_step", gettext_lazy("it was taken up earlier than usual")
    LATER_STEP = "later_step", gettext_lazy("a step took longer than usual")
    STEP_DONE = "step_done", gettext_lazy("a step of the work is done")
    GREW = "grew", gettext_lazy("the queue grew")
    SHRANK = "shrank", gettext_lazy("the queue became shorter")
    WAITING = "waiting", gettext_lazy("it has been waiting longer than usual")
    RECENT = "recent", gettext_lazy("similar requests lately took a different time")


class Forecast(models.Model):
    """The range in which an open request is likely to be done; no dates where history is short.

    `p50_on` is reached in half of such cases, `p85_on` in 85 of 100. Written by
    `fulfillment.forecasting` only; it moves no request and is no promise of the process.
    """

    class Whose(models.TextChoices):
        GROUP = "group", gettext_lazy("the group's own history")
        ORGANISATION = "organisation", gettext_lazy("the organisation's history")

    request = models.OneToOneField(
        "requests_app.Request", models.CASCADE, related_name="forecast", primary_key=True
    )
    p50_on = models.DateField(null=True, blank=True)
    p85_on = models.DateField(null=True, blank=True)
    computed_at = models.DateTimeField()
    sample = models.PositiveIntegerField(
        default=0, help_text=gettext_lazy("How many finished requests it rests on.")
    )
    whose = models.CharField(max_length=12, choices=Whose, default=Whose.GROUP)
    ahead = models.PositiveIntegerField(
        default=0, help_text=gettext_lazy("How many were in the same step of the group.")
    )
    stage = models.CharField(max_length=40, blank=True)
    previous_p50_on = models.DateField(null=True, blank=True)
    previous_p85_on = models.DateField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True)
    moved_because = models.CharField(max_length=12, choices=Moved, blank=True)

    class Meta:
        ordering = ["p50_on", "pk"]
        indexes = [models.Index(fields=["computed_at"], name="forecast_computed")]
        constraints = [
            models.CheckConstraint(
                condition=Q(p50_on__isnull=True, p85_on__isnull=True)
                | Q(p50_on__isnull=False, p85_on__gte=F("p50_on")),
                name="forecast_is_a_range",
            )
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.in_words()}"

    @property
    def is_known(self) -> bool:
        """Whether there was enough history to say a range."""
        return self.p50_on is not None

    @property
    def is_past(self) -> bool:
        """Whether both dates are gone: it waits to be computed anew."""
        return self.p85_on is not None and self.p85_on < clock.today()

    def in_words(self) -> str:
        """The range as a sentence for customers: "Likely by 14 December; almost certainly ..."."""
        if self.p50_on is None or self.p85_on is None:
            return _("It cannot be said yet when it will be done: too few like it so far.")
        if self.is_past:
            return _("It is taking longer than we expected; a new date follows.")
        likely = max(self.p50_on, clock.today())
        if likely == self.p85_on:
            return _("Almost certainly by %(day)s.") % {"day": plain_day(self.p85_on)}
        return _("Likely by %(likely)s; almost certainly by %(certain)s.") % {
            "likely": plain_day(likely),
            "certain": plain_day(self.p85_on),
        }

    def moved_in_words(self) -> str:
        """For a fortnight after it moved: what was said before, and why it changed."""
        if not (self.moved_because and self.moved_at and self.previous_p85_on and self.p85_on):
            return ""
        if self.moved_at < clock.now() - timedelta(days=14):
            return ""
        words = {"day": plain_day(self.previous_p85_on), "why": self.get_moved_because_display()}
        if self.p85_on > self.previous_p85_on:
            return _("Later than we said before (%(day)s), because %(why)s.") % words
        if self.p85_on < self.previous_p85_on:
            return _("Earlier than we said before (%(day)s), because %(why)s.") % words
        return ""

    def based_on(self) -> str:
        """What it rests on, for staff."""
        return _("From %(n)d finished requests of %(whose)s.") % {
            "n": self.sample,
            "whose": self.get_whose_display(),
        }

    @property
    def days_wide(self) -> int:
        """Calendar days between the likely and the almost certain date."""
        return (self.p85_on - self.p50_on).days if self.p50_on and self.p85_on else 0


def plain_day(day: date) -> str:
    """A date as one writes it in a letter; the year only where it is another one."""
    same = day.year == clock.today().year
    with_year = pgettext("date format", "j F Y")
    return date_format(day, pgettext("date format", "j F") if same else with_year)


class ForecastTold(models.Model):
    """What was said on a day, kept beside what came of it: promise and outcome compared."""

    request = models.ForeignKey(
        "requests_app.Request", models.CASCADE, related_name="forecasts_told"
    )
    pass_number = models.PositiveSmallIntegerField(default=1)
    told_on = models.DateField(default=clock.today)
    p50_on = models.DateField()
    p85_on = models.DateField()
    ended_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["told_on", "pk"]
        verbose_name_plural = "forecasts told"
        constraints = [
            models.UniqueConstraint(
                fields=["request", "pass_number", "told_on"], name="forecast_told_once_a_day"
            )
        ]
        indexes = [models.Index(fields=["ended_on"], name="forecast_told_ended")]

    def __str__(self) -> str:
        return f"{self.request} on {self.told_on}: by {self.p85_on}"


def local_day(moment: datetime) -> date:
    """The organisation's date of a moment."""
    return timezone.localtime(moment).date()
