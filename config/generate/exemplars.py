"""A request's whole graph of rows, read once and compiled into templates that COPY can take.

A template is a line of text with a place for each value that differs between copies: keys, people,
names, references, moments. Everything else, in every column of every table, is kept as it is.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from asd.models import Service
from config.generate.moments import Days, local
from config.generate.worlds import Worlds
from fulfillment.models import ScheduleEntry
from notifications.models import Notice
from requests_app.models import Link, Request
from requests_app.public_models import PendingIntake
from requests_app.tracking import TrackingToken
from workflow.models import Calendar, Event
from workflow.worktime import hours_of

OURS = {"notifications", "workflow", "asd", "requests_app", "discovery", "fulfillment", "billing"}
# a token is made when a notice needs it; a link names two requests; a form is gone after a week
LEFT_OUT = {TrackingToken, Link, PendingIntake}
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)|(?<![\d-])\d{4}-\d\d-\d\d(?![\d-])"
TOKEN = re.compile(r'"?@@([is])(\d+)@@"?')


Pieces = list[str | int]  # a text in pieces: words that stay, and numbers of slots


@dataclass
class Line:
    """One row: the table it goes to and its text."""

    table: int
    text: Pieces
    body: Pieces | None = None  # of an event: what its digest is made of, after the one before


@dataclass
class Exemplar:
    """One request of the demo, ready to be copied."""

    state: str
    kind: str
    is_open: bool
    days: Days
    first: int  # local day of its first moment (ordinal)
    last: int
    makes_service: bool
    entry_days: list[tuple[int, int, int]] = field(default_factory=list)  # group, day, minutes
    lines: list[Line] = field(default_factory=list)
    slots: list[tuple[str, Any]] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)  # table -> how many rows


class Tables:
    """The tables that hold parts of requests, in the order in which rows point at each other."""

    def __init__(self) -> None:
        self.models: list[type[models.Model]] = []
        self.number: dict[type[models.Model], int] = {}

    def of(self, model: type[models.Model]) -> int:
        """The table's number."""
        if model not in self.number:
            self.number[model] = len(self.models)
            self.models.append(model)
        return self.number[model]

    def columns(self, table: int) -> list[str]:
        """The table's columns as COPY names them; an event's digests come last."""
        names = [str(f.column) for f in self.models[table]._meta.concrete_fields]
        if self.models[table] is Event:
            names = [n for n in names if n not in ("previous_digest", "digest")]
            names += ["previous_digest", "digest"]
        return names


def _parents(model: type[models.Model]) -> list[Any]:
    return [f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey)]


def _is_history(model: type[models.Model]) -> bool:
    return any(f.name.startswith("pgh_") for f in model._meta.concrete_fields)


def graphs() -> list[tuple[Request, list[Any]]]:
    """Every request that can be copied, with all rows that belong to it, itself the first.

    They are found through the foreign keys. What is packed away, or points at another request,
    cannot be copied.
    """
    alone = Request.objects.filter(
        archived_at=None, links_out=None, links_in=None, watchers=None
    ).select_related("agency", "service", "provider_group").order_by("pk")  # fmt: skip
    requests = {r.pk: r for r in alone}
    owner: dict[type[models.Model], dict[Any, int]] = {Request: {pk: pk for pk in requests}}
    rows: dict[int, list[Any]] = {pk: [r] for pk, r in requests.items()}

    def take(found: models.QuerySet[Any], key: str, owners: dict[Any, int]) -> bool:
        mine = owner.setdefault(found.model, {})
        fresh = [row for row in found if row.pk not in mine]
        for row in fresh:
            mine[row.pk] = owners[getattr(row, key)]
            rows[mine[row.pk]].append(row)
        return bool(fresh)

    ours = [m for m in apps.get_models() if m._meta.app_label in OURS and m._meta.managed
            and not _is_history(m) and m not in LEFT_OUT and m is not Request]  # fmt: skip
    stream = ContentType.objects.get_for_model(Request)
    events = Event.objects.filter(stream_type=stream, stream_id__in=list(requests))
    todo: list[type[models.Model]] = [Request]
    while todo:
        parent = todo.pop(0)
        for model in ours:
            for key in _parents(model):
                if key.related_model is not parent or key.name == "split_to":
                    continue
                children = model._base_manager.filter(**{f"{key.name}__in": list(owner[parent])})
                if take(children, key.attname, owner[parent]):
                    todo.append(model)
        if parent is Request:
            take(events.select_related("actor").order_by("number"), "stream_id", owner[Request])
            todo.append(Event)
    return [(requests[pk], rows[pk]) for pk in requests]


