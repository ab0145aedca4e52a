"""What the lists of the ASD have in common."""

from typing import Any

from django.http import HttpRequest

from workflow import paging

SIZE = 25
CHUNK = 500


def page_of(request: HttpRequest, rows: Any) -> Any:
    """The page of a list that was asked for."""
    return paging.page_of(rows, request.GET.get("page"), SIZE)
