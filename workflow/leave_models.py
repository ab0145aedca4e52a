"""When people are not at work: holidays, illness, training."""

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from workflow import clock


@pghistory.track()
class Leave(models.Model):
    """A person's days off, from the first to the last; a single day may be half a day (F1)."""

    class Part(models.TextChoices):
        WHOLE = "whole", _("Whole days")
        MORNING = "morning", _("The morning")
        AFTERNOON = "afternoon", _("The afternoon")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="leaves")
    first_day = models.DateField()
    last_day = models.DateField()
    part = models.CharField(max_length=10, choices=Part, default=Part.WHOLE)
    note = models.CharField(max_length=120, blank=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    added_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["first_day", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="leave_ends_after_start",
                violation_error_message=_("The last day must not be before the first."),
            ),
            models.CheckConstraint(
                condition=Q(part="whole") | Q(last_day=F("first_day")),
                name="half_a_leave_is_one_day",
                violation_error_message=_("Half a day is one day: give the same day twice."),
            ),
            models.CheckConstraint(
                condition=Q(part__in=["whole", "morning", "afternoon"]), name="leave_part_known"
            ),
        ]
        indexes = [models.Index(fields=["user", "last_day"], name="leave_of_user")]

    def __str__(self) -> str:
        return f"{self.user} from {self.first_day} to {self.last_day}"

    @property
    def share(self) -> float:
        """How much of each of its days is off."""
        return 1 if self.part == self.Part.WHOLE else 0.5
