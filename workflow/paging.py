"""Pages of lists that cost the same however long the list is: nothing counts past a thousand."""

from collections.abc import Callable, Iterator
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST = 1000


def said(count: int) -> str:
    """A count as people read it, where nobody counts past a thousand: 7, or 1,000+."""
    return f"{MOST:,}+" if count > MOST else f"{count:,}"


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts and shows the first thousand rows; whoever looks for others narrows the list.

    `in_order` is for a list that an index gives in its order: it is counted along that index.
    Without it the database may read a whole table to find a thousand rows.
    """

    def __init__(self, rows: Any, size: int, in_order: bool = False) -> None:
        super().__init__(rows, size)
        self.in_order = in_order

    @cached_property
    def _found(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            counted = rows if self.in_order else rows.order_by()
            return counted[: MOST + 1].count()
        return rows.count() if isinstance(rows, Chained | Keyed) else len(rows)

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self._found, MOST)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than are counted."""
        return self._found > MOST

    @property
    def counted(self) -> str:
        """The count as people read it: 7, or 1,000+."""
        return said(self._found)


class Chained:
    """Rows of one list and then those of another, paged through without sorting them together."""

    def __init__(self, first: QuerySet[Any], rest: QuerySet[Any]) -> None:
        self.first, self.rest = first, rest

    @cached_property
    def _leading(self) -> int:
        return self.first.order_by()[: MOST + 1].count()

    def count(self) -> int:
        """How many there are, counted up to a thousand and one."""
        return self._leading + self.rest.order_by()[: MOST + 1].count()

    def __getitem__(self, part: slice) -> list[Any]:
        start, stop, lead = part.start or 0, part.stop, self._leading
        found = list(self.first[start : min(stop, lead)]) if start < lead else []
        if stop > lead:
            found += self.rest[max(0, start - lead) : stop - lead]
        return found

    def iterator(self, chunk_size: int) -> Iterator[Any]:
        """All of them, for an export."""
        yield from self.first.iterator(chunk_size)
        yield from self.rest.iterator(chunk_size)


class Keyed:
    """Rows that are found by their keys, a thousand and one at most, and read a page at a time.

    One statement counts and orders; `read` gets the keys of the page and gives its rows, by a
    statement whose joins are none of the list's business.
    """

    def __init__(self, found: QuerySet[Any], read: Callable[[list[Any]], list[Any]]) -> None:
        self.found, self.read = found, read

    @cached_property
    def keys(self) -> list[Any]:
        """The keys of the rows in the list's order, as far as anybody pages."""
        return list(self.found.values_list("pk", flat=True)[: MOST + 1])

    def count(self) -> int:
        """How many there are, counted up to a thousand and one."""
        return len(self.keys)

    def __getitem__(self, part: slice) -> list[Any]:
        return self.read(self.keys[part])


def page_of(rows: Any, number: Any, size: int, in_order: bool = False) -> Page[Any]:
    """One page of a list; a wrong number leads to the nearest page that exists."""
    return CappedPaginator(rows, size, in_order).get_page(number)
