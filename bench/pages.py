"""What every page and step costs over HTTP, beside a bare Django view on the same server.

`make bench ARGS="pages"`: for each size a database is made once with `generate` and kept; gunicorn
serves the program and the floor with the same number of workers, on all sizes at once. Every round
asks each operation of each size, the program first, then the floor with the same kind of work, so
whatever else the machine does meets all of them alike. PostgreSQL syncs to disk.
"""

import argparse
import contextlib
import http.client
import itertools
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import _report
from bench._stand import FOLDER, THREADS, WORKERS, Stand, desk_of, say, server, stand

TOKEN = "b" * 32
WARM = 3  # rounds with a client for every thread before those that count
Ask = tuple[str, str, dict[str, Any] | None]  # method, path, form


class Wrong(Exception):  # noqa: N818 - what an answer was instead of the right one
    """An answer that is not the page or the redirect asked for, or no request left to ask for."""


@dataclass
class Series:
    """The seconds of one operation, one size and one number of clients."""

    own: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    together: float = 0.0  # seconds in which all of `own` were served
    wrong: list[str] = field(default_factory=list)


def fetch(port: int, session: str, ask: Ask) -> tuple[float, str]:
    """Seconds until the whole answer is here, and where it leads. Raises Wrong."""
    method, path, form = ask
    headers = {
        "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
        "X-CSRFToken": TOKEN,
        "Host": f"127.0.0.1:{port}",
    }
    body = urlencode(form) if form is not None else None
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    began = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"{method} {path}: {error!r}") from error
    if answer.status != (302 if method == "POST" else 200):
        raise Wrong(f"{method} {path}: {answer.status} {text[:200]!r}")
    return took, answer.getheader("Location", "") or ""


class Desk:
    """One size: its two servers, and the asks of its people.

    Steps feed each other: what `create` made is triaged into the pending queue, `take next` takes
    from there, and what was taken is fulfilled. So a small database has work for every round.
    """

    def __init__(self, size: int, found: dict[str, Any], program: int, floor: int) -> None:
        self.size, self.found, self.program, self.floor_port = size, found, program, floor
        self.rng = random.Random(1)  # noqa: S311 - which rows, no secrets
        self.unseen = itertools.cycle(found["unseen"])
        self.made: list[str] = []
        self.taken: list[str] = []
        if not found["busy"] or not found["words"]:
            raise SystemExit(f"{size} requests are too few: the group has none of its own.")

    def operations(self) -> list[tuple[str, str, str, Callable[[], Ask]]]:
        """Name, kind of floor, who, and what is asked."""
        queue = f"/queues/{self.found['slug']}"

        def page(path: str) -> Callable[[], Ask]:
            return lambda: ("GET", path, None)

        def word(path: str) -> Callable[[], Ask]:
            return lambda: ("GET", path + self.rng.choice(self.found["words"]), None)

        def busy(path: str) -> Callable[[], Ask]:
            return lambda: ("GET", f"{path}{self.rng.choice(self.found['busy'])[1]}/", None)

        return [
            ("own work", "list", "rep", page("/")),
            ("pending queue", "list", "specialist", page(f"{queue}/pending/")),
            ("60-day schedule", "list", "specialist", page(f"{queue}/schedule/")),
            ("work list", "list", "specialist", page(f"{queue}/worklist/")),
            ("requests, three filters", "list", "rep",
             page("/requests/?state=pending&priority=3&kind=assistance")),
            ("requests, by text", "search", "rep", word("/requests/?q=")),
            ("request page", "detail", "lead", busy("/requests/")),
            ("request page, first look", "detail", "rep",
             lambda: ("GET", f"/requests/{next(self.unseen)}/", None)),
            ("create", "create", "rep", self._create),
            ("triage", "step", "rep", self._triage),
            ("take next", "step", "specialist", lambda: ("POST", f"{queue}/take-next/", {})),
            ("fulfill", "step", "specialist", self._fulfill),
            ("search", "search", "rep", word("/search/?q=")),
            ("API list", "list", "rep", page("/api/v1/requests/")),
            ("API detail", "detail", "rep", busy("/api/v1/requests/")),
            ("dashboard", "list", "rep", page("/reports/")),
        ]  # fmt: skip

    def _create(self) -> Ask:
        form = {"customer": "existing", "agency": self.found["agency"],
                "contact": self.found["contact"], "title": "One more desk",
                "description": "Measured.", "impact": 2, "urgency": 2,
                "submission_key": uuid.uuid4()}  # fmt: skip
        return ("POST", "/requests/new/", form)

    def _triage(self) -> Ask:
        if not self.made:
            raise Wrong("nothing was created that could be triaged")
        facts = dict.fromkeys(self.found["checklist"], "yes")
        facts |= {"service": self.found["service"], "service_known": "yes", "decision": ""}
        return ("POST", f"{self.made.pop(0)}actions/triage/", facts)

    def _fulfill(self) -> Ask:
        if not self.taken:
            raise Wrong("nothing was taken that could be fulfilled")
        path = f"{self.taken.pop(0)}actions/fulfill/"
        return ("POST", path, {"resolution": "Done."})

    def floor(self, kind: str) -> Ask:
        """The bare page of the same kind."""
        found, pick = self.found, self.rng.choice
        if kind == "list":
            return ("GET", f"/list/{found['group']}/", None)
        if kind == "search":
            return ("GET", f"/search/?q={pick(found['words']).lower()}", None)
        if kind == "detail":
            return ("GET", f"/row/{pick(found['busy'])[0]}/", None)
        if kind == "create":
            return ("POST", "/create/", {"title": "One more desk", "agency": "Measured"})
        return ("POST", f"/step/{pick(found['rows'])}/", {"state": "assigned"})

    def follow(self, name: str, location: str) -> None:
        """Where a step led is where the next step goes."""
        if name == "create":
            self.made.append(location)
        elif name == "take next" and location.startswith("/requests/"):
            self.taken.append(location)


