"""What is kept of customers who answer, rate and ask for their link."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflow import clock


class QuestionQuerySet(models.QuerySet["Question"]):
    def waiting(self) -> "QuestionQuerySet":
        """Neither answered nor closed: the customer's turn."""
        return self.filter(closed_at__isnull=True)


class Question(models.Model):
    """A question to the customer that the request waits for (X1, X6)."""

    request = models.ForeignKey("requests_app.Request", models.CASCADE, related_name="questions")
    text = models.TextField(max_length=5000)
    asked_by_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    answer = models.ForeignKey(
        "requests_app.CaseEntry", models.SET_NULL, null=True, blank=True, related_name="answers"
    )

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at", "pk"]
        indexes = [
            models.Index(
                fields=["asked_at"], name="question_waiting", condition=Q(closed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.text[:80]


class QuestionReminder(models.Model):
    """That a question was brought to mind after so many working days: once each, by its key."""

    question = models.ForeignKey(Question, models.CASCADE, related_name="reminders")
    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["question", "days"], name="reminded_once_each")
        ]

    def __str__(self) -> str:
        return f"after {self.days} working days"


class Rating(models.Model):
    """How it went, said by the requester, once per pass of the request."""

    LOW = 2
    SCORES = [
        (5, _("Very well")),
        (4, _("Well")),
        (3, _("Neither well nor badly")),
        (2, _("Badly")),
        (1, _("Very badly")),
    ]
    request = models.ForeignKey("requests_app.Request", models.CASCADE, related_name="ratings")
    pass_number = models.PositiveSmallIntegerField()
    score = models.PositiveSmallIntegerField(
        choices=SCORES, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    comment = models.TextField(max_length=2000, blank=True)
    given_by = models.CharField(max_length=200)
    closed_at = models.DateTimeField()
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["request", "pass_number"], name="rated_once_per_pass"),
            models.CheckConstraint(
                condition=Q(score__gte=1, score__lte=5), name="rating_from_one_to_five"
            ),
        ]
        indexes = [
            models.Index(fields=["closed_at"], name="rating_closed"),
            models.Index(fields=["-at", "-id"], name="rating_said", condition=~Q(comment="")),
        ]

    def __str__(self) -> str:
        return f"{self.score} of 5 for {self.request}"

    @property
    def is_low(self) -> bool:
        """Low enough that the representative hears of it at once."""
        return self.score <= self.LOW


class LinkAsked(models.Model):
    """That somebody asked for a new link: what the limits count, and what is still to be sent.

    Written for every address alike, known or not, so that the answer takes as long for both.
    """

    email = models.EmailField()
    reference = models.CharField(max_length=20, blank=True)
    client = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(default=clock.now)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["email", "at"], name="link_asked_email"),
            models.Index(fields=["client", "at"], name="link_asked_client"),
            models.Index(
                fields=["at"], name="link_asked_waiting", condition=Q(handled_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} at {self.at:%Y-%m-%d %H:%M}"
