"""What a page reads each time it is asked for: many querysets as one statement, made only once.

`together.at_once` writes its statement anew for every page. A page that is open all day declares
what it reads; Django then writes the text once in a process, and the database plans it once on a
connection: both take longer than to read a page of rows.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Func,
    IntegerField,
    Model,
    QuerySet,
    Subquery,
    Value,
)
from psycopg2.extensions import AsIs

from workflow.paging import MOST
from workflow.together import Convert, _convert, _give, _part, _prepared, _row

Sets = dict[str, QuerySet[Any, Any]]
KINDS = {int: "bigint", list: "bigint[]", date: "date", datetime: "timestamptz"}
_names: set[str] = set()


class HowMany(Subquery):
    """How many rows a queryset has, counted up to a thousand and one."""

    empty_result_set_value = 0
    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any, Any], most: int = MOST + 1) -> None:
        super().__init__(rows.order_by().values("pk")[:most])


class AmongValues(Func):
    """Whether a key is among many: in a reading, where `__in` would need to know how many."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = BooleanField()

    def __init__(self, key: str, values: list[int]) -> None:
        super().__init__(key, Value(values, output_field=ArrayField(BigIntegerField())))


@dataclass(frozen=True)
class _Plain:
    """A set of `values_list`: its rows are tuples."""

    name: str
    converts: list[Convert | None]

    def instances(self, rows: list[list[Any]]) -> list[Any]:
        return [
            tuple(
                value if value is None or convert is None else convert(value)
                for value, convert in zip(
                    (v for part in parts for v in part), self.converts, strict=True
                )
            )
            for parts in rows
        ]


def _mark(number: int, kind: type) -> Any:
    """Stands for a value in the text: nothing that anybody would ask for."""
    if kind in (int, list):
        found = -1_800_000_000 - number
        return found if kind is int else [found]
    return date(1, 1, 3 + number) if kind is date else datetime(1, 1, 3 + number, tzinfo=UTC)


class Reading:
    """Querysets that are read together, as a function of a few values. Made by `reading`.

    What the querysets are narrowed by are keys (one, or a list with `AmongValues`), days and
    moments; whatever changes from one
    page to the next has to be among them, "now" and "today" too. A set of `values_list` gives
    tuples; what a set prefetches is left out. One without a name is planned each
    time: for sets whose best plan hangs on the values (whose requests are few, whose many).
    """

    def __init__(self, make: Callable[..., Sets], kinds: dict[str, type], name: str = "") -> None:
        self.make, self.kinds = make, kinds
        self.name = f"reading_{name}" if name else ""
        if self.name in _names:
            raise ValueError(f"There is a reading of the name {name} already.")
        _names.update({self.name} - {""})

    @cached_property
    def _marks(self) -> dict[str, Any]:
        return {name: _mark(n, kind) for n, (name, kind) in enumerate(self.kinds.items())}

    @cached_property
    def _written(self) -> tuple[str, list[Any], list[Any]]:
        sets = self.make(**self._marks)
        self._sets = tuple(sets)
        return _written(sets)

    def __call__(self, **values: Any) -> dict[str, list[Any]]:
        """The rows of each set. One statement."""
        text, params, parts = self._written
        with connection.cursor() as cursor:
            pooled = connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
            if pooled or not self.name:
                own = [(mark, values[name]) for name, mark in self._marks.items()]
                cursor.execute(text, [_given(param, own) for param in params])
            else:
                self._prepare(cursor, text, params)
                places = ", ".join(["%s"] * len(self.kinds))
                cursor.execute(f"EXECUTE {self.name} ({places})", [values[n] for n in self.kinds])
            found = _rows(parts, cursor.fetchall())
        return {name: found.get(name, []) for name in self._sets}

    def _prepare(self, cursor: Any, text: str, params: list[Any]) -> None:
        known = _prepared.setdefault(connection.connection, set())
        if self.name in known:
            return
        places = [(mark, AsIs(f"${n}")) for n, mark in enumerate(self._marks.values(), start=1)]
        whole = cursor.mogrify(text, [_given(param, places) for param in params]).decode()
        kinds = ", ".join(KINDS[kind] for kind in self.kinds.values())
        cursor.execute(f"PREPARE {self.name} ({kinds}) AS {whole}")
        known.add(self.name)


def _written(sets: Sets) -> tuple[str, list[Any], list[Any]]:
    """The text, its parameters, and how each set becomes rows."""
    texts: list[str] = []
    params: list[Any] = []
    parts: list[Any] = []
    for name, queryset in sets.items():
        compiler: Any = queryset.query.get_compiler(connection=connection)
        try:
            text, own = compiler.as_sql()
        except EmptyResultSet:  # it is known without asking that there is nothing
            continue
        columns = [f"c{n}" for n in range(len(compiler.select))]
        texts.append(  # made of texts that Django compiled; every value is a parameter
            f"SELECT {len(parts)}, (SELECT json_agg({_row(columns, compiler)})::text "  # noqa: S608
            f"FROM ({text}) AS q({', '.join(columns)}))"
        )
        params += own
        plain = queryset._fields is not None  # type: ignore[attr-defined]
        converts = [_convert(select[0].output_field) for select in compiler.select]
        parts.append(_Plain(name, converts) if plain else _part(name, compiler))
    return " UNION ALL ".join(texts), params, parts


def _rows(parts: list[Any], answer: Any) -> dict[str, list[Any]]:
    found = dict(answer)
    return {
        part.name: part.instances(json.loads(found[n], parse_float=Decimal)) if found.get(n) else []
        for n, part in enumerate(parts)
    }


def read(**sets: QuerySet[Any, Any]) -> dict[str, list[Any]]:
    """The rows of each set by one statement that is written for this once; for sets that are
    narrowed by what changes from person to person. A set of `values_list` gives tuples."""
    found: dict[str, list[Any]] = {name: [] for name in sets}
    text, params, parts = _written(sets)
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(text, params)
            found |= _rows(parts, cursor.fetchall())
    return found


def hand_over(owners: Iterable[Model], accessor: str, rows: list[Any]) -> None:
    """Give each owner its own of these rows, as if they had been prefetched."""
    _give(owners, accessor, rows)


def _given(param: Any, values: list[tuple[Any, Any]]) -> Any:
    """The value that a parameter stands for, or itself."""
    return next((v for mark, v in values if type(param) is type(mark) and param == mark), param)


def reading(**kinds: type) -> Callable[[Callable[..., Sets]], Reading]:
    """Declare what is read together: `@reading(group=int, today=date)` over a function of these
    names that gives querysets by name."""

    def made(make: Callable[..., Sets]) -> Reading:
        return Reading(make, kinds, make.__name__)

    return made
