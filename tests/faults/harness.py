"""The program as processes of its own that a test may kill: web server, broker, worker.

The database is the test's own, so that the test sees what the processes wrote. Every process is
started here and ended here, by its pid.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db import connection
from django.test import Client

from config.servers import ROOT, Servers, free_port

TOKEN = "a" * 32


def wait_until(so: Callable[[], Any], seconds: float, what: str) -> Any:
    """Look again and again until it is so; the sentence is what failed to happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = so()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"Not within {seconds} s: {what}")


def environment(tmp_path: Path, broker: str, smtp_port: int, **more: str) -> dict[str, str]:
    """What the program's processes are told; the database is the one of this test."""
    own = connection.settings_dict
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{own['NAME']}").geturl()
    return {
        **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")},
        "SECRET_KEY": settings.SECRET_KEY,
        "BASE_URL": "http://127.0.0.1:8000",
        "DATABASE_URL": address,
        "REDIS_URL": broker,
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp_port}",
        "MEDIA_ROOT": str(tmp_path / "media"),
        "DEBUG": "1",  # static files without collecting them
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextlib.contextmanager
def process(words: list[str], told: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One process with its children, ended when the test is done, whatever happened."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            words, cwd=ROOT, env=told, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(10)


class Web:
    """Gunicorn with two workers, and a person signed in."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log

    def cookies(self, person: Any) -> str:
        """The session of a person, made in the database that both sides use."""
        client = Client()
        client.force_login(person)
        return f"sessionid={client.cookies['sessionid'].value}; csrftoken={TOKEN}"

    def post(self, path: str, person: Any, facts: dict[str, Any]) -> tuple[int, str]:
        """Send a form as that person's browser does; status and body."""
        answers = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(answers):
            answers.request(
                "POST",
                path,
                urlencode(facts, doseq=True),
                {
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Cookie": self.cookies(person),
                    "X-CSRFToken": TOKEN,
                    "Connection": "close",
                },
            )
            got = answers.getresponse()
            return got.status, got.read().decode(errors="replace")

    def act(self, request: Any, name: str, person: Any, **facts: Any) -> tuple[int, str]:
        """Press a button of the request's page."""
        return self.post(f"/requests/{request.reference}/actions/{name}/", person, facts)

    def is_up(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            with contextlib.closing(asked):
                asked.request("GET", "/healthz")
                return asked.getresponse().status == 200
        return False


@contextlib.contextmanager
def web(told: dict[str, str], folder: Path, application: str = "config.wsgi") -> Iterator[Web]:
    """The web server as `make run` starts it."""
    served = Web(free_port(), folder / "web.log")
    words = [
        sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{served.port}",
        "--workers", "2", "--threads", "4", "--no-control-socket",
    ]  # fmt: skip
    with process(words, told, served.log):
        wait_until(served.is_up, 40, f"the web server answers; see {served.log}")
        yield served


class Broker(Servers):
    """A Valkey of this test's own, which it may kill, freeze and start again on its port."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, durable=True)
        folder.mkdir()
        folder.chmod(0o755)
        self.state = self.load()

    @property
    def address(self) -> str:
        return self.addresses()["REDIS_URL"]

    def begin(self) -> None:
        self._start_valkey()

    def kill(self) -> None:
        """Gone without a word."""
        for one in self.started:
            with contextlib.suppress(ProcessLookupError):
                one.send_signal(signal.SIGCONT)
            one.kill()
            one.wait(10)
        self.started.clear()

    def freeze(self) -> None:
        """Takes connections and never answers."""
        self.started[0].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.started[0].send_signal(signal.SIGCONT)


def manage(told: dict[str, str], *words: str) -> str:
    """A management command as a process, bounded."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=told, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
