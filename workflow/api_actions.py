"""Actions as data: what the API offers, what it asks for, and how JSON becomes a filled-in form."""

from typing import Any

from django import forms
from django.db.models import Model
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from workflow.actors import as_actor
from workflow.among import MOST, Among, Choice, as_choices, called, choices
from workflow.choosing import chooses_among
from workflow.models import Event, Machine, User
from workflow.prepared import read
from workflow.registry import ActionForm, Offer, find

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
    fields = {offer.name: _fields(offer) for offer in offers}
    lists = _lists(offers, fields)
    return [_describe(offer, fields[offer.name], lists) for offer in offers]


Fields = dict[str, forms.Field]
Lists = dict[tuple[str, str], list[Choice]]


def _fields(offer: Offer) -> Fields:
    """What its form asks; made only where it is another one for other subjects."""
    form: Any = offer.action.form
    fields: Fields = form.declared() if form.is_the_same_for_all() else offer.form.fields
    return fields


def _lists(offers: list[Offer], fields: dict[str, Fields]) -> Lists:
    """What their fields let choose from, by action and field: what hangs on the subject alone by a
    statement that is written once, what else there is by another."""
    told: dict[tuple[str, str], tuple[Among, str]] = {}
    other: dict[tuple[str, str], Any] = {}
    for offer in offers:
        form = offer.action.form
        for name, field in fields[offer.name].items():
            if not isinstance(field, forms.ModelChoiceField):
                continue
            key = field.to_field_name or "pk"
            if name in form.among and (form.is_the_same_for_all() or chooses_among(field)):
                told[offer.name, name] = (form.among[name], key)
            else:
                other[offer.name, name] = (called(field.queryset, key)[:MOST], key)
    found: Lists = {}
    if told:
        found |= zip(told, choices([*told.values()], offers[0].subject), strict=True)
    many = read(**{str(n): rows for n, (rows, _) in enumerate(other.values())})
    for n, (place, (rows, key)) in enumerate(other.items()):
        found[place] = as_choices(many[str(n)], rows.model, key)
    return found


def _describe(offer: Offer, fields: Fields, lists: Lists) -> dict[str, Any]:
    """An offered action with the fields of its form."""
    return {
        "name": offer.name,
        "label": offer.label,
        "place": offer.place,
        "danger": offer.action.danger,
        "blockers": offer.blockers,
        "fields": [
            _describe_field(name, field, lists.get((offer.name, name)))
            for name, field in fields.items()
        ],
    }


def _describe_field(name: str, field: forms.Field, rows: list[Choice] | None) -> dict[str, Any]:
    return {
        "name": name,
        "type": next((word for kind, word in TYPES if isinstance(field, kind)), "text"),
        "required": field.required,
        "label": str(field.label or name.replace("_", " ").capitalize()),
        "help": str(field.help_text),
        "multiple": _takes_many(field),
        "choices": _choices(field, rows),
    }


def _choices(field: forms.Field, rows: list[Choice] | None) -> list[dict[str, str]] | None:
    """Allowed values; of long lists the first 200."""
    if rows is None and isinstance(field, forms.ChoiceField):
        rows = _flat(field.choices)
    if rows is None:
        return None
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
