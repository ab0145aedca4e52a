"""Rows of a page that are mostly drawn already: known by what was read, made into instances only
where somebody asks for more than a column.

A list draws a row once for the same facts (`{% remembered %}`); to make an instance of each row,
with those beside it, takes longer than to look its piece up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from workflow.prepared import Reading, Sets
from workflow.statements import Instances, Many, Statement, many


class Drawn:
    """A row as the database gave it."""

    __slots__ = ("_made", "_part", "facts")

    def __init__(self, part: "Rows", values: list[Any]) -> None:
        self._part, self._made = part, None
        self.facts = values
        """All that was read of it, as plain values."""

    @property
    def made(self) -> Any:
        """The row as an instance of its model, with what was read beside it."""
        if self._made is None:
            self._made = self._part.instances.made([self.facts])[0]
        return self._made

    def __getattr__(self, name: str) -> Any:
        place = self._part.places.get(name)
        return getattr(self.made, name) if place is None else self._part.value(self.facts, place)


@dataclass(frozen=True)
class Rows:
    """One set in a statement, whose rows stay as they were read."""

    instances: Instances
    places: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.instances.name

    def value(self, facts: list[Any], place: int) -> Any:
        """One column of a row."""
        number, rest = divmod(place, len(facts[0]))  # a row is an array of arrays
        value, convert = facts[number][rest], self.instances.converts[place]
        return value if value is None or convert is None else convert(value)

    def made(self, rows: list[list[Any]]) -> list[Any]:
        return [Drawn(self, values) for values in rows]

    @classmethod
    def of(cls, part: Instances) -> "Rows":
        shape = part.shape
        own = enumerate(shape.attnames, start=shape.start)
        places = {name: place for place, name in own} | dict(shape.annotations)
        return cls(part, places)


def _kept(sets: Many, names: tuple[str, ...]) -> Many:
    parts = [Rows.of(part) if part.name in names else part for part in sets.parts]
    return replace(sets, parts=parts)


class Drawing(Reading):
    """A reading in which the rows of some sets stay as they were read."""

    def __init__(
        self,
        make: Callable[..., Sets],
        kinds: dict[str, type],
        name: str,
        drawn: tuple[str, ...],
    ) -> None:
        super().__init__(make, kinds, name)
        self.drawn = drawn

    @cached_property
    def _made(self) -> tuple[list[str], Many, Statement]:
        names, sets, statement = super()._made
        return names, _kept(sets, self.drawn), statement


def drawing(*drawn: str, **kinds: type) -> Callable[[Callable[..., Sets]], Drawing]:
    """As `reading`, with the sets of these names as `Drawn` rows."""

    def made(make: Callable[..., Sets]) -> Drawing:
        return Drawing(make, kinds, make.__name__, drawn)

    return made


def read_drawn(*drawn: str, **sets: QuerySet[Any, Any]) -> dict[str, list[Any]]:
    """As `prepared.read`, with the sets of these names as `Drawn` rows."""
    found = _kept(many(sets), drawn)
    rows = found.made(Statement(found.sql, found.params, ()).run(())) if found.parts else {}
    return {name: rows.get(name, []) for name in sets}
