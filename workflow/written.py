"""Statements whose text is written once: a page asks the same question each time it is drawn, and
Django takes longer to write a wide one than the database takes to answer it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection, models
from django.db.models.query import get_related_populators

Make = Callable[..., models.QuerySet[Any]]
# stand in for the values while the text is written; nothing real is one of them
NUMBER, TEXT, YEAR = -1_600_000_000, "stands in for value %d", 9000


@dataclass(frozen=True)
class _Text:
    """What the database is asked, and how its answer becomes rows."""

    sql: str
    params: list[Any]
    names: dict[Any, str]
    compiler: Any
    converters: Any
    columns: list[str]
    start: int
    end: int
    populators: list[Any]

    def run(self, values: dict[str, Any], around: str = "%s") -> Any:
        params = [values[self.names[p]] if p in self.names else p for p in self.params]
        with connection.cursor() as cursor:
            cursor.execute(around.replace("%s", self.sql), params)
            return cursor.fetchall()

    def rows(self, values: dict[str, Any]) -> Any:
        found = self.run(values)
        return self.compiler.apply_converters(found, self.converters) if self.converters else found


@dataclass
class Written:
    """A queryset as a statement with places for values, in a text made at its first use.

    `make` gets the values by name and gives the queryset: an ordinary one whose shape does not
    hang on what the values are. They are numbers, texts, days or moments; lists are none.
    """

    make: Make
    _texts: dict[Any, _Text] = field(default_factory=dict)

    def tuples(self, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a queryset of `values_list`."""
        return [tuple(row) for row in self._text(values).rows(values)]

    def count(self, **values: Any) -> int:
        """How many rows there are, up to the queryset's own end."""
        counted = self._text(values).run(values, "SELECT count(*) FROM (%s) AS counted")
        return int(counted[0][0])

    def instances(self, **values: Any) -> list[Any]:
        """The rows as model instances with what they select along, as the queryset makes them."""
        text = self._text(values)
        model = text.compiler.klass_info["model"]
        annotations = list((text.compiler.annotation_col_map or {}).items())
        made = []
        for row in text.rows(values):
            one = model.from_db(connection.alias, text.columns, row[text.start : text.end])
            for populator in text.populators:
                populator.populate(row, one)
            for name, place in annotations:
                setattr(one, name, row[place])
            made.append(one)
        return made

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
        info = compiler.klass_info
        places = info["select_fields"] if info else [0]
        start, end = places[0], places[-1] + 1
        return _Text(
            sql=sql,
            params=list(params),
            names={mark: name for name, mark in marks.items()},
            compiler=compiler,
            converters=compiler.get_converters([select[0] for select in compiler.select]),
            columns=[s[0].target.attname for s in compiler.select[start:end]] if info else [],
            start=start,
            end=end,
            populators=get_related_populators(info, compiler.select, connection.alias)  # type: ignore[call-arg]  # stubs of Django 6
            if info
            else [],
        )


def _stand_in(value: Any, number: int) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str | date):
        raise TypeError(f"{value!r} cannot be left open in a statement")
    if isinstance(value, int):
        return NUMBER - number
    if isinstance(value, str):
        return TEXT % number
    if isinstance(value, datetime):
        return datetime(YEAR, 1, 1 + number, tzinfo=value.tzinfo)
    return date(YEAR, 1, 1 + number)
