"""The forecast is pure: histories in, quantiles out, right as often as it says (F1)."""

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from fulfillment.calibration import Calibration, Fates
from fulfillment.event_log import BadLog, read
from fulfillment.forecast import ANY_STEP, DONE, LATEST, UNKNOWN, Axis, Cell, History, Open, View
from fulfillment.replay import Replay, replay, scores
from tests.fulfillment.event_logs import made


def history(rows: list[tuple[float, ...]]) -> History:
    """(case, step, start, end, then) of one group and kind."""
    case, step, start, end, then = zip(*rows, strict=True)
    whole = [np.array(c, dtype=np.int64) for c in (case, step, then)]
    nothing = np.zeros(len(case), dtype=np.int64)
    return History(
        whole[0], whole[1], np.array(start, float), np.array(end, float), whole[2], nothing,
        nothing, np.full(len(case), np.nan), np.full(len(case), ANY_STEP),
    )  # fmt: skip


def one_after_the_other(lasting: float = 4.0, cases: int = 60) -> History:
    """Every case has two steps of four and one day; the last one is in its first step."""
    rows: list[tuple[float, ...]] = []
    for n in range(cases):
        begin = 1000.0 + 3.0 * n
        rows.append((n, 0, begin, begin + lasting, 1))
        rows.append((n, 1, begin + lasting, begin + lasting + 1.0, DONE))
    begin = 1000.0 + 3.0 * cases + 6.0
    return history([*rows, (cases, 0, begin, np.inf, UNKNOWN)])


def write(path: Path, rows: Any, columns: str = "case,activity,timestamp,group,priority") -> Path:
    """The rows as CSV with these columns."""
    names = columns.split(",")
    places = ["case", "activity", "timestamp", "group", "priority"]
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(names)
        for row in rows:
            given = dict(zip(places, row, strict=True))
            writer.writerow([given[name] for name in names])
    return path


def replayed(path: Path, days: int = 30, cases: int = 40) -> Replay:
    return replay(read(path).history, days=days, cases=cases)


def test_a_steady_process_gives_a_steady_answer() -> None:
    now = 1000.0 + 180.0 + 7.0
    view = View(one_after_the_other(), now)
    one = view.open_cases()[0]
    ways = view.ways(one)
    assert ways is not None
    walk = view.moment(ways[0]) - now
    assert 3.5 < walk[0] < 4.6
    assert 3.5 < walk[1] < 5.0


def test_the_time_already_spent_counts() -> None:
    rng = np.random.default_rng(4)
    cell = Cell(
        np.array([1.0] * 50 + [10.0] * 50), np.full(100, DONE), np.full(100, True), np.ones(100)
    )
    fresh, _ = cell.draw(0.0, rng.random(2000), rng)
    waited, _ = cell.draw(2.0, rng.random(2000), rng)
    assert 0.4 < (fresh < 5).mean() < 0.6
    assert (waited == 10.0).all()


def test_what_still_lasts_counts_as_far_as_it_got() -> None:
    """Half were done after a day, half are still at it after nine: not all take a day."""
    seen = np.array([True] * 50 + [False] * 50)
    cell = Cell(np.array([1.0] * 50 + [9.0] * 50), np.full(100, DONE), seen, np.ones(100))
    rng = np.random.default_rng(5)
    drawn, _ = cell.draw(0.0, rng.random(2000), rng)
    assert 0.42 < (drawn > 8.9).mean() < 0.58


def test_beyond_everything_seen_it_goes_on_in_proportion() -> None:
    durations = np.random.default_rng(6).pareto(1.5, 400) + 1.0
    cell = Cell(durations, np.full(400, DONE), np.full(400, True), np.ones(400))
    rng = np.random.default_rng(7)
    drawn, _ = cell.draw(float(durations.max()) * 2, rng.random(500), rng)
    assert (drawn > durations.max() * 2).all()


