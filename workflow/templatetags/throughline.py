"""Filters that every page uses: dates as people say them, hours, money, form fields."""

from bisect import bisect_right
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django import forms, template
from django.template import defaultfilters
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from workflow import clock
from workflow.choosing import OneOfWidget
from workflow.paging import said
from workflow.templatetags.remembered import kept
from workflow.worktime import STANDARD

register = template.Library()


def _working_days(first: date, last: date) -> int:
    """Working days from `first` (not counted) to `last` of the standard week."""
    years = range(first.year, last.year + 1)
    days = sum(len(_worked(year)) for year in years if year < last.year)
    return days + _until(last) - _until(first)


@lru_cache(maxsize=64)
def _worked(year: int) -> list[int]:
    """The working days of a year of the standard week, as ordinals."""
    first, end = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    return [n for n in range(first, end + 1) if STANDARD.on(date.fromordinal(n))]


def _until(day: date) -> int:
    """How many working days of its year are over with this day."""
    return bisect_right(_worked(day.year), day.toordinal())


@register.filter
def when(value: date | datetime | None) -> str:
    """When and how long: "Tue 2 Dec, in 3 working days"."""
    if not value:
        return ""
    moment = clock.local(value) if isinstance(value, datetime) else None
    day = moment.date() if moment else value
    today = clock.today()
    if day == today:
        return _("today") + (f" {moment:%H:%M}" if moment else "")
    return _when(day, today, get_language())


@lru_cache(maxsize=2000)
def _when(day: date, today: date, language: str | None) -> str:
    text = date_format(day, "D j M" if day.year == today.year else "D j M Y")
    return f"{text}, {_distance(today, day)}"


def _distance(today: date, day: date) -> str:
    """In working days; in plain days where no working day lies between (a weekend)."""
    apart = (day - today).days
    if apart in (1, -1):
        return _("tomorrow") if apart > 0 else _("yesterday")
    if apart > 0:
        left = _working_days(today, day)
        if left == 0:
            return ngettext("in %d day", "in %d days", apart) % apart
        return ngettext("in %d working day", "in %d working days", left) % left
    gone = _working_days(day, today)
    if gone == 0:
        return ngettext("%d day ago", "%d days ago", -apart) % -apart
    return ngettext("%d working day ago", "%d working days ago", gone) % gone


@register.filter
def moment(value: datetime | None) -> str:
    """A moment in full, for histories: "Tue 2 Dec 2026 14:05"."""
    if not value:
        return ""
    local = clock.local(value)
    return f"{_day(local.date(), get_language())} {local:%H:%M}"


@lru_cache(maxsize=2000)
def _day(day: date, language: str | None) -> str:
    return date_format(day, "D j M Y")


@register.filter("date", expects_localtime=True)
def dated(value: Any, form: str | None = None) -> str:
    """Django's own, which writes a day once."""
    if type(value) is date and form is not None:
        return _written(value, form, get_language())
    return str(defaultfilters.date(value, form))


@lru_cache(maxsize=2000)
def _written(day: date, form: str, language: str | None) -> str:
    return date_format(day, form)


@register.filter
def hours(value: Decimal | int | float | None) -> str:
    """Hours with at most two places: "3.5 h"."""
    return "" if value is None or value == "" else _hours(value)


@lru_cache(maxsize=2000)
def _hours(value: Decimal | int | float) -> str:
    return f"{Decimal(value).normalize():f} h"


@register.filter
def money(value: Decimal | None, currency: str = "USD") -> str:
    """An amount with its currency: "USD 1,250.00"."""
    return "" if value is None else f"{currency} {Decimal(value):,.2f}"


@register.filter
def number(value: Decimal | int) -> str:
    """A count or an amount of a report, with thousands apart."""
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"


@register.filter
def counted(value: int) -> str:
    """How many there are, where nobody counts past a thousand: "7", or "1,000+"."""
    return said(value)


PLAIN = {
    *(forms.TextInput, forms.NumberInput, forms.EmailInput, forms.URLInput, forms.Textarea),
    *(forms.DateInput, forms.DateTimeInput, forms.TimeInput, forms.CheckboxInput),
}


@register.filter
def styled(field: forms.BoundField) -> SafeString:
    """The field's widget with the classes of the kit."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
        return _drawn(field, "form-check-input")
    wrong = " is-invalid" if field.errors else ""
    if isinstance(widget, forms.Select) and not (isinstance(widget, OneOfWidget) and widget.many):
        return _once(field, f"form-select{wrong}", _read_once(widget))
    return _drawn(field, f"form-control{wrong}")


def _read_once(widget: Any) -> list[tuple[str, str]]:
    """The choices, read once whether they are drawn or not."""
    # `list` would count them in the database first
    widget.choices = [choice for choice in widget.choices]  # noqa: C416
    return [(str(key), str(label)) for key, label in widget.choices]


def _drawn(field: forms.BoundField, kit: str) -> SafeString:
    """A plain box of short content is drawn once; whatever else has a life of its own each time."""
    value, widget = field.value(), field.field.widget
    empty = isinstance(widget, forms.FileInput) and not value
    if empty or (type(widget) in PLAIN and len(str(value or "")) < 100):
        return _once(field, kit)
    return field.as_widget(attrs={"class": kit})


def _once(field: forms.BoundField, kit: str, options: Any = None) -> SafeString:
    """A widget is drawn once for the same facts: Django draws each by a template of its own."""
    key = _facts(field, kit, options)
    found = kept.get(key) or kept.keep(key, field.as_widget(attrs={"class": kit}))
    return mark_safe(found)  # noqa: S308 - drawn by the widget, escaped there


def _facts(field: forms.BoundField, kit: str, options: Any) -> str:
    widget = field.field.widget
    attrs = field.build_widget_attrs({"class": kit}, widget)
    own = (widget.attrs, widget.is_required, widget.is_localized)
    facts = (type(widget), field.html_name, field.auto_id, field.value(), attrs, own)
    return repr((facts, get_language(), options))


@register.filter
def choice_list(field: forms.BoundField) -> SafeString:
    """Radio buttons or check boxes, each with its label; drawn once for the same facts."""
    key = _facts(field, "choice list", _read_once(field.field.widget))
    found = kept.get(key)
    if found is None:
        each = ((one.id_for_label, one.tag(), one.choice_label) for one in field.subwidgets)
        found = kept.keep(key, format_html_join("", CHOICE, each))
    return mark_safe(found)  # noqa: S308 - drawn by the widget, escaped there


CHOICE = '<label class="form-check" for="{}">{}<span class="form-check-label">{}</span></label>'


@register.filter
def is_checkbox(field: forms.BoundField) -> bool:
    """Whether the label stands behind the field."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def is_choice_list(field: forms.BoundField) -> bool:
    """Whether the field is a list of radio buttons or check boxes."""
    return isinstance(field.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple)


@register.simple_tag(takes_context=True)
def with_query(context: Any, **changes: Any) -> str:
    """The current query string with some parameters changed (None removes one)."""
    query = {k: context["request"].GET.getlist(k) for k in context["request"].GET}
    for key, value in changes.items():
        query.pop(key, None)
        if value is not None:
            query[key] = [str(value)]
    return "?" + urlencode(query, doseq=True)


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """A dictionary's value by a key that a variable holds."""
    return mapping.get(key) if mapping else None
