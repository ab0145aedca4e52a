"""What a page reads each time it is asked for: many querysets as one statement, made only once.

`read` writes its statement anew for every page. A page that is open all day declares
what it reads; Django then writes the text once in a process, and the database plans it once on a
connection: both take longer than to read a page of rows.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from django.db.models import IntegerField, Model, QuerySet, Subquery

from workflow.paging import MOST
from workflow.statements import Many, Statement, many, mark
from workflow.together import give

Sets = dict[str, QuerySet[Any, Any]]
_names: set[str] = set()


class HowMany(Subquery):
    """How many rows a queryset has, counted up to a thousand and one."""

    empty_result_set_value = 0
    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any, Any], most: int = MOST + 1) -> None:
        super().__init__(rows.order_by().values("pk")[:most])


class Reading:
    """Querysets that are read together, as a function of a few values. Made by `reading`.

    What the querysets are narrowed by are keys (one, or a list with `AmongValues`), days and
    moments; whatever changes from one page to the next has to be among them, "now" and "today"
    too. A set of `values_list` gives tuples; what a set prefetches is left out. One without a name
    is planned each time: for sets whose best plan hangs on the values (whose requests are few,
    whose many).
    """

    def __init__(self, make: Callable[..., Sets], kinds: dict[str, type], name: str = "") -> None:
        self.make, self.kinds = make, kinds
        self.name = f"reading_{name}" if name else ""
        if self.name in _names:
            raise ValueError(f"There is a reading of the name {name} already.")
        _names.update({self.name} - {""})

    @cached_property
    def _made(self) -> tuple[list[str], Many, Statement]:
        marks = {name: mark(kind, n) for n, (name, kind) in enumerate(self.kinds.items())}
        sets = self.make(**marks)
        found = many(sets)
        statement = Statement(found.sql, found.params, tuple(marks.values()), self.name)
        return list(sets), found, statement

    def __call__(self, **values: Any) -> dict[str, list[Any]]:
        """The rows of each set. One statement."""
        names, sets, statement = self._made
        found = sets.made(statement.run([values[name] for name in self.kinds]))
        return {name: found.get(name, []) for name in names}


def read(**sets: QuerySet[Any, Any]) -> dict[str, list[Any]]:
    """The rows of each set by one statement that is written for this once; for sets that are
    narrowed by what changes from person to person. A set of `values_list` gives tuples."""
    found = many(sets)
    rows = found.made(Statement(found.sql, found.params, ()).run(())) if found.parts else {}
    return {name: rows.get(name, []) for name in sets}


def hand_over(owners: Iterable[Model], accessor: str, rows: list[Any]) -> None:
    """Give each owner its own of these rows, as if they had been prefetched."""
    give(owners, accessor, rows)


def reading(**kinds: type) -> Callable[[Callable[..., Sets]], Reading]:
    """Declare what is read together: `@reading(group=int, today=date)` over a function of these
    names that gives querysets by name."""

    def made(make: Callable[..., Sets]) -> Reading:
        return Reading(make, kinds, make.__name__)

    return made