def test_a_few_observations_count_before_the_tail_does() -> None:
    """Six visits of eight to thirty days: who waits for an hour does not wait for half of one."""
    lasted = np.array([8.0, 12.0, 15.0, 19.0, 24.0, 30.0])
    cell = Cell(lasted, np.full(6, DONE), np.full(6, True), np.ones(6))
    likely, certain = cell.quantiles(1 / 24)
    assert 12.0 <= likely <= 19.0
    assert 24.0 <= certain <= 30.0
    drawn, _ = cell.draw(1 / 24, np.random.default_rng(1).random(500), np.random.default_rng(2))
    assert set(drawn) == set(lasted)
    assert (cell.quantiles(31.0) > 31.0).all()


def test_a_level_that_nobody_has_reached_yet_lies_beyond_all_that_was_seen() -> None:
    """Twelve are done within twelve days, eight go on after twenty: 85 of 100 take longer."""
    seen = np.array([True] * 12 + [False] * 8)
    cell = Cell(np.array([*range(1, 13), *[20.0] * 8]), np.full(20, DONE), seen, np.ones(20))
    likely, certain = cell.quantiles(0.0)
    assert likely <= 12.0
    assert certain > 20.0


def test_it_does_not_peek() -> None:
    """What happens after the day does not change what is said on it."""
    whole = one_after_the_other()
    now = 1100.0
    cut = whole.start <= now
    past = History(*(column[cut] for column in whole))
    later = past.end > now
    past = past._replace(
        end=np.where(later, np.inf, past.end), then=np.where(later, UNKNOWN, past.then)
    )
    for one in View(past, now).open_cases():
        a, b = View(past, now).ways(one), View(whole, now).ways(one)
        assert a is not None
        assert b is not None
        assert (a == b).all()


def test_the_same_request_on_the_same_day_gets_the_same_answer() -> None:
    view = View(one_after_the_other(), 1187.0)
    one = view.open_cases()[0]
    first, second = view.walk(one, seed=5), View(one_after_the_other(), 1187.3).walk(one, seed=5)
    assert first is not None
    assert second is not None
    assert (view.walk(one, seed=5) == first).all()


def test_a_known_date_bounds_it() -> None:
    now = 1187.0
    view = View(one_after_the_other(), now)
    one = view.open_cases()[0]._replace(known=now + 30.0)
    ways = view.ways(one)
    assert ways is not None
    assert (view.moment(ways.min(axis=0)) >= now + 29.9).all()
    bound = view.ways(view.open_cases()[0]._replace(not_before=now + 20.0))
    assert bound is not None
    assert (view.moment(bound.min(axis=0)) >= now + 19.9).all()


def test_after_a_hold_it_goes_on_where_it_was() -> None:
    """A hold of the last step ends with that step, whatever holds of others led to."""
    rows: list[tuple[float, ...]] = []
    for n in range(40):
        begin = 1000.0 + n
        rows += [(n, 7, begin, begin + 2.0, 0), (n, 0, begin + 2.0, begin + 52.0, 1),
                 (n, 1, begin + 52.0, begin + 53.0, DONE)]  # fmt: skip
    rows.append((40, 7, 1099.0, np.inf, UNKNOWN))
    view = View(history(rows), 1100.0)
    one = view.open_cases()[0]
    far, near = view.walk(one, 1), view.walk(one._replace(returns_to=1), 1)
    assert far is not None
    assert near is not None
    assert np.median(far) > 45
    assert np.median(near) < 6


def test_too_little_history_says_so() -> None:
    view = View(one_after_the_other(cases=5), 1030.0)
    assert all(view.ways(one) is None for one in view.open_cases())


def test_a_longer_queue_takes_longer() -> None:
    """One server, one day each: who finds ten ahead waits about ten times as long."""
    rows: list[tuple[float, ...]] = []
    free, number = 1000.0, 0
    rng = np.random.default_rng(8)
    for wave in range(40):
        for place in range(int(rng.integers(1, 12))):
            arrived = 1000.0 + wave * 13.3 + place * 0.01
            free = max(free, arrived) + 1.0
            rows.append((number, 0, arrived, free, DONE))
            number += 1
    now = 1000.0 + 40 * 13.3
    rows.append((number, 0, now - 0.1, np.inf, UNKNOWN))
    view = View(history(rows), now)
    assert view.power[0] > 0.5
    one = view.open_cases()[-1]
    few, many = view.walk(one._replace(ahead=0.0), 1), view.walk(one._replace(ahead=10.0), 1)
    assert few is not None
    assert many is not None
    assert np.median(many) > 3 * np.median(few)


