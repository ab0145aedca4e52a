"""A plan for a whole group, from being asked for to being applied (F2)."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from requests_app.who import SYSTEM, lead
from workflow import clock
from workflow.machine import step
from workflow.models import Machine

if TYPE_CHECKING:
    from workflow.models import User

LEASE = timedelta(seconds=60)
"""So long a worker may be silent; planning takes about ten seconds."""
PATIENCE = timedelta(seconds=15)
"""After so long in the queue a page says that nobody has taken it up."""


class ReplanState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Being planned")
    READY = "ready", _("Ready to look at")
    APPLIED = "applied", _("Applied")
    DISCARDED = "discarded", _("Discarded")
    FAILED = "failed", _("Failed")
    STALE = "stale", _("Out of date")


OPEN = [ReplanState.QUEUED, ReplanState.RUNNING, ReplanState.READY]
R = ReplanState


class ReplanQuerySet(models.QuerySet["Replan"]):
    def open(self) -> "ReplanQuerySet":
        """Waiting, being made, or waiting to be looked at: a group has one at most."""
        return self.filter(state__in=OPEN)

    def lost(self) -> "ReplanQuerySet":
        """Begun by a worker that has not been heard of since its lease ran out."""
        return self.filter(state=R.RUNNING, lease_until__lt=clock.now())


class Replan(Machine):
    """A plan for a group's schedule: asked for by its lead, made by a worker, applied or not (F2).

    Nothing of it is booked before it is applied. `result` has the rows shown (one per request
    that gets other days), the load per day and what was left out; `snapshot` is what it was made
    from, to notice a change since. Costs are in the points of `fulfillment.placement`.
    """

    group = models.ForeignKey("fulfillment.ProviderGroup", models.CASCADE, related_name="replans")
    state = FSMField(default=R.QUEUED, choices=ReplanState, max_length=10, editable=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=clock.now)
    for_days = models.JSONField(
        default=list, blank=True, help_text=_("Re-planned because these days became too short.")
    )
    begun_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=60, blank=True)
    made_by = models.CharField(max_length=10, blank=True)
    why = models.CharField(max_length=200, blank=True)
    cost_before = models.BigIntegerField(null=True, blank=True)
    cost_after = models.BigIntegerField(null=True, blank=True)
    bound = models.BigIntegerField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)
    snapshot = models.JSONField(default=dict, blank=True)
    error = models.CharField(max_length=400, blank=True)

    objects = ReplanQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ReplanState.values), name="replan_state_known"
            ),
            models.UniqueConstraint(
                fields=["group"],
                name="one_open_replan_per_group",
                condition=Q(state__in=["queued", "running", "ready"]),
            ),
        ]

    def __str__(self) -> str:
        return f"Plan {self.pk} for {self.group}"

    def is_lead(self, user: "User") -> bool:
        """Of the group it is for."""
        return self.group_id in user.led_group_ids

    @property
    def is_lost(self) -> bool:
        """Its worker has died or hangs."""
        return bool(self.state == R.RUNNING and self.lease_until and self.lease_until < clock.now())

    @property
    def is_waiting_long(self) -> bool:
        """No worker has taken it up for a while."""
        return self.state == R.QUEUED and self.asked_at < clock.now() - PATIENCE

    @step(R.QUEUED, R.RUNNING, who=[SYSTEM], stamps=["begun_at"], writes=["lease_until"])
    def begin(self) -> None:
        """A worker has taken it up; no other one can (F2)."""

    @step(
        R.RUNNING,
        R.READY,
        who=[SYSTEM],
        writes=["made_by", "why", "cost_before", "cost_after", "bound", "seconds"],
    )
    def finish(self) -> None:
        """The plan is there, checked, and waits for the lead to look at it (F2)."""

    @step([R.QUEUED, R.RUNNING], R.FAILED, who=[SYSTEM], writes=["error"])
    def fail(self) -> None:
        """It came to nothing, with the sentence why; another can be asked for (F2)."""

    @step(R.READY, R.APPLIED, who=[lead])
    def apply_plan(self) -> None:
        """Everything in it is booked, all or nothing (F2)."""

    @step(R.READY, R.STALE, who=[SYSTEM], writes=["error"])
    def outdate(self) -> None:
        """Something it rests on has changed: it is not applied any more (F2)."""

    @step([R.QUEUED, R.RUNNING, R.READY], R.DISCARDED, who=[lead])
    def discard(self) -> None:
        """The lead does not want it, or wants another (F2)."""
