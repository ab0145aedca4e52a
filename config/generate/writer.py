"""Writing the copies: each process takes some worlds and streams their rows through COPY."""

import io
import random
from collections.abc import Callable, Iterable

import numpy as np
from django.db import connection

from config.generate.exemplars import Exemplar, Tables
from config.generate.moments import Shift
from config.generate.plan import Plan
from config.generate.texts import Texts
from config.generate.worlds import Worlds

BATCH = 1000
BITE = 1 << 18  # bytes that go to the database at once
SOUNDS = ("al", "bar", "cor", "den", "el", "far", "gor", "hal", "in", "kel", "lor", "mar", "nor",
          "or", "pel", "quin", "ros", "sel", "tor", "ul", "ver", "wal", "yar", "zen")  # fmt: skip
KINDS = ("Hall", "Annex", "House", "Depot", "Tower", "Yard", "Court", "Lodge")


def sites(count: int = 4000) -> list[str]:
    """Invented names of places, so that there is something to search for."""
    rng = random.Random(1)  # noqa: S311 - names, no secrets
    return [
        "".join(rng.choices(SOUNDS, k=rng.randint(2, 4))).capitalize() + " " + rng.choice(KINDS)
        for _ in range(count)
    ]


class Writer:
    """Copies the requests of some worlds, in the order of arrival."""

    def __init__(
        self, *, exemplars: list[Exemplar], worlds: Worlds, tables: Tables, plan: Plan,
        mine: np.ndarray, keys: list[int], first_number: int, seed: int,
        room: dict[int, dict[int, int]],
    ) -> None:  # fmt: skip
        self.exemplars, self.worlds, self.tables = exemplars, worlds, tables
        self.plan, self.mine, self.keys = plan, mine, keys
        self.first_number, self.room = first_number, room
        self.rng = random.Random(seed)  # noqa: S311 - shapes of data, no secrets
        self.sites = sites()
        self.texts: dict[int, Texts] = {}
        self.crowded = 0

    def write(self, tell: Callable[[int], None]) -> int:
        """Write the copies numbered in `mine`; returns how many bookings found no room ahead."""
        buffers: list[list[str]] = [[] for _ in self.tables.models]
        for begin in range(0, len(self.mine), BATCH):
            batch = self.mine[begin : begin + BATCH]
            columns = (self.plan.exemplar, self.plan.world, self.plan.start, self.plan.scale)
            for copy in zip(batch.tolist(), *(c[batch].tolist() for c in columns), strict=True):
                for table, text in self._copy(*copy):
                    buffers[table].append(text)
            self._flush(buffers)
            tell(len(batch))
        return self.crowded

    def _flush(self, buffers: list[list[str]]) -> None:
        with connection.cursor() as cursor:
            for table, texts in enumerate(buffers):
                if texts:
                    name = self.tables.models[table]._meta.db_table
                    columns = ", ".join(f'"{c}"' for c in self.tables.columns(table))
                    rows = io.BytesIO("".join(texts).encode())
                    cursor.copy_expert(f'COPY "{name}" ({columns}) FROM STDIN', rows, BITE)
                    texts.clear()

    def _copy(
        self, number: int, which: int, world: int, start: int, scale: float
    ) -> Iterable[tuple[int, str]]:
        exemplar = self.exemplars[which]
        if which not in self.texts:
            self.texts[which] = Texts(exemplar)
        texts = self.texts[which]
        days = exemplar.days
        anchor = days.today if exemplar.is_open else days.index(exemplar.first)
        shift = Shift(days, anchor, start, scale, exemplar.is_open, {})
        values = [""] * texts.size
        for slot, table, row in texts.keys:
            values[slot] = str(self.keys[table] + row)
        for table, rows in exemplar.rows.items():
            self.keys[table] += rows
        self._people(texts, world, values)
        if exemplar.is_open and exemplar.entry_days:
            self._book(exemplar, shift, world)
        texts.dated(shift, values)
        year = days.texts[shift.day(exemplar.first)][:4]
        self._words(texts, self.first_number + number, year, values)
        return texts.rows(values)

    def _people(self, texts: Texts, world: int, values: list[str]) -> None:
        """Who and what of the world stands for those of the demo."""
        for key, slots in texts.entities.items():
            many = self.worlds.rows[key][world]
            found = many[0] if len(many) == 1 else many[int(self.rng.random() * len(many))]
            for slot, part in slots:
                values[slot] = str(found[part])

    def _words(self, texts: Texts, count: int, year: str, values: list[str]) -> None:
        """Names and numbers of the copy's own."""
        rng = self.rng
        site = self.sites[min(int(rng.paretovariate(0.6)) - 1, len(self.sites) - 1)]
        for slot, kind, what in texts.others:
            if kind == "reference":
                values[slot] = f"{what[0]}-{year}-{count + what[1] * 10_000_000:06d}"
            elif kind == "uuid":
                values[slot] = _uuid(rng.getrandbits(122))
            elif kind == "hash":
                values[slot] = f"{rng.getrandbits(256):064x}"
            elif kind == "title":
                words = "".join(p if isinstance(p, str) else values[p] for p in what)
                values[slot] = f"{words}, {site}"
            elif kind == "site":
                values[slot] = site
            else:
                values[slot] = f"{what}{'-' if kind == 'slug' else ' '}{count}"

    def _book(self, exemplar: Exemplar, shift: Shift, world: int) -> None:
        """Put what is booked from today on where its group has room: no day is overbooked."""
        today = exemplar.days.working[exemplar.days.today]
        ahead = [e for e in exemplar.entry_days if e[1] >= today]
        if not ahead:
            return
        room = self.room[self.worlds.rows["fulfillment.ProviderGroup", ahead[0][0]][world][0][0]]
        wanted: dict[int, int] = {}
        for _, day, minutes in ahead:
            wanted[day] = wanted.get(day, 0) + minutes
        free = [d for d in room if d >= today]
        days = sorted(wanted)
        begin = self.rng.randrange(len(free) * 2 // 3)
        picked = _fitting(free[begin:], room, wanted) or _fitting(free, room, wanted)
        if picked is None:  # more work than the group can do: its days count as longer ones
            self.crowded += 1
            picked = free[-len(days) :]
        for day, there in zip(days, picked, strict=True):
            shift.own[day] = there
            room[there] -= wanted[day]


def _uuid(bits: int) -> str:
    """122 random bits as a UUID of version 4, in a third of the time that the library takes."""
    text = f"{bits:031x}"
    variant = "89ab"[bits & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[12:15]}-{variant}{text[15:18]}-{text[18:30]}"


def _fitting(free: list[int], room: dict[int, int], wanted: dict[int, int]) -> list[int] | None:
    """The first days, in order, on which as much is free as is wanted; None where there are not."""
    picked: list[int] = []
    ahead = iter(free)
    for day in sorted(wanted):
        found = next((d for d in ahead if room[d] >= wanted[day]), None)
        if found is None:
            return None
        picked.append(found)
    return picked
