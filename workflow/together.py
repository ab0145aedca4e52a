"""Many small sets of rows that hang on one row, read by one statement.

A page about one thing asks for some thirty sets of which most are empty. Each is an ordinary
queryset, declared once by the app it belongs to; their texts are made once for a process, and the
statement reads them all. The rows come back as the model instances that the querysets would make.
Nothing here is kept beyond the instance that it was read for: who locks a row reads it anew, and
what a step has at hand is forgotten as soon as a table that it was read from is written.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.query import get_related_populators
from psycopg2.extensions import AsIs

from workflow.prefetched import Prefetched

Make = Callable[["Marks"], models.QuerySet[Any]]
Convert = Callable[[Any], Any]

_sets: dict[str, dict[str, Make]] = {}
_at_hand: dict[str, dict[str, Make]] = {}
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # by connection
# stand in for the values of one reading in the texts, which are made once
FIRST_MARK = -1_700_000_000
MOST = 90
# a statement that writes, perhaps behind one that says in whose name
WRITES = re.compile(r'(?:^|; )(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?')


@dataclass(frozen=True)
class Marks:
    """What a set may be narrowed by: keys of the thing itself and of what it belongs to.

    `pk` is the thing's, `content_type` its model's; others are fields of its row by their name.
    """

    names: dict[str, int]
    used: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> int:
        self.used.add(name)
        return self.names.setdefault(name, FIRST_MARK - len(self.names))


def hangs_on(model: str, name: str, *, steps: bool = False) -> Callable[[Make], Make]:
    """Declare a set of rows that hang on a model ("requests_app.request").

    `name` is the reverse accessor that has all of them from then on ("part_lines"), one of theirs
    ("proposals__lines"), or any other name under which `read_with` finds them. The function gets
    the `Marks` and gives the queryset, with its order and what it selects along. What `steps` ask
    for as well is at hand in them, too.
    """

    def register(make: Make) -> Make:
        _declare(_sets, model, name, make)
        return at_hand(model, name)(make) if steps else make

    return register


def at_hand(model: str, name: str) -> Callable[[Make], Make]:
    """Declare what a step of this model needs, as `hangs_on` does for its page.

    `name` may be that of a foreign key, too: then it is the row that the key names.
    """

    def register(make: Make) -> Make:
        _declare(_at_hand, model, name, make)
        return make

    return register


def _declare(sets: dict[str, dict[str, Make]], model: str, name: str, make: Make) -> None:
    many = sets.setdefault(model, {})
    if name in many:
        raise ValueError(f"{name} hangs on {model} already")
    many[name] = make


def read_with(subject: models.Model, name: str) -> list[Any] | None:
    """The set of this name where it was read with the subject; None where it was not, or where
    it was read for another key than the subject has by now."""
    found = subject.__dict__.get("_read_with", {}).get(name)
    if found is None or not _still_fits(subject, name):
        return None
    return found  # type: ignore[no-any-return]


def _still_fits(subject: models.Model, name: str) -> bool:
    keys: dict[str, dict[str, Any]] = subject.__dict__.get("_read_for", {})
    return all(getattr(subject, key) == value for key, value in keys.get(name, {}).items())


def is_read(subject: models.Model) -> bool:
    """Whether it is a page's: what hangs on it was read with it, and it is not changed."""
    return "_read_with" in subject.__dict__ and "_read_for" not in subject.__dict__


def read(subject: models.Model) -> None:
    """Read everything that hangs on the subject: for a page, never for a change."""
    _hand_over(subject, _statement(subject._meta.label_lower).run(subject))


def read_for_step(subject: models.Model) -> None:
    """Read what a step needs with the subject, which is locked; `forget` keeps it true."""
    statement = _step_statement(subject._meta.label_lower)
    if not statement.parts:
        return
    found = statement.run(subject)
    subject.__dict__["_read_for"] = {
        part.name: {key: getattr(subject, key) for key in part.keys}
        for part in statement.parts
        if part.keys
    }
    _hand_over(subject, found)


def keep_fitting(subject: models.Model) -> None:
    """Read anew what a step needs where the subject has other keys by now: another group."""
    sets = (name for name in subject.__dict__.get("_read_for", {}) if not _one(type(subject), name))
    if not all(_still_fits(subject, name) for name in sets):
        read_for_step(subject)


def has_at_hand(subject: models.Model, row: models.Model) -> bool:
    """Whether this very row was read with the lock of the subject, and is as it was then."""
    if "_read_for" not in subject.__dict__:
        return False
    return any(row is one for rows in subject.__dict__["_read_with"].values() for one in rows)


def forget(subject: models.Model, sql: str) -> None:
    """A statement is about to run: what was read of the tables that it writes does not count any
    more, and is asked for anew by whoever wants it."""
    written = WRITES.search(sql) if "_read_for" in subject.__dict__ else None
    if written is None or written[1] == subject._meta.db_table:
        return
    for part in _step_statement(subject._meta.label_lower).parts:
        if written[1] in part.tables:
            _drop(subject, part.name.partition("__")[0])


