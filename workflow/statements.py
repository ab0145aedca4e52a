"""Statements that are written once and planned once, and many querysets as one statement.

Django takes longer to write a wide statement than the database takes to answer it, and the database
longer to plan one of many joins than to run it. Who reads the same each time keeps both.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.query import get_related_populators
from psycopg2.extensions import AsIs

Convert = Callable[[Any], Any]

KINDS: dict[type, str] = {
    int: "bigint", str: "text", list: "bigint[]", datetime: "timestamptz", date: "date",
}  # fmt: skip
ARGUMENTS = 90  # values in one json_build_array: a function takes no more than a hundred
_planned: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # by connection


class AmongValues(models.Func):
    """Whether a key is among many, which are one value: `__in` would need to know how many."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = models.BooleanField()

    def __init__(self, key: str, values: Any) -> None:
        listed: Any = ArrayField(models.BigIntegerField())
        super().__init__(key, models.Value(values, output_field=listed))


def mark(kind: type, number: int) -> Any:
    """Stands for a value while the text is written: nothing that anybody would ask for.

    Raises TypeError for what a statement cannot leave open.
    """
    if kind not in KINDS:
        raise TypeError(f"A {kind.__name__} cannot be left open in a statement.")
    if kind is int:
        return -1_600_000_000 - number
    if kind is list:
        return [-1_600_000_000 - number]
    if kind is str:
        return f"stands in for value {number}"
    moment = datetime(9000, 1, 1 + number, tzinfo=UTC)
    return moment if kind is datetime else moment.date()


@dataclass(frozen=True)
class Statement:
    """A text with marks in the places of the values; one with a name is planned once for a
    connection. Behind a pool of connections (DISABLE_SERVER_SIDE_CURSORS) no plan can be kept."""

    sql: str
    params: list[Any]
    marks: tuple[Any, ...]
    name: str = ""

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Its rows, for these values in the order of the marks."""
        with connection.cursor() as cursor:
            cursor.execute(*self.said(cursor, values))
            return cursor.fetchall()  # type: ignore[no-any-return]

    def run_after(self, first: "Statement", given: Sequence[Any], values: Sequence[Any]) -> Any:
        """Its rows, for these values, once the `first` was carried out: both are sent at once. Each
        sees what is committed when its turn comes, so this one all that the first waited for."""
        with connection.cursor() as cursor:
            before, own = first.said(cursor, given)
            text, more = self.said(cursor, values)
            cursor.execute(f"{before}; {text}", [*own, *more])
            return cursor.fetchall()

    def said(self, cursor: Any, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """What asks for it, and the values in it; by now it is planned, if it is to be."""
        if not self.name or connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            return self.sql, self._with(values)
        self._plan(cursor)
        places = ", ".join(["%s"] * len(values))
        return f"EXECUTE {self.name} ({places})", [*values]

    def _plan(self, cursor: Any) -> None:
        known = _planned.setdefault(connection.connection, set())
        if self.name in known:
            return
        numbers = [AsIs(f"${n}") for n in range(1, len(self.marks) + 1)]
        text = cursor.mogrify(self.sql, self._with(numbers)).decode()
        kinds = ", ".join(KINDS[type(mark)] for mark in self.marks)
        cursor.execute(f"PREPARE {self.name} ({kinds}) AS {text}")
        known.add(self.name)

    def _with(self, values: Sequence[Any]) -> list[Any]:
        given = list(zip(self.marks, values, strict=True))
        return [
            next((v for m, v in given if type(m) is type(param) and m == param), param)
            for param in self.params
        ]


@dataclass(frozen=True)
class Shape:
    """Which columns of a compiled queryset are the model's own, and how others are handed over."""

    model: Any
    attnames: list[str]
    start: int
    end: int
    populators: list[Any]
    annotations: list[tuple[str, int]]

    def instance(self, row: Any) -> Any:
        """The instance that the queryset would make of this row."""
        one = self.model.from_db(connection.alias, self.attnames, row[self.start : self.end])
        for populator in self.populators:
            populator.populate(row, one)
        for name, place in self.annotations:
            setattr(one, name, row[place])
        return one

    @classmethod
    def of(cls, compiler: Any) -> "Shape":
        info = compiler.klass_info or {}
        places = info.get("select_fields", [0])
        start, end = places[0], places[-1] + 1
        populators: Any = get_related_populators  # the stubs are those of Django 6
        return cls(
            model=info.get("model"),
            attnames=[s[0].target.attname for s in compiler.select[start:end]] if info else [],
            start=start,
            end=end,
            populators=populators(info, compiler.select, connection.alias) if info else [],
            annotations=list((compiler.annotation_col_map or {}).items()),
        )


