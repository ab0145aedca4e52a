"""Loading much at once: indexes, foreign keys and triggers are off, and back on afterwards.

What was taken off is written down in the database first, so a run that was killed is repaired by
the next one. Making the constraints again checks every row against them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection, connections, transaction
from django.db.backends.utils import CursorWrapper

NOTE = "generate_taken_off"
FIND = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s%%s', conrelid::regclass, conname,
              pg_get_constraintdef(oid), CASE contype WHEN 'f' THEN ' NOT VALID' ELSE '' END)
FROM pg_constraint WHERE contype IN ('f', 'u') AND conrelid::regclass::text = ANY(%(tables)s)
UNION ALL
SELECT '', format('ALTER TABLE %%s VALIDATE CONSTRAINT %%I', conrelid::regclass, conname)
FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text = ANY(%(tables)s)
UNION ALL
SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index i WHERE indrelid::regclass::text = ANY(%(tables)s)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid
                  AND c.contype IN ('p', 'u', 'x'))
"""

LEFT = f"""
SELECT statement, target, pg_table_size(target::regclass)
       * CASE WHEN statement LIKE '%USING gin%' THEN 4 ELSE 1 END
FROM (SELECT statement, substring(statement FROM '(?:ALTER TABLE| ON) (\\S+)') AS target
      FROM {NOTE}) AS noted
"""  # noqa: S608 - a constant name
KEYS = " NOT VALID"
# what marks statements of each phase, and what is said of them. Making a key locks both tables:
# two connections that did it could wait for each other. Checking it takes long and locks out nobody
PHASES = {
    "": "Making {} indexes ...",
    KEYS: "Making {} foreign keys ...",
    " VALIDATE CONSTRAINT ": "Checking {} foreign keys ...",
    " RESET (": "Cleaning {} tables as usual from now on ...",
}
SETTINGS = """
SET maintenance_work_mem = '256MB';
SET max_parallel_maintenance_workers = 0;
SET synchronous_commit = off
"""


def restore(tell: Callable[[str], None]) -> None:
    """Make again what a run took off, on two connections; foreign keys last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [NOTE])
        if cursor.fetchone()[0] is None:
            return
        cursor.execute(LEFT)
        left = cursor.fetchall()
    for phase, (mark, said) in enumerate(PHASES.items()):
        now = [(target, cost, s) for s, target, cost in left if _phase(s) == phase]
        tell(said.format(len(now)))
        lists = _by_table(now)
        _two_at_a_time(_make, [sum(lists, [])] if mark == KEYS else lists)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {NOTE}")


def _phase(statement: str) -> int:
    return max(n for n, mark in enumerate(PHASES) if mark in statement)


def _by_table(statements: list[tuple[str, int, str]]) -> list[list[str]]:
    """Statements (table, cost, text) table by table, as they lock each other out of one; what takes
    longest comes first, so that both connections end together."""
    found: dict[str, list[str]] = defaultdict(list)
    costs: Counter[str] = Counter()
    for table, cost, text in sorted(statements, key=lambda s: -s[1]):
        found[table].append(text)
        costs[table] += cost
    return [found[table] for table, _ in costs.most_common()]


def analyze(tables: list[str]) -> None:
    """Gather the planner's statistics."""
    _two_at_a_time(
        lambda cursor, statement: cursor.execute(statement),
        [[f'ANALYZE "{table}"'] for table in tables],
    )


def _make(cursor: CursorWrapper, statement: str) -> None:
    with transaction.atomic():
        cursor.execute(statement)
        cursor.execute(f"DELETE FROM {NOTE} WHERE statement = %s", [statement])  # noqa: S608


def _two_at_a_time(work: Callable[[CursorWrapper, str], None], many: list[list[str]]) -> None:
    """Do the work for all statements of each list, in order, on two connections. Where it fails on
    one of them, the other goes on to the end before that error is raised."""
    waiting = iter(many)

    def some_of_it(_: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(SETTINGS)
                for statements in waiting:
                    for statement in statements:
                        work(cursor, statement)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(some_of_it, range(2)))


class Settling:
    """Reads rows soon after they were written, while their pages are in PostgreSQL's memory.

    Whoever reads a row first notes on its page that it was committed. Where that is left to the
    making of indexes, each page is read, logged and written a second time.
    """

    def __init__(self, tables: list[str]) -> None:
        self.done = {name: pages for name, pages in _pages(tables)}
        self.written = dict(self.done)

    def look(self) -> None:
        """Read the pages that were there at the last look: what they hold is safe in the log."""
        with connection.cursor() as cursor:
            for table, upto in self.written.items():
                if upto > self.done[table]:
                    cursor.execute(
                        f'SELECT count(*) FROM "{table}" WHERE ctid >= %s AND ctid < %s',  # noqa: S608
                        [f"({self.done[table]},0)", f"({upto},0)"],
                    )
        self.done, self.written = self.written, dict(_pages(list(self.written)))


def _pages(tables: list[str]) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_relation_size(quote_ident(name)::regclass)"
            " / current_setting('block_size')::int FROM unnest(%s) AS name",
            [tables],
        )
        return list(cursor.fetchall())


@contextmanager
def taken_off(tables: list[str], tell: Callable[[str], None]) -> Iterator[None]:
    """Load the tables without their indexes; they are back at the end, whatever happens."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FIND, {"tables": tables})
        found = cursor.fetchall()
        for name in tables:
            table = f'ALTER TABLE "{name}"'
            found += [
                (f"{table} DISABLE TRIGGER USER", f"{table} ENABLE TRIGGER USER"),
                (f"{table} SET (autovacuum_enabled = off)", f"{table} RESET (autovacuum_enabled)"),
            ]
        cursor.execute(f"CREATE TABLE {NOTE} (statement text)")
        for _, made_again in found:
            cursor.execute(f"INSERT INTO {NOTE} VALUES (%s)", [made_again])  # noqa: S608
        for drop, _ in sorted(found, key=lambda row: "CONSTRAINT" not in row[0]):
            if drop:
                cursor.execute(drop)
    try:
        yield
    finally:
        restore(tell)
