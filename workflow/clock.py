"""What time it is, so that the demo and imports can act in the past through the same door."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, tzinfo
from functools import lru_cache

from django.utils import timezone

QUARTER = 15 * 60  # seconds; no day of any zone begins within one
_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


def now() -> datetime:
    """The moment the current action happens (aware, UTC in the database)."""
    return _moment.get() or timezone.now()


def today() -> date:
    """The organisation's local date: what a person means by today."""
    return _day_of(int(now().timestamp()) // QUARTER, timezone.get_default_timezone())


@lru_cache(maxsize=16)
def _day_of(quarter: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(quarter * QUARTER, zone).date()


def local(moment: datetime) -> datetime:
    """A moment by the organisation's clocks: there is one zone for everybody."""
    return moment.astimezone(timezone.get_default_timezone())


def in_the_past() -> bool:
    """Whether history is being written: its notices are recorded but never sent."""
    return _moment.get() is not None


@contextmanager
def acting_at(moment: datetime) -> Iterator[None]:
    """Do what follows as if it were `moment`. For the demo and import commands only."""
    token = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(token)