@dataclass(frozen=True)
class Instances:
    """One set in a statement, whose rows become instances."""

    name: str
    shape: Shape
    converts: list[Convert | None]
    tables: frozenset[str]
    keys: frozenset[str] = frozenset()
    of_itself: bool = False

    def made(self, rows: list[list[Any]]) -> list[Any]:
        return [self.shape.instance(_converted(values, self.converts)) for values in rows]


@dataclass(frozen=True)
class Tuples:
    """A set of `values_list`: its rows are tuples."""

    name: str
    converts: list[Convert | None]

    def made(self, rows: list[list[Any]]) -> list[Any]:
        return [tuple(_converted(values, self.converts)) for values in rows]


def _converted(values: list[list[Any]], converts: list[Convert | None]) -> list[Any]:
    return [
        value if value is None or convert is None else convert(value)
        for value, convert in zip(chain(*values), converts, strict=True)
    ]


@dataclass(frozen=True)
class Many:
    """Many querysets as one statement."""

    sql: str
    params: list[Any]
    parts: list[Any]

    def made(self, found: Iterable[tuple[int, str | None]]) -> dict[str, list[Any]]:
        """The rows of each set, from the statement's answer."""
        texts = dict(found)
        return {
            part.name: part.made(json.loads(text, parse_float=Decimal))
            if (text := texts.get(number))
            else []
            for number, part in enumerate(self.parts)
        }


def many(sets: dict[str, models.QuerySet[Any, Any]]) -> Many:
    """The statement that reads these sets; what they prefetch is left out, and so is a set of
    which it is known without asking that there is nothing."""
    texts: list[str] = []
    params: list[Any] = []
    parts: list[Any] = []
    for name, queryset in sets.items():
        compiler: Any = queryset.query.get_compiler(connection=connection)
        try:
            text, own = compiler.as_sql()
        except EmptyResultSet:
            continue
        columns = [f"c{n}" for n in range(len(compiler.select))]
        texts.append(  # made of texts that Django compiled; every value is a parameter
            f"SELECT {len(parts)}, (SELECT json_agg({_row(columns, compiler)})::text "  # noqa: S608
            f"FROM ({text}) AS q({', '.join(columns)}))"
        )
        params += own
        parts.append(_part(name, queryset, compiler))
    return Many(" UNION ALL ".join(texts), params, parts)


def _row(columns: list[str], compiler: Any) -> str:
    """A row as an array of arrays."""
    values = [
        f"{column}::text" if isinstance(select[0].output_field, models.JSONField) else column
        for column, select in zip(columns, compiler.select, strict=True)
    ]
    rows = [", ".join(values[n : n + ARGUMENTS]) for n in range(0, len(values), ARGUMENTS)]
    return f"json_build_array({', '.join(f'json_build_array({row})' for row in rows)})"


def _part(name: str, queryset: Any, compiler: Any) -> Instances | Tuples:
    converts = [_convert(select[0].output_field) for select in compiler.select]
    if queryset._fields is not None:
        return Tuples(name, converts)
    tables = frozenset(t.table_name for t in compiler.query.alias_map.values())
    return Instances(name, Shape.of(compiler), converts, tables)


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
