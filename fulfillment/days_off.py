"""Why a group does not work on a day: the calendar's own note, or the name of the holiday."""

from datetime import date
from functools import lru_cache

import holidays

from workflow.models import Calendar


@lru_cache(maxsize=64)
def _names(subdivision: str, year: int) -> dict[date, str]:
    if not subdivision:
        return {}
    country, _, part = subdivision.partition("-")
    return dict(holidays.country_holidays(country, subdiv=part or None, years=year))


class DaysOff:
    """The reasons of a calendar's days off, read once (F1, F2)."""

    def __init__(self, calendar: Calendar | None) -> None:
        calendar = calendar or Calendar.objects.filter(is_default=True).first()
        self._where = calendar.holidays if calendar else "US-OK"
        self._notes = {e.day: e.note for e in calendar.exceptions.all()} if calendar else {}

    def why(self, day: date) -> str:
        """In words; empty for an ordinary weekend."""
        return self._notes.get(day) or _names(self._where, day.year).get(day, "")
