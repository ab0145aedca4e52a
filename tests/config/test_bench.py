"""The benches say what they measured: tables, ratios, a drawing; documents are kept around them."""

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import _report, door, memory
from bench.pages import Desk, Round, Wrong, fetch
from config.servers import ROOT, free_port
from requests_app.models import Request
from tests.factories import Office


def row(size: int, seconds: float, **more) -> dict:
    own = [seconds + n / 10_000 for n in range(20)]
    made = {"requests": size, "clients": 1, "operation": "own work", "floor": "list"}
    return made | _report.figures(own, [0.01] * 20, together=sum(own)) | more


@pytest.fixture
def results() -> dict:
    machine = _report.machine("18.0", "on")
    databases = [{"requests": n, "open": n // 10, "megabytes": 40} for n in (1000, 100_000)]
    rows = [row(1000, 0.02), row(100_000, 0.04, wrong={"times": 2, "first": "GET /: 500"})]
    return {"machine": machine, "rounds": 20, "databases": databases, "rows": rows}


def test_what_misses_its_goal_stands_out(results: dict) -> None:
    text = _report.tables(results)
    assert "| 2.10, 2.19 |" in text  # twice the floor: reached
    assert "| **4.09**, 4.19 |" in text  # four times: not
    assert "**1.95**" in text  # the larger database beside the smaller
    assert "2 answers were wrong, the first: `GET /: 500`" in text


def test_what_was_never_answered_has_no_figure(results: dict) -> None:
    results["rows"][1] = {**results["rows"][1], "n": 0}
    assert "| - | - | - | - |" in _report.tables(results)
    ET.fromstring(_report.svg(results))  # noqa: S314 - our own drawing


def test_the_document_is_kept_around_the_figures(results: dict, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Ours\n\n<!-- figures: begin -->\nold\n<!-- figures: end -->\n\nAfter.\n")
    _report.write(page, results)
    once = page.read_text()
    _report.write(page, results)
    assert page.read_text() == once
    assert once.startswith("# Ours\n")
    assert once.endswith("After.\n")
    assert "\nold\n" not in once
    drawing = ET.parse(tmp_path / "images" / "performance.svg").getroot()  # noqa: S314
    assert drawing.tag.endswith("svg")


def test_an_answer_that_never_came_is_no_fast_one() -> None:
    with pytest.raises(Wrong, match="GET /"):
        fetch(free_port(), "nobody", ("GET", "/", None))


def test_a_step_with_nothing_left_is_named() -> None:
    found = {"slug": "g", "group": 1, "busy": [[1, "REQ-2026-000001"]],
             "unseen": ["REQ-2026-000002"], "words": ["hall"],
             "rows": [1], "sessions": dict.fromkeys(("rep", "lead", "specialist"), "s"),
             "agency": 1, "contact": 1, "service": 1, "checklist": []}  # fmt: skip
    desk = Desk(1000, found, free_port(), free_port())
    steps = {name: what for name, _, _, what in desk.operations()}
    with pytest.raises(Wrong, match="nothing was created"):
        steps["triage"]()
    desk.follow("create", "/requests/REQ-2026-000009/")
    assert steps["triage"]()[1] == "/requests/REQ-2026-000009/actions/triage/"
    assert Round([desk], 1).series == {}


def test_a_worker_is_weighed_after_the_first_thousand_and_after_the_last() -> None:
    assert memory.marks(5000) == [1000, 2000, 5000]
    assert memory.marks(50_000)[-3:] == [10_000, 20_000, 50_000]
    about = _report.machine("18.0", "on")
    told = memory.table({1000: 100 << 20, 5000: 108 << 20, 50_000: 112 << 20}, [], 1000, about)
    assert "| 5,000 | 108.0 | 1.080 |" in told
    assert "| 50,000 | 112.0 | **1.120** |" in told, "what misses the goal stands out"
    assert "257 bytes for each request" in told


def test_what_is_weighed_is_asked_in_turn_and_goes_on_where_a_step_has_nothing() -> None:
    found = {"slug": "g", "group": 1, "busy": [[1, "REQ-2026-000001"]],
             "unseen": ["REQ-2026-000002"], "words": ["hall"],
             "rows": [1], "sessions": dict.fromkeys(("rep", "lead", "specialist"), "s"),
             "agency": 1, "contact": 1, "service": 1, "checklist": []}  # fmt: skip
    desk = Desk(1000, found, free_port(), free_port())
    names = [name for name, _, _ in itertools.islice(memory.asks_of(desk), 200)]
    assert {"own work", "search", "API list", "create", "take next"} <= set(names)
    assert "fulfill" not in names, "nothing was taken"


def test_every_bench_says_what_it_is_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bench.__main__ import names; print(*names())"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {"pages", "profile", "costs", "door", "memory"} <= set(done.stdout.split())


def test_steps_through_the_door_stand_beside_the_same_sql() -> None:
    """Medians of the rounds, ratios round by round, and whether anything was taken twice."""
    takes = {"clients": 1, "takes": 160, "twice": 0, "cpu_ms": 8.0}
    one = {"steps": 100, "door_seconds": 2.0, "bare_seconds": 1.0, "statements": 500}
    rounds = [
        one | {"alone": takes, "many": takes | {"clients": 32, "cpu_ms": cpu}}
        for cpu in (9.6, 9.6, 80.0)
    ]
    text = door.table({"machine": _report.machine("18.0", "on"), "rounds": rounds, "load": 2.1})
    assert "| steps a second through the door, one process | 50 |" in text
    assert "| ratio (goal: 0.35 or more) | 0.50 |" in text
    assert "| statements of a step | 5.0 |" in text
    assert "| take next, 32 clients: CPU ms of a take | 9.6 |" in text
    assert "| ratio (goal: 1.5 or less) | 1.20 |" in text
    assert "| taken twice | 0 of 960 |" in text


def test_statements_written_down_play_bare(db: None, office: Office, tmp_path: Path) -> None:
    """The parts of the bench take the steps that they say, and keep each step's statements."""
    for _ in range(2):
        office.request()
    script = tmp_path / "statements.json"
    written = door.write_down("2", str(script))
    groups = json.loads(script.read_text())
    assert len(groups) == 2 * len(door.STEPS)
    assert sum(map(len, groups)) == written["statements"]
    writing = ("workflow_event", "EXECUTE write_")  # planned once it is written time and again
    assert all(any(word in text for word in writing for text in group) for group in groups)
    assert {r.state for r in Request.objects.all()} == {"closed"}
