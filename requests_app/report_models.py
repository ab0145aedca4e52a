"""What the reports say, counted beforehand: a page of reports never reads the whole history."""

from collections.abc import Hashable
from datetime import date, datetime

from django.db import models
from django.db.models import Q, Subquery

from workflow import clock


class ReportFigure(models.Model):
    """One number of a report: of a month, and of one provider group or of the whole office.

    `month` is the first day of it, empty for what is open now. Means are not kept but what they
    are made of: `number` counts, `amount` adds up (money, or the points of ratings).
    """

    report = models.CharField(max_length=12)
    month = models.DateField(null=True)
    whole = models.BooleanField(default=False, help_text="Of the whole office, all groups.")
    group = models.ForeignKey(
        "fulfillment.ProviderGroup", models.CASCADE, null=True, related_name="+"
    )
    service = models.ForeignKey("asd.Service", models.CASCADE, null=True, related_name="+")
    key = models.CharField(max_length=24, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    number = models.PositiveBigIntegerField(default=0)
    amount = models.DecimalField(max_digits=18, decimal_places=2, default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(whole=False) | Q(group__isnull=True), name="figure_of_all_has_no_group"
            )
        ]
        indexes = [
            models.Index(fields=["report", "whole", "month"], name="figure_of_a_report"),
            models.Index(fields=["group", "report", "month"], name="figure_of_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.report} {self.month or ''} {self.key}: {self.number}"


class ReportCount(models.Model):
    """When the reports were counted: one row. `whole_at` is when all months were."""

    counted_at = models.DateTimeField(null=True)
    whole_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="report_count_is_one_row")]

    def __str__(self) -> str:
        return f"Reports as of {self.counted_at}"

    @classmethod
    def latest(cls) -> "ReportCount":
        """The row, or an empty one where nothing was counted yet; with its newest figure."""
        newest = ReportFigure.objects.order_by("-pk").values("pk")[:1]
        return cls.objects.filter(pk=1).annotate(newest=Subquery(newest)).first() or cls(pk=1)

    @property
    def stamp(self) -> Hashable:
        """Another one whenever the figures are others."""
        return (self.counted_at, getattr(self, "newest", None))

    @property
    def is_awaited(self) -> bool:
        """Somebody asked for new figures and they are not there yet."""
        asked: datetime | None = self.asked_at
        return asked is not None and (self.counted_at is None or asked > self.counted_at)


def first_month(months: int) -> date:
    """The first day of the earliest of the last `months` months."""
    today = clock.today()
    back = today.year * 12 + today.month - months
    return date(back // 12, back % 12 + 1, 1)
