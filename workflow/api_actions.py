"""Actions as data: what the API offers, what it asks for, and how JSON becomes a filled-in form."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django import forms
from django.db.models import Model
from django.utils.translation import get_language
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from workflow.action_forms import ActionForm
from workflow.actors import as_actor
from workflow.among import MOST, Among, Choice, as_choices, called, choices
from workflow.choosing import chooses_among
from workflow.models import Event, Machine, User
from workflow.prepared import read
from workflow.registry import Offer, find

TYPES: tuple[tuple[type[forms.Field], str], ...] = (
    (forms.ModelMultipleChoiceField, "choices"),
    (forms.MultipleChoiceField, "choices"),
    (forms.ChoiceField, "choice"),
    (forms.BooleanField, "boolean"),
    (forms.DateTimeField, "datetime"),
    (forms.DateField, "date"),
    (forms.DecimalField, "decimal"),
    (forms.IntegerField, "integer"),
    (forms.FileField, "file"),
    (forms.EmailField, "email"),
)


class ChoiceData(serializers.Serializer):
    """One allowed value and what it is called."""

    value = serializers.CharField(allow_blank=True)
    label = serializers.CharField()


class FieldData(serializers.Serializer):
    """One fact that an action asks for."""

    name = serializers.CharField()
    type = serializers.ChoiceField(choices=sorted({name for _, name in TYPES} | {"text"}))
    required = serializers.BooleanField()
    label = serializers.CharField()
    help = serializers.CharField(allow_blank=True)
    multiple = serializers.BooleanField()
    choices = ChoiceData(many=True, allow_null=True)


class ActionData(serializers.Serializer):
    """Something this person can do now; with blockers it is refused, and they say why."""

    name = serializers.CharField()
    label = serializers.CharField()
    place = serializers.CharField()
    danger = serializers.BooleanField()
    blockers = serializers.ListField(child=serializers.CharField())
    fields = FieldData(many=True)  # type: ignore[assignment]


class EventData(serializers.ModelSerializer):
    """One thing that happened, as it was recorded (X7)."""

    subject = serializers.CharField(source="subject_type.model", read_only=True)
    actor = serializers.CharField(source="actor_name", read_only=True)

    class Meta:
        model = Event
        fields = [
            "number",
            "name",
            "at",
            "source",
            "target",
            "actor",
            "actor_kind",
            "reason",
            "changes",
            "facts",
            "public",
            "subject",
            "subject_id",
        ]
        read_only_fields = fields


def describe_all(offers: list[Offer]) -> list[dict[str, Any]]:
    """Offered actions; the rows that their forms let choose from are read by one statement."""
    asked = {offer.name: _asked(offer) for offer in offers}
    lists = _lists(offers, {name: one.chosen for name, one in asked.items()})
    return [_describe(offer, asked[offer.name], lists) for offer in offers]


Fields = dict[str, forms.Field]
Lists = dict[tuple[str, str], list[Choice]]


@dataclass(frozen=True)
class _Asked:
    """What a form asks, described but for the rows of its fields to be `chosen` from."""

    fields: list[dict[str, Any]]
    chosen: Fields


def _asked(offer: Offer) -> _Asked:
    """Described anew only where it is another one for other subjects."""
    form = offer.action.form
    if not form.is_the_same_for_all():
        return _described(offer.form.fields)
    return _of_class(form, tuple(form.otherwise(offer.subject).items()), get_language())


@lru_cache(maxsize=500)
def _of_class(
    form: type[ActionForm], otherwise: tuple[tuple[str, str | None], ...], language: str
) -> _Asked:
    words = dict(otherwise)
    asked = {n: f for n, f in form.declared().items() if n not in words or words[n] is not None}
    return _described(asked, words)


def _described(fields: Fields, words: dict[str, str | None] | None = None) -> _Asked:
    told = [_describe_field(name, field, words or {}) for name, field in fields.items()]
    chosen = {n: f for n, f in fields.items() if isinstance(f, forms.ModelChoiceField)}
    return _Asked(told, chosen)


def _lists(offers: list[Offer], fields: dict[str, Fields]) -> Lists:
    """What their fields let choose from, by action and field: what hangs on the subject alone by a
    statement that is written once, what else there is by another."""
    told: dict[tuple[str, str], tuple[Among, str]] = {}
    other: dict[tuple[str, str], Any] = {}
    for offer in offers:
        form = offer.action.form
        for name, field in fields[offer.name].items():
            key = field.to_field_name or "pk"
            if name in form.among and (form.is_the_same_for_all() or chooses_among(field)):
                told[offer.name, name] = (form.among[name], key)
            else:
                other[offer.name, name] = (called(field.queryset, key)[:MOST], key)
    found: Lists = {}
    if told:
        found |= zip(told, choices([*told.values()], offers[0].subject), strict=True)
    if not other:
        return found
    many = read(**{str(n): rows for n, (rows, _) in enumerate(other.values())})
    for n, (place, (rows, key)) in enumerate(other.items()):
        found[place] = as_choices(many[str(n)], rows.model, key)
    return found


def _describe(offer: Offer, asked: _Asked, lists: Lists) -> dict[str, Any]:
    """An offered action with the fields of its form."""
    return {
        "name": offer.name,
        "label": offer.label,
        "place": offer.place,
        "danger": offer.action.danger,
        "blockers": offer.blockers,
        "fields": [
            {**told, "choices": _choices(lists[offer.name, told["name"]])}
            if told["name"] in asked.chosen
            else told
            for told in asked.fields
        ],
    }


def _describe_field(name: str, field: forms.Field, words: dict[str, str | None]) -> dict[str, Any]:
    """A field with the values that it allows of itself."""
    plain = isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField)
    return {
        "name": name,
        "type": next((word for kind, word in TYPES if isinstance(field, kind)), "text"),
        "required": field.required,
        "label": str(field.label or name.replace("_", " ").capitalize()),
        "help": str(words.get(name) or field.help_text),
        "multiple": _takes_many(field),
        "choices": _choices(_flat(field.choices)) if plain else None,  # type: ignore[attr-defined]
    }


def _choices(rows: list[Choice]) -> list[dict[str, str]]:
    """Allowed values; of long lists the first 200."""
    return [{"value": str(value), "label": str(label)} for value, label in rows]


def _flat(choices: Any) -> list[tuple[Any, Any]]:
    """Choices without their groups."""
    found: list[tuple[Any, Any]] = []
    for value, label in choices:
        found += _flat(label) if isinstance(label, list | tuple) else [(value, label)]
    return found


def _takes_many(field: forms.Field) -> bool:
    return isinstance(field.widget, forms.SelectMultiple) or getattr(
        field.widget, "allow_multiple_selected", False
    )


def typed_in(subject: Machine, name: str, by: User, sent: Any) -> Any:
    """What was sent, as the action's form reads it: JSON's true, null, numbers and lists as text.

    A form post is passed on as it is. What the form does not ask for is not passed on.
    """
    if hasattr(sent, "getlist"):
        return sent
    if not isinstance(sent, dict):
        raise ValidationError({"detail": "Send the facts as one JSON object."})
    made = find(subject, name)
    if made is None or not made.allowed(subject, as_actor(by)):
        return {}  # the registry says no, with the right answer
    form = made.bind(subject, as_actor(by))
    return {key: _as_typed(form, key, value) for key, value in sent.items() if key in form.fields}


def _as_typed(form: ActionForm, key: str, value: Any) -> Any:
    field = form.fields[key]
    if isinstance(value, list) and _takes_many(field):
        return [_one(field, key, inner) for inner in value]
    return _one(field, key, value)


def _one(field: forms.Field, key: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise ValidationError({key: ["Send a single value."]})
    if value is None:
        return ""
    if isinstance(value, bool):
        if isinstance(field, forms.BooleanField):
            return value
        if isinstance(field, forms.ChoiceField):
            return "yes" if value else "no"
    return str(value)


def result_of(done: Any) -> dict[str, Any] | None:
    """What an action made, by kind and id, so that the next call can name it."""
    if not isinstance(done, Model) or done.pk is None:
        return None
    return {
        "model": done._meta.label_lower,
        "id": done.pk,
        "reference": getattr(done, "reference", None),
    }
