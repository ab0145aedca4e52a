"""The texts of statements that read the sets of a row, by keys that are given or by the row itself.

What is declared (`workflow/together.py`) becomes a text with places for the keys; made once for a
process, and planned once for a connection.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from psycopg2.extensions import AsIs

from workflow.statements import Many, Statement, many, mark

Make = Callable[["Marks"], models.QuerySet[Any]]
ITSELF = "itself"
NUMBERS = -1  # the part of a statement that draws numbers
_numbers = count(1)
_SENT = "sent"


@dataclass(frozen=True)
class Marks:
    """What a set may be narrowed by: keys of the thing itself and of what it belongs to.

    `pk` is the thing's, `content_type` its model's; others are fields of its row by their name.
    """

    names: dict[str, int]
    used: set[str] = field(default_factory=set)
    later: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        if name in self.later:
            return self.later[name]
        return self.names.setdefault(name, mark(int, len(self.names)))


@dataclass(frozen=True)
class Later:
    """Keys that a row has after a step, by the key that was sent with it: `keys` gives them by
    name, each as a queryset or the key itself; of what was read, `values` says what they are."""

    keys: Callable[[int], dict[str, Any]]
    values: Callable[[int, dict[str, list[Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Text:
    """What hangs on a row, by keys of the row."""

    sets: Many
    keys: list[str]
    statement: Statement

    def run(self, subject: models.Model) -> dict[str, list[Any]]:
        """The instances of each set."""
        return self.sets.made(self.rows(subject))

    def rows(self, subject: models.Model) -> list[Any]:
        """The database's answer."""
        return self.statement.run([_value(subject, key) for key in self.keys])


def by_keys(sets: dict[str, Make], name: str = "") -> Text:
    """Reads these sets by keys of the row that are given."""
    names: dict[str, int] = {}
    found = _many(sets, names)
    values = tuple(names.values())
    return Text(found, list(names), Statement(found.sql, found.params, values, name or _name()))


def with_numbers(text: Text, sequences: tuple[str, ...]) -> Text:
    """The same with the next numbers of these sequences."""
    numbers = ", ".join(["nextval(%s)"] * len(sequences))
    sql = f"{text.statement.sql} UNION ALL SELECT {NUMBERS}, json_build_array({numbers})::text"
    params = [*text.statement.params, *sequences]
    return replace(text, statement=replace(text.statement, sql=sql, params=params, name=_name()))


def by_row(
    model: type[models.Model], sets: dict[str, Make], changing: set[str], later: Later | None
) -> Text:
    """Reads a row by its key, its content type and, where there is a `later`, the key that is sent;
    and with it these sets. Other keys are those that stand in the row; in the sets that are
    `changing` those that will stand there later."""
    itself: Make = lambda about: model._base_manager.filter(pk=about.pk)  # noqa: E731
    known = ("pk", "content_type", *([_SENT] if later else []))
    marks = {key: mark(int, number) for number, key in enumerate(known)}
    given = tuple(marks.values())
    then = later.keys(marks[_SENT]) if later else {}
    found = _many({ITSELF: itself, **sets}, marks, dict.fromkeys(changing, then))
    stands = {
        value: AsIs(f"(SELECT {_column(model, key)} FROM it)")  # noqa: S608 - a column's name
        for key, value in marks.items()
        if value not in given
    }
    params = [stands.get(p, p) if type(p) is int else p for p in found.params]
    table, key = _quote(model._meta.db_table), _column(model, "pk")
    sql = f"WITH it AS MATERIALIZED (SELECT * FROM {table} WHERE {key} = %s) {found.sql}"  # noqa: S608
    return Text(found, [], Statement(sql, [given[0], *params], given, _name()))


def _many(
    sets: dict[str, Make], names: dict[str, int], later: dict[str, dict[str, Any]] | None = None
) -> Many:
    each = {of: Marks(names, later=(later or {}).get(of, {})) for of in sets}
    found = many({of: make(each[of]) for of, make in sets.items()})
    never_change = {"pk", "content_type"}
    parts = [
        replace(
            p, keys=frozenset(each[p.name].used - never_change), of_itself="pk" in each[p.name].used
        )
        for p in found.parts
    ]
    return replace(found, parts=parts)


def _name() -> str:
    return f"at_hand_{next(_numbers)}"


def _column(model: type[models.Model], attname: str) -> str:
    fields = model._meta.concrete_fields
    found = (f for f in fields if attname in (f.attname, "pk" if f.primary_key else ""))
    return _quote(str(next(found).column))


def _quote(name: str) -> str:
    return connection.ops.quote_name(name)


def _value(subject: Any, name: str) -> Any:
    if name == "content_type":
        return ContentType.objects.get_for_model(subject).pk
    return getattr(subject, name)
