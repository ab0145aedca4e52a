"""What the lists of the ASD have in common."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest

SIZE = 25
CHUNK = 500


def page_of(request: HttpRequest, rows: Any) -> Any:
    """The page of a list that was asked for."""
    return Paginator(rows, SIZE).get_page(request.GET.get("page"))
