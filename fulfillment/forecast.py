"""When will it be done: a Monte Carlo over what the steps of the process took so far (F1).

Pure: arrays in, quantiles out; no database, no clock of its own. Time is counted in days (float)
since 1970-01-01, local. What is known at a moment is all that counts: `View` cuts the history off
there, so that a replay of the past cannot peek.

How it works. A request goes from step to step; every stay in a step is a *visit*. The rest of the
present visit is drawn from the visits to the same step that lasted at least as long already, the
visits after it from what followed in the past, until the end: a semi-Markov walk with its loops
and holds. Visits that are still going on count as far as they got (Kaplan-Meier). A group's own
visits weigh most; where it has few, those of the organisation fill up. Where the last visits
outlast everything seen, the tail goes on in proportion. Days and hours when nobody works are
learned from the events and squeezed. At last the quantiles are corrected by how forecasts of the
past came out (`Calibration`), so that "85 of 100" is true even where the walk is wrong.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DONE, UNKNOWN = -1, -2
LEVELS = (0.5, 0.85)
WALKS = 400
MOST_STEPS = 60
ENOUGH = 12
RECENT = 300.0
OTHERS = 12.0
FEW_BEYOND = 8
TAIL = 20
ALONE = 1.5
TICK = 1 / 48
ANY_STEP = -9
LATEST = 3000


class History(NamedTuple):
    """Every visit of every case to a step, in no particular order; times in days.

    `end` is inf while it lasts; `then` is the next step, DONE, or UNKNOWN (it lasts, or the case
    was withdrawn). `known` is the date that was planned for its end (a slot, a review), else nan;
    `back` the step to which a hold returns, else ANY_STEP.
    """

    case: Ints
    step: Ints
    start: Floats
    end: Floats
    then: Ints
    group: Ints
    kind: Ints
    known: Floats
    back: Ints


@dataclass(frozen=True)
class Axis:
    """Time as it counts: a week in which the hours with many events are long, and still 7 days."""

    ends: Floats

    @classmethod
    def learned(cls, moments: Floats) -> "Axis":
        """From when things happened; even where there are few events."""
        hour = (np.floor((moments + 3.0) % 7.0 * 24.0)).astype(int) % 168
        seen = np.bincount(hour, minlength=168).astype(float)
        smooth = (np.roll(seen, 1) + seen + np.roll(seen, -1)) / 3.0
        share = (smooth + 1.0) / (smooth.sum() + 168.0)
        share = 0.97 * share + 0.03 / 168.0
        return cls(np.concatenate([[0.0], np.cumsum(share) / share.sum()]) * 7.0)

    def of(self, moments: Floats) -> Floats:
        """Calendar time to time that counts."""
        weeks, rest = np.divmod(moments + 3.0, 7.0)
        return weeks * 7.0 + np.interp(rest * 24.0, np.arange(169.0), self.ends)

    def back(self, counted: Floats) -> Floats:
        """Time that counts to calendar time."""
        weeks, rest = np.divmod(counted, 7.0)
        return weeks * 7.0 + np.interp(rest, self.ends, np.arange(169.0)) / 24.0 - 3.0


class Cell:
    """How long visits like one take and where they lead, from weighted and cut-off observations."""

    def __init__(self, lasted: Floats, then: Ints, seen: NDArray[np.bool_], weight: Floats) -> None:
        order = np.argsort(lasted, kind="stable")
        lasted, then, seen, weight = lasted[order], then[order], seen[order], weight[order]
        at_risk = np.cumsum(weight[::-1])[::-1]
        hazard = np.where(seen, weight / np.maximum(at_risk, 1e-12), 0.0)
        before = np.concatenate([[1.0], np.cumprod(1.0 - np.minimum(hazard, 1.0))[:-1]])
        mass = before * hazard
        self.lasted, self.then = lasted[seen], then[seen]
        self.upto = np.concatenate([[0.0], np.cumsum(mass[seen])])
        top = max(1, min(TAIL, len(self.lasted) // 4))
        self.tail = self.lasted[-top:] if len(self.lasted) else self.lasted
        self.longest = float(lasted[-1]) if len(lasted) else 0.0

    def __bool__(self) -> bool:
        return len(self.lasted) > 0

    def _reach(self, after: float, chance: Floats) -> Ints | None:
        """Which observation each chance comes to, among those that lasted longer than `after`.

        A number past the last: longer than all that was seen. None where `after` itself is among
        the longest few already; a few that are no longest ones (there are only few) still count.
        """
        first = int(np.searchsorted(self.lasted, after, side="right"))
        left = len(self.lasted) - first
        if after > 0.0 and left < FEW_BEYOND and (left == 0 or after >= self.tail[0]):
            return None
        low = self.upto[first]
        found: Ints = np.searchsorted(self.upto, low + chance * (1.0 - low), side="right") - 1
        return found

    def quantiles(self, after: float) -> Floats:
        """Whole durations at each of LEVELS of what has lasted `after` already."""
        levels = np.array(LEVELS)
        stretch = np.quantile(self.tail, levels) / max(self.tail[0], 1e-6)
        if len(self.tail) == 1:
            stretch = np.full(len(levels), ALONE)
        at = self._reach(after, levels)
        if at is None:
            return after * np.maximum(stretch, 1.0 + 1e-3)
        known = self.lasted[np.minimum(at, len(self.lasted) - 1)]
        edge = max(after, self.longest)
        found: Floats = np.where(at < len(self.lasted), known, edge * np.maximum(stretch, 1.0))
        return found

    def draw(self, after: float, chance: Floats, rng: np.random.Generator) -> tuple[Floats, Ints]:
        """Whole durations of visits that have lasted `after` already, and where they lead."""
        at = self._reach(after, chance)
        if at is None:
            return self._beyond(np.full(len(chance), after), rng)
        outside = at >= len(self.lasted)
        at = np.minimum(at, len(self.lasted) - 1)
        drawn, then = self.lasted[at].copy(), self.then[at].copy()
        if outside.any():
            edge = np.full(int(outside.sum()), max(after, self.longest))
            drawn[outside], then[outside] = self._beyond(edge, rng)
        return drawn, then

    def _beyond(self, edge: Floats, rng: np.random.Generator) -> tuple[Floats, Ints]:
        """Longer than nearly all: it goes on as the longest ones went on, in proportion."""
        top = len(self.tail)
        picked = rng.integers(0, top, len(edge))
        stretch = self.tail[picked] / max(self.tail[0], 1e-6) if top > 1 else ALONE
        return edge * np.maximum(stretch, 1.0 + 1e-3), self.then[len(self.lasted) - top + picked]


class Queue(NamedTuple):
    """How many of a group are in a step now, and how many come and go a day."""

    number: int
    coming: float
    going: float

    @classmethod
    def seen(cls, arrived: Floats, left: Floats, now: float) -> "Queue":
        """From the moments of arriving and leaving up to now; the latest forty tell the pace."""
        since = arrived[-40:][0]
        span = max(now - since, 1.0)
        return cls(
            len(arrived) - len(left),
            float((arrived >= since).sum()) / span,
            float((left >= since).sum()) / span,
        )

    def after(self, days: Floats, rng: np.random.Generator) -> Floats:
        """How many there may be when so many days have passed."""
        days = np.minimum(days, 60.0)
        net = rng.poisson(self.coming * days) - rng.poisson(self.going * days)
        return np.maximum(self.number + net, 0)


class Open(NamedTuple):
    """A case that is not done: where it is, since when, and what bounds it.

    `known` is the planned end of the present visit, `not_before` its earliest; after a hold the
    case `returns_to` the step it was held in.
    """

    case: int
    step: int
    since: float
    group: int
    kind: int
    ahead: float = 0.0
    known: float = np.nan
    not_before: float = -np.inf
    returns_to: int = ANY_STEP


class View:
    """The history as it was known at a moment, ready to be drawn from."""

    def __init__(self, history: History, now: float) -> None:
        here = history.start <= now
        self.h = History._make(column[here] for column in history)
        self.now = now
        over = self.h.end <= now
        moments = np.concatenate([self.h.start, self.h.end[over]])
        self.axis = Axis.learned(moments)
        self.started = self.axis.of(self.h.start)
        self.at = float(self.axis.of(np.array([now]))[0])
        stop = np.where(over, self.h.end, now)
        self.lasted = np.maximum(self.axis.of(stop) - self.started, 0.0)
        self.seen = over & (self.h.then != UNKNOWN)
        finished = self.seen & (self.h.then == DONE)
        self.finished = int(finished.sum())
        self.finished_by_group = np.bincount(
            self.h.group[finished], minlength=int(self.h.group.max(initial=0)) + 1
        )
        self._whole_cases(stop)
        self._load()
        self._cells: dict[tuple[int, int, int], Cell] = {}
        self._wholes: dict[tuple[int, int], Cell] = {}
        self._slips: dict[int, Floats] = {}

    def _whole_cases(self, stop: Floats) -> None:
        """Of each visit: the age of its case when it began, and how long the case still took."""
        size = int(self.h.case.max(initial=-1)) + 1
        born, end, done = np.full(size, np.inf), np.full(size, -np.inf), np.zeros(size, dtype=bool)
        np.minimum.at(born, self.h.case, self.started)
        np.maximum.at(end, self.h.case, self.axis.of(stop))
        done[self.h.case[self.seen & (self.h.then == DONE)]] = True
        self.aged = self.started - born[self.h.case]
        self.remained = np.maximum(end[self.h.case] - self.started, 0.0)
        self.case_done = done[self.h.case]
        self.born = born

    def _load(self) -> None:
        """How many were in the same step of the group when each visit began, and what it costs.

        Per step, durations grow with (1 + ahead) to a power between 0 (no matter) and 1 (a queue
        served one by one), read off the past and shrunk to 0 where there is little of it.
        """
        h = self.h
        width = int(h.group.max(initial=0)) + 1
        where = h.step * width + h.group
        ahead = np.zeros(len(where))
        self.queues: dict[tuple[int, int], Queue] = {}
        for place in np.unique(where):
            rows = np.flatnonzero(where == place)
            arrived, left = np.sort(h.start[rows]), np.sort(h.end[rows])
            before = np.searchsorted(arrived, h.start[rows], side="left")
            ahead[rows] = before - np.searchsorted(left, h.start[rows], side="right")
            left = left[left <= self.now]
            self.queues[divmod(int(place), width)] = Queue.seen(arrived, left, self.now)
        self.ahead = np.maximum(ahead, 0.0)
        self.power = {int(s): self._power(h.step == s) for s in np.unique(h.step)}
        power = np.array([self.power[int(s)] for s in h.step])
        self.lasted = self.lasted / (1.0 + self.ahead) ** power

    def _power(self, here: NDArray[np.bool_]) -> float:
        rows = np.flatnonzero(here & self.seen)[-2000:]
        if len(rows) < ENOUGH:
            return 0.0
        x = np.log1p(self.ahead[rows])
        y = np.log(self.lasted[rows] + TICK)
        group = self.h.group[rows]
        number = np.bincount(group)[group]
        x = x - np.bincount(group, x)[group] / number
        y = y - np.bincount(group, y)[group] / number
        spread = float((x * x).sum())
        if spread < 1e-9:
            return 0.0
        slope = float((x * y).sum()) / spread
        return min(1.0, max(0.0, slope)) * len(rows) / (len(rows) + 3 * ENOUGH)

    def open_cases(self) -> list[Open]:
        """The cases that are not done at the moment, each with its present visit."""
        h = self.h
        rows = np.flatnonzero(h.end > self.now)
        return [
            Open(int(h.case[i]), int(h.step[i]), float(h.start[i]), int(h.group[i]),
                 int(h.kind[i]), float(self.ahead[i]), float(h.known[i]),
                 returns_to=int(h.back[i]))
            for i in rows
        ]  # fmt: skip

    def cell(self, step: int, group: int, kind: int) -> Cell:
        """Visits to a step as this group and kind make them, filled up with those of others.

        A step that nobody has left yet borrows from all steps.
        """
        key = (step, group, kind)
        if key not in self._cells:
            known = self.h.step == step
            if not (known & self.seen).any():
                known = np.ones(len(self.h.step), dtype=bool)
            rows = np.flatnonzero(known)
            weight = self._weights(rows, group, kind)
            self._cells[key] = Cell(self.lasted[rows], self.h.then[rows], self.seen[rows], weight)
        return self._cells[key]

    def _weights(self, rows: Ints, group: int, kind: int) -> Floats:
        """Own ones count by age; others together no more than a dozen, the like-minded first."""
        ages = np.empty(len(rows))
        ages[np.argsort(-self.h.start[rows], kind="stable")] = np.arange(len(rows))
        recency = 0.5 ** (ages / RECENT)
        same_group, same_kind = self.h.group[rows] == group, self.h.kind[rows] == kind
        tier = np.where(same_group & same_kind, 0, np.where(same_kind, 1, 2))
        weight = np.zeros(len(rows))
        for rank, most in ((0, np.inf), (1, OTHERS), (2, OTHERS / 4)):
            mine = tier == rank
            total = recency[mine].sum()
            if total > 0.0:
                weight[mine] = recency[mine] * min(1.0, most / total)
        return weight

    def slips(self, step: int) -> Floats:
        """By how much visits with a planned end ended after it (before: negative)."""
        if step not in self._slips:
            rows = (self.h.step == step) & self.seen & np.isfinite(self.h.known)
            planned = self.axis.of(self.h.known[rows])
            self._slips[step] = self.axis.of(self.h.end[rows]) - planned
        return self._slips[step]

    def walk(self, one: Open, seed: int, walks: int = WALKS) -> Floats | None:
        """How much counted time such cases still took: one number per walk; None if unknown."""
        rng = np.random.default_rng([seed, one.case & 0xFFFFFFFF, int(self.now)])
        cell = self.cell(one.step, one.group, one.kind)
        if not cell:
            return None
        spread = (np.arange(walks) + rng.random(walks)) / walks
        elapsed = max(0.0, self.at - float(self.axis.of(np.array([one.since]))[0]))
        cost = (1.0 + one.ahead) ** self.power.get(one.step, 0.0)
        whole, then = cell.draw(elapsed / cost, rng.permutation(spread), rng)
        total = self._bounded(one, whole * cost - elapsed, rng)
        if one.returns_to != ANY_STEP:
            then = np.full(walks, one.returns_to)
        for _ in range(MOST_STEPS):
            going = np.flatnonzero(then != DONE)
            if not len(going):
                return total
            for step in np.unique(then[going]):
                some = going[then[going] == step]
                cell = self.cell(int(step), one.group, one.kind)
                if not cell:
                    return None
                took, after = cell.draw(0.0, rng.random(len(some)), rng)
                queue, power = (
                    self.queues.get((int(step), one.group)),
                    self.power.get(int(step), 0.0),
                )
                if queue and power:
                    took = took * (1.0 + queue.after(total[some], rng)) ** power
                total[some] += took
                then[some] = after
        return total

    def _bounded(self, one: Open, left: Floats, rng: np.random.Generator) -> Floats:
        """The rest of the present visit, given what is planned for it."""
        if np.isfinite(one.known):
            due = float(self.axis.of(np.array([one.known]))[0]) - self.at
            slips = self.slips(one.step)
            slips = slips[due + slips > 0.0]
            if len(slips) >= FEW_BEYOND:
                left = due + rng.choice(slips, len(left))
            else:
                left = np.maximum(left, due)
        if np.isfinite(one.not_before):
            bound = float(self.axis.of(np.array([one.not_before]))[0]) - self.at
            left = np.maximum(left, bound)
        return np.maximum(left, TICK)

    def basis(self, group: int) -> tuple[int, bool]:
        """How many finished cases a forecast rests on, and whether they are the group's own."""
        own = int(self.finished_by_group[group]) if group < len(self.finished_by_group) else 0
        return (own, True) if own >= ENOUGH else (self.finished, False)

    def ways(self, one: Open, seed: int = 0) -> Floats | None:
        """Counted time until done at each of LEVELS, uncorrected; a row for each way of reckoning:

        the walk from step to step; what cases of that age in that step still took; what whole
        cases of that age took. None where history is short.
        """
        drawn = self.walk(one, seed) if self.finished >= ENOUGH else None
        if drawn is None:
            return None
        since = float(self.axis.of(np.array([one.since]))[0])
        elapsed, age = max(0.0, self.at - since), max(0.0, self.at - self.born[one.case])
        alike = self._alike(one, age - elapsed).quantiles(elapsed) - elapsed
        whole = self.whole(one.group, one.kind).quantiles(age) - age
        found = np.array([np.quantile(drawn, LEVELS), alike, whole])
        bound = one.known if np.isfinite(one.known) else one.not_before
        if np.isfinite(bound):
            found = np.maximum(found, float(self.axis.of(np.array([bound]))[0]) - self.at)
        return np.maximum(found, TICK)

    def _alike(self, one: Open, age: float) -> Cell:
        """What cases still took that were of about that age when they came to the step."""
        for rows in (np.flatnonzero(self.h.step == one.step), np.arange(len(self.h.step))):
            latest = rows[-LATEST:]
            if self.case_done[latest].any():
                break
        else:  # many of the latest are going on still
            latest = np.flatnonzero(self.case_done)[-LATEST:]
        apart = (np.log1p(self.aged[latest]) - np.log1p(age)) / 0.4
        weight = self._weights(latest, one.group, one.kind) * (np.exp(-0.5 * apart**2) + 0.01)
        return Cell(self.remained[latest], self.h.then[latest], self.case_done[latest], weight)

    def whole(self, group: int, kind: int) -> Cell:
        """How long cases took from beginning to end."""
        key = (group, kind)
        if key not in self._wholes:
            rows = np.flatnonzero(self.aged <= 0.0)
            self._wholes[key] = Cell(
                self.remained[rows], self.h.then[rows], self.case_done[rows],
                self._weights(rows, group, kind),
            )  # fmt: skip
        return self._wholes[key]

    def moment(self, left: Floats) -> Floats:
        """When that much counted time from now has passed, in calendar time."""
        return self.axis.back(self.at + left)
