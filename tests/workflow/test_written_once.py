"""What templates write once for the same facts is what Django writes each time."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django import forms
from django.template import Context, Template
from django.test import override_settings
from django.utils import translation


@pytest.mark.parametrize(
    "value", [date(2026, 3, 2), datetime(2026, 3, 2, 23, 30, tzinfo=UTC), None]
)
@pytest.mark.parametrize("form", ["j M", "D j M Y", "c", ""])
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_date_is_written_as_django_does(value: Any, form: str, language: str) -> None:
    text = '{{ value|date:"' + form + '" }}' if form else "{{ value|date }}"
    with translation.override(language), override_settings(TIME_ZONE="America/Chicago"):
        for _ in range(2):
            ours = Template("{% load throughline %}" + text).render(Context({"value": value}))
            assert ours == Template(text).render(Context({"value": value}))


class Chosen(forms.Form):
    """One of two, more than one of two."""

    one = forms.ChoiceField(choices=[("a", "First & last"), ("b", "B")], widget=forms.RadioSelect)
    many = forms.MultipleChoiceField(
        choices=[("a", "A"), ("b", "B")], widget=forms.CheckboxSelectMultiple
    )


@pytest.mark.parametrize("data", [None, {"one": "b", "many": ["a"]}, {"one": "x"}])
def test_buttons_are_drawn_as_django_does(data: Any) -> None:
    each = (
        '{% for c in field %}<label class="form-check" for="{{ c.id_for_label }}">{{ c.tag }}'
        '<span class="form-check-label">{{ c.choice_label }}</span></label>{% endfor %}'
    )
    for _ in range(2):
        for name in ("one", "many"):
            ours = Template("{% load throughline %}{{ field|choice_list }}")
            drawn = ours.render(Context({"field": Chosen(data)[name]}))
            assert drawn == Template(each).render(Context({"field": Chosen(data)[name]}))
            assert drawn.count("<label") == 2
