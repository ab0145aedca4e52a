"""A page of two lists one after the other, with the choices of its filter: read together."""

from typing import Any

from django.core.paginator import Page
from django.db.models import QuerySet

from workflow.models import User
from workflow.paging import CappedPaginator
from workflow.prepared import HowMany, read


def page_of_two(
    user: User,
    number: Any,
    first: QuerySet[Any],
    rest: QuerySet[Any],
    size: int,
    **beside: QuerySet[Any, Any],
) -> tuple[Page[Any], dict[str, list[Any]]]:
    """The page of `first` and then `rest`, and the rows of what is read beside it. One statement
    for the first page, two for others. Each list is counted up to a thousand and one."""
    counts = User.objects.filter(pk=user.pk).values_list(HowMany(first), HowMany(rest))
    found = read(counts=counts, first=first[:size], rest=rest[:size], **beside)
    lead, others = found["counts"][0]
    paginator = CappedPaginator([], size)
    paginator._found = lead + others
    page = paginator.get_page(number)
    page.object_list = [*found["first"], *found["rest"]][:size]
    if page.number > 1:
        page.object_list = _further(first, rest, lead, (page.number - 1) * size, size)
    return page, found


def _further(first: Any, rest: Any, lead: int, start: int, size: int) -> list[Any]:
    sets = {}
    if start < lead:
        sets["first"] = first[start : min(start + size, lead)]
    if start + size > lead:
        sets["rest"] = rest[max(0, start - lead) : start + size - lead]
    return [row for rows in read(**sets).values() for row in rows]
