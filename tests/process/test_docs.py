"""The page of the process and its picture say what the program does; every number is proved."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import call_command

from config.management.commands.process_docs import PAGE, page
from config.process_numbers import NUMBERS, ROOT, missing, named_in
from config.process_text import diagram
from requests_app.models import Request
from tests.factories import Office
from tests.process import table
from tests.walk import to_closed
from workflow.models import Event


def test_every_number_has_code_and_a_test() -> None:
    """D1 to D15, F1 to F17, X1 to X10: all that are missing are named."""
    assert len(NUMBERS) == 15 + 17 + 10
    assert missing() == []


def test_the_page_of_the_process_is_fresh() -> None:
    """If this fails: `manage.py process_docs`."""
    assert PAGE.read_text() == page()


def test_the_short_picture_in_the_readme_is_true() -> None:
    """Every arrow of it is a move of the table; every working state is on it."""
    readme = (ROOT / "README.md").read_text()
    drawn = readme.split("```mermaid\n", 1)[1].split("```", 1)[0]
    longer = {"waiting": table.AW, "work": table.F, "notice": table.CN, "parts": table.PM}
    moves = {(at, to) for _, sources, to, _ in table.STEPS for at in sources}
    shown = set()
    for line in drawn.splitlines()[1:]:
        plain = re.sub(r"\(\[.*?\]\)|\[.*?\]|\|.*?\|", "", line)
        stops = [longer.get(name.strip(), name.strip()) for name in plain.split("-->")]
        assert all(arrow in moves for arrow in pairwise(stops)), line
        shown |= set(stops)
    assert set(table.OPEN) <= shown
    assert "docs/process.md" in readme


def test_the_picture_shows_every_row_that_moves() -> None:
    picture = diagram(Request)
    for name, sources, target, _ in table.STEPS:
        for source in sources:
            if target and name != "cancel":
                line = next(
                    x for x in picture.splitlines() if x.startswith(f"  {source} --> {target} :")
                )
                assert name in line


def test_the_command_prints_the_picture(capsys: Any) -> None:
    call_command("process_diagram")
    assert capsys.readouterr().out.strip() == diagram(Request)
    call_command("process_diagram", all=True)
    assert capsys.readouterr().out.count("stateDiagram-v2") == 1 + len(table.SMALL)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What (D6, D7).", {"D6", "D7"}),
        ("Short ranges D6-D8 count.", {"D6", "D7", "D8"}),
        ("All of them, D1-D15, prove nothing.", set()),
        ("F18, X0, D99 and ABD1 are none.", set()),
    ],
)
def test_numbers_are_read_from_texts(text: str, found: set[str]) -> None:
    assert named_in(text) == found


@pytest.mark.parametrize("form", ["csv", "xes", "ocel2"])
def test_the_event_log_is_exported(form: str, office: Office, tmp_path: Any) -> None:
    """X7: for process mining, every event of every request."""
    request = to_closed(office, title="=1+1")
    path = tmp_path / f"log.{form}"
    call_command("export_event_log", format=form, output=str(path))
    text, count = path.read_text(), Event.objects.filter(stream_id=request.pk).count()
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == count
        assert rows[-1]["activity"] == "fulfill"
        assert {r["case"] for r in rows} == {request.reference}
    elif form == "xes":
        space = "{http://www.xes-standard.org/}"
        log = ET.fromstring(text)  # noqa: S314 - our own file
        assert len(log.findall(f"{space}trace/{space}event")) == count
    else:
        log = json.loads(text)
        assert len(log["events"]) == count
        known = {o["id"] for o in log["objects"]}
        assert {r["objectId"] for e in log["events"] for r in e["relationships"]} <= known
