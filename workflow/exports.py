"""CSV of what a list shows, streamed, with cells that a spreadsheet would run made harmless."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

RISKY = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
Column = tuple[str, str | Callable[[Any], Any]]


class _Echo:
    @staticmethod
    def write(value: str) -> str:
        return value


def value_of(row: Any, column: str | Callable[[Any], Any]) -> Any:
    """A column's value: by a function, or by a dotted path over attributes and methods."""
    if not isinstance(column, str):
        return column(row)
    value = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        value = value() if callable(value) else value
    return value


def cell(value: Any) -> Any:
    """Numbers stay numbers; a text that a spreadsheet would take for a formula gets a quote."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
    if not isinstance(value, str | int | float | Decimal):
        value = str(value)
    if isinstance(value, str) and value.lstrip(" \n").startswith(RISKY):
        return f"'{value}"
    return value


def csv_response(
    rows: Iterable[Any], columns: Sequence[Column], filename: str
) -> StreamingHttpResponse:
    """A download of `rows`; a column is its title and a function or dotted path of a row."""

    def lines() -> Iterator[str]:
        writer = csv.writer(_Echo())
        yield "\ufeff" + writer.writerow([title for title, _ in columns])
        for row in rows:
            yield writer.writerow([cell(value_of(row, column)) for _, column in columns])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
