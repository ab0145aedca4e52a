"""What every page and step costs over HTTP, beside a bare Django view on the same server.

`make bench ARGS="pages --sizes 1000,100000"`: for each size a database of its own is made with
`generate` (kept for the next run with --keep), gunicorn serves the program and the floor with the
same number of workers, and every round asks both, one after the other.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
TOKEN = "b" * 32
Ask = tuple[str, str, dict[str, Any] | None]  # method, path, form


@dataclass
class Operation:
    """One thing people do: how it is asked for, and which floor it stands on."""

    name: str
    floor: str
    ask: Callable[[], Ask]
    times: dict[str, list[float]] = field(default_factory=dict)


class Client:
    """A person with a session on one server."""

    def __init__(self, port: int, session: str) -> None:
        self.port = port
        self.headers = {
            "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
            "X-CSRFToken": TOKEN,
            "Host": f"127.0.0.1:{port}",
        }

    def time(self, ask: Ask) -> float:
        """Seconds until the whole answer is here. Raises when it is an error."""
        method, path, form = ask
        body = urlencode(form) if form is not None else None
        headers = {**self.headers}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        connection.close()
        if answer.status >= 400 or (method == "POST" and answer.status != 302):
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return took


@contextlib.contextmanager
def server(package: str, port: int) -> Iterator[None]:
    """Gunicorn with the program or with the floor, until it is no longer needed."""
    module = f"{package}.wsgi"
    words = [sys.executable, "-m", "gunicorn", module, "--bind", f"127.0.0.1:{port}",
             "--workers", str(WORKERS), "--log-level", "error"]  # fmt: skip
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": f"{package}.settings"}
    process = subprocess.Popen(words, cwd=ROOT, env=environment)  # noqa: S603 - our own words
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _manage(*words: str) -> None:
    subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, check=True)  # noqa: S603


def _prepare(size: int, keep: bool) -> None:
    """A database of this size; the server syncs to disk as in production."""
    import psycopg2

    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"bench_{size}"
    with contextlib.closing(psycopg2.connect(parts._replace(path="/postgres").geturl())) as link:
        link.autocommit = True
        cursor = link.cursor()
        cursor.execute("ALTER SYSTEM SET fsync = on")
        cursor.execute("ALTER SYSTEM SET synchronous_commit = on")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        there = cursor.fetchone() is not None
        if there and not keep:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        if not (there and keep):
            cursor.execute(f"CREATE DATABASE {name}")
    os.environ["DATABASE_URL"] = parts._replace(path=f"/{name}").geturl()
    if not (there and keep):
        _manage("migrate", "-v0")
        _manage("generate", "--requests", str(size), "--seed", "1")


class Desk:
    """The data behind the operations: who asks, for which requests."""

    def __init__(self) -> None:
        from django.contrib.sessions.backends.db import SessionStore
        from django.db import connection

        from bench.floor.models import MAKE
        from fulfillment.models import ProviderGroup
        from requests_app.models import Request
        from workflow.models import User

        self.rng = random.Random(1)  # noqa: S311 - which rows, no secrets
        self.people = {p.username: p for p in User.objects.filter(
            username__in=["rep", "lead", "specialist", "billing"])}  # fmt: skip
        self.group = ProviderGroup.objects.get(slug="network-services")
        self.sessions = {}
        for name, person in self.people.items():
            store = SessionStore()
            store["_auth_user_id"] = str(person.pk)
            store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
            store["_auth_user_hash"] = person.get_session_auth_hash()
            store.create()
            self.sessions[name] = store.session_key
        own = Request.objects.filter(provider_group=self.group)
        theirs = Request.objects.filter(agency__representative=self.people["rep"])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT stream_id FROM workflow_event WHERE stream_id = ANY(%s) GROUP BY stream_id "
                "ORDER BY abs(count(*) - 30), stream_id LIMIT 20",
                [list(own.open().values_list("pk", flat=True)[:3000])],
            )
            busy = [row[0] for row in cursor.fetchall()]
            cursor.execute(MAKE, [busy])
        self.busy = list(Request.objects.filter(pk__in=busy).values_list("pk", "reference"))
        self.triage = list(
            theirs.filter(state="triage", service__isnull=False).values_list("reference", "service")
        )
        mine = own.filter(state="assigned", specialist=self.people["specialist"])
        self.assigned = list(mine.values_list("reference", flat=True))
        self.rows = list(own.values_list("pk", flat=True)[:2000])
        agency = self.people["rep"].agencies.filter(contacts__isnull=False).first()
        self.intake = {"customer": "existing", "agency": agency.pk,
                       "contact": agency.contacts.first().pk}  # fmt: skip
        titles = own.order_by("-pk").values_list("title", flat=True)[:500]
        self.words = sorted({t.rpartition(", ")[2].split()[0] for t in titles})

    def operations(self) -> list[tuple[str, Operation]]:
        """Who does what; every step takes a request of its own."""
        queue = f"/queues/{self.group.slug}"
        yes = dict.fromkeys(_checklist(), "yes")

        def page(path: str) -> Callable[[], Ask]:
            return lambda: ("GET", path, None)

        def word(path: str) -> Callable[[], Ask]:
            return lambda: ("GET", path + self.rng.choice(self.words), None)

        def triage() -> Ask:
            reference, service = self.triage.pop()
            facts = {"service": service, "service_known": "yes", "decision": "", **yes}
            return ("POST", f"/requests/{reference}/actions/triage/", facts)

        found: list[tuple[str, Operation]] = [
            ("rep", Operation("own work", "list", page("/"))),
            ("specialist", Operation("pending queue", "list", page(f"{queue}/pending/"))),
            ("specialist", Operation("60-day schedule", "list", page(f"{queue}/schedule/"))),
            ("specialist", Operation("work list", "list", page(f"{queue}/worklist/"))),
            ("rep", Operation("requests, three filters", "list",
                page("/requests/?state=pending&priority=3&kind=assistance"))),
            ("rep", Operation("requests, by text", "search", word("/requests/?q="))),
            ("rep", Operation("search", "search", word("/search/?q="))),
            ("lead", Operation("request page", "detail",
                lambda: ("GET", f"/requests/{self.rng.choice(self.busy)[1]}/", None))),
            ("rep", Operation("dashboard", "list", page("/reports/"))),
            ("rep", Operation("API list", "list", page("/api/v1/requests/"))),
            ("rep", Operation("API detail", "detail",
                lambda: ("GET", f"/api/v1/requests/{self.rng.choice(self.busy)[1]}/", None))),
            ("rep", Operation("create", "create", lambda: ("POST", "/requests/new/", {
                **self.intake, "title": "One more desk", "description": "Measured.", "impact": 2,
                "urgency": 2, "submission_key": uuid.uuid4()}))),
            ("rep", Operation("triage", "step", triage)),
            ("specialist", Operation("take next", "step",
                lambda: ("POST", f"{queue}/take-next/", {}))),
            ("specialist", Operation("fulfill", "step", lambda: ("POST",
                f"/requests/{self.assigned.pop()}/actions/fulfill/", {"resolution": "Done."}))),
        ]  # fmt: skip
        return found

    def floor(self, kind: str) -> Ask:
        """The bare page of the same kind."""
        if kind == "list":
            return ("GET", f"/list/{self.group.pk}/", None)
        if kind == "search":
            return ("GET", f"/search/?q={self.rng.choice(self.words).lower()}", None)
        if kind == "detail":
            return ("GET", f"/row/{self.rng.choice(self.busy)[0]}/", None)
        if kind == "create":
            return ("POST", "/create/", {"title": "One more desk", "agency": "Measured"})
        return ("POST", f"/step/{self.rng.choice(self.rows)}/", {"state": "assigned"})


def _checklist() -> list[str]:
    from requests_app.triage import CHECKLIST

    return [key for key, _ in CHECKLIST]


def _measure(desk: Desk, clients: int, rounds: int) -> list[dict[str, Any]]:
    program, floor = _free_port(), _free_port()
    found = []
    with server("config", program), server("bench.floor", floor):
        for who, operation in desk.operations():
            ours = Client(program, desk.sessions[who])
            bare = Client(floor, desk.sessions[who])
            own: list[float] = []
            theirs: list[float] = []
            row: dict[str, Any] = {"operation": operation.name, "floor": operation.floor}
            try:
                with ThreadPoolExecutor(clients) as pool:
                    for number in range(rounds + 2):
                        asks = [operation.ask() for _ in range(clients)]
                        times = list(pool.map(ours.time, asks))
                        floors = [desk.floor(operation.floor) for _ in range(clients)]
                        bares = list(pool.map(bare.time, floors))
                        if number >= 2:  # the first rounds warm both up
                            own += times
                            theirs += bares
            except (IndexError, RuntimeError) as error:
                if not own:
                    found.append({**row, "failed": str(error) or "no request left for it"})
                    continue
            found.append(row | _figures(own, theirs))
    return found


def _figures(own: list[float], bare: list[float]) -> dict[str, Any]:
    def p(values: list[float], q: int) -> float:
        return statistics.quantiles(values, n=20)[q] if len(values) > 1 else values[0]

    ms = 1000
    return {
        "n": len(own),
        "p50_ms": round(p(own, 9) * ms, 1), "p95_ms": round(p(own, 18) * ms, 1),
        "floor_p50_ms": round(p(bare, 9) * ms, 1), "floor_p95_ms": round(p(bare, 18) * ms, 1),
        "ratio_p50": round(p(own, 9) / p(bare, 9), 2),
        "ratio_p95": round(p(own, 18) / p(bare, 18), 2),
    }  # fmt: skip


def main(words: list[str]) -> None:
    """Measure, print the table, write the figures as JSON."""
    parser = argparse.ArgumentParser(prog="bench pages", description=__doc__)
    parser.add_argument("--sizes", default="1000,100000")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="use databases of an earlier run")
    parser.add_argument("--json", default="", help="where to write the figures")
    given = parser.parse_args(words)
    os.environ["STATIC_ROOT"] = str(ROOT / "var" / "bench-static")
    _manage("collectstatic", "--noinput", "-v0")
    results = []
    for size in map(int, given.sizes.split(",")):
        _prepare(size, given.keep)
        for clients in map(int, given.clients.split(",")):
            done = subprocess.run(  # noqa: S603 - a fresh process: Django reads its database once
                [sys.executable, "-m", "bench.pages", str(clients), str(given.rounds)],
                cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            rows = json.loads(done.stdout.splitlines()[-1])
            results += [{"requests": size, "clients": clients, **row} for row in rows]
            sys.stdout.write(table(results[-len(rows) :]) + "\n")
            sys.stdout.flush()
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| requests | clients | operation | p50 ms | p95 ms | floor p50 | × p50 | × p95 |",
             "|--:|--:|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for r in rows:
        if "failed" in r:
            cells = [r["requests"], r["clients"], r["operation"], r["failed"], "", "", "", ""]
        else:
            cells = [r["requests"], r["clients"], r["operation"], r["p50_ms"], r["p95_ms"],
                     r["floor_p50_ms"], r["ratio_p50"], r["ratio_p95"]]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.floor.settings"
    import django

    django.setup()
    sys.stdout.write(json.dumps(_measure(Desk(), int(sys.argv[1]), int(sys.argv[2]))) + "\n")
