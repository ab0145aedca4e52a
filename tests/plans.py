"""What the database does for a page: its plans on bulk data, and what in them grows with the data.

The bulk data is a few thousand requests. Each test tells the planner, inside its own transaction,
that the tables are much denser than they are: the plans are then those of a large office.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.factories import Office
from tests.walk import (
    passed,
    to_assigned,
    to_awaiting,
    to_billing,
    to_closed,
    to_declined,
    to_discovery,
    to_in_fulfillment,
    to_pending,
    to_scheduled,
)
from workflow import clock

MANY, WORLDS = 2000, 12
BIG = 500  # rows; a table that has more grows with the requests
DENSER = 150
# rows; where no more than these match, gathering and sorting them may cost less than an index walk
READ = 5000
COLUMNS = re.compile(r"(\w+\.\w+, ){3,}")
WALKS: tuple[Callable[[Office], Any], ...] = (
    Office.request, to_pending, to_assigned, to_awaiting, to_scheduled, to_in_fulfillment,
    passed, to_billing, to_closed, to_closed, to_declined, to_discovery,
)  # fmt: skip
DENSITY = """
UPDATE pg_class SET reltuples = reltuples * %s WHERE relnamespace = 'public'::regnamespace
AND (oid::regclass::text = ANY(%s)
     OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid::regclass::text = ANY(%s)))
"""


@pytest.fixture(scope="module")
def _bulk(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """A few thousand requests in a dozen organisations, made once for a module."""
    with django_db_blocker.unblock():
        try:
            yield _made()
        finally:
            call_command("flush", verbosity=0, interactive=False)


def _made() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("config.management.commands.generate._worlds_for", lambda count: WORLDS)
        office = Office()
        for weeks, walk in enumerate(WALKS):
            with clock.acting_at(clock.now() - timedelta(weeks=weeks)):
                walk(office)
        call_command("generate", requests=MANY, seed=5, stdout=io.StringIO())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        # A transaction anywhere on the server that is older than these indexes would keep ours
        # from using them; nobody here looks at rows from before them.
        cursor.execute("UPDATE pg_index SET indcheckxmin = false WHERE indcheckxmin")
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s "
            "AND relnamespace = 'public'::regnamespace",
            [BIG],
        )
        big = {name for (name,) in cursor.fetchall()}
    return {"office": office, "big": big}


@pytest.fixture
def at_scale(_bulk: dict[str, Any], db: None) -> "Scale":
    """The bulk data, believed to be far more."""
    tables = sorted(_bulk["big"])
    with connection.cursor() as cursor:
        cursor.execute(DENSITY, [DENSER, tables, tables])
    return Scale(_bulk["office"], _bulk["big"])


@dataclass
class Found:
    """One statement of a page, its plan, and what in the plan grows with the data."""

    sql: str
    plan: dict[str, Any]
    faults: list[str]

    def __str__(self) -> str:
        shown = COLUMNS.sub("... ", self.sql.replace('"', ""))[:1500]
        return f"{'; '.join(self.faults)}\n    {shown}"


@dataclass
class Scale:
    """The office of the bulk data, and how its pages are asked for."""

    office: Office
    big: set[str]

    def page(self, user: Any, address: str, **query: Any) -> list[Found]:
        """Every statement that a page needs, explained. The page must be there."""
        client = Client()
        client.force_login(user)
        client.get(address, query)  # what is kept between pages is there from now on
        with _captured() as statements:
            answer: Any = client.get(address, query)
            assert answer.status_code in (200, 302), f"{address}: {answer.status_code}"
            if answer.streaming:
                b"".join(answer.streaming_content)
        return [self.explained(sql, params) for sql, params in statements]

    def explained(self, sql: str, params: Any) -> Found:
        """The plan of one statement, without running it."""
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            answer = cursor.fetchone()[0]
            text = cursor.mogrify(sql, params).decode()
        plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
        return Found(text, plan, list(faults(plan, self.big)))


@contextmanager
def _captured() -> Iterator[list[tuple[str, Any]]]:
    """The reading statements as they are sent, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH", "(SELECT", "EXECUTE")):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        yield statements


def faults(
    node: dict[str, Any], big: set[str], limited: bool = False, times: int = 1
) -> Iterator[str]:
    """What in a plan costs more the more requests there are."""
    kind, rows = node["Node Type"], node["Plan Rows"] * times
    table = node.get("Relation Name", node.get("Index Name", ""))
    if kind == "Seq Scan" and table in big:
        yield f"reads all of {table}"
    if kind == "Sort" and node["Plans"][0]["Plan Rows"] > READ and _reads(node, big):
        yield f"sorts {node['Plans'][0]['Plan Rows']} rows by {', '.join(node['Sort Key'])}"
    if "Scan" in kind and table in big and not limited and rows > READ:
        yield f"reads {rows} rows of {table}"
    stops = limited or kind == "Limit"
    if kind in ("Sort", "Hash", "Aggregate") and node.get("Strategy") != "Sorted":
        stops = False  # these read everything below before they give the first row
    plans = node.get("Plans", [])
    for n, child in enumerate(plans):
        inner = plans[0]["Plan Rows"] if kind == "Nested Loop" and n == 1 else 1
        yield from faults(child, big, stops, times * max(inner, 1))


def _reads(node: dict[str, Any], big: set[str]) -> bool:
    """Whether any of the big tables is read below."""
    below = node.get("Plans", [])
    return node.get("Relation Name") in big or any(_reads(child, big) for child in below)


def growing(found: list[Found]) -> str:
    """The statements of a page that cost more the more there is, in words; empty where none do."""
    return "\n".join(f"- {f}" for f in found if f.faults)
