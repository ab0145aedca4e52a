"""Writing the copies: each process takes some worlds and streams their rows through COPY."""

import hashlib
import io
import random
from collections.abc import Callable, Iterator

import numpy as np
from django.db import connection

from config.generate.exemplars import Exemplar, Tables
from config.generate.moments import EPOCH, TIMES, Days, Shift
from config.generate.plan import Plan
from config.generate.worlds import Entity, Worlds

BATCH = 1000
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
        self.crowded = 0

    def write(self, tell: Callable[[int], None]) -> int:
        """Write the copies numbered in `mine`; returns how many bookings found no room ahead."""
        buffers = [io.StringIO() for _ in self.tables.models]
        for done, number in enumerate(self.mine):
            for table, text in self._copy(int(number)):
                buffers[table].write(text)
            if (done + 1) % BATCH == 0:
                self._flush(buffers)
                tell(BATCH)
        self._flush(buffers)
        tell(len(self.mine) % BATCH)
        return self.crowded

    def _flush(self, buffers: list[io.StringIO]) -> None:
        with connection.cursor() as cursor:
            for table, buffer in enumerate(buffers):
                if buffer.tell():
                    buffer.seek(0)
                    name = self.tables.models[table]._meta.db_table
                    columns = ", ".join(f'"{c}"' for c in self.tables.columns(table))
                    cursor.copy_expert(f'COPY "{name}" ({columns}) FROM STDIN', buffer)
                    buffer.seek(0)
                    buffer.truncate()

    def _copy(self, number: int) -> Iterator[tuple[int, str]]:
        exemplar = self.exemplars[int(self.plan.exemplar[number])]
        values = tuple(self._values(exemplar, number))
        for table, rows in exemplar.rows.items():
            self.keys[table] += rows
        digest = ""
        for line in exemplar.lines:
            picked = line.values(values) if line.values else ()
            if line.body:
                body = f'["{digest}"' + line.body % line.body_values(values)
                fresh = hashlib.sha256(body.encode()).hexdigest()
                yield line.table, line.text % (*picked, digest, fresh)
                digest = fresh
            else:
                yield line.table, line.text % picked

    def _values(self, exemplar: Exemplar, number: int) -> list[str]:
        """What differs in this copy, one text per slot."""
        rng, world = self.rng, int(self.plan.world[number])
        entities: dict[tuple[str, int], Entity] = {}

        def entity(key: tuple[str, int]) -> Entity:
            if key not in entities:
                many = self.worlds.rows[key][world]
                entities[key] = many[0] if len(many) == 1 else rng.choice(many)
            return entities[key]

        days = exemplar.days
        shift = Shift(
            days,
            days.today if exemplar.is_open else days.index(exemplar.first),
            int(self.plan.start[number]),
            float(self.plan.scale[number]),
            exemplar.is_open,
            {},
        )
        if exemplar.is_open and exemplar.entry_days:
            self._book(exemplar, shift, entity)
        count = self.first_number + number
        there: dict[int, int] = {}  # by day of the history: where it goes in this copy

        def day(ordinal: int) -> int:
            found = there.get(ordinal)
            if found is None:
                found = there[ordinal] = shift.day(ordinal)
            return found

        year = days.texts[day(exemplar.first)][:4]
        site = self.sites[min(int(rng.paretovariate(0.6)) - 1, len(self.sites) - 1)]
        values: list[str] = []
        add = values.append
        for kind, what in exemplar.slots:
            if kind == "pk":
                add(str(self.keys[what[0]] + what[1]))
            elif kind in ("stamp", "iso", "float"):
                add(_moment(days, kind, day(what[0]), what[1]))
            elif kind == "day":
                add(days.texts[day(what)])
            elif kind == "entity":
                add(str(entity(what)[0]))
            elif kind == "name":
                add(entity(what)[1])
            elif kind == "reference":
                add(f"{what[0]}-{year}-{count + what[1] * 10_000_000:06d}")
            elif kind == "uuid":
                add(_uuid(rng.getrandbits(122)))
            elif kind == "hash":
                add(f"{rng.getrandbits(256):064x}")
            elif kind == "title":
                words = "".join(p if isinstance(p, str) else values[p] for p in what)
                add(f"{words}, {site}")
            elif kind == "site":
                add(site)
            else:
                add(f"{what}{'-' if kind == 'slug' else ' '}{count}")
        return values

    def _book(self, exemplar: Exemplar, shift: Shift, entity: Callable[..., Entity]) -> None:
        """Put what is booked from today on where its group has room: no day is overbooked."""
        today = exemplar.days.working[exemplar.days.today]
        ahead = [e for e in exemplar.entry_days if e[1] >= today]
        if not ahead:
            return
        room = self.room[entity(("fulfillment.ProviderGroup", ahead[0][0]))[0]]
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


def _moment(days: Days, kind: str, ordinal: int, second: int) -> str:
    day, rest = days.stamp(ordinal, second)
    if kind == "float":
        return f"{day * 86_400 + rest}.0"
    text = days.texts[day + EPOCH]
    return f"{text}T{TIMES[rest]}Z" if kind == "iso" else f"{text} {TIMES[rest]}+00"


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
