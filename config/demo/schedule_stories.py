"""Stories that fill the 60-day schedule: spread, fixed, swapped for another, missed, later (F2)."""

from datetime import timedelta
from typing import Any

from config.demo.enhancement_stories import triaged
from config.demo.teller import Story, Teller
from requests_app.states import S
from workflow import clock
from workflow.registry import InvalidFacts
from workflow.worktime import STANDARD, add_working_days


def _book(t: Teller, days_ahead: int, hours: int, **more: Any) -> bool:
    """By the lead, on that day or the next one with room."""
    facts = {"charge_expected": "no", "estimate_hours": hours, **more}
    return _where_there_is_room(t, "schedule", days_ahead, hours=hours, **facts)


def _where_there_is_room(t: Teller, action: str, days_ahead: int, **facts: Any) -> bool:
    day = add_working_days(clock.today(), days_ahead, STANDARD)
    lead = t.org.lead(t.request.provider_group)
    for _ in range(15):
        try:
            t.do(action, lead, day=day.isoformat(), **facts)
        except InvalidFacts:
            day = add_working_days(day, 1, STANDARD)
        else:
            return True
    return False


def planned(t: Teller) -> Story:
    """Placed some weeks ahead; now and then spread thin, now and then fixed."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    if t.request.state != S.AWAITING_SCHEDULING:
        return
    hours = t.rng.choice([4, 8, 12, 20, 30])
    thin = {"per_day": "4"} if hours >= 20 else {}
    if _book(t, t.rng.randint(3, 28), hours, **thin) and t.rng.random() < 0.25:
        t.do("fix_slot", t.org.lead(t.request.provider_group))
    yield 1000


def bumped(t: Teller) -> Story:
    """Taken off again for something more urgent: its hours are known, so one button books it."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    if t.request.state != S.AWAITING_SCHEDULING:
        return
    if _book(t, t.rng.randint(2, 6), t.rng.choice([4, 6, 10])):
        lead = t.org.lead(t.request.provider_group)
        t.do("unschedule", lead, reason="Made room for something more urgent.")
    yield 1000


def missed(t: Teller) -> Story:
    """Its day passed, it got another one, and that passed as well."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    if t.request.state != S.AWAITING_SCHEDULING or not _book(t, 1, 4):
        return
    yield 27
    _where_there_is_room(t, "reschedule", 1, hours=4, reason="Nobody had begun it.")
    yield 1000


def later(t: Teller) -> Story:
    """Agreed with the customer for a time beyond the window."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    if t.request.state == S.AWAITING_SCHEDULING:
        day = clock.today() + timedelta(days=t.rng.randint(75, 110))
        t.do("set_earliest", t.rep, earliest_on=day.isoformat(), reason="The building opens then.")
    yield 1000


# story, where it stops, how many, begun so many days ago
SCHEDULE_STORIES = [
    (planned, "", 10, 2, 6),
    (bumped, "", 3, 1, 4),
    (missed, "", 3, 14, 16),
    (later, "", 3, 1, 8),
]
