"""Histories of requests, each told step by step through the same actions that people use.

A story is a generator: it does one thing, then yields the working hours until the next.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from config.demo.crowded_schedule import crowd
from config.demo.discovery_stories import DISCOVERY_STORIES
from config.demo.enhancement_stories import (
    assistance,
    cancelled,
    charged,
    declined,
    enhancement,
    fresh,
    held,
)
from config.demo.organisation import DAYS, Organisation
from config.demo.schedule_stories import SCHEDULE_STORIES
from config.demo.teller import Story, Teller
from requests_app.escalation import sound
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.worktime import STANDARD, add_minutes

DEEP = (S.PLANNING, S.IN_FULFILLMENT, S.TESTING, S.BILLING, S.CUSTOMER_NOTICE)


def tell_all(org: Organisation, count: int, seed: int) -> int:
    """Tell `count` stories that end today or before; returns how many were told."""
    rng = random.Random(seed)
    plan = _plan(rng, count)
    for number, (story, stop_at, start) in enumerate(plan):
        luck = seed * 1000 + number
        if stop_at in DEEP:
            start = _later(org, story, stop_at, start, luck)
        _tell(_teller(org, stop_at, start, luck), story, start)
    crowd(org, seed)
    return len(plan)


def _teller(org: Organisation, stop_at: str, start: datetime, luck: int) -> Teller:
    with clock.acting_at(start):
        return Teller(org, random.Random(luck), stop_at)


def _later(
    org: Organisation, story: Callable[[Teller], Story], stop_at: str, start: datetime, luck: int
) -> datetime:
    """A start from which it has reached its state just now: told once, and taken back.

    What would stand in its state for weeks would look forgotten, and forecasts would be wrong.
    """
    with transaction.atomic():
        reached = _tell(_teller(org, stop_at, start, luck), story, start)
        transaction.set_rollback(True)
    since = timedelta(hours=random.Random(luck).uniform(2, 40))
    later = start + (clock.now() - reached) - since
    return add_minutes(max(start, later), 0, STANDARD)


def _tell(teller: Teller, story: Callable[[Teller], Story], start: datetime) -> datetime:
    """Run one story until it ends, reaches its state, or the present: returns that moment."""
    now = clock.now()
    moment = start
    steps = story(teller)
    while True:
        with clock.acting_at(moment):
            try:
                wait = next(steps)
            except StopIteration:
                return moment
        if teller.stop_at and teller.request.state == teller.stop_at:
            _alarms(teller, now)
            return moment
        then = add_minutes(moment, max(1, int(wait * 60)), STANDARD)
        _alarms(teller, min(then, now))
        if then >= now:
            return now
        moment = then


def _alarms(teller: Teller, until: datetime) -> None:
    """Who was told meanwhile that the time runs out, at the moments at which it did (F1)."""
    while True:
        with transaction.atomic():
            request = Request.objects.select_for_update(of=("self",)).get(pk=teller.request.pk)
            if request.alarm_at is None or request.alarm_at > until:
                return
            with clock.acting_at(request.alarm_at):
                sound(request)


def _plan(rng: random.Random, count: int) -> list[tuple[Any, str, datetime]]:
    """Which stories, where each stops, and when each starts; every state is there."""
    now = clock.now()

    def ago(low: float, high: float) -> datetime:
        moment = now - timedelta(days=rng.uniform(low, high))
        worked = add_minutes(moment, 0, STANDARD)
        return worked if worked <= now else moment  # asked for on a day off, like today

    plan: list[tuple[Any, str, datetime]] = []
    for story, stop_at, copies, low, high in [
        (fresh, "", 6, 0.1, 6),
        (assistance, S.PENDING, 7, 0.3, 3),
        (assistance, S.ASSIGNED, 6, 0.8, 4),
        (held, "", 3, 3, 10),
        (enhancement, S.AWAITING_SCHEDULING, 6, 0.5, 4),
        (enhancement, S.SCHEDULED, 16, 1, 5),
        (enhancement, S.PLANNING, 4, 14, 24),
        (enhancement, S.IN_FULFILLMENT, 6, 18, 30),
        (enhancement, S.TESTING, 4, 26, 40),
        (charged, S.BILLING, 4, 30, 45),
        (enhancement, S.CUSTOMER_NOTICE, 4, 28, 40),
        *((story, stop, copies, low, high) for story, stop, copies, low, high in DISCOVERY_STORIES),
        *SCHEDULE_STORIES,
        (declined, "", 5, 10, 100),
        (cancelled, "", 4, 10, 100),
    ]:
        plan += [(story, str(stop_at), ago(low, high)) for _ in range(copies)]
    rest = max(0, count - len(plan))
    for _ in range(rest):
        story = rng.choices([assistance, enhancement, charged], [6, 3, 2])[0]
        plan.append((story, "", ago(15 if story is not assistance else 2, DAYS)))
    plan.sort(key=lambda row: row[2])
    return plan