def forget_all(subject: models.Model) -> None:
    """Nothing that was read for a step counts any more, whoever has it still."""
    if "_read_for" in subject.__dict__:
        for kept in ("_read_with", "_read_for", "_prefetched_objects_cache"):
            subject.__dict__.pop(kept, None)
        subject._state.fields_cache.clear()


def put(subject: models.Model, name: str, rows: list[Any]) -> None:
    """A set as it is by now, from whoever has just written it; where steps have it at hand."""
    if "_read_for" not in subject.__dict__:
        return
    subject.__dict__["_read_with"][name] = rows
    if _relation(type(subject), name) is not None:
        _give([subject], name, rows)


def _drop(subject: models.Model, name: str) -> None:
    """Forget a set, and what was read of its rows."""
    for kept in [k for k in subject.__dict__["_read_with"] if k.partition("__")[0] == name]:
        del subject.__dict__["_read_with"][kept]
    relation = _relation(type(subject), name)
    if relation is not None:
        prefetched = subject.__dict__.get("_prefetched_objects_cache", {})
        prefetched.pop(relation.remote_field.cache_name, None)
    elif (one := _one(type(subject), name)) is not None and one.is_cached(subject):
        one.delete_cached_value(subject)


def _hand_over(subject: models.Model, found: dict[str, list[Any]]) -> None:
    """Where the program looks for rows, there they are."""
    subject.__dict__["_read_with"] = found
    for name, rows in found.items():
        owner, _, accessor = name.rpartition("__")
        if owner:
            _give(found[owner] if owner in found else [getattr(subject, owner)], accessor, rows)
        elif (one := _one(type(subject), name)) is not None:
            if rows:
                one.set_cached_value(subject, rows[0])
        elif _relation(type(subject), name) is not None:
            _give([subject], name, rows)


@cache
def _one(model: type[models.Model], name: str) -> Any:
    """The foreign key, or the one-to-one seen from its other side, of this name; None for none."""
    found = getattr(model, name, None)
    return getattr(found, "related", None) or (
        found.field if isinstance(found, ForwardManyToOneDescriptor) else None
    )


@cache
def _relation(model: type[models.Model], accessor: str) -> Any:
    """The foreign key behind a reverse accessor; None where it is none."""
    found = getattr(getattr(model, accessor, None), "rel", None)
    return found.field if isinstance(found, models.ManyToOneRel) else None


def _give(owners: Iterable[models.Model], accessor: str, rows: list[Any]) -> None:
    """Hand each owner its rows as if they had been prefetched."""
    for owner in owners:
        field = _relation(type(owner), accessor)
        own = [row for row in rows if getattr(row, field.attname) == owner.pk]
        for row in own:
            field.set_cached_value(row, owner)
        prefetched = owner.__dict__.get("_prefetched_objects_cache")
        if not isinstance(prefetched, Prefetched):
            prefetched = Prefetched(prefetched or {})
            owner.__dict__["_prefetched_objects_cache"] = prefetched
        prefetched.put(field.remote_field.cache_name, owner, accessor, own)


@dataclass(frozen=True)
class _Part:
    """One set in the statement: how its columns become instances."""

    name: str
    model: Any
    attnames: list[str]
    converts: list[Convert | None]
    start: int
    end: int
    populators: list[Any]
    annotations: list[tuple[str, int]]
    tables: frozenset[str]
    keys: frozenset[str] = frozenset()

    def instances(self, rows: list[list[Any]]) -> list[Any]:
        made = []
        for values in rows:
            row = [
                value if value is None or convert is None else convert(value)
                for value, convert in zip(chain(*values), self.converts, strict=True)
            ]
            one = self.model.from_db(connection.alias, self.attnames, row[self.start : self.end])
            for populator in self.populators:
                populator.populate(row, one)
            for name, place in self.annotations:
                setattr(one, name, row[place])
            made.append(one)
        return made


@dataclass(frozen=True)
class _Statement:
    text: str
    params: list[Any]
    parts: list[_Part]
    marks: dict[int, str] = field(default_factory=dict)
    name: str = ""

    def run(self, subject: models.Model | None = None) -> dict[str, list[Any]]:
        """The instances of each part."""
        values = [_value(subject, name) for name in self.marks.values()]
        with connection.cursor() as cursor:
            if self.name and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
                self._prepare(cursor)
                places = ", ".join(["%s"] * len(values))
                cursor.execute(f"EXECUTE {self.name} ({places})", values)
            else:
                own = dict(zip(self.marks, values, strict=True))
                cursor.execute(self.text, [_mark(p, own) for p in self.params])
            found = dict(cursor.fetchall())
        return {
            part.name: part.instances(json.loads(found[n], parse_float=Decimal))
            if found.get(n)
            else []
            for n, part in enumerate(self.parts)
        }

    def _prepare(self, cursor: Any) -> None:
        """Once for a connection: to plan so many sets takes longer than to read them."""
        known = _prepared.setdefault(connection.connection, set())
        if self.name in known:
            return
        places = {mark: AsIs(f"${n}") for n, mark in enumerate(self.marks, start=1)}
        text = cursor.mogrify(self.text, [_mark(p, places) for p in self.params]).decode()
        cursor.execute(f"PREPARE {self.name} ({', '.join(['bigint'] * len(places))}) AS {text}")
        known.add(self.name)


