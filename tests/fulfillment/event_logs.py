"""Made-up event logs with known habits: drift, bursts, heavy tails, weeks, loops, few groups."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

Row = tuple[str, str, datetime, str, str]
START = datetime(2024, 1, 1, tzinfo=UTC)


def made(
    cases: int = 600,
    seed: int = 1,
    days: float = 500.0,
    groups: int = 4,
    drift: float = 1.0,
    burst: bool = False,
    heavy: bool = False,
    weekly: bool = False,
    capacity: int = 0,
    jump: float = 1.0,
) -> Iterator[Row]:
    """Rows of (case, activity, moment, group, priority).

    `drift`: by what factor durations grow over the log; `jump`: by what factor they change at
    half time; `burst`: a third of all cases come in within two weeks; `heavy`: a Pareto tail;
    `weekly`: nothing happens at night or on weekends; `capacity`: servers per group, so that
    queues build up (0: unlimited). A fifth is tested twice; some are not finished.
    """
    rng = np.random.default_rng(seed)
    born = np.sort(rng.uniform(0, days, cases))
    if burst:
        some = rng.random(cases) < 0.33
        born[some] = days * 0.6 + rng.uniform(0, 14, int(some.sum()))
        born.sort()
    free = np.zeros((groups, max(capacity, 1)))
    for number, begin in enumerate(born):
        group = int(rng.integers(groups) * rng.random() ** 0.5)
        pace = 1.0 + (drift - 1.0) * begin / days
        pace *= jump if begin > days / 2 else 1.0
        pace *= (1.0 + 0.4 * group) * (0.5 if number % 5 == 0 else 1.0)
        moment = begin
        for activity in ["received", "queued", "worked", "tested", "worked", "tested", "done"]:
            if activity == "worked" and capacity:
                server = int(np.argmin(free[group]))
                moment = max(moment, free[group, server])
            yield (
                f"C{number}",
                activity,
                _clock(moment, weekly),
                f"G{group}",
                str(number % 5 == 0),
            )
            if activity == "tested" and rng.random() < 0.8:
                yield (f"C{number}", "done", _clock(moment + 0.2, weekly), f"G{group}", "")
                break
            took = rng.pareto(1.5) * 2 if heavy else rng.gamma(1.5, 2.0)
            moment += took * pace * (0.3 if activity == "received" else 1.0)
            if activity == "worked" and capacity:
                free[group, server] = moment
            if moment > days:
                break


def _clock(moment: float, weekly: bool) -> datetime:
    """The moment; in a week of five days of nine hours where that is asked for."""
    if not weekly:
        return START + timedelta(days=moment)
    whole, part = divmod(moment * 5 / 7, 1)
    weeks, day = divmod(int(whole), 5)
    return START + timedelta(days=weeks * 7 + day, hours=8 + 9 * part)