def test_the_week_is_learned_and_stays_a_week() -> None:
    monday = 4.0 + 7 * np.arange(50)
    axis = Axis.learned(
        np.concatenate([monday + d + h / 24 for d in range(5) for h in (9, 12, 15)])
    )
    saturday, wednesday = np.array([9.0 + 14]), np.array([6.0 + 14])
    slow = axis.of(saturday + 1.0) - axis.of(saturday)
    fast = axis.of(wednesday + 1.0) - axis.of(wednesday)
    assert fast > 5 * slow
    moments = np.linspace(0, 60, 333)
    assert np.allclose(axis.back(axis.of(moments)), moments)
    assert np.allclose(axis.of(moments + 7.0) - axis.of(moments), 7.0)


def test_forecasts_that_came_out_too_early_stretch_the_next_ones() -> None:
    whole = one_after_the_other(cases=100)
    view, fates = View(whole, 1200.0), Fates.of(whole)
    learned = Calibration()
    for n in range(60):
        learned.note(1000.0 + 3.0 * n, n, 0, np.array([[2.5, 3.0]] * 3))
    advice = learned.advice(view, fates, 0)
    assert 1.4 < advice.factors[1] < 2.2
    assert advice.weights.sum() == pytest.approx(1.0)


SOAK = pytest.mark.soak
HABITS = [
    pytest.param({}, id="plain"),
    pytest.param({"drift": 3.0}, id="drift"),
    pytest.param({"heavy": True, "weekly": True}, id="heavy tails, office hours"),
    pytest.param({"jump": 2.0}, id="a jump at half time", marks=SOAK),
    pytest.param({"drift": 0.3}, id="ever faster", marks=SOAK),
    pytest.param({"groups": 1, "cases": 200}, id="one group", marks=SOAK),
    pytest.param({"groups": 12, "cases": 900}, id="many groups", marks=SOAK),
    pytest.param({"capacity": 1, "cases": 170}, id="queues", marks=SOAK),
]


@pytest.mark.parametrize("habits", HABITS)
def test_85_of_100_is_true_on_logs_it_has_never_seen(
    habits: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / "log.csv", made(**{"cases": 420, "seed": 11, **habits}))
    found = scores(replayed(path, 25, 20))
    certain, likely = found["certain"], found["likely"]
    assert certain.number > 60
    assert 0.78 <= certain.hit <= 0.93
    assert 0.40 <= likely.hit <= 0.60
    assert certain.width > likely.width


def test_order_doubles_and_missing_columns_do_not_matter(tmp_path: Path) -> None:
    rows = list(made(cases=160, seed=3))
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    tidy, messy = write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", shuffled)
    assert sorted(read(tidy).history.start) == sorted(read(messy).history.start)
    assert read(tidy).cases == read(messy).cases
    bare = read(write(tmp_path / "c.csv", rows, "timestamp,case,activity"))
    assert bare.groups == ["no group"]
    assert any("No column group" in note for note in bare.notes)


def test_unfinished_cases_stay_open(tmp_path: Path) -> None:
    log = read(write(tmp_path / "log.csv", made(cases=300, seed=2)))
    assert np.isinf(Fates.of(log.history).ended).any()
    assert not np.isinf(Fates.of(log.history).ended).all()


XES = """<?xml version="1.0" encoding="UTF-8"?>
<log xmlns="http://www.xes-standard.org/"><string key="origin" value="x"/>{traces}</log>"""


