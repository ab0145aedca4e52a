"""New and changed rows, many by one statement whose text is made once.

Django takes longer to write an INSERT or an UPDATE than the database takes to carry it out, and
each is a way there and back. What belongs to one change goes together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from psycopg2.extensions import AsIs

Names = tuple[str, ...]
SELDOM = 3  # so many times in a process a text is sent as it is
MOST = 60  # texts that a connection keeps planned
_times: Counter[str] = Counter()
_planned: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()  # names, by connection
_numbers = count(1)


@dataclass
class Change:
    """A row to be written: a new one, or of one that exists the columns of these names."""

    row: models.Model
    names: Names | None = None

    @property
    def shape(self) -> tuple[type[models.Model], Names | None, bool]:
        """All that the text of the statement depends on."""
        return type(self.row), self.names, self.row.pk is None

    @property
    def fields(self) -> list[Any]:
        """The columns in the order of the text."""
        return _fields(*self.shape)


class _Key:
    """Stands for the key that a new row of the same statement gets."""

    def __init__(self, place: int) -> None:
        self.place = place


def write(changes: Sequence[Change]) -> None:
    """Write them all, in this order. A new row gets its key from the database where it has none,
    and may name rows before it by foreign keys. Of one row there may be one change, of one table
    one that changes a row. Raises what saving does."""
    new = [place for place, change in enumerate(changes) if change.row.pk is None]
    keys = {id(changes[place].row): _Key(place) for place in new}
    values = [value for change in changes for value in _values(change, keys)]
    places = tuple(value.place if isinstance(value, _Key) else None for value in values)
    sql = _text(tuple(change.shape for change in changes), places)
    with connection.cursor() as cursor:
        _send(cursor, sql, [value for value in values if not isinstance(value, _Key)])
        made = cursor.fetchone()
    for place in new:
        changes[place].row.pk = made[place]
    for change in changes:
        _name_by_keys(change, keys)
        change.row._state.adding, change.row._state.db = False, connection.alias


def _send(cursor: Any, sql: str, values: list[Any]) -> None:
    """What is written time and again is planned once for a connection, by the message that needs it
    first; where that fails, its plan has a name that nobody uses."""
    known = _planned.setdefault(connection.connection, {})
    name = known.get(sql)
    if name is not None:
        cursor.execute(_carry_out(name, values), values)
        return
    _times[sql] += 1
    pooled = connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    if _times[sql] <= SELDOM or len(known) >= MOST or pooled:
        cursor.execute(sql, values)
        return
    name = f"write_{next(_numbers)}"
    places = [AsIs(f"${number}") for number in range(1, len(values) + 1)]
    text = cursor.mogrify(sql, places).decode().replace("%", "%%")
    cursor.execute(f"PREPARE {name} AS {text}; {_carry_out(name, values)}", values)
    known[sql] = name


def _carry_out(name: str, values: list[Any]) -> str:
    return f"EXECUTE {name} ({', '.join(['%s'] * len(values))})"


def _values(change: Change, keys: dict[int, _Key]) -> Iterable[Any]:
    row, new = change.row, change.names is None
    link = connections[DEFAULT_DB_ALIAS]  # itself: `connection` looks it up at each mention
    for field in change.fields:
        named = field.get_cached_value(row, None) if field.is_relation else None
        if named is not None and id(named) in keys:
            yield keys[id(named)]
        else:
            yield field.get_db_prep_save(field.pre_save(row, new), link)
    if not new:
        yield row.pk


def _name_by_keys(change: Change, keys: dict[int, _Key]) -> None:
    """The keys of rows that were new, too, stand where Django would have put them."""
    for field in change.fields:
        named = field.get_cached_value(change.row, None) if field.is_relation else None
        if named is not None and id(named) in keys:
            setattr(change.row, field.attname, named.pk)


@cache
def _fields(model: type[models.Model], names: Names | None, without_key: bool) -> list[Any]:
    every = model._meta.concrete_fields
    if names is None:
        return [field for field in every if not (without_key and field.primary_key)]
    return [field for field in every if field.attname in names]


@cache
def _text(shapes: tuple[Any, ...], places: tuple[int | None, ...]) -> str:
    """One part of the statement for each row; its answer asks for their keys one by one, which has
    them written one by one. Of models there are names here, every value is a parameter."""
    marks = iter("%s" if place is None else _key_of(place) for place in places)
    quote = connection.ops.quote_name
    parts = []
    for number, (model, names, without_key) in enumerate(shapes):
        table, key = quote(model._meta.db_table), quote(model._meta.pk.column)
        columns = [quote(field.column) for field in _fields(model, names, without_key)]
        if names is None:
            values = ", ".join(next(marks) for _ in columns)
            text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608
        else:
            values = ", ".join(f"{column} = {next(marks)}" for column in columns)
            text = f"UPDATE {table} SET {values} WHERE {key} = {next(marks)}"  # noqa: S608
        parts.append(f"c{number} AS ({text} RETURNING {key} AS key)")
    return f"WITH {', '.join(parts)} SELECT {', '.join(map(_key_of, range(len(parts))))}"


def _key_of(number: int) -> str:
    return f"(SELECT key FROM c{number})"  # noqa: S608 - a number
