"""Pages of lists that cost the same however long the list is: nothing counts past a thousand."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST = 1000


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
        return len(rows)

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
        return f"{self.count:,}{'+' if self.is_capped else ''}"


def page_of(rows: Any, number: Any, size: int, in_order: bool = False) -> Page[Any]:
    """One page of a list; a wrong number leads to the nearest page that exists."""
    return CappedPaginator(rows, size, in_order).get_page(number)
