"""Which request is copied, into which world, and when: a plan of whole numbers for numpy."""

from dataclasses import dataclass

import numpy as np

from config.generate.exemplars import Exemplar
from config.generate.moments import Days
from config.generate.worlds import Worlds

OPEN_SHARE = 0.1
YEARS = 6
# by kind; without: never triaged
CLOSED_MIX = {"assistance": 0.45, "enhancement": 0.38, "": 0.07}
NEW_SERVICES = 3  # made by ended requests, for the square root of all
RUSH = np.array([1.25, 1.1, 1.0, 0.95, 0.7])  # arrivals Monday to Friday


@dataclass
class Plan:
    """One number per copy, in the order of arrival."""

    exemplar: np.ndarray
    world: np.ndarray
    start: np.ndarray  # number of the first day among the exemplar's days
    scale: np.ndarray  # how much longer than the demo's it took


def make(count: int, seed: int, exemplars: list[Exemplar], worlds: Worlds, days: Days) -> Plan:
    """Arrivals with a weekly rhythm that grow over the years; durations with heavy tails."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(exemplars), count, p=_weights(exemplars, count))
    is_open = np.array([e.is_open for e in exemplars])[chosen]
    first = np.array([e.days.index(e.first) for e in exemplars])[chosen]
    last = np.array([e.days.index(e.last) for e in exemplars])[chosen]
    today = np.array([e.days.today for e in exemplars])[chosen]
    length = np.maximum(last - first, 1)
    scale = np.clip(rng.lognormal(0.3, 0.7, count), 1.0, 12.0)
    span = int(np.searchsorted(days.working, days.working[days.today] - YEARS * 365))
    weekday = np.array([(days.working[n] - 1) % 7 for n in range(span, days.today)])
    growth = np.linspace(0.6, 1.4, days.today - span)
    pull = RUSH[np.minimum(weekday, 4)] * growth
    arrived = rng.choice(np.arange(span, days.today), count, p=pull / pull.sum())
    theirs = list({id(e.days): e.days for e in exemplars}.values())
    number = np.array([[d.index(day) for day in days.working] for d in theirs])
    which = np.array([theirs.index(e.days) for e in exemplars])[chosen]
    span, arrived = number[which, span], number[which, arrived]
    ended = arrived + np.ceil((length + 1) * scale).astype(int) + 1
    closed_start = np.maximum(span, arrived - np.maximum(0, ended - today + 1))
    scale = np.where(is_open, scale, np.minimum(scale, (today - 1 - closed_start) / (length + 1)))
    age = np.maximum(1, today - first)
    open_start = np.maximum(span, today - np.maximum(1, np.round(age * scale)).astype(int))
    start = np.where(is_open, open_start, closed_start)
    order = np.argsort(_dates(theirs, which, start), kind="stable")
    world = rng.choice(worlds.count, count, p=worlds.weights)
    return Plan(chosen[order], world[order], start[order], scale[order])


def _dates(theirs: list[Days], which: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The dates (ordinals) of days given by number."""
    dates = np.zeros_like(numbers)
    for n, days in enumerate(theirs):
        mine = which == n
        dates[mine] = np.array(days.working)[numbers[mine]]
    return dates


def _weights(exemplars: list[Exemplar], count: int) -> np.ndarray:
    """How often each history is copied.

    An office ten times as large does not offer ten times as many services: of the ended histories
    those that made one are as many as the square root of all allows, and others of their kind take
    their place. What is open keeps the demo's proportions, so that every queue is full.
    """
    kinds = ["open" if e.is_open else e.kind for e in exemplars]
    news = np.array([e.makes_service and not e.is_open for e in exemplars])
    weights = np.zeros(len(exemplars))
    for kind, share in {"open": OPEN_SHARE, **CLOSED_MIX}.items():
        mine = np.array([k == kind for k in kinds])
        makers, others = mine & news, mine & ~news
        if makers.any():
            most = NEW_SERVICES * count**-0.5 if others.any() else share
            weights[makers] = min(share / mine.sum(), most / makers.sum())
        if others.any():
            weights[others] = (share - weights[makers].sum()) / others.sum()
    return weights / weights.sum()