def _mark(param: Any, values: dict[int, Any]) -> Any:
    return values.get(param, param) if isinstance(param, int) else param


def at_once(*querysets: models.QuerySet[Any]) -> list[list[Any]]:
    """The rows of several querysets by one statement; what they prefetch is left out."""
    named = {str(n): rows for n, rows in enumerate(querysets) if not _is_empty(rows)}
    found = _written(named).run() if named else {}
    return [found.get(str(n), []) for n in range(len(querysets))]


def _is_empty(queryset: models.QuerySet[Any]) -> bool:
    """Whether it is known without asking that there is nothing (a page of an empty list)."""
    query = queryset.query
    return query.is_empty() or (query.high_mark is not None and query.high_mark <= query.low_mark)


@cache
def _statement(model: str) -> _Statement:
    """The text that reads every set of a model; made when the first page needs it."""
    return _of(_sets.get(model, {}), f"together_{model.replace('.', '_')}")


@cache
def _step_statement(model: str) -> _Statement:
    """The text that reads what steps of a model need; made when the first step is taken."""
    return _of(_at_hand.get(model, {}), f"at_hand_{model.replace('.', '_')}")


def _of(sets: dict[str, Make], name: str) -> _Statement:
    names: dict[str, int] = {}
    each = {of: Marks(names) for of in sets}
    written = _written({of: make(each[of]) for of, make in sets.items()})
    never_change = {"pk", "content_type"}
    parts = [replace(p, keys=frozenset(each[p.name].used - never_change)) for p in written.parts]
    named = {mark: key for key, mark in names.items()}
    return replace(written, parts=parts, marks=named, name=name)


def _written(querysets: dict[str, models.QuerySet[Any]]) -> _Statement:
    texts: list[str] = []
    params: list[Any] = []
    parts: list[_Part] = []
    for number, (name, queryset) in enumerate(querysets.items()):
        compiler = queryset.query.get_compiler(connection=connection)
        text, own = compiler.as_sql()
        columns = [f"c{n}" for n in range(len(compiler.select))]
        texts.append(  # made of texts that Django compiled; every value is a parameter
            f"SELECT {number}, (SELECT json_agg({_row(columns, compiler)})::text "  # noqa: S608
            f"FROM ({text}) AS q({', '.join(columns)}))"
        )
        params += own
        parts.append(_part(name, compiler))
    return _Statement(" UNION ALL ".join(texts), params, parts)


def _row(columns: list[str], compiler: Any) -> str:
    """A row as an array of arrays: a function takes no more than a hundred arguments."""
    values = [
        f"{column}::text" if _is_json(select[0]) else column
        for column, select in zip(columns, compiler.select, strict=True)
    ]
    rows = [", ".join(values[n : n + MOST]) for n in range(0, len(values), MOST)]
    return f"json_build_array({', '.join(f'json_build_array({row})' for row in rows)})"


def _value(subject: Any, name: str) -> Any:
    if name == "content_type":
        return ContentType.objects.get_for_model(subject).pk
    return getattr(subject, name)


def _part(name: str, compiler: Any) -> _Part:
    info = compiler.klass_info
    places = info["select_fields"]
    start, end = places[0], places[-1] + 1
    return _Part(
        name=name,
        model=info["model"],
        attnames=[select[0].target.attname for select in compiler.select[start:end]],
        converts=[_convert(select[0].output_field) for select in compiler.select],
        start=start,
        end=end,
        populators=get_related_populators(  # type: ignore[call-arg]  # stubs of Django 6
            info, compiler.select, connection.alias
        ),
        annotations=list((compiler.annotation_col_map or {}).items()),
        tables=frozenset(t.table_name for t in compiler.query.alias_map.values()),
    )


def _is_json(expression: Any) -> bool:
    return isinstance(expression.output_field, models.JSONField)


def _convert(field: Any) -> Convert | None:
    """From what JSON can say to what the database driver would have given."""
    field = getattr(field, "target_field", field)
    if isinstance(field, models.JSONField):
        return json.loads
    if isinstance(field, models.DateTimeField):
        return datetime.fromisoformat
    if isinstance(field, models.DateField):
        return date.fromisoformat
    if isinstance(field, models.DecimalField):
        return Decimal
    plain = models.CharField | models.TextField | models.IntegerField | models.BooleanField
    if isinstance(field, plain | models.FileField):
        return None
    return field.to_python  # type: ignore[no-any-return]
