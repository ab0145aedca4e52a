"""Events as people read them: the step's label, from and to, who, why, and what changed (X7)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime

from requests_app.models import Request
from requests_app.states import State
from workflow.models import Event
from workflow.prepared import read
from workflow.registry import actions_of

STATES = dict(State.choices)
QUIET = {"archived_at", "assigned_at", "closed_at", "response_due_at", "held_since"}
PLAIN = {
    "take_in": "Taken in",
    "triage": "Triage decided",
    "archive": "Archived",
    "public": "Customer reads it",
    "answer": "The customer wrote",
    "rate": "The customer rated it",
    "ask_to_withdraw": "The customer asks to withdraw it",
    "add_follower": "The customer added a follower",
    "remove_follower": "The customer removed a follower",
    "unsubscribe": "Stopped following",
    "remind_customer": "Customer reminded",
    "send_link": "Link sent on request",
    "keep_slot": "Keeps its slot",
    "keep_specialist": "Keeps its specialist",
    "keep_parts": "Keeps its parts",
}
UNSAID = {"contact", "pass", "sha256"}  # numbers for programs
SHOWN_LENGTH = 200


@dataclass(frozen=True)
class Change:
    """One field, before and after, in plain words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Happening:
    """One event as a row of the history."""

    event: Event
    label: str
    subject: str
    source: str
    target: str
    changes: list[Change]
    facts: list[tuple[str, str]]

    @property
    def shown(self) -> tuple[Any, ...]:
        """All that its row shows; of the event itself nothing ever changes."""
        words = (self.label, self.subject, self.source, self.target, str(self.event.actor or ""))
        return (self.event.pk, *words, self.changes, self.facts)


@dataclass
class History:
    """Events to be told in plain words; `known` are things whose names need not be read."""

    events: list[Event]
    known: Iterable[models.Model] = ()

    @cached_property
    def names(self) -> dict[tuple[Any, Any], str]:
        """How what the changes point at is called."""
        return _names(self.events, {(type(one), one.pk): str(one) for one in self.known})

    @cached_property
    def told(self) -> list[Happening]:
        """The events in plain words."""
        labels = {a.name: a.label for a in actions_of(Request._meta.label_lower)}
        return [_tell(event, labels, self.names) for event in self.events]


def told(events: Iterable[Event]) -> list[Happening]:
    """Events in plain words. Names behind ids are read once per model, not once per event."""
    return History(list(events)).told


def _tell(event: Event, labels: dict[str, str], names: dict[tuple[Any, Any], str]) -> Happening:
    model = _model(event)
    own = model is Request
    choices = STATES if own else _choices(model, "state")
    return Happening(
        event=event,
        label=PLAIN.get(event.name) or labels.get(event.name) or _words(event.name),
        subject="" if own or model is None else str(model._meta.verbose_name),
        source=str(choices.get(event.source, event.source)) if event.moved else "",
        target=str(choices.get(event.target, event.target)) if event.moved else "",
        changes=[
            _change(model, name, pair, names)
            for name, pair in event.changes.items()
            if name not in QUIET and isinstance(pair, list) and len(pair) == 2
        ],
        facts=[
            (_words(k), _short(v))
            for k, v in event.facts.items()
            if k not in UNSAID and _worth_saying(v)
        ],
    )


def _names(rows: list[Event], known: dict[tuple[Any, Any], str]) -> dict[tuple[Any, Any], str]:
    """What the foreign keys in the changes point at: one query for those not known."""
    wanted: dict[Any, set[Any]] = {}
    for event in rows:
        for name, pair in event.changes.items():
            field = _field(_model(event), name)
            if field is not None and field.related_model and isinstance(pair, list):
                wanted.setdefault(field.related_model, set()).update(p for p in pair if p)
    ids = {m: {k for k in many if isinstance(k, int)} for m, many in wanted.items()}
    names = {
        (m, k): known[m, k] for m, many in ids.items() for k in sorted(many) if (m, k) in known
    }
    keys = {m: sorted(k for k in many if (m, k) not in known) for m, many in ids.items()}
    concerned = [model for model, many in keys.items() if many]
    if not concerned:
        return names
    sets = {model.__name__: model._base_manager.filter(pk__in=keys[model]) for model in concerned}
    found = read(**sets)
    return names | {
        (model, row.pk): str(row) for model in concerned for row in found[model.__name__]
    }


def _model(event: Event) -> Any:
    """Of what it happened to; content types are kept by their manager."""
    return ContentType.objects.get_for_id(event.subject_type_id).model_class()


def _field(model: Any, name: str) -> Any:
    if model is None:
        return None
    try:
        return model._meta.get_field(name.removesuffix("_id"))
    except FieldDoesNotExist:
        return None


def _change(model: Any, name: str, pair: list[Any], names: dict[tuple[Any, Any], str]) -> Change:
    field = _field(model, name)
    label = str(getattr(field, "verbose_name", "") or _words(name))
    return Change(label.capitalize(), *(_value(field, value, names) for value in pair))


def _value(field: Any, value: Any, names: dict[tuple[Any, Any], str]) -> str:
    """A stored value as people say it; nothing is an em dash."""
    if value in (None, "", [], {}):
        return "—"
    if field is None:
        return _short(value)
    if field.related_model:
        return names.get((field.related_model, value), str(value))
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(field, models.DateTimeField):
        moment = parse_datetime(str(value))
        return date_format(localtime(moment), "D j M Y, H:i") if moment else str(value)
    if isinstance(field, models.DateField):
        day = parse_date(str(value))
        return date_format(day, "D j M Y") if day else str(value)
    return _short(value)


def _choices(model: Any, name: str) -> dict[Any, Any]:
    field = _field(model, name)
    return dict(field.flatchoices) if field is not None and field.choices else {}


def _worth_saying(value: Any) -> bool:
    return value not in (None, "", False, [], {}, 0) and not isinstance(value, dict)


def _short(value: Any) -> str:
    if value is True:
        return "yes"
    if value is False:
        return "no"
    text = ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
    return text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH].rstrip() + "…"


def _words(name: str) -> str:
    return PLAIN.get(name) or name.replace("_", " ").capitalize()
