"""The past forecast once more, day by day, without peeking: how good would it have been?

Pure, like `fulfillment.forecast`. The same replay gives the corrections of today's forecasts.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fulfillment.calibration import Advice, Calibration, Fates
from fulfillment.forecast import ENOUGH, LEVELS, Floats, History, Open, View


class Told(NamedTuple):
    """One replayed forecast: the moments said for each level, by the walk and by the baseline."""

    at: float
    case: int
    group: int
    likely: float
    certain: float
    naive_likely: float
    naive_certain: float
    gone: float
    ended: float


@dataclass
class Replay:
    """All forecasts of a replay, what they rest on, and the corrections learned on the way."""

    days: Floats
    last: float
    told: list[Told] = field(default_factory=list)
    silent: int = 0
    calibration: Calibration = field(default_factory=Calibration)


class Score(NamedTuple):
    """How a set of forecasts came out at one level; widths and losses in calendar days."""

    number: int
    hit: float
    width: float
    loss: float


def _born_of(history: History, size: int) -> Floats:
    born = np.full(size, np.inf)
    np.minimum.at(born, history.case, history.start)
    return born


def sampled(ended: Floats, last: float, days: int) -> Floats:
    """Noons, evenly spread from the first dozens of finished cases to the end of the history."""
    finished = np.sort(ended[np.isfinite(ended)])
    if len(finished) <= ENOUGH:
        return np.empty(0)
    first = finished[min(len(finished) - 1, max(ENOUGH, len(finished) // 10))]
    spread = np.linspace(first, last, days + 1)[:-1]
    if last - first > days:
        spread = np.floor(spread) + 0.5
    found: Floats = np.unique(spread[spread >= first])
    return found


def replay(history: History, *, days: int = 60, cases: int = 150, seed: int = 1) -> Replay:
    """Forecast what was open on each sampled day from what was known then.

    `cases` bounds how many open cases of one day are taken, drawn at random.
    """
    fates = Fates.of(history)
    born = _born_of(history, len(fates.ended))
    over = history.end[np.isfinite(history.end)]
    last = float(max(history.start.max(initial=0.0), over.max(initial=0.0)))
    made = Replay(sampled(fates.ended, last, days), last)
    rng = np.random.default_rng(seed)
    for day in made.days:
        view = View(history, float(day))
        here = view.open_cases()
        if len(here) > cases:
            here = [here[i] for i in np.sort(rng.choice(len(here), cases, replace=False))]
        _one_day(made, view, here, fates, born)
    return made


def _one_day(made: Replay, view: View, here: list[Open], fates: Fates, born: Floats) -> None:
    """What was said on one day; nobody learns from a forecast on the day it is made."""
    past = (fates.ended - born)[fates.ended <= view.now]
    naive = np.quantile(past, LEVELS)
    advice: dict[int, Advice] = {}
    said = []
    for one in here:
        ways = view.ways(one)
        if ways is None:
            made.silent += 1
            continue
        if one.group not in advice:
            advice[one.group] = made.calibration.advice(view, fates, one.group)
        moments = view.moment(advice[one.group].of(ways))
        plain = np.maximum(born[one.case] + naive, view.now)
        likely, certain, naive_likely, naive_certain = map(float, (*moments, *plain))
        made.told.append(
            Told(view.now, one.case, one.group, likely, certain, naive_likely, naive_certain,
                 float(fates.gone[one.case]), float(fates.ended[one.case]))
        )  # fmt: skip
        said.append((one, ways))
    for one, ways in said:
        made.calibration.note(view.now, one.case, one.group, ways)


def scores(made: Replay, group: int | None = None) -> dict[str, Score]:
    """By "likely", "certain", "naive_likely" and "naive_certain".

    A forecast counts where its date lies within the history, and before a withdrawal: then it is
    known whether it held, also of a case that is still open. Its loss counts where it is done.
    """
    rows = [t for t in made.told if group is None or t.group == group]
    table: NDArray[np.float64] = np.array(rows, dtype=float).reshape(-1, len(Told._fields))
    return {
        name: _score(table, Told._fields.index(name), LEVELS[n % 2], made.last)
        for n, name in enumerate(("likely", "certain", "naive_likely", "naive_certain"))
    }


def _score(table: Floats, column: int, level: float, last: float) -> Score:
    table = table[table[:, column] <= np.minimum(last, table[:, -2])]
    if not len(table):
        return Score(0, float("nan"), float("nan"), float("nan"))
    said, ended = table[:, column], table[:, -1]
    known = np.isfinite(ended)
    off = ended[known] - said[known]
    loss = np.maximum(level * off, (level - 1.0) * off)
    return Score(
        len(table),
        float((ended <= said).mean()),
        float(np.median(said - table[:, 0])),
        float(loss.mean()) if len(loss) else float("nan"),
    )
