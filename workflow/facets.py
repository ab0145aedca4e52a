"""Filters of lists: made cheaply, with the choices that occur in the list."""

from collections.abc import Iterator
from copy import copy
from typing import Any, ClassVar

from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils.choices import BaseChoiceIterator
from django.utils.functional import cached_property

from workflow.paging import MOST


class Light:
    """For a FilterSet of many filters: django-filter copies every one of them in depth and makes
    their form's class anew for each page, though neither differs from one page to the next.

    `same_form` says that no field depends on who asks; only then is the form's class made once.
    """

    same_form: ClassVar[bool] = False
    base_filters: Any
    _classes: ClassVar[dict[type, Any]] = {}

    def __init__(self, data: Any, queryset: Any, *, request: Any, prefix: Any = None) -> None:
        self.is_bound, self.data, self.queryset = data is not None, data, queryset
        self.request, self.form_prefix = request, prefix
        self.filters = {name: self._own(made) for name, made in self.base_filters.items()}

    def _own(self, made: Any) -> Any:
        own = copy(made)
        own.model, own.parent = self.queryset.model, self
        own.method = made.method  # binds it to this copy
        return own

    def get_form_class(self) -> Any:
        """The class of the form, once where it is the same for everybody."""
        if not self.same_form:
            return super().get_form_class()  # type: ignore[misc]
        kept = self._classes
        return kept.get(type(self)) or kept.setdefault(type(self), super().get_form_class())  # type: ignore[misc]


class Occurring(BaseChoiceIterator):
    """The choices of a field that occur: read when the page draws them, not before (Django reads
    those of any other iterable as soon as a widget gets them)."""

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

    def choices_that_occur(self) -> dict[str, QuerySet[Any, Any]]:
        """The same as sets to be read with a page: of each field its keys and what they are
        called. `read_already` takes what was found."""
        shown = self.queryset.order_by()
        return {
            name: model.objects.filter(pk__in=shown.values(path)[:MOST])
            .order_by()
            .values_list("pk", Cast(label, TextField()))
            for name, (model, label, path) in self.narrowed.items()
        }

    def read_already(self, found: dict[str, list[Any]]) -> None:
        """What occurs was read with the page."""
        self.occurring = {
            name: sorted(((str(pk), label) for pk, label in found[name]), key=_by_label)
            for name in self.narrowed
        }


def _by_label(choice: tuple[str, str]) -> str:
    return choice[1].lower()
