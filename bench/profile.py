"""Where the time of the hottest pages goes: `make bench ARGS="profile --size 100000"`.

Asks every page in one process through Django's own client, takes the costliest by CPU time and
profiles them with pyinstrument: from the page down, the libraries folded, small branches left out.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench._report import put
from bench._stand import FOLDER, desk_of, say, stand
from config.servers import ROOT

INTERVAL = 0.0005  # seconds between two looks
SHARE = 0.03  # of the whole; a branch below it is not drawn


def main(words: list[str]) -> None:
    """Copy the database of this size, profile in a process of its own, print, write where asked."""
    parser = argparse.ArgumentParser(prog="bench profile", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=3, help="how many of the costliest")
    parser.add_argument("--times", type=int, default=20, help="how often each is asked")
    parser.add_argument("--write", type=Path, default=FOLDER / "profile.md")
    given = parser.parse_args(words)
    with stand() as made:
        made.template(given.size)
        name = made.copy(given.size)
        try:
            desk_of(made, name)
            done = subprocess.run(  # noqa: S603 - a fresh process: Django reads its database once
                [sys.executable, "-m", "bench.profile", str(given.pages), str(given.times)],
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

    def profile(self, who: str, path: str, times: int) -> str:
        """The tree of calls, with shares of the time of all these pages."""
        from pyinstrument import Profiler
        from pyinstrument.renderers import ConsoleRenderer

        watch = Profiler(interval=INTERVAL)
        with watch:
            for _ in range(times):
                self.ask(who, path)
        session = watch.last_session
        assert session is not None
        share = {"filter_threshold": SHARE}
        drawn = ConsoleRenderer(time="percent_of_total", processor_options=share).render(session)
        return drawn[drawn.index("100.0%") :].rstrip()  # without the tool's own heading


def report(pages: int, times: int) -> str:
    """Every page's CPU time and queries, then the profiles of the costliest."""
    asked = Pages()
    costs = [(name, who, path, *asked.cost(who, path, times)) for name, who, path in asked.paths]
    costs.sort(key=lambda row: -row[3])
    out = ["| page | CPU ms | queries |", "| --- | --: | --: |"]
    out += [f"| {name} | {ms:.1f} | {queries} |" for name, _, _, ms, queries in costs]
    for name, who, path, _, _ in costs[:pages]:
        out += ["", f"### {name[0].upper()}{name[1:]}", "", "```text"]
        out += [asked.profile(who, path, times), "```"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(report(*map(int, sys.argv[1:3])))
