"""Statements whose text is written once: a page asks the same question each time it is drawn, and
Django takes longer to write a wide one than the database takes to answer it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection, models
from django.db.models.query import get_related_populators
from psycopg2.extensions import AsIs

Make = Callable[..., models.QuerySet[Any]]
# stand in for the values while the text is written; nothing real is one of them
NUMBER, TEXT, YEAR = -1_600_000_000, "stands in for value %d", 9000
TYPES: dict[type, str] = {
    int: "bigint", str: "text", list: "bigint[]", datetime: "timestamptz", date: "date",
}  # fmt: skip
_numbers = count(1)
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # by connection


class OneOf(models.Func):
    """Whether a key is one of a list, which the statement takes as a single value."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = models.BooleanField()

    def __init__(self, key: str, keys: Any) -> None:
        super().__init__(key, models.Value(keys, output_field=models.TextField()))


@dataclass(frozen=True)
class _Text:
    """What the database is asked, and how its answer becomes rows."""

    sql: str
    params: list[Any]
    names: dict[Any, str]
    kinds: dict[str, type]
    model: Any
    converters: Any
    compiler: Any
    columns: list[str]
    start: int
    end: int
    populators: list[Any]
    annotations: list[tuple[str, int]]
    name: str

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in a row the columns of the model itself stand, and what was annotated."""
        own = {column: place for place, column in enumerate(self.columns, start=self.start)}
        return own | dict(self.annotations)

    def run(self, values: dict[str, Any], around: str = "{}") -> Any:
        params = [values[self.names[p]] if p in self.names else p for p in self.params]
        with connection.cursor() as cursor:
            cursor.execute(around.replace("{}", self.sql), params)
            return cursor.fetchall()

    def rows(self, values: dict[str, Any], planned: bool) -> Any:
        if planned and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            found = self._run_planned(values)
        else:
            found = self.run(values)
        return self.compiler.apply_converters(found, self.converters) if self.converters else found

    def _run_planned(self, values: dict[str, Any]) -> Any:
        """Planned once for a connection: of many joins that takes longer than to read them."""
        with connection.cursor() as cursor:
            known = _prepared.setdefault(connection.connection, set())
            if self.name not in known:
                places = {name: AsIs(f"${n}") for n, name in enumerate(self.kinds, start=1)}
                params = [places[self.names[p]] if p in self.names else p for p in self.params]
                text = cursor.mogrify(self.sql, params).decode()
                kinds = ", ".join(TYPES[kind] for kind in self.kinds.values())
                cursor.execute(f"PREPARE {self.name} ({kinds}) AS {text}")
                known.add(self.name)
            given = [values[name] for name in self.kinds]
            cursor.execute(f"EXECUTE {self.name} ({', '.join(['%s'] * len(given))})", given)
            return cursor.fetchall()

    def instance(self, row: Any) -> Any:
        one = self.model.from_db(connection.alias, self.columns, row[self.start : self.end])
        for populator in self.populators:
            populator.populate(row, one)
        for name, place in self.annotations:
            setattr(one, name, row[place])
        return one


class AsRead:
    """A row as it was read. What is drawn of it is known by its `facts`; the instance is made
    only where somebody asks for more than its own columns."""

    __slots__ = ("_made", "_text", "facts")

    def __init__(self, text: _Text, row: Any) -> None:
        self._text, self.facts, self._made = text, tuple(row), None

    @property
    def made(self) -> Any:
        """The row as an instance of its model, with what was read along."""
        if self._made is None:
            self._made = self._text.instance(self.facts)
        return self._made

    def __getattr__(self, name: str) -> Any:
        place = self._text.places.get(name)
        return getattr(self.made, name) if place is None else self.facts[place]


@dataclass
class Written:
    """A queryset as a statement with places for values, in a text made at its first use.

    `make` gets the values by name and gives the queryset: an ordinary one whose shape does not
    hang on what the values are. They are numbers, texts, days, moments, or a list of keys for
    `OneOf`; nothing else may differ from one use to the next, not even the day. `planned` keeps
    the database's plan too, for what joins many tables.
    """

    make: Make
    planned: bool = False
    _texts: dict[Any, _Text] = field(default_factory=dict)

    def tuples(self, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a queryset of `values_list`."""
        return [tuple(row) for row in self._text(values).rows(values, self.planned)]

    def count(self, **values: Any) -> int:
        """How many rows there are, up to the queryset's own end."""
        counted = self._text(values).run(values, "SELECT count(*) FROM ({}) AS counted")
        return int(counted[0][0])

    def instances(self, **values: Any) -> list[Any]:
        """The rows as model instances with what they select along, as the queryset makes them."""
        text = self._text(values)
        return [text.instance(row) for row in text.rows(values, self.planned)]

    def as_read(self, **values: Any) -> list[AsRead]:
        """The rows as plain values, from which instances are made when they are wanted."""
        text = self._text(values)
        return [AsRead(text, row) for row in text.rows(values, self.planned)]

    def _text(self, values: dict[str, Any]) -> _Text:
        key = tuple((name, type(value)) for name, value in values.items())
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = self._write(values)
        return found

    def _write(self, values: dict[str, Any]) -> _Text:
        marks = {name: _stand_in(value, n) for n, (name, value) in enumerate(values.items())}
        compiler: Any = self.make(**marks).query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        info = compiler.klass_info or {}
        places = info.get("select_fields", [0])
        start, end = places[0], places[-1] + 1
        own = compiler.select[start:end] if info else []
        populators: Any = get_related_populators
        return _Text(
            sql=sql,
            params=list(params),
            names={mark: name for name, mark in marks.items()},
            kinds={name: type(value) for name, value in values.items()},
            model=info.get("model"),
            converters=compiler.get_converters([select[0] for select in compiler.select]),
            compiler=compiler,
            columns=[select[0].target.attname for select in own],
            start=start,
            end=end,
            populators=populators(info, compiler.select, connection.alias) if info else [],
            annotations=list((compiler.annotation_col_map or {}).items()),
            name=f"written_{next(_numbers)}",
        )


def _stand_in(value: Any, number: int) -> Any:
    if type(value) not in TYPES:
        raise TypeError(f"{value!r} cannot be left open in a statement")
    if isinstance(value, int):
        return NUMBER - number
    if isinstance(value, datetime):
        return datetime(YEAR, 1, 1 + number, tzinfo=value.tzinfo)
    if isinstance(value, date):
        return date(YEAR, 1, 1 + number)
    return TEXT % number
