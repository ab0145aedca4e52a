"""An exemplar made ready for writing: a table's rows are one text, a copy of it is one join."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from operator import itemgetter
from typing import Any

from config.generate.exemplars import Exemplar, Pieces
from config.generate.moments import EPOCH, TIMES, Shift

HOW = {"stamp": " {}+00", "iso": "T{}Z"}


class Template:
    """A text with places for values. One copy is made at a time."""

    def __init__(self, pieces: Pieces) -> None:
        texts, slots = [""], []
        for piece in pieces:
            if isinstance(piece, int):
                slots.append(piece)
                texts.append("")
            else:
                texts[-1] += piece
        self.parts = [part for text in texts for part in (text, "")][:-1]
        self.pick: Any = itemgetter(*slots) if len(slots) > 1 else None
        self.slots = slots

    def of(self, values: list[str]) -> str:
        """The text with these values in their places."""
        self.parts[1::2] = self.pick(values) if self.pick else [values[n] for n in self.slots]
        return "".join(self.parts)


class Texts:
    """The rows of one exemplar, and where the values go that differ between its copies."""

    def __init__(self, exemplar: Exemplar) -> None:
        self.size = len(exemplar.slots)
        self.bodies: list[Template] = []
        tables: dict[int, Pieces] = defaultdict(list)
        for line in exemplar.lines:
            tables[line.table] += line.text
            if line.body is not None:  # the digests stand behind the values, in order
                before = self.size + len(self.bodies)
                tables[line.table] += ["\t", before, "\t", before + 1]
                self.bodies.append(Template(line.body))
            tables[line.table].append("\n")
        self.tables = [(table, Template(pieces)) for table, pieces in tables.items()]
        self._sort(exemplar.slots)

    def _sort(self, slots: Iterable[tuple[str, Any]]) -> None:
        """What goes into which slots, kind by kind."""
        self.keys: list[tuple[int, int, int]] = []  # slot, table, which of its rows
        self.entities: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        self.by_day: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
        self.others: list[tuple[int, str, Any]] = []
        for slot, (kind, what) in enumerate(slots):
            if kind == "pk":
                self.keys.append((slot, *what))
            elif kind in ("entity", "name"):
                self.entities[what].append((slot, 0 if kind == "entity" else 1))
            elif kind in ("stamp", "iso", "float"):
                self.by_day[what[0]].append((slot, kind, what[1]))
            elif kind == "day":
                self.by_day[what].append((slot, kind, 0))
            else:
                self.others.append((slot, kind, what))
        self.known: dict[tuple[int, int], Any] = {}

    def dated(self, shift: Shift, values: list[str]) -> None:
        """Put days and moments where they go in this copy."""
        texts, offsets = shift.days.texts, shift.days.offsets
        for ordinal in self.by_day:
            there = shift.day(ordinal)
            offset = offsets[there]
            if (ordinal, offset) not in self.known:
                self.known[ordinal, offset] = self._at(ordinal, offset)
            worded, counted = self.known[ordinal, offset]
            for slot, later, rest in worded:
                values[slot] = texts[there + later] + rest
            for slot, seconds in counted:
                values[slot] = f"{there * 86_400 + seconds}.0"

    def _at(self, ordinal: int, offset: int) -> tuple[list[Any], list[Any]]:
        """The slots of one day where local time is `offset` seconds ahead of UTC."""
        worded: list[Any] = []  # slot, days later in UTC, what follows the day
        counted: list[Any] = []  # slot, seconds to add to the day's for a moment as a number
        for slot, kind, second in self.by_day[ordinal]:
            later, rest = divmod(second - offset, 86_400)
            if kind == "float":
                counted.append((slot, second - offset - EPOCH * 86_400))
            elif kind == "day":
                worded.append((slot, 0, ""))
            else:
                worded.append((slot, later, HOW[kind].format(TIMES[rest])))
        return worded, counted

    def rows(self, values: list[str]) -> Iterator[tuple[int, str]]:
        """Each table's rows of the copy with these values."""
        digest = ""
        values.append(digest)
        for body in self.bodies:
            digest = sha256(f'["{digest}"{body.of(values)}'.encode()).hexdigest()
            values.append(digest)
        for table, template in self.tables:
            yield table, template.of(values)
