"""The indexes of a request: each is there for the lists and counts that read along it.

`tests/config/test_plans.py` asks every list on bulk data whether it reads more than it shows.
"""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from requests_app.querysets import FINISHED, OPEN_Q, TURN, UNASSIGNED, UNFINISHED_Q, WORDS

# the columns of `RequestQuerySet.by_rule`
BY_RULE = (F("overdue").desc(), "priority", "due_at", "created_at", "id")

REQUEST_INDEXES = [
    models.Index(fields=["-created_at", "-id"], name="request_newest"),
    models.Index(
        "provider_group",
        "state",
        *BY_RULE,
        include=["earliest_on"],  # what waits for a day beyond the schedule stands for itself
        name="request_queue",
        condition=OPEN_Q,
    ),
    models.Index(
        "provider_group",
        *BY_RULE,
        name="request_worklist",
        condition=Q(state__in=["planning", "in_fulfillment", "testing"]),
    ),
    # what stands where: counted, since when the oldest is there, and what occurs in it
    models.Index(
        fields=["provider_group", "state", "created_at"],
        include=["agency", "service", "specialist"],
        name="request_waiting",
        condition=OPEN_Q,
    ),
    # how it stands: what is late comes first, then what is at risk
    models.Index(
        fields=["provider_group", "state", "overdue", "at_risk_at"],
        include=["due_at"],
        name="request_standing",
        condition=OPEN_Q & Q(paused_since__isnull=True),
    ),
    models.Index(
        fields=["representative", "state", "kind", "priority"],
        name="request_representative",
        condition=OPEN_Q,
    ),
    models.Index(
        fields=["agency", "state", "kind", "priority"],
        name="request_agency_state",
        condition=OPEN_Q,
    ),
    # own work of a representative: by person and by agency, in the order of the rule
    models.Index(
        "representative",
        TURN,
        *BY_RULE,
        include=["state", "agency"],
        name="request_represented",
        condition=OPEN_Q,
    ),
    models.Index(
        "agency",
        TURN,
        *BY_RULE,
        include=["state"],
        name="request_of_agency",
        condition=OPEN_Q,
    ),
    models.Index(
        fields=["specialist", "assigned_at"],
        include=["state"],  # counted by it: what somebody has in hand
        name="request_specialist",
        condition=OPEN_Q,
    ),
    models.Index(fields=["review_on"], name="request_review", condition=Q(review_on__isnull=False)),
    models.Index(fields=["state", "-created_at"], name="request_state"),
    models.Index(fields=["agency", "-created_at"], name="request_agency"),
    models.Index(
        FINISHED,
        UNASSIGNED,
        *BY_RULE,
        name="request_first",
    ),
    models.Index(fields=["due_at", "id"], name="request_due", condition=OPEN_Q),
    models.Index(fields=["priority", "due_at", "id"], name="request_priority", condition=OPEN_Q),
    models.Index(fields=["state_since", "id"], name="request_longest", condition=OPEN_Q),
    models.Index(fields=["alarm_at"], name="request_alarm", condition=Q(alarm_at__isnull=False)),
    models.Index(
        fields=["stale_since"],
        name="request_stale",
        condition=Q(stale_since__isnull=False),
    ),
    # closed lately: the list of what was closed, and what comes next to the archive
    models.Index(
        fields=["closed_at", "id"],
        name="request_unarchived",
        condition=Q(closed_at__isnull=False, archived_at__isnull=True),
    ),
    models.Index(
        fields=["archived_at"],
        name="request_archived",
        condition=Q(archived_at__isnull=False),
    ),
    GinIndex(WORDS, name="request_words"),
    GinIndex(WORDS, name="request_words_open", condition=UNFINISHED_Q),
    GinIndex(
        fields=["title"],
        opclasses=["gin_trgm_ops"],
        name="request_title_trigram",
        condition=OPEN_Q,
    ),
]
