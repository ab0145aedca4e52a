"""`make run` for real: up, a second one refused, a crash healed, stopped in order."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "BASE_URL", "EMAIL_URL")
pytestmark = pytest.mark.timeout(240)


class Run:
    """One `make run` on a folder and a port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.log = folder.parent / f"run-{time.monotonic_ns()}.log"
        own = {k: v for k, v in os.environ.items() if k not in NAMED}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.servers", "run"],
                cwd=ROOT,
                env={**own, "VAR": str(folder), "PORT": str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_up(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.said()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as r:
                    assert b'"ready": true' in r.read()
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.3)  # a server that starts has no event to wait for
        pytest.fail(self.said())

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def ours(self) -> list[psutil.Process]:
        """Every process that runs on our folder."""
        mark = str(self.folder)
        return [
            p for p in psutil.process_iter(["cmdline", "pid"])
            if any(mark in word for word in p.info["cmdline"] or []) and p.pid != os.getpid()
        ]  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that an unprivileged server user can enter; no demo data is made in it."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tl-run-") as name:
        Path(name).chmod(0o755)
        made = Path(name) / "var"
        made.mkdir()
        (made / "demo-made").touch()
        yield made


def test_run_serves_refuses_a_twin_heals_a_crash_and_stops_in_order(folder: Path) -> None:
    port = free_port()
    first = Run(folder, port)
    first.wait_up()
    twin = Run(folder, free_port())
    assert twin.process.wait(60) == 1
    assert "already running" in twin.said()
    elsewhere = folder.parent / "other"
    elsewhere.mkdir()
    taken = Run(elsewhere, port)
    assert taken.process.wait(60) == 1
    assert f"Port {port} is taken" in taken.said()
    for process in [psutil.Process(first.process.pid), *first.ours()]:
        if process.is_running() and process.name() != "mail":
            process.send_signal(signal.SIGKILL)
    first.process.wait(20)
    again = Run(folder, port)
    again.wait_up()
    assert str(folder / "mail") in again.said()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0, again.said()
    assert "The data is kept." in again.said()
    assert again.ours() == []
    (folder / "postgres" / "PG_VERSION").read_text()
