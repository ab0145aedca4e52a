"""Statements whose text is written once: a page asks the same question each time it is drawn, and
Django takes longer to write a wide one than the database takes to answer it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

from django.db import connection, models
from psycopg2.extensions import AsIs

from workflow.statements import Shape, Statement, mark

Make = Callable[..., models.QuerySet[Any]]
_numbers = count(1)
KEPT = "throughline.found"
WHAT_IS_KEPT = AsIs(f"nullif(current_setting('{KEPT}', true), '')::bigint")


@dataclass(frozen=True)
class _Text:
    """What the database is asked, and how its answer becomes rows."""

    statement: Statement
    shape: Shape
    compiler: Any
    converters: Any

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in a row the columns of the model itself stand, and what was annotated."""
        own = enumerate(self.shape.attnames, start=self.shape.start)
        return {column: place for place, column in own} | dict(self.shape.annotations)

    @cached_property
    def keeping(self) -> Statement:
        """Keeps the one value of its one row, or an empty text, until the transaction ends."""
        sql = f"SELECT set_config('{KEPT}', coalesce(({self.statement.sql})::text, ''), true)"
        name = self.statement.name and f"{self.statement.name}_kept"
        return replace(self.statement, sql=sql, name=name)

    def rows(self, values: Sequence[Any]) -> Any:
        found = self.statement.run(values)
        return self.compiler.apply_converters(found, self.converters) if self.converters else found


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
            self._made = self._text.shape.instance(self.facts)
        return self._made

    def __getattr__(self, name: str) -> Any:
        place = self._text.places.get(name)
        return getattr(self.made, name) if place is None else self.facts[place]


@dataclass
class Written:
    """A queryset as a statement with places for values, in a text made at its first use.

    `make` gets the values by name and gives the queryset: an ordinary one whose shape does not
    hang on what the values are. They are numbers, texts, days, moments, or a list of keys for
    `AmongValues`; nothing else may differ from one use to the next, not even the day. `planned`
    keeps the database's plan too, for what joins many tables.
    """

    make: Make
    planned: bool = False
    _texts: dict[Any, _Text] = field(default_factory=dict)

    def tuples(self, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a queryset of `values_list`."""
        return [tuple(row) for row in self._text(values).rows([*values.values()])]

    def instances(self, **values: Any) -> list[Any]:
        """The rows as model instances with what they select along, as the queryset makes them."""
        text = self._text(values)
        return [text.shape.instance(row) for row in text.rows([*values.values()])]

    def as_read(self, **values: Any) -> list[AsRead]:
        """The rows as plain values, from which instances are made when they are wanted."""
        text = self._text(values)
        return [AsRead(text, row) for row in text.rows([*values.values()])]

    def before(self, then: Statement, more: Sequence[Any], **values: Any) -> Any:
        """The rows of another statement for the key that this queryset finds: it selects one key of
        one row at most, and may lock that row. The key, NULL where there is none, comes first among
        the values of the other, then `more`. Both go in one message, in a transaction."""
        keeping = self._text(values).keeping
        return then.run_after(keeping, [*values.values()], [WHAT_IS_KEPT, *more])

    def _text(self, values: dict[str, Any]) -> _Text:
        key = tuple((name, type(value)) for name, value in values.items())
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = self._write(values)
        return found

    def _write(self, values: dict[str, Any]) -> _Text:
        marks = {name: mark(type(value), n) for n, (name, value) in enumerate(values.items())}
        compiler: Any = self.make(**marks).query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        name = f"written_{next(_numbers)}" if self.planned else ""
        return _Text(
            statement=Statement(sql, list(params), tuple(marks.values()), name),
            shape=Shape.of(compiler),
            compiler=compiler,
            converters=compiler.get_converters([select[0] for select in compiler.select]),
        )
