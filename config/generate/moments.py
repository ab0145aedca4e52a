"""Moving a history in time by working days, so that weekends stay empty and order is kept."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from workflow.worktime import Hours

EPOCH = date(1970, 1, 1).toordinal()
TIMES = [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)]


DAYS_BACK = 10 * 365
DAYS_AHEAD = 3 * 365


class Days:
    """The days around today on which any of the calendars has hours, and what each is in UTC."""

    def __init__(self, today: date, calendars: Iterable[Hours]) -> None:
        first = today - timedelta(days=DAYS_BACK)
        span = [first + timedelta(days=n) for n in range(DAYS_BACK + DAYS_AHEAD)]
        open_on = [hours.on for hours in calendars]
        self.working = [d.toordinal() for d in span if any(on(d) for on in open_on)]
        self.texts = {d.toordinal() + n: (d + timedelta(days=n)).isoformat()
                      for d in span for n in (0, 1)}  # fmt: skip
        zone = timezone.get_default_timezone()
        self.offsets = {d.toordinal(): _offset(d, zone) for d in span}
        self.today = self.index(today.toordinal())

    def index(self, ordinal: int) -> int:
        """The number of the last working day that is not after the day."""
        return max(0, bisect_right(self.working, ordinal) - 1)

    def stamp(self, ordinal: int, second: int) -> tuple[int, int]:
        """A local day and second as UTC: day since the epoch, second of that day."""
        moment = (ordinal - EPOCH) * 86_400 + second - self.offsets[ordinal]
        return divmod(moment, 86_400)


def _offset(day: date, zone: ZoneInfo | object) -> int:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)  # type: ignore[arg-type]
    shift = noon.utcoffset()
    return int(shift.total_seconds()) if shift else 0


def local(moment: datetime) -> tuple[int, int]:
    """A moment as local day (ordinal) and second of the day; fractions are dropped."""
    here = timezone.localtime(moment)
    return here.toordinal(), here.hour * 3600 + here.minute * 60 + here.second


@dataclass
class Shift:
    """Where the days of one history go.

    Ended histories are anchored at their first day, which becomes `start` (a working-day number).
    Open ones are anchored at today, so that what is planned for tomorrow stays ahead; their past
    is stretched. `scale` stretches working days: by one or more, so that no two days become one.
    `own` moves single planned days elsewhere.
    """

    days: Days
    anchor: int
    start: int
    scale: float
    is_open: bool
    own: dict[int, int]

    def day(self, ordinal: int) -> int:
        """The local day on which what happened on `ordinal` happens in the copy."""
        if ordinal in self.own:
            return self.own[ordinal]
        days = self.days
        apart = days.index(ordinal) - self.anchor
        if self.is_open:
            if ordinal >= days.working[self.anchor]:
                return ordinal
            back = int(-apart * self.scale + 0.5)
            return days.working[max(0, self.anchor - back)]
        there = self.start + int(apart * self.scale + 0.5)
        return days.working[max(0, min(there, len(days.working) - 1))]
