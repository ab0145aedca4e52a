"""What measurements stand on: durable servers of their own, a database for each size, gunicorn.

The databases are made once in `var/bench` and kept there; every run works on copies of them.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from config.servers import ROOT, Servers, Sorry, free_port, program_environment

FOLDER = Path(os.environ.get("VAR") or ROOT / "var") / "bench"
OLD = 3  # days; then the open requests of a database are late, which no desk is
WORKERS, THREADS = 2, 4  # as `make run` starts them


def say(text: str) -> None:
    """A line of progress, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


class Stand:
    """PostgreSQL with fsync and Valkey in one folder, and the environment that points at them."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.address = urlsplit(environment["DATABASE_URL"])

    def url(self, name: str) -> str:
        return self.address._replace(path=f"/{name}").geturl()

    def of(self, name: str, **more: str) -> dict[str, str]:
        """The environment of a program that works on this database."""
        return {**self.environment, "DATABASE_URL": self.url(name), **more}

    def ask(self, statement: str, *values: Any, name: str = "postgres") -> list[Any]:
        """One statement outside a transaction; its rows, if it has any."""
        with contextlib.closing(psycopg2.connect(self.url(name))) as link:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

    def drop(self, name: str) -> None:
        self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def manage(self, name: str, *words: str) -> None:
        """`manage.py` on this database. Raises CalledProcessError."""
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=ROOT, env=self.of(name), check=True)  # noqa: S603

    def _make(self, name: str, source: str, *steps: tuple[str, ...]) -> None:
        """A database made by commands, under its name once all of them are done."""
        unfinished, began = f"making_{name}", time.monotonic()
        say(f"Making the database {name} (once) ...")
        self.drop(unfinished)
        self.ask(f'CREATE DATABASE "{unfinished}" TEMPLATE "{source}"')
        for step in steps:
            self.manage(unfinished, *step)
        self.ask("VACUUM ANALYZE", name=unfinished)
        self.ask(f"COMMENT ON DATABASE \"{unfinished}\" IS '{date.today()}'")  # noqa: DTZ011
        self.drop(name)
        self.ask(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')
        say(f"Made {name} in {time.monotonic() - began:.0f} s, {self.megabytes(name):,} MB.")

    def made_on(self, name: str) -> date | None:
        """The day on which it was made; None where it is not there."""
        found = self.ask(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", name
        )
        return date.fromisoformat(found[0][0]) if found and found[0][0] else None

    def template(self, size: int) -> str:
        """The database with so many requests: kept from an earlier run, or made."""
        name, today = f"size_{size}", date.today()  # noqa: DTZ011
        there = self.made_on(name)
        if there is None:
            if self.made_on("demo") != today:  # the copies' dates begin with the demo's
                self.drop("demo")
                self._make("demo", "template1", ("migrate", "-v0"), ("demo",))
            generate = ("generate", "--requests", str(size), "--seed", "1")
            self._make(name, "demo", ("migrate", "-v0"), generate)
            return name
        if (today - there).days > OLD:
            say(f"{name} was made on {there}: what is open in it is late by now (--fresh).")
        self.manage(name, "migrate", "-v0")
        return name

    def copy(self, size: int) -> str:
        """A fresh copy of the database of this size, to work on."""
        template = f"size_{size}"
        name = f"run_{size}"
        self.drop(name)
        needed, free = self.megabytes(template), shutil.disk_usage(self.folder).free // 2**20
        if free < needed * 1.2:
            raise SystemExit(
                f"{needed:,} MB are needed in {self.folder} for a copy, {free:,} MB are free: "
                "VAR=/some/folder puts the databases elsewhere."
            )
        say(f"{size:,} requests: copying {self.megabytes(template):,} MB ...")
        self.ask(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        self.ask("VACUUM ANALYZE", name=name)
        return name

    def megabytes(self, name: str) -> int:
        return int(self.ask("SELECT pg_database_size(%s)", name)[0][0]) // 2**20


@contextlib.contextmanager
def stand(folder: Path = FOLDER) -> Iterator[Stand]:
    """The servers, up for as long as it takes; their data stays for the next run."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"Another bench works in {folder}.") from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through every `finally`
    servers = Servers(folder, durable=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DEBUG")}
    try:
        there = servers.start()
        secret = str(servers.state["secret_key"])
        environment = {**program_environment(there, secret), **kept, **there}
        environment |= {"SECRET_KEY": secret, "BASE_URL": "http://127.0.0.1:8000"}
        environment["STATIC_ROOT"] = str(folder / "static")
        made = Stand(environment, folder)
        made.manage("postgres", "collectstatic", "--noinput", "-v0")
        yield made
    except Sorry as sentence:
        raise SystemExit(f"\n{sentence}\n") from None
    finally:
        servers.stop()
        lock.close()


@contextlib.contextmanager
def server(made: Stand, name: str, package: str, workers: int = WORKERS) -> Iterator[int]:
    """Gunicorn with the program (`config`) or the floor (`bench.floor`) on a database; its port."""
    port = free_port()
    words = [sys.executable, "-m", "gunicorn", f"{package}.wsgi", "--bind", f"127.0.0.1:{port}",
             "--workers", str(workers), "--threads", str(THREADS), "--no-control-socket",
             "--log-level", "error"]  # fmt: skip
    environment = made.of(name, DJANGO_SETTINGS_MODULE=f"{package}.settings")
    process = subprocess.Popen(words, cwd=ROOT, env=environment)  # noqa: S603 - our own words
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"Gunicorn with {package} ended at once; its words stand above.")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def desk_of(made: Stand, name: str) -> dict[str, Any]:
    """Who asks for what in this database, and the floor's tables: see `bench._desk`."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "bench._desk"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        env=made.of(name, DJANGO_SETTINGS_MODULE="bench.floor.settings"),
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))
