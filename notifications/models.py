"""The outbox: one row per thing said to one person. The broker is only a nudge."""

import uuid

import pghistory
from django.conf import settings
from django.db import models
from django.utils import timezone


class Notice(models.Model):
    """One message to one recipient, written with the change that it tells about (F8)."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        SUPPRESSED = "suppressed", "Suppressed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(
        "workflow.Event", models.PROTECT, null=True, blank=True, related_name="notices"
    )
    # What is said without an event (a confirmation, a digest) is known by a key of its own.
    key = models.CharField(max_length=320, unique=True, null=True, blank=True, editable=False)
    template = models.CharField(max_length=60)
    recipient_name = models.CharField(max_length=200, blank=True)
    address = models.EmailField()
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="notices"
    )
    language = models.CharField(max_length=10, default="en")
    context = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When those who stand for the customer were told it failed.",
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "address", "template"], name="notice_once_per_event_and_person"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "sending", "sent", "failed", "suppressed"]),
                name="notice_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(event__isnull=False) | models.Q(key__isnull=False),
                name="notice_has_event_or_key",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="notice_due",
                condition=models.Q(state__in=["queued", "sending"]),
            ),
            models.Index(
                fields=["-created_at"], name="notice_failed", condition=models.Q(state="failed")
            ),
            models.Index(
                fields=["created_at"],
                name="notice_unreported",
                condition=models.Q(state="failed", reported_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.address}"


class UndeliverableAddress(models.Model):
    """A mailbox that is known to take no mail; see `notifications.bounces`."""

    address = models.CharField(max_length=254, unique=True)
    why = models.TextField()
    notice = models.ForeignKey(
        Notice, models.SET_NULL, null=True, blank=True, related_name="marked_addresses"
    )
    marked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-marked_at"]
        verbose_name_plural = "undeliverable addresses"

    def __str__(self) -> str:
        return self.address


@pghistory.track()
class NoticeText(models.Model):
    """An office's own words for one notice in one language; without it the shipped text counts."""

    template = models.CharField(max_length=60)
    language = models.CharField(max_length=10, choices=settings.LANGUAGES, default="en")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    trouble = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["template", "language"]
        constraints = [
            models.UniqueConstraint(fields=["template", "language"], name="notice_text_once")
        ]

    def __str__(self) -> str:
        return f"{self.template} ({self.language})"
