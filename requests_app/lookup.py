"""Choosing one of many by name: typed, suggested while typing, and kept as what was found.

A list of thousands is never drawn. The field takes a key (as in kept addresses), a code or a name;
what fits several is answered with their names.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.forms.utils import flatatt
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from asd.models import Agency, Contact, Service, normalised
from requests_app.models import Request
from workflow.choosing import CODE, KINDS, LONGEST, SHOWN, called, with_words

MOST_KEY = 2**63 - 1


# Rows of the floors above, by what is looked up.
ROWS: dict[str, Callable[[], QuerySet[Any]]] = {}


def rows_of(name: str, user: Any) -> QuerySet[Any]:
    """Everything that a person can choose from."""
    kind = KINDS[name]
    if name == "agency":
        rows: Any = Agency.objects.all()
    elif name in ("service", "offered"):
        rows = Service.objects.all() if name == "service" else Service.objects.orderable()
    elif name == "contact":
        rows = Contact.objects.active()
    elif name in ROWS:
        rows = ROWS[name]()
    elif name in ("group", "receiving"):
        model: Any = Request._meta.get_field("provider_group").related_model
        rows = model.objects.visible_to(user) if name == "group" else model.objects.all()
    else:
        rows = get_user_model().objects.all()
        if name == "specialist":
            rows = rows.filter(memberships__isnull=False).distinct()
    return rows.filter(**kind.where).order_by(*kind.order)


def matching(name: str, user: Any, text: str) -> QuerySet[Any]:
    """Those whose names have every word that was typed."""
    return with_words(rows_of(name, user), KINDS[name], normalised(text))


def label(name: str, row: Any) -> str:
    """How a row is written in the box: enough to find it again."""
    return called(KINDS[name], row)


class LookupField(forms.Field):
    """One of many, by key, code or name. Cleans to the row, or says which ones it could be."""

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        kwargs.setdefault("widget", LookupWidget(name))
        super().__init__(**kwargs)
        self.name = name
        self.user: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "LookupField":
        copied: Any = super().__deepcopy__(memo)
        copied.widget.shown = {}
        return copied  # type: ignore[no-any-return]

    def to_python(self, value: Any) -> Any:
        text = normalised(str(value or ""))
        if not text:
            return None
        if len(text) > LONGEST:
            raise forms.ValidationError(f"Give at most {LONGEST} characters of the name.")
        row = self._by_key(text) or self._by_name(text)
        self.widget.shown[value] = label(self.name, row)
        return row

    def _by_key(self, text: str) -> Any:
        """By key, by code, or by a name with its code behind it."""
        code = CODE.search(text)
        kind, said = KINDS[self.name], code[1] if code else text
        wanted = Q(**{f"{kind.exact}__iexact": said})
        if text.isascii() and text.isdigit() and int(text) <= MOST_KEY:
            wanted |= Q(pk=int(text))
        found = list(rows_of(self.name, self.user).filter(wanted)[:2])
        coded = [row for row in found if getattr(row, kind.exact).casefold() == said.casefold()]
        return next(iter(coded or found), None)

    def _by_name(self, text: str) -> Any:
        rows = list(matching(self.name, self.user, text)[: SHOWN + 1])
        same = [row for row in rows if str(row).casefold() == text.casefold()]
        if len(same or rows) == 1:
            return (same or rows)[0]
        if not rows:
            raise forms.ValidationError("There is none of this name. Type a part of it.")
        exact = KINDS[self.name].exact
        names = "; ".join(f"{row} ({getattr(row, exact)})" for row in rows[:5])
        more = " and more" if len(rows) > 5 else ""
        raise forms.ValidationError(f"Several fit: {names}{more}. Type more of the name.")


class LookupWidget(forms.TextInput):
    """A box to type a name into; names that fit come along while one types."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.shown: dict[Any, str] = {}

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        written = self.shown.get(value, value or "")
        given = {**(attrs or {}), "type": "text", "name": name, "value": written}
        given |= {
            "maxlength": LONGEST,
            "autocomplete": "off",
            "placeholder": "Any",
            "list": f"names-{self.kind}",
            "hx-get": reverse("requests_lookup", args=[self.kind]),
            "hx-trigger": "focus once, input changed delay:200ms",
            "hx-target": f"#names-{self.kind}",
        }
        return format_html(
            '<input{}><datalist id="names-{}"></datalist>', flatatt(given), self.kind
        )
