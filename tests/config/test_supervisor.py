"""`make run` as a person meets it: started, crashed, started again, stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.servers import ROOT, Servers, free_port
from tests.faults.harness import wait_until


class Run:
    """One `python -m config.servers run` on a folder of its own."""

    def __init__(self, folder: Path, port: int, **given: str) -> None:
        self.folder, self.port = folder, port
        self.log = folder.with_suffix(".log")
        # staticfiles and media of the checkout are left alone; nothing of the test's servers leaks
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.servers", "run"],
                cwd=ROOT, stdout=output, stderr=output, start_new_session=True,
                env={**kept, "VAR": str(folder), "PORT": str(port), **given},
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> "Run":
        for _ in range(480):
            if "stop       Ctrl-C" in self.text():
                return self
            assert self.process.poll() is None, self.text()
            time.sleep(0.25)
        raise AssertionError(self.text())

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text().split()[0])

    def everything(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ask_to_stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(90)


@contextlib.contextmanager
def _data_folder() -> Iterator[Path]:
    """A data folder that has its demo data already; all that is started on it ends with it."""
    with tempfile.TemporaryDirectory(prefix="throughline-run-") as name:
        Path(name).chmod(0o755)
        place = Path(name) / "var"
        place.mkdir()
        (place / "demo-made").touch()
        yield place
        for file in place.glob("*.pid"):
            with contextlib.suppress(psutil.Error, ValueError):
                psutil.Process(int(file.read_text().split()[0])).kill()
        Servers(place).end_orphans()


@pytest.fixture
def folder() -> Iterator[Path]:
    with _data_folder() as place:
        yield place


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A data folder that was started and stopped before: its schema is there."""
    with _data_folder() as place:
        assert Run(place, free_port()).ready().ask_to_stop() == 0
        yield place


@pytest.mark.timeout(400)
def test_it_starts_survives_a_crash_and_stops_with_nothing_left(used: Path) -> None:
    folder = used
    port = free_port()
    first = Run(folder, port).ready()
    assert json.loads(first.get("/readyz")) == {"ready": True, "database": "ok", "broker": "ok"}
    assert str(folder / "mail") in first.text()
    before = json.loads((folder / "servers.json").read_text())
    assert (folder / "static" / "staticfiles.json").exists()
    left = first.everything()
    first.process.kill()  # the power goes
    first.process.wait()

    second = Run(folder, port).ready()  # takes the port back from what was left behind
    assert json.loads(second.get("/readyz"))["ready"] is True
    assert json.loads((folder / "servers.json").read_text()) == before
    assert [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []

    third = Run(folder, free_port())  # a second one on the same data
    assert third.process.wait(90) == 1
    assert "already running on" in third.text()
    assert "Traceback" not in third.text()

    os.kill(second.pid("worker"), signal.SIGKILL)
    wait_until(lambda: "starting it again" in second.text(), 60, "the worker is started again")
    everything = second.everything()
    assert second.ask_to_stop() == 0
    assert psutil.wait_procs(everything, timeout=60)[1] == []
    assert list(folder.glob("*.pid")) == []


@pytest.mark.timeout(400)
def test_a_database_that_dies_stops_everything_with_a_sentence(used: Path) -> None:
    run = Run(used, free_port()).ready()
    everything = run.everything()
    lock = (used / "postgres" / "postmaster.pid").read_text()
    os.kill(int(lock.split()[0]), signal.SIGKILL)
    assert run.process.wait(90) == 1
    assert "postgres ended" in run.text()
    assert psutil.wait_procs(everything, timeout=60)[1] == []


def test_ctrl_c_while_it_is_starting_leaves_nothing(folder: Path) -> None:
    run = Run(folder, free_port())
    wait_until(lambda: Servers(folder).running(), 120, "a server runs")
    assert run.ask_to_stop(signal.SIGINT) == 0
    assert "Stopped." in run.text()
    assert "Traceback" not in run.text()
    assert Servers(folder).running() == []


def test_a_taken_port_is_said_before_anything_starts(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = Run(folder, taken.getsockname()[1])
        assert run.process.wait(90) == 1
    assert "is taken" in run.text()
    assert "PORT=" in run.text()
    assert "Traceback" not in run.text()
    assert not (folder / "postgres").exists()


@pytest.mark.parametrize("given", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(folder: Path, given: str) -> None:
    run = Run(folder, 0, PORT=given)
    assert run.process.wait(90) == 1
    assert "PORT must be a number" in run.text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the servers as another user")
def test_a_folder_the_servers_cannot_enter_is_refused(folder: Path) -> None:
    folder.parent.chmod(0o700)
    run = Run(folder, free_port())
    assert run.process.wait(90) == 1
    assert "cannot enter" in run.text()
    assert "VAR=" in run.text()
