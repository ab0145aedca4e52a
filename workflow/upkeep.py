"""What must be brought up to date after an edit outside the process: a calendar, an agreement.

The floors below know nobody above them; whoever keeps something computed registers here. It runs
in the transaction of the edit, so it only notes what is stale and leaves the work to a task.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction

Note = Callable[[Any], str | None]
_notes: dict[str, list[Note]] = {}


def after_edit(topic: str) -> Callable[[Note], Note]:
    """Call this function with the row whenever one of this topic was edited."""

    def register(note: Note) -> Note:
        _notes.setdefault(topic, []).append(note)
        return note

    return register


def edited(topic: str, row: Any) -> list[str]:
    """Say that a row was edited: "calendar", "agency" (its agreements), "group", "target", "leave".

    Returns what whoever edited it should know, in sentences.
    """
    with transaction.atomic():
        return [said for note in _notes.get(topic, ()) if (said := note(row))]


class Upkeep:
    """For an admin page: what hangs on the row is brought up to date after saving and deleting.

    `topic` names the row; `kept` gives it where another row is meant.
    """

    topic = ""

    def kept(self, obj: Any) -> Any:
        return obj

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        for sentence in edited(self.topic, self.kept(form.instance)):
            messages.warning(request, sentence)

    def delete_model(self, request: Any, obj: Any) -> None:
        edited(self.topic, self.kept(obj))
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: Any, queryset: Any) -> None:
        for obj in queryset:
            edited(self.topic, self.kept(obj))
        super().delete_queryset(request, queryset)  # type: ignore[misc]
