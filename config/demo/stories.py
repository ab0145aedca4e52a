"""Histories of requests, each told step by step through the same actions that people use.

A story is a generator: it does one thing, then yields the working hours until the next.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

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
from config.demo.teller import Story, Teller
from requests_app.states import S
from workflow import clock
from workflow.worktime import STANDARD, add_minutes


def tell_all(org: Organisation, count: int, seed: int) -> int:
    """Tell `count` stories that end today or before; returns how many were told."""
    rng = random.Random(seed)
    plan = _plan(rng, count)
    for number, (story, stop_at, start) in enumerate(plan):
        with clock.acting_at(start):
            teller = Teller(org, random.Random(seed * 1000 + number), stop_at)
        _tell(teller, story, start)
    return len(plan)


def _tell(teller: Teller, story: Callable[[Teller], Story], start: datetime) -> None:
    """Run one story from its start until it ends, reaches its state, or the present."""
    now = clock.now()
    moment = start
    steps = story(teller)
    while True:
        with clock.acting_at(moment):
            try:
                wait = next(steps)
            except StopIteration:
                return
        if teller.stop_at and teller.request.state == teller.stop_at:
            return
        moment = add_minutes(moment, max(1, int(wait * 60)), STANDARD)
        if moment >= now:
            return


def _plan(rng: random.Random, count: int) -> list[tuple[Any, str, datetime]]:
    """Which stories, where each stops, and when each starts; every state is there."""
    now = clock.now()

    def ago(low: float, high: float) -> datetime:
        moment = now - timedelta(days=rng.uniform(low, high))
        return add_minutes(moment, 0, STANDARD)

    plan: list[tuple[Any, str, datetime]] = []
    for story, stop_at, copies, low, high in [
        (fresh, "", 6, 0.1, 6),
        (assistance, S.PENDING, 7, 0.5, 6),
        (assistance, S.ASSIGNED, 6, 1, 6),
        (held, "", 3, 3, 10),
        (enhancement, S.AWAITING_SCHEDULING, 6, 2, 8),
        (enhancement, S.SCHEDULED, 16, 1, 5),
        (enhancement, S.PLANNING, 4, 14, 24),
        (enhancement, S.IN_FULFILLMENT, 6, 18, 30),
        (enhancement, S.TESTING, 4, 26, 40),
        (charged, S.BILLING, 4, 30, 45),
        (enhancement, S.CUSTOMER_NOTICE, 4, 28, 40),
        *((story, stop, copies, low, high) for story, stop, copies, low, high in DISCOVERY_STORIES),
        (declined, "", 5, 10, 100),
        (cancelled, "", 4, 10, 100),
    ]:
        plan += [(story, str(stop_at), ago(low, high)) for _ in range(copies)]
    rest = max(0, count - len(plan))
    for _ in range(rest):
        story = rng.choices([assistance, enhancement, charged], [6, 3, 2])[0]
        plan.append((story, "", ago(45 if story is not assistance else 8, DAYS)))
    plan.sort(key=lambda row: row[2])
    return plan
