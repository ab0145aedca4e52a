"""The mornings on which the daily digests went out (F3)."""

from django.db import models

from workflow import clock


class DigestDay(models.Model):
    """One working morning: its row is written with its digests, so there is never a second."""

    day = models.DateField(unique=True)
    at = models.DateTimeField(default=clock.now)
    sent = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return str(self.day)
