"""Who changed what: the field-level history that the database keeps, in words (X7)."""

from typing import Any

from django.db import models
from pghistory.models import Events

CHANGES = 50
VERBS = {"insert": "added", "update": "changed"}


def changes_of(row: models.Model) -> list[dict[str, Any]]:
    """The latest changes of a row and of what belongs to it, newest first."""
    events = Events.objects.references(row).order_by("-pgh_created_at", "-pgh_id")[:CHANGES]
    return [_told(event) for event in events]


def _told(event: Any) -> dict[str, Any]:
    data = event.pgh_data or {}
    return {
        "at": event.pgh_created_at,
        "what": event.pgh_model.rpartition(".")[2].removesuffix("Event"),
        "which": data.get("name") or data.get("reference") or "",
        "verb": VERBS.get(event.pgh_label, "removed"),
        "by": (event.pgh_context or {}).get("name", ""),
        "diff": [(key.replace("_", " "), *pair) for key, pair in (event.pgh_diff or {}).items()],
    }
