"""Choices of a list's filter: those that occur in the list, however many there are elsewhere."""

from collections.abc import Iterator
from typing import Any

from django.db.models import TextField, Value
from django.db.models.functions import Cast
from django.utils.functional import cached_property

from workflow.paging import MOST


class Occurring:
    """The choices of a field that occur: read when the page draws them, not before."""

    def __init__(self, rows: "OccurringChoices", name: str, empty: str) -> None:
        self.rows, self.name, self.empty = rows, name, empty

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield ("", self.empty)
        yield from self.rows.occurring[self.name]


class OccurringChoices:
    """For a FilterSet whose list is short enough to say what occurs in its first thousand rows."""

    queryset: Any
    narrowed: dict[str, tuple[Any, Any, str]] = {}
    """By field: the model of its choices, how one of them is called, and the way to its key."""

    @property
    def form(self) -> Any:
        """The form, with the choices that occur."""
        made = hasattr(self, "_form")
        form = super().form  # type: ignore[misc]
        if not made:
            for name in self.narrowed:
                field = form.fields[name]
                field.widget.choices = Occurring(self, name, field.empty_label)
        return form

    @cached_property
    def occurring(self) -> dict[str, list[tuple[str, str]]]:
        """What occurs, by field. One query for all of them."""
        shown = self.queryset.order_by()
        parts = [
            model.objects.filter(pk__in=shown.values(path)[:MOST])
            .order_by()
            .values_list(Value(name), "pk", Cast(label, TextField()))
            for name, (model, label, path) in self.narrowed.items()
        ]
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in self.narrowed}
        for name, pk, label in parts[0].union(*parts[1:], all=True) if parts[1:] else parts[0]:
            found[name].append((str(pk), label))
        return {name: sorted(rows, key=lambda row: row[1].lower()) for name, rows in found.items()}