class Compiler:
    """Turns a request's rows into lines; knows what stands for what in other worlds.

    Histories move along the days of the default calendar; one of groups that work on others, too,
    along these as well: two days of it must never become one.
    """

    def __init__(self, worlds: Worlds, tables: Tables, today: date) -> None:
        self.worlds, self.tables, self.today = worlds, tables, today
        self.days = Days(today, [hours_of(None)])
        self.days_with = {frozenset[Calendar](): self.days}
        self.labels = {label for label, _ in worlds.rows}
        self.types = {ct.pk: ct.model_class() for ct in ContentType.objects.all()}

    def compile(self, request: Request, rows: list[Any]) -> Exemplar:
        """Make templates of a request's rows."""
        self.made = Exemplar(
            request.state,
            request.kind,
            request.is_open,
            self._days(rows),
            first=local(request.created_at)[0],
            last=max(local(e.at)[0] for e in rows if isinstance(e, Event)),
            makes_service=any(isinstance(row, Service) for row in rows),
        )
        self.slot_of: dict[tuple[str, Any], int] = {}
        self.place: dict[tuple[Any, Any], int] = {}
        count: dict[int, int] = defaultdict(int)
        for row in rows:
            table = self.tables.of(type(row))
            self.place[type(row), row.pk] = self._slot(
                ("uuid", row.pk)
                if isinstance(type(row)._meta.pk, models.UUIDField)
                else ("pk", (table, count[table]))
            )
            count[table] += 1
        self.made.rows = dict(count)
        self._names(request, rows)
        for row in rows:
            if type(row)._meta.label == "fulfillment.ScheduledDay" and row.entry.state in (
                "booked", "started",
            ):  # fmt: skip
                self.made.entry_days.append((row.entry.group_id, row.day.toordinal(), row.minutes))
            self.made.lines.append(self._line(row))
        return self.made

    def _days(self, rows: Iterable[Any]) -> Days:
        """The days on which the groups that it is booked with work, and everybody else."""
        groups = [row.group for row in rows if isinstance(row, ScheduleEntry)]
        key = frozenset(g.calendar for g in groups if g.calendar and not g.calendar.is_default)
        if key not in self.days_with:
            self.days_with[key] = Days(self.today, [hours_of(c) for c in (None, *key)])
        return self.days_with[key]

    def _slot(self, what: tuple[str, Any]) -> int:
        key = (what[0], repr(what[1]))
        if key not in self.slot_of:
            self.slot_of[key] = len(self.made.slots)
            self.made.slots.append(what)
        return self.slot_of[key]

    def _entity(self, label: str, pk: int, name: bool = False) -> int:
        return self._slot(("name" if name else "entity", (label, pk)))

    def _names(self, request: Request, rows: Iterable[Any]) -> None:
        """Words that differ between copies, wherever they stand in a text."""
        words: dict[str, int] = {}
        people = {r.actor for r in rows if isinstance(r, Event) and r.actor}
        for person in people:
            words[str(person)] = self._entity("workflow.User", person.pk, True)
        for row, label in (
            (request.agency, "asd.Agency"), (request.service, "asd.Service"),
            (request.provider_group, "fulfillment.ProviderGroup"),
        ):  # fmt: skip
            if row is not None and (label, row.pk) in self.worlds.rows:
                words[str(row)] = self._entity(label, row.pk, True)
        for agreement in request.agency.agreements.all():
            if ("asd.Agreement", agreement.pk) in self.worlds.rows:
                words[agreement.reference] = self._entity("asd.Agreement", agreement.pk, True)
        used: dict[str, int] = defaultdict(int)
        for row in rows:
            reference = getattr(row, "reference", "")
            if reference and reference not in words:
                prefix = reference.partition("-")[0]
                words[reference] = self._slot(("reference", (prefix, used[prefix])))
                used[prefix] += 1
            if type(row)._meta.label == "asd.Service":
                words[row.name] = self._slot(("numbered", row.name))
                words[row.slug] = self._slot(("slug", row.slug))
        if json.dumps(request.title)[1:-1] == _copied(request.title) == request.title:
            words[request.title] = self._slot(("title", self._worded(request.title, words)))
        self.words = words
        known = sorted((re.escape(w) for w in words if w), key=len, reverse=True)
        self.pattern = re.compile("|".join([*known, ISO]))

    @staticmethod
    def _worded(text: str, words: dict[str, int]) -> list[str | int]:
        """A text as pieces: words as they are, and slots."""
        pieces: list[str | int] = [text]
        for word, slot in sorted(words.items(), key=lambda w: -len(w[0])):
            split: list[str | int] = []
            for piece in pieces:
                if not isinstance(piece, str) or word not in piece:
                    split.append(piece)
                    continue
                for n, part in enumerate(piece.split(word)):
                    split += [slot, part] if n else [part]
            pieces = split
        return [p for p in pieces if p != ""]

    def _text(self, text: str) -> str:
        """A text with tokens where copies differ."""

        def token(match: re.Match[str]) -> str:
            word = match.group()
            if word in self.words:
                return f"@@s{self.words[word]}@@"
            if "T" in word:
                return f"@@s{self._slot(('iso', local(datetime.fromisoformat(word))))}@@"
            try:
                return f"@@s{self._slot(('day', date.fromisoformat(word).toordinal()))}@@"
            except ValueError:
                return word

        return self.pattern.sub(token, re.sub(r"/track/[0-9A-Za-z-]+/", "/track/", text))

    def _json(self, value: Any, keys: dict[str, Any] | None = None) -> Any:
        """JSON data with tokens; ids under the name of a foreign key are what they point at."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._json(v) for v in value]
        if isinstance(value, dict):
            done = {}
            for k, v in value.items():
                key = (keys or {}).get(k)
                done[k] = [self._key(key, x) for x in v] if key and isinstance(v, list) else (
                    self._json(v))  # fmt: skip
            return done
        return value

    def _key(self, key: Any, value: Any) -> Any:
        """A foreign key's value: a row of this graph, of the organisation, or one for all."""
        if value is None:
            return None
        if (key.related_model, value) in self.place:
            return f"@@i{self.place[key.related_model, value]}@@"
        label = key.related_model._meta.label
        if (label, value) in self.worlds.rows:
            return f"@@i{self._entity(label, value)}@@"
        return value

    def _generic(self, row: Event, which: str) -> Any:
        model = self.types[getattr(row, f"{which}_type_id")]
        value = getattr(row, f"{which}_id")
        return f"@@i{self.place[model, value]}@@" if (model, value) in self.place else value

    def _value(self, row: models.Model, f: Any) -> Any:
        value = getattr(row, f.attname)
        if value is None:
            return None
        if f.primary_key:
            return f"@@s{self.place[type(row), value]}@@"
        if isinstance(row, Event) and f.name in ("stream_id", "subject_id"):
            return self._generic(row, f.name[:-3])
        if isinstance(f, models.ForeignKey):
            return self._key(f, value)
        if isinstance(f, models.DateTimeField):
            return f"@@s{self._slot(('stamp', local(value)))}@@"
        if isinstance(f, models.DateField):
            return f"@@s{self._slot(('day', value.toordinal()))}@@"
        if isinstance(f, models.JSONField):
            keys: dict[str, Any] = {}
            if isinstance(row, Event) and f.name == "changes":
                subject = self.types[row.subject_type_id]
                keys = {k.attname: k for k in _parents(subject)} if subject else {}
            return self._json(value, keys)
        if f.name == "sha256" and f.unique:
            return f"@@s{self._slot(('hash', value))}@@"
        if isinstance(f, models.TextField | models.CharField) and not f.choices:
            return self._text(value)
        return value

    def _line(self, row: models.Model) -> Line:
        values = {f.attname: self._value(row, f) for f in row._meta.concrete_fields}
        if isinstance(row, Notice):
            values |= {"state": "sent", "attempts": 1, "sent_at": values["created_at"]}
        if isinstance(row, Request):
            values["submission_key"] = None
            values["description"] += f" Site: @@s{self._slot(('site', ''))}@@."
        ordered = list(values.values())
        body = None
        if isinstance(row, Event):
            ordered = [v for k, v in values.items() if k not in ("previous_digest", "digest")]
            body = _pieces(self._body(row, values))
        text = "\t".join(_copied(v) for v in ordered)
        return Line(self.tables.of(type(row)), _pieces(text), body)

    def _body(self, row: Event, values: dict[str, Any]) -> str:
        """What the door hashes of an event, after the digest before it (see `digest_of`)."""
        body = [
            values["stream_type_id"], values["stream_id"], row.number, values["subject_type_id"],
            values["subject_id"], row.name, row.source, row.target, values["actor_id"],
            row.actor_kind, values["actor_name"], values["reason"], values["changes"],
            values["facts"], f"@@i{self._slot(('float', local(row.at)))}@@",
        ]  # fmt: skip
        return ", " + json.dumps(body, sort_keys=True)[1:]


def _copied(value: Any) -> str:
    """A value as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict | list):
        value = json.dumps(value, cls=DjangoJSONEncoder)
    text = str(value).replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _pieces(text: str) -> Pieces:
    """A text with tokens as what stays and the slots between."""
    pieces: Pieces = []
    end = 0
    for match in TOKEN.finditer(text):
        whole = match.group()
        quoted = whole.startswith('"') and whole.endswith('"')
        bare = match.group(1) == "i" and quoted
        left = '"' if whole.startswith('"') and not bare else ""
        right = '"' if whole.endswith('"') and not bare else ""
        pieces += [text[end : match.start()] + left, int(match.group(2)), right]
        end = match.end()
    return [*pieces, text[end:]]
