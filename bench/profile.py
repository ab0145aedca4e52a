"""Where the time of the hottest pages goes: `make bench ARGS="profile --size 100000"`.

Asks every page in one process through Django's own client, takes the costliest by CPU time and
profiles them with cProfile: own time by part of the program, then by function.
"""

import argparse
import cProfile
import io
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench._report import put
from bench._stand import FOLDER, desk_of, say, stand
from config.servers import ROOT

PARTS = (
    ("templates", ("django/template/", "django/utils/safestring", "django/utils/html")),
    ("translation, formats, dates", ("django/utils/",)),
    ("queries: building", ("django/db/models/sql", "django/db/models/query", "django/db/models")),
    ("queries: running", ("django/db/", "psycopg2", "cursor")),
    ("forms and filters", ("django/forms", "django_filters")),
    ("addresses", ("django/urls",)),
    ("API", ("rest_framework",)),
    ("rest of Django", ("/django/",)),
    ("the program", (str(ROOT) + "/",)),
)


def main(words: list[str]) -> None:
    """Copy the database of this size, profile in a process of its own, print, write where asked."""
    parser = argparse.ArgumentParser(prog="bench profile", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=3, help="how many of the costliest")
    parser.add_argument("--times", type=int, default=20, help="how often each is asked")
    parser.add_argument("--lines", type=int, default=12, help="functions shown for each")
    parser.add_argument("--write", type=Path, default=FOLDER / "profile.md")
    given = parser.parse_args(words)
    with stand() as made:
        made.template(given.size)
        name = made.copy(given.size)
        try:
            desk_of(made, name)
            done = subprocess.run(  # noqa: S603 - a fresh process: Django reads its database once
                [sys.executable, "-m", "bench.profile", str(given.pages), str(given.times),
                 str(given.lines)],
                cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
                env=made.of(name, DJANGO_SETTINGS_MODULE="config.settings"),
            )  # fmt: skip
        finally:
            made.drop(name)
    text = f"{given.size:,} requests, {given.times} times each.\n\n{done.stdout}"
    put(given.write, "profile", text)
    sys.stdout.write(text)
    say(f"written: {given.write}")


class Pages:
    """The pages as people open them, asked in this process."""

    def __init__(self) -> None:
        from django.test import Client

        from fulfillment.models import ProviderGroup
        from requests_app.models import Request
        from workflow.models import User

        group = ProviderGroup.objects.get(slug="network-services")
        own = Request.objects.filter(provider_group=group).open().order_by("-pk")
        one: Any = own.filter(state="in_fulfillment").first() or own.first()
        queue = f"/queues/{group.slug}"
        self.paths = [
            ("own work", "rep", "/"),
            ("pending queue", "specialist", f"{queue}/pending/"),
            ("60-day schedule", "specialist", f"{queue}/schedule/"),
            ("work list", "specialist", f"{queue}/worklist/"),
            ("requests", "rep", "/requests/"),
            ("request page", "lead", f"/requests/{one.reference}/"),
            ("search", "rep", f"/search/?q={one.title.split()[0]}"),
            ("dashboard", "rep", "/reports/"),
            ("API list", "rep", "/api/v1/requests/"),
        ]
        self.clients = {}
        for who in {who for _, who, _ in self.paths}:
            self.clients[who] = Client(SERVER_NAME="127.0.0.1")
            self.clients[who].force_login(User.objects.get(username=who))

    def ask(self, who: str, path: str) -> None:
        answer = self.clients[who].get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")

    def cost(self, who: str, path: str, times: int) -> tuple[float, int]:
        """CPU milliseconds of this process at the median, and the number of queries."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        self.ask(who, path)
        with CaptureQueriesContext(connection) as seen:
            self.ask(who, path)
        queries = len(seen)  # the next request forgets them
        spent = []
        for _ in range(times):
            began = time.process_time()
            self.ask(who, path)
            spent.append(time.process_time() - began)
        return statistics.median(spent) * 1000, queries

    def profile(self, who: str, path: str, times: int) -> pstats.Stats:
        watch = cProfile.Profile()
        for _ in range(times):
            watch.enable()
            self.ask(who, path)
            watch.disable()
        return pstats.Stats(watch, stream=io.StringIO())


def part_of(place: str) -> str:
    """Which part of the program a function belongs to, by its file."""
    for name, marks in PARTS:
        if any(mark in place for mark in marks):
            return name
    return "Python itself"


def told(stats: pstats.Stats, times: int, lines: int) -> str:
    """Own time by part, and the functions with the most of it, in milliseconds per page."""
    table: Any = stats.stats  # type: ignore[attr-defined]
    parts: dict[str, float] = defaultdict(float)
    for (file, _, function), (_, _, own, _, _) in table.items():
        parts[part_of(f"{file} {function}")] += own
    whole = sum(parts.values()) or 1.0
    out = ["    own ms   share  part"]
    for name, own in sorted(parts.items(), key=lambda pair: -pair[1]):
        out.append(f"  {own / times * 1000:8.2f}  {own / whole:6.1%}  {name}")
    out += ["", "    own ms  with callees  calls  function"]
    hottest = sorted(table.items(), key=lambda pair: -pair[1][2])[:lines]
    for (file, line, function), (_, calls, own, total, _) in hottest:
        where = _short(file, line, function)
        ms = f"  {own / times * 1000:8.2f}  {total / times * 1000:12.2f}"
        out.append(f"{ms}  {calls / times:5.0f}  {where}")
    return "\n".join(out)


def _short(file: str, line: int, function: str) -> str:
    if file.startswith("~"):
        return function
    short = file.removeprefix(f"{ROOT}/").rpartition("site-packages/")[2]
    if os.sep in short and short.startswith("/"):
        short = Path(short).name
    return f"{short}:{line} {function}"


def report(pages: int, times: int, lines: int) -> str:
    """Every page's CPU time and queries, then the profiles of the costliest."""
    asked = Pages()
    costs = [(name, who, path, *asked.cost(who, path, times)) for name, who, path in asked.paths]
    costs.sort(key=lambda row: -row[3])
    out = ["| page | CPU ms | queries |", "| --- | --: | --: |"]
    out += [f"| {name} | {ms:.1f} | {queries} |" for name, _, _, ms, queries in costs]
    for name, who, path, _, _ in costs[:pages]:
        stats = asked.profile(who, path, times)
        out += ["", f"### {name[0].upper()}{name[1:]}", "", "```text"]
        out += [told(stats, times, lines), "```"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(report(*map(int, sys.argv[1:4])))