class Round:
    """Asks everything once, with so many clients at once."""

    def __init__(self, desks: list[Desk], clients: int) -> None:
        self.desks, self.clients = desks, clients
        self.series: dict[tuple[int, str], Series] = {}
        self.kinds: dict[str, str] = {}

    def ask(self, pool: ThreadPoolExecutor, counts: bool) -> None:
        """Each operation of each size: the program, then the floor."""
        for number in range(len(self.desks[0].operations())):
            for desk in self.desks:
                name, kind, who, what = desk.operations()[number]
                self.kinds[name] = kind
                kept = self.series.setdefault((desk.size, name), Series())
                session = desk.found["sessions"][who]
                bare_session = desk.found["bare sessions"][who]
                began = time.perf_counter()
                own = self._many(pool, desk.program, session, what, kept)
                together = time.perf_counter() - began
                for _, location in own:
                    desk.follow(name, location)
                bare = self._many(
                    pool, desk.floor_port, bare_session, lambda d=desk, k=kind: d.floor(k), kept
                )
                if counts:
                    kept.own += [took for took, _ in own]
                    kept.bare += [took for took, _ in bare]
                    kept.together += together

    def _many(
        self, pool: ThreadPoolExecutor, port: int, session: str, what: Any, kept: Series
    ) -> list[tuple[float, str]]:
        asks = []
        for _ in range(self.clients):
            try:
                asks.append(what())
            except Wrong as nothing:
                kept.wrong.append(str(nothing))
        done = []
        for future in [pool.submit(fetch, port, session, ask) for ask in asks]:
            try:
                done.append(future.result())
            except Wrong as wrong:
                kept.wrong.append(str(wrong))
        return done


def warm_up(desks: list[Desk]) -> None:
    """Every thread of every server has its connection, and has served every kind of page."""
    turn = Round(desks, WORKERS * THREADS)
    with ThreadPoolExecutor(turn.clients) as pool:
        for _ in range(WARM):
            turn.ask(pool, counts=False)


def measure(desks: list[Desk], clients: int, rounds: int) -> list[dict[str, Any]]:
    """All rounds with so many clients; a row of figures for each size and operation."""
    turn = Round(desks, clients)
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        for number in range(1, rounds + 1):
            turn.ask(pool, counts=True)
            left = (time.monotonic() - began) / number * (rounds - number)
            if number == 1 or number % 5 == 0 or number == rounds:
                say(f"{clients} clients: round {number} of {rounds}, {left:.0f} s left")
    rows = []
    for (size, name), series in turn.series.items():
        row = {"requests": size, "clients": clients, "operation": name, "floor": turn.kinds[name]}
        rows.append(row | _report.figures(series.own, series.bare, series.together))
        if series.wrong:
            rows[-1]["wrong"] = {"times": len(series.wrong), "first": series.wrong[0]}
    return rows


def run(made: Stand, sizes: list[int], clients: list[int], rounds: int) -> dict[str, Any]:
    """Copies of all sizes, servers on each, and the measurements."""
    names = {size: made.copy(size) for size in sizes}
    try:
        with contextlib.ExitStack() as stack:
            desks, about = [], []
            for size, name in names.items():
                say(f"{size:,} requests: the floor's tables, summaries ...")
                found = desk_of(made, name)
                made.ask("CHECKPOINT")
                program = stack.enter_context(server(made, name, "config"))
                floor = stack.enter_context(server(made, name, "bench.floor"))
                desks.append(Desk(size, found, program, floor))
                about.append({"requests": found["requests"], "open": found["open"],
                              "megabytes": made.megabytes(name)})  # fmt: skip
            say("warming up ...")
            warm_up(desks)
            rows = []
            for many in clients:
                rows += measure(desks, many, max(3, rounds // (1 if many == 1 else 4)))
    finally:
        for name in names.values():
            made.drop(name)
    version = made.ask("SHOW server_version")[0][0]
    fsync = made.ask("SHOW fsync")[0][0]
    return {"machine": _report.machine(version, fsync), "rounds": rounds, "databases": about,
            "rows": rows}  # fmt: skip


def main(words: list[str]) -> None:
    """Measure, print the table, write the figures as JSON and, if asked to, into the document."""
    parser = argparse.ArgumentParser(prog="bench pages", description=__doc__)
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--rounds", type=int, default=40, help="of one client; of more a quarter")
    parser.add_argument("--fresh", action="store_true", help="make the databases anew")
    parser.add_argument("--json", type=Path, default=FOLDER / "pages.json")
    parser.add_argument("--write", type=Path, help="the Markdown document to put the figures into")
    parser.add_argument("--from-json", action="store_true", help="measure nothing, write again")
    given = parser.parse_args(words)
    if given.from_json:
        results = _report.load(given.json)
    else:
        sizes = [int(word) for word in given.sizes.split(",")]
        clients = [int(word) for word in given.clients.split(",")]
        with stand() as made:
            for size in sizes:
                if given.fresh:
                    made.drop(f"size_{size}")
                made.template(size)
            results = run(made, sizes, clients, given.rounds)
        _report.keep(given.json, results)
        say(f"figures: {given.json}")
    say("\n\n" + _report.tables(results) + "\n")
    if given.write:
        _report.write(given.write, results)
        say(f"written: {given.write}")