def xes(rows: Any) -> str:
    cases: dict[str, list[str]] = {}
    for case, activity, at, group, _ in rows:
        cases.setdefault(case, []).append(
            f'<event><string key="concept:name" value="{activity}"><string key="concept:name" '
            f'value="inner"/></string><date key="time:timestamp" value="{at.isoformat()}"/>'
            f'<string key="org:group" value="{group}"/></event>'
        )
    return XES.format(
        traces="".join(
            f'<trace><string key="concept:name" value="{case}"/>{"".join(events)}</trace>'
            for case, events in cases.items()
        )
    )


def test_xes_says_the_same_as_csv_packed_or_not(tmp_path: Path) -> None:
    rows = list(made(cases=60, seed=9))
    table = read(write(tmp_path / "log.csv", rows))
    packed = tmp_path / "log.xes.gz"
    packed.write_bytes(gzip.compress(xes(rows).encode()))
    log = read(packed)
    assert (log.cases, log.events, log.groups) == (table.cases, table.events, table.groups)
    assert (log.history.start == table.history.start).all()
    assert "inner" not in log.steps


BOMB = """<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<log><trace><string key="concept:name" value="&b;"/></trace></log>"""


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "", "Line 1: the file is empty"),
        ("b.csv", "case,activity\nC1,begun\n", "Line 1: the column timestamp is missing"),
        ("c.csv", "case,activity,timestamp\nC1,a,2026-01-01\nC1,b,soon\n", "Line 3: “soon” is not"),
        ("d.csv", "case,activity,timestamp\nC1,a,2026-01-01\n,b,2026-01-02\n", "Line 3: no case"),
        ("e.csv", "case,activity,timestamp\n", "no events"),
        ("f.csv", b"case,activity,timestamp\nC1,\xff\xfe,2026-01-01\n", "not text in UTF-8"),
        ("g.xes", BOMB, "Line 1: document types and entities are not read"),
        ("h.xes", "<log><trace><event></trace></log>", "not well formed"),
        ("i.xes", "<html></html>", "not XES but <html>"),
        ("j.xes", XES.format(traces='<trace><event><date key="time:timestamp" value="2026-01-01"/>'
                                    "</event></trace>"), "without concept:name"),
        ("k.csv.gz", b"no gzip at all", "not a whole gzip file"),
    ],
)  # fmt: skip
def test_a_log_that_cannot_be_read_is_refused_with_a_sentence(
    name: str, content: Any, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadLog) as refused:
        read(path)
    assert sentence in str(refused.value)
    with pytest.raises(CommandError):
        call_command("backtest_forecast", log=str(path))


def test_the_command_prints_coverage_width_and_the_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "log.csv", made(cases=200, seed=5))
    call_command("backtest_forecast", log=str(path), days=15, cases=20)
    said = capsys.readouterr().out
    for word in ("all groups", "baseline", "G0", "covered", "width", "loss", "done at: done"):
        assert word in said


def test_a_log_that_does_not_exist_or_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("backtest_forecast", log=str(tmp_path / "nowhere.csv"))
    short = write(tmp_path / "short.csv", list(made(cases=4, seed=5)))
    with pytest.raises(CommandError, match="Too little history"):
        call_command("backtest_forecast", log=str(short))


def test_a_step_nobody_has_left_yet_borrows_from_the_others() -> None:
    view = View(one_after_the_other(), 1187.0)
    assert view.walk(Open(case=60, step=99, since=1186.0, group=0, kind=0), 1) is not None


def test_thousands_that_just_came_in_do_not_hide_the_finished_ones() -> None:
    done = one_after_the_other()
    now = 1000.0 + 180.0 + 7.0
    waiting = history([(100 + n, 0, now - 1.0, np.inf, UNKNOWN) for n in range(LATEST + 100)])
    both = History._make(np.concatenate(pair) for pair in zip(done, waiting, strict=True))
    view = View(both, now)
    one = next(o for o in view.open_cases() if o.case == 100)
    found = view.ways(one)
    assert found is not None
    assert np.isfinite(found).all()
    assert (found[:, 1] >= found[:, 0]).all()
