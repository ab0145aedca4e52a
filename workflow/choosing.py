"""Choosing one row of many in a form: a short list is drawn, a long one is looked up by name.

Which of the two it is depends on how many rows there are to choose from. A box takes a name, a
part of it, or the code of the row; names that fit come along while one types. Without script the
answer to what fits several names them. What may be chosen is the field's queryset in either case.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.forms.models import ModelChoiceIterator
from django.forms.utils import flatatt
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workflow.among import Among

MOST = 50  # options that are drawn; where there are more, one types
SHOWN = 12
LONGEST = 120
KEY = re.compile(r"[0-9]{1,18}")
CODE = re.compile(r"\(([^()]+)\)$")
MARK = "typed"


@dataclass(frozen=True)
class Kind:
    """What is looked up: by which columns it is found, and which one names it for good."""

    exact: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    coded: bool = False  # whether names alone may not be enough
    where: dict[str, Any] = field(default_factory=dict)


_PERSON = ("first_name", "last_name", "username")
KINDS = {
    "agency": Kind("code", ("name", "code"), ("name",), True),
    "service": Kind("slug", ("name",), ("name",)),
    "offered": Kind("slug", ("name",), ("name",)),
    "group": Kind("slug", ("name",), ("name",)),
    "receiving": Kind("slug", ("name",), ("name",), where={"is_active": True}),
    "contact": Kind("email", ("name", "email"), ("name",), True),
    "part": Kind("number", ("number", "name"), ("number",)),
    "person": Kind("username", _PERSON, _PERSON[:2], True, {"is_active": True}),
    "representative": Kind(
        "username", _PERSON, _PERSON[:2], True, {"is_active": True, "is_representative": True}
    ),
    "specialist": Kind("username", _PERSON, _PERSON[:2], True, {"is_active": True}),
}


def is_key(value: Any) -> bool:
    """Whether what was sent is the key of a row, and no name."""
    return not isinstance(value, Typed) and KEY.fullmatch(str(value)) is not None


def words_of(text: str) -> str:
    """What was typed, with single spaces and without the code behind the name."""
    return CODE.sub("", " ".join(text.split())).strip()


def with_words(rows: QuerySet[Any], kind: Kind, text: str) -> QuerySet[Any]:
    """Those whose names have every word that was typed."""
    for word in words_of(text)[:LONGEST].split()[:6]:
        said = Q()
        for column in kind.columns:
            said |= Q(**{f"{column}__icontains": word})
        rows = rows.filter(said)
    return rows


def called(kind: Kind, row: Any) -> str:
    """How a row is written in a box: enough to find it again."""
    code = getattr(row, kind.exact)
    return f"{row} ({code})" if kind.coded and code else str(row)


class Typed(str):
    """What somebody wrote into the box: a name, never a key."""


class OneOfWidget(forms.Select):
    """A list of a few rows, or a box for the name of one of many."""

    of: "OneOf"

    @property
    def many(self) -> bool:
        """Whether there are too many rows to draw."""
        return len(self.of.first_rows) > MOST

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return Typed(value or "") if f"{name}-{MARK}" in data else value

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        if not self.many:
            return super().render(name, self.of.key_of(value), attrs, renderer)
        return self._box(name, value, attrs or {})

    def _box(self, name: str, value: Any, attrs: dict[str, Any]) -> SafeString:
        names = f"{attrs.get('id', name)}-names"
        given = {**self.attrs, **attrs, "type": "text", "name": name}
        given |= {
            "value": self.of.written(value),
            "maxlength": LONGEST,
            "autocomplete": "off",
            "placeholder": self.of.placeholder,
            "list": names,
            "hx-get": self.of.names_at,
            "hx-trigger": "input changed delay:200ms",
            "hx-target": f"#{names}",
            "hx-swap": "innerHTML",
            "hx-include": "this",
        }
        options = format_html_join(
            "", '<option value="{}">', ((called(self.of.kind, row),) for row in self.of.near(value))
        )
        return format_html(
            '<input{}><input type="hidden" name="{}-{}" value="yes">'
            '<datalist id="{}">{}</datalist>',
            flatatt(given), name, MARK, names, options,
        )  # fmt: skip


class FirstRows(ModelChoiceIterator):
    """As many rows as are drawn, and one more where there are more."""

    field: "OneOf"

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield ("", self.field.empty_label)
        for row in self.field.first_rows:
            yield self.choice(row)


class OneOf(forms.ModelChoiceField):
    """One row, by its key from a list or by what somebody typed into a box."""

    widget = OneOfWidget
    iterator = FirstRows
    of_kind = ""

    def __init__(self, queryset: Any = None, *, kind: str = "", **kwargs: Any) -> None:
        self._lookup = kind or self.of_kind
        self.kind, self.about = KINDS[self._lookup], ""
        self._first: list[Any] | None = None
        self._among: tuple[Among, Any] | None = None
        self._asked: tuple[Any, Any] = ("", None)  # a key, and its row
        # the row of a key, if it is one of the queryset, by a statement whose text is made once
        self.by_key: Callable[..., list[Any]] | None = None
        super().__init__(queryset, **kwargs)
        self._tie()

    def __deepcopy__(self, memo: dict[int, Any]) -> "OneOf":
        copied: Any = super().__deepcopy__(memo)
        copied._first = copied._among = None
        copied._asked = ("", None)
        copied._tie()
        return copied  # type: ignore[no-any-return]

    def _tie(self) -> None:
        if isinstance(self.widget, OneOfWidget):
            self.widget.of = self

    def _set_queryset(self, queryset: Any) -> None:
        self._first = self._among = self.by_key = None
        self._asked = ("", None)
        super()._set_queryset(queryset)  # type: ignore[misc]

    queryset = property(forms.ModelChoiceField._get_queryset, _set_queryset)  # type: ignore[attr-defined,assignment]

    @property
    def first_rows(self) -> list[Any]:
        """The rows to draw, read once; one more than are drawn where there are more."""
        if self._first is None and self._among is not None:
            among, subject = self._among
            self._first = among.rows(subject, MOST + 1)
        if self._first is None:
            self._first = list(self.queryset[: MOST + 1])
        return self._first

    def draw(self, rows: list[Any]) -> None:
        """Its first rows were read already, one more than are drawn where there are more: for a
        form that is drawn, never for what was sent."""
        self._first = rows

    @property
    def names_at(self) -> str:
        """Where names that fit are asked for while one types."""
        return reverse("requests_lookup", args=[self._lookup]) + self.about

    @property
    def placeholder(self) -> str:
        """What an empty box means."""
        label = str(self.empty_label or "")
        if not label.strip("-") or label.startswith("Choose"):
            return "Type a part of the name"
        return f"{label}, or type a name"

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, Typed):
            if value != self._asked[0]:
                self._asked = (value, self._of_key(value))
            return self._asked[1]
        text = " ".join(value.split())
        if not text:
            return None
        if len(text) > LONGEST:
            raise forms.ValidationError(f"Give at most {LONGEST} characters of the name.")
        return self._by_code(text) or self._by_name(text)

    def _of_key(self, value: Any) -> Any:
        if self.by_key is None or not is_key(value):
            return super().to_python(value)
        found = self.by_key(pk=int(value))
        if not found:
            raise forms.ValidationError(
                self.error_messages["invalid_choice"],
                code="invalid_choice",
                params={"value": value},
            )
        return found[0]

    def _by_code(self, text: str) -> Any:
        code = CODE.search(text)
        said = Q(**{f"{self.kind.exact}__iexact": code[1] if code else text})
        found = self.queryset.filter(said)[:2]
        return found[0] if len(found) == 1 else None

    def _by_name(self, text: str) -> Any:
        rows = list(with_words(self.queryset, self.kind, text)[: SHOWN + 1])
        same = [row for row in rows if str(row).casefold() == text.casefold()]
        if len(same or rows) == 1:
            return (same or rows)[0]
        if not rows:
            raise forms.ValidationError("There is none of this name to choose. Type a part of it.")
        names = "; ".join(called(self.kind, row) for row in rows[:5])
        more = " and more" if len(rows) > 5 else ""
        raise forms.ValidationError(f"Several fit: {names}{more}. Type more of the name.")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(initial, self.key_of(data))

    def row_of(self, value: Any) -> Any:
        """The row of a key or of what was typed; None where it names none."""
        try:
            return self.to_python(value)
        except forms.ValidationError:
            return None

    def key_of(self, value: Any) -> Any:
        """The key of what was typed, empty where it names no row; any other value as it is."""
        return self.prepare_value(self.row_of(value)) if isinstance(value, Typed) else value

    def written(self, value: Any) -> str:
        """What stands in the box: what was typed, or the name of the row of a key."""
        if isinstance(value, Typed) or value in self.empty_values:
            return str(value or "")
        row = self.row_of(value)
        return called(self.kind, row) if row is not None else ""

    def near(self, value: Any) -> list[Any]:
        """The names that come with the page: those that fit what was typed, else the first."""
        if isinstance(value, Typed) and value:
            return list(with_words(self.queryset, self.kind, value)[:SHOWN])
        return self.first_rows[:SHOWN]


class FewOnly(forms.TypedChoiceField):
    """A choice among the same few for everybody: forms share them, and none has its own."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "FewOnly":
        return super(forms.ChoiceField, self).__deepcopy__(memo)  # type: ignore[return-value]


def choose_among(chosen: forms.ModelChoiceField, among: Among, subject: Any) -> None:
    """Let a form's field choose from the subject's list, which is asked for when it is wanted."""
    field: Any = chosen
    field._queryset = SimpleLazyObject(lambda: among.of(subject))
    field.widget.choices = field.choices
    if isinstance(field, OneOf):
        field._first, field._among = None, (among, subject)
        field._asked, field.by_key = ("", None), None


def chooses_among(field: forms.ModelChoiceField) -> bool:
    """Whether it does so still: a form may have narrowed its list."""
    return type(field._queryset) is SimpleLazyObject  # type: ignore[attr-defined]


class PersonField(OneOf):
    """Somebody of the staff, in the form of a model."""

    of_kind = "person"


class ServiceField(OneOf):
    """A service of any state, in the form of a model."""

    of_kind = "service"


class GroupField(OneOf):
    """A provider group that work can go to, in the form of a model."""

    of_kind = "receiving"
