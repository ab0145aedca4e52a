"""Notices per second through a worker, beside a bare smtplib loop to the same mail server.

Each round first sends with the bare loop over one connection that stays open, one process and the
same mail again and again; then one worker of one process, started as `make run` starts it, sends
as many queued notices, each written, sent, and marked as sent in the database. Figures: mails per
second of both and their ratio, by round. `python -m bench notices [--number N] [--rounds N]`.
"""

import argparse
import os
import smtplib
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402 - after setup
from django.db.models import Max  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from config.servers import free_port  # noqa: E402
from notifications.mails import letter_of  # noqa: E402
from notifications.models import Notice  # noqa: E402
from notifications.samples import SAMPLE  # noqa: E402
from notifications.tasks import sweep  # noqa: E402


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench notices", description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)

    kept = setup_databases(
        verbosity=0,
        interactive=False,
    )
    try:
        _rounds(given.number, given.rounds)
    finally:
        teardown_databases(kept, verbosity=0)


def _rounds(number: int, rounds: int) -> None:

    port, ratios = free_port(), []
    with ExitStack() as stack:
        stack.enter_context(_started([sys.executable, "-m", "bench._sink", str(port)]))
        _wait_for(port)
        stack.enter_context(_started(_worker(), _environment(port)))
        _delivered(20)  # the worker is up and warm
        for turn in range(1, rounds + 1):
            bare = _bare(number, port)
            ours = _delivered(number)
            ratios.append(ours / bare)
            sys.stdout.write(
                f"round {turn}: bare {bare:.0f}/s, notices {ours:.0f}/s, ratio {ours / bare:.2f}"
                + "\n"
            )
    sys.stdout.write(f"median ratio {statistics.median(ratios):.2f} (to reach: 0.50)\n")


def _started(words: list[str], environment: dict[str, str] | None = None) -> Any:
    class Ended(subprocess.Popen[bytes]):
        def __exit__(self, *_: Any) -> None:
            self.terminate()
            self.wait(40)

    return Ended(words, env=environment or dict(os.environ))


def _worker() -> list[str]:
    return [
        sys.executable, "-m", "celery", "-A", "config", "--quiet", "worker", "-c", "1", "-l",
        "ERROR", "--without-mingle", "--without-gossip",
    ]  # fmt: skip


def _environment(port: int) -> dict[str, str]:

    name = connection.settings_dict["NAME"]
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    mail = f"smtp://127.0.0.1:{port}"
    return {**os.environ, "DATABASE_URL": address, "EMAIL_URL": mail, "ROLE": "worker"}


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("The mail server of the bench does not start.")


def _fill(number: int) -> Any:

    Notice.objects.all().delete()
    return Notice.objects.bulk_create(
        Notice(key=f"bench:{n}", template="received", address=f"p{n}@agency.example",
               recipient_name=f"Jo {n}",
               context={**SAMPLE, "link": f"https://desk.example/track/{n}-x/"})
        for n in range(number)
    )  # fmt: skip


def _bare(number: int, port: int) -> float:

    letter = letter_of(_fill(1)[0])
    with smtplib.SMTP("127.0.0.1", port) as line:
        began = time.perf_counter()
        for _ in range(number):
            line.sendmail("bench@desk.example", [letter.recipient], letter.raw)
        return number / (time.perf_counter() - began)


def _delivered(number: int) -> float:
    """From the word to the worker until the last one was marked."""

    _fill(number)
    began = timezone.now()
    sweep.delay()
    until = time.monotonic() + 600
    while Notice.objects.exclude(state="sent").exists():
        if time.monotonic() > until:
            raise SystemExit("The worker does not deliver: is REDIS_URL right?")
        time.sleep(0.2)
    last = Notice.objects.aggregate(last=Max("sent_at"))["last"]
    return float(number / (last - began).total_seconds())
