"""`manage.py generate`: bulk data of realistic shape, for looking at and measuring at scale."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.db.models import Max, UUIDField

from config.generate import bulk, parts, plan, worlds
from config.generate.exemplars import Compiler, Exemplar, Tables, graphs
from config.generate.plan import Plan
from config.generate.worlds import Worlds
from config.generate.writer import Writer
from requests_app.models import Request
from workflow import clock

MOST_EXEMPLARS = 1000
SETTLED = 4000  # requests between two looks at what was written
BOOKED = """
INSERT INTO fulfillment_daycapacity (group_id, day, capacity, booked)
SELECT e.group_id, d.day, SUM(d.minutes), SUM(d.minutes)
FROM fulfillment_scheduledday d JOIN fulfillment_scheduleentry e ON e.id = d.entry_id
WHERE e.state IN ('booked', 'started', 'done') GROUP BY e.group_id, d.day
ON CONFLICT (group_id, day) DO UPDATE
SET booked = EXCLUDED.booked, capacity = GREATEST(fulfillment_daycapacity.capacity, EXCLUDED.booked)
"""


class Command(BaseCommand):
    help = "Add N requests with all that belongs to them, copied from the demo's by COPY."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--requests", type=int, required=True, metavar="N")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, requests: int, seed: int, **options: Any) -> None:
        if requests < 1:
            raise CommandError("Say how many requests: one or more.")
        bulk.restore(self._say)
        if not Request.objects.exists():
            call_command("demo", stdout=self.stdout)
        if Request.objects.count() > MOST_EXEMPLARS:
            raise CommandError(
                "There is bulk data already. Use an empty database: another VAR= or DATABASE_URL=."
            )
        self.began = time.monotonic()
        with transaction.atomic():
            made = worlds.build(_worlds_for(requests), requests)
            # a copy's days have other weekends and holidays: workers set its clock anew
            Request.objects.filter(closed_at=None).update(stale_since=clock.now(), alarm_at=None)
        tables = Tables()
        compiler = Compiler(made, tables, clock.today())
        exemplars = [compiler.compile(request, rows) for request, rows in graphs()]
        self._say(f"{len(exemplars)} histories to copy, {made.count} organisations.")
        planned = plan.make(requests, seed, exemplars, made, compiler.days)
        self._load(planned, seed, exemplars, made, tables)
        self._say("Booked days, counters, statistics ...")
        self._finish(tables)
        took = time.monotonic() - self.began
        self._say(f"{requests} requests in {took:.0f} s. `manage.py verify` checks them all.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _load(
        self, planned: Plan, seed: int, exemplars: list[Exemplar], made: Worlds, tables: Tables
    ) -> None:
        count = len(planned.world)
        first_number = _next_number()
        groups = {
            pk for (label, _), many in made.rows.items() if label == "fulfillment.ProviderGroup"
            for world in many for pk, _ in world
        }  # fmt: skip
        room = worlds.capacities(groups, clock.today(), 60)
        names = [m._meta.db_table for m in tables.models]
        shares = _shares(planned.world)
        firsts = _first_keys(planned, shares, exemplars, tables)
        writers = [
            Writer(
                exemplars=exemplars, worlds=made, tables=tables, plan=planned,
                mine=mine, keys=keys, first_number=first_number,
                seed=seed * 1000 + part, room=room,
            )
            for part, (mine, keys) in enumerate(zip(shares, firsts, strict=True))
        ]  # fmt: skip
        with bulk.taken_off(names, self._say):
            if not parts.run(writers, self._progress(count, bulk.Settling(names))):
                raise CommandError(
                    "A part failed; its error stands above. Indexes are back in place."
                )
        _set_sequences(tables, first_number + count)

    def _progress(self, count: int, settling: bulk.Settling) -> Callable[[int], None]:
        """Shows how far the parts are."""
        done = 0

        def tell(more: int) -> None:
            nonlocal done
            if done // SETTLED < (done + more) // SETTLED:
                settling.look()
            done += more
            bar = "#" * (30 * done // count)
            self.stdout.write(f"\r[{bar:<30}] {done} of {count}", ending="\n" * (done == count))
            self.stdout.flush()

        return tell

    def _finish(self, tables: Tables) -> None:
        with connection.cursor() as cursor:
            cursor.execute(BOOKED)
        bulk.analyze([model._meta.db_table for model in tables.models])


def _worlds_for(requests: int) -> int:
    """About one organisation of the demo's size for 15,000 requests."""
    return max(2, min(60, requests // 15_000))


def _shares(world: np.ndarray) -> list[np.ndarray]:
    """The copies that each process writes: whole worlds, and about as many in each share."""
    sizes = np.bincount(world)
    part_of, load = np.zeros(len(sizes), dtype=int), np.zeros(parts.PROCESSES)
    for one in np.argsort(-sizes):
        part_of[one] = load.argmin()
        load[part_of[one]] += sizes[one]
    return [np.nonzero(part_of[world] == part)[0] for part in range(parts.PROCESSES)]


def _first_keys(
    planned: Plan, shares: list[np.ndarray], exemplars: list[Exemplar], tables: Tables
) -> list[list[int]]:
    """Where each share's keys begin, table by table: behind what is there and the shares before."""
    rows = np.array([[e.rows.get(t, 0) for e in exemplars] for t in range(len(tables.models))])
    top = [
        0
        if isinstance(model._meta.pk, UUIDField)
        else model._base_manager.aggregate(top=Max("pk"))["top"] or 0
        for model in tables.models
    ]
    after = np.array(top, dtype=np.int64) + 1
    found = []
    for mine in shares:
        found.append([int(key) for key in after])
        after = after + rows @ np.bincount(planned.exemplar[mine], minlength=len(exemplars))
    return found


def _next_number() -> int:
    """The first number of references that no request has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('reference_req')")
        return int(cursor.fetchone()[0])


def _set_sequences(tables: Tables, number: int) -> None:
    """Keys and references go on after the copies'."""
    with connection.cursor() as cursor:
        for model in tables.models:
            if model._meta.pk.get_internal_type() == "UUIDField":
                continue
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                [model._meta.db_table, model._meta.pk.column,
                 model._base_manager.aggregate(top=Max("pk"))["top"]],
            )  # fmt: skip
        cursor.execute(
            "SELECT setval(format('%%I.%%I', schemaname, sequencename), GREATEST(last_value, %s)) "
            "FROM pg_sequences WHERE sequencename LIKE 'reference_%%'",
            [number],
        )
