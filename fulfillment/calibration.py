"""How past forecasts came out, and what follows for the next ones. Pure, like the forecast."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fulfillment.forecast import (
    DONE,
    ENOUGH,
    LEVELS,
    OTHERS,
    TICK,
    UNKNOWN,
    Cell,
    Floats,
    History,
    View,
)

WAYS = 3
SHARPLY = 6.0
FEW_CASES = 15


class Fates(NamedTuple):
    """The moment at which each case was done, and at which it was withdrawn; else inf."""

    ended: Floats
    gone: Floats

    @classmethod
    def of(cls, history: History) -> "Fates":
        """By the number of the case."""
        size = int(history.case.max(initial=-1)) + 1
        ended, gone = np.full(size, np.inf), np.full(size, np.inf)
        done = history.then == DONE
        ended[history.case[done]] = history.end[done]
        lost = (history.then == UNKNOWN) & np.isfinite(history.end)
        gone[history.case[lost]] = history.end[lost]
        return cls(ended, gone)


class Advice(NamedTuple):
    """How much each way of reckoning counts, and by what factor each level is stretched."""

    weights: Floats
    factors: Floats

    def of(self, ways: Floats) -> Floats:
        """The quantiles to be told: in order and in the future."""
        said = self.weights @ ways
        stretched = np.maximum((said + TICK) * self.factors - TICK, TICK / 4)
        return np.maximum.accumulate(stretched)


NONE = Advice(np.full(WAYS, 1.0 / WAYS), np.ones(len(LEVELS)))


class Calibration:
    """What was reckoned in the past, beside what came of it.

    A way that lost less counts more. Then every past forecast gives the ratio of what was to what
    would have been said; where it is not over yet the ratio reached so far counts as cut off
    (Kaplan-Meier), so that slow cases are not forgotten while fast ones already count. The factor
    is that ratio which the level's share stayed under: the conformal correction, in time's own
    order, the latest weighing most.
    """

    def __init__(self) -> None:
        self._made: list[tuple[float, ...]] = []

    def note(self, at: float, case: int, group: int, ways: Floats) -> None:
        """A forecast was made at a moment; `ways` is what each way reckoned."""
        self._made.append((at, case, group, *map(float, ways.ravel())))

    def advice(self, view: View, fates: Fates, group: int) -> Advice:
        """For forecasts of a group, from what is known at the view's moment."""
        if len(self._made) < ENOUGH:
            return NONE
        made = np.array(self._made)
        at, case = made[:, 0], made[:, 1].astype(int)
        ways = made[:, 3:].reshape(-1, WAYS, len(LEVELS))
        over = fates.ended[case] <= view.now
        stop = np.minimum(np.minimum(fates.ended[case], fates.gone[case]), view.now)
        passed = view.axis.of(stop) - view.axis.of(at)
        weight = self._weights(view, made, ways)
        ranks = _ways_weights(ways, passed, over, weight)
        said = np.einsum("k,nkl->nl", ranks, ways)
        mine = _mostly(made[:, 2] == group, weight)
        seen = len(np.unique(case[over]))
        factors = [
            _share_under((passed + TICK) / (said[:, n] + TICK), over, mine, _safe(level, seen))
            for n, level in enumerate(LEVELS)
        ]
        return Advice(ranks, np.array(factors) ** (seen / (seen + FEW_CASES)))

    def _weights(self, view: View, made: Floats, ways: Floats) -> Floats:
        """The latest weigh most, in the process's own pace."""
        half = max(30.0, 3.0 * float(np.median(ways[:, 0, 1])))
        weight: Floats = 0.5 ** ((view.now - made[:, 0]) / half)
        return weight


def _safe(level: float, seen: int) -> float:
    """The level a finite number of cases must reach so that the next one does; the median stays."""
    return level if level <= 0.5 else min(0.99, level * (1.0 + 1.0 / max(seen, 1)))


def _mostly(own: NDArray[np.bool_], weight: Floats) -> Floats:
    """Other groups only fill up."""
    others = float(weight[~own].sum())
    return np.where(own, weight, weight * min(1.0, 4 * OTHERS / max(others, 1e-9)))


def _ways_weights(ways: Floats, passed: Floats, over: NDArray[np.bool_], weight: Floats) -> Floats:
    """By the pinball loss of the forecasts whose outcome is known, or past all that was said."""
    known = over | (passed > ways[:, :, -1].max(axis=1))
    if known.sum() < 2 * ENOUGH:
        return NONE.weights
    off = passed[known, None, None] - ways[known]
    levels = np.array(LEVELS)
    loss = np.maximum(levels * off, (levels - 1.0) * off).sum(axis=2)
    mean = (loss * weight[known, None]).sum(axis=0) / weight[known].sum()
    rank = (mean.min() + 1e-9) / (mean + 1e-9)
    found: Floats = rank**SHARPLY / (rank**SHARPLY).sum()
    return found


def _share_under(ratio: Floats, over: NDArray[np.bool_], weight: Floats, level: float) -> float:
    """The ratio that a share of `level` stayed under, where some are cut off."""
    cell = Cell(ratio, np.zeros(len(ratio), dtype=np.int64), over, weight)
    if not cell:
        return 1.0
    at = int(np.searchsorted(cell.upto, level, side="left")) - 1
    return float(cell.lasted[min(max(at, 0), len(cell.lasted) - 1)])
