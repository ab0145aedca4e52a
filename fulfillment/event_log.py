"""Reads an event log (CSV or XES, also .gz) as a history of visits; its strings become numbers.

Streamed: what is kept is five numbers per event and each name once. XML is read by a parser that
refuses document types and entities, so that nothing in a file expands.
"""

import csv
import gzip
import io
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

import numpy as np
from django.utils import timezone

from fulfillment.forecast import ANY_STEP, DONE, UNKNOWN, History, Ints

NEEDED = ("case", "activity", "timestamp")
ALSO = {
    "case": ("case", "case_id", "caseid", "case id", "case:concept:name"),
    "activity": ("activity", "concept:name", "event"),
    "timestamp": ("timestamp", "time:timestamp", "time"),
    "group": ("group", "org:group", "workgroup", "work_group", "assignment_group",
              "support_section"),
    "priority": ("priority", "seriousness", "severity", "urgency"),
}  # fmt: skip
FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local days are counted from a naive midnight
BLOCK = 1 << 16
MOST_EVENTS = 20_000_000
FINAL = 0.8


class BadLog(Exception):  # noqa: N818 - a sentence for whoever gave the file
    """The log cannot be read; the sentence says why, with the line."""


class Names:
    """Every string once, by number."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self.number.setdefault(name, len(self.number))

    @property
    def all(self) -> list[str]:
        return list(self.number)


class Events:
    """The rows of a log as numbers."""

    def __init__(self) -> None:
        self.cases, self.activities, self.groups, self.kinds = Names(), Names(), Names(), Names()
        self.columns = tuple(array("q") for _ in range(4))
        self.moments = array("d")

    def add(self, case: str, activity: str, moment: float, group: str, priority: str) -> None:
        if len(self.moments) >= MOST_EVENTS:
            raise BadLog(f"The log has more than {MOST_EVENTS:,} events: give a part of it.")
        names = (self.cases, self.activities, self.groups, self.kinds)
        values = (case, activity, group, priority)
        for column, name, value in zip(self.columns, names, values, strict=True):
            column.append(name.of(value))
        self.moments.append(moment)


@dataclass
class Log:
    """A log as the forecast wants it, with the names behind the numbers."""

    history: History
    groups: list[str]
    steps: list[str]
    cases: int
    events: int
    notes: list[str] = field(default_factory=list)


def read(path: str | Path) -> Log:
    """The history in a file. Raises BadLog with a sentence."""
    events, notes = Events(), []
    with _opened(Path(path)) as (stream, name):
        if name.endswith((".xes", ".xml")):
            _read_xes(stream, events)
        else:
            notes = _read_csv(stream, events)
    if not events.moments:
        raise BadLog("The log has no events.")
    return _log(events, notes)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    name = path.name.lower()
    try:
        with path.open("rb") as plain:
            if name.endswith(".gz"):
                with gzip.open(plain) as packed:
                    yield packed, name[:-3]  # type: ignore[misc]
            else:
                yield plain, name
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadLog(f"{path} is not a whole gzip file: {error}.") from error
    except OSError as error:
        raise BadLog(f"{path} cannot be read: {error.strerror or error}.") from error


def days_of(text: str, line: int) -> float:
    """Local days since 1970 of a timestamp as written in a log."""
    moment = _moment(text.strip())
    if moment is None:
        raise BadLog(
            f"Line {line}: “{text[:40]}” is not a date; write it as 2026-12-14T09:30:00+00:00."
        )
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.get_default_timezone()).replace(tzinfo=None)
    return (moment - EPOCH).total_seconds() / 86400.0


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - a log without zones is local
        except ValueError:
            continue
    return None


# CSV


def _read_csv(stream: BinaryIO, events: Events) -> list[str]:
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader: Any = None
    try:
        head = lines.readline(BLOCK)
        if not head.strip():
            raise BadLog("Line 1: the file is empty; its first line must name the columns.")
        delimiter = max(",;\t", key=head.count)
        place, notes = _columns(next(csv.reader([head], delimiter=delimiter)))
        reader = csv.reader(lines, delimiter=delimiter)
        for row in reader:
            if row:
                _add_row(events, row, place, reader.line_num + 1)
    except UnicodeDecodeError as error:
        line = reader.line_num + 2 if reader else 1
        raise BadLog(f"About line {line}: the file is not text in UTF-8.") from error
    except csv.Error as error:
        raise BadLog(f"Line {reader.line_num + 1 if reader else 1}: {error}.") from error
    return notes


def _columns(head: list[str]) -> tuple[dict[str, int], list[str]]:
    """Where each column stands; group and priority may be missing."""
    named = {name.strip().lower(): n for n, name in reversed(list(enumerate(head)))}
    place = {}
    for column, also in ALSO.items():
        found = next((named[a] for a in also if a in named), None)
        if found is not None:
            place[column] = found
    missing = [c for c in NEEDED if c not in place]
    if missing:
        raise BadLog(
            f"Line 1: the column {' and '.join(missing)} is missing; "
            f"there are {', '.join(head)[:200]}."
        )
    lacking = [c for c in ("group", "priority") if c not in place]
    return place, [f"No column {c}: all are taken as one." for c in lacking]


def _add_row(events: Events, row: list[str], place: dict[str, int], line: int) -> None:
    def cell(column: str) -> str:
        at = place.get(column)
        return row[at].strip() if at is not None and at < len(row) else ""

    for column in NEEDED:
        if not cell(column):
            raise BadLog(f"Line {line}: no {column}.")
    moment = days_of(cell("timestamp"), line)
    events.add(cell("case"), cell("activity"), moment, cell("group"), cell("priority"))


# XES


class XesReader:
    """Handlers of the XML parser: keeps the open trace's events, nothing else."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.EntityDeclHandler = self.refuse
        self.path: list[str] = []
        self.trace: dict[str, str] = {}
        self.event: dict[str, str] = {}
        self.waiting: list[tuple[dict[str, str], int]] = []
        self.traces = 0

    def refuse(self, *declared: Any) -> None:
        raise BadLog(
            f"Line {self.parser.CurrentLineNumber}: document types and entities are not read."
        )

    def start(self, tag: str, given: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self.path and tag != "log":
            raise BadLog(f"Line {self.parser.CurrentLineNumber}: this is not XES but <{tag}>.")
        parent = self.path[-1] if self.path else ""
        self.path.append(tag)
        key = given.get("key", "").lower()
        if parent == "event" and key:
            self.event[key] = given.get("value", "")
        elif parent == "trace" and key:
            self.trace[key] = given.get("value", "")

    def end(self, tag: str) -> None:
        tag = self.path.pop()
        if tag == "event" and self.path[-1:] == ["trace"]:
            self.waiting.append((self.event, self.parser.CurrentLineNumber))
            self.event = {}
        elif tag == "trace":
            self.finish_trace()

    def finish_trace(self) -> None:
        self.traces += 1
        case = self.trace.get("concept:name") or f"trace {self.traces}"
        for event, line in self.waiting:
            words = {**self.trace, **event}
            activity, stage = event.get("concept:name"), event.get("lifecycle:transition", "")
            if not activity:
                raise BadLog(f"Line {line}: an event without concept:name.")
            if "time:timestamp" not in event:
                raise BadLog(f"Line {line}: an event without time:timestamp.")
            if stage.lower() not in ("", "complete"):
                activity = f"{activity} ({stage})"
            moment = days_of(event["time:timestamp"], line)
            self.events.add(case, activity, moment, _word(words, "group"), _word(words, "priority"))
        self.trace, self.waiting = {}, []


def _word(words: dict[str, str], column: str) -> str:
    return next((words[a] for a in ALSO[column] if a in words), "")


def _read_xes(stream: BinaryIO, events: Events) -> None:
    reader = XesReader(events)
    try:
        while block := stream.read(BLOCK):
            reader.parser.Parse(block, False)
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise BadLog(f"Line {error.lineno}: the XML is not well formed ({said}).") from error


# events to visits


def _log(events: Events, notes: list[str]) -> Log:
    case, step, group, kind = (np.array(c, dtype=np.int64) for c in events.columns)
    moment = np.array(events.moments)
    order = np.lexsort((np.arange(len(moment)), moment, case))
    case, step, group, kind, moment = (c[order] for c in (case, step, group, kind, moment))
    final = _final_steps(case, step)
    if not final.any():
        notes.append("No activity ends most cases: the last event of a case counts as its end.")
    history = _visits(case, step, group, kind, moment, final)
    names = events.activities.all
    if final.any():
        ends = ", ".join(sorted(n for n, f in zip(names, final, strict=True) if f)[:8])
        notes.append(f"A case is done at: {ends}.")
    return Log(
        history,
        [g or "no group" for g in events.groups.all],
        names,
        len(events.cases.number),
        len(moment),
        notes,
    )


def _final_steps(case: Ints, step: Ints) -> Any:
    """The activities that end a case: where they occur, hardly anything follows."""
    last = np.append(case[1:] != case[:-1], True)
    often, ends = np.bincount(step), np.bincount(step[last], minlength=int(step.max()) + 1)
    final = (ends >= FINAL * np.maximum(often, 1)) & (ends >= 0.02 * last.sum())
    return final if ends[final].sum() >= 0.5 * last.sum() else np.zeros(len(often), dtype=bool)


def _visits(case: Ints, step: Ints, group: Ints, kind: Ints, moment: Any, final: Any) -> History:
    """Between two events of a case lies a visit; after a final one a new round begins."""
    last = np.append(case[1:] != case[:-1], True)
    ends = final[step] if final.any() else last
    follows = np.append(step[1:], 0)
    until = np.append(moment[1:], np.inf)
    begins = np.append(True, last[:-1] | ends[:-1])
    rounds = np.cumsum(begins) - 1
    then = np.where(last, UNKNOWN, np.where(np.append(ends[1:], False), DONE, follows))
    until = np.where(last, np.inf, until)
    keep = ~ends
    numbers = np.unique(rounds[keep], return_inverse=True)[1].astype(np.int64)
    return History(
        numbers, step[keep], moment[keep], until[keep], then[keep], group[keep], kind[keep],
        np.full(len(numbers), np.nan), np.full(len(numbers), ANY_STEP),
    )  # fmt: skip
