"""`make run`: servers, migrations, demo data, web, worker, beat and mail catcher in one command."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psutil

from config.servers import ROOT, Servers, Sorry, free_port, is_free, program_environment

RESTARTS = 3
# A worker is given the time of CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT and a little more.
PATIENCE = {"worker": 35}
ORDER = ("beat", "worker", "web", "mail")
ACCOUNTS = (
    "rep rep2 billing lead specialist specialist2 lead_apps specialist_apps asd auditor admin"
)


def say(text: str) -> None:
    """One readable line."""
    print(text, flush=True)


class Supervisor:
    """Starts the program's processes, passes their words on, stops them in order."""

    def __init__(self, folder: Path, port: int, servers: Servers) -> None:
        self.folder = folder
        self.port = port
        self.servers = servers
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.commands: dict[str, list[str]] = {}
        self.restarts: dict[str, int] = {}
        self.stopping = False
        self.environment: dict[str, str] = {}

    def start(self, name: str, words: list[str], role: str = "web") -> None:
        """Start one child; its lines are shown behind its name."""
        self.commands[name] = words
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            words,
            cwd=ROOT,
            env={**self.environment, "ROLE": role},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.children[name] = process
        born = psutil.Process(process.pid).create_time()
        (self.folder / f"{name}.pid").write_text(f"{process.pid} {born}")
        threading.Thread(target=self._pass_on, args=(name, process.stdout), daemon=True).start()

    @staticmethod
    def _pass_on(name: str, stream: IO[bytes] | None) -> None:
        for line in stream or ():
            say(f"{name:>7} | {line.decode(errors='replace').rstrip()}")

    def manage(self, *words: str) -> None:
        """A management command that must succeed."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.environment, check=False
        )
        if done.returncode:
            raise Sorry(f"manage.py {words[0]} failed; see above.")

    def prepare(self) -> None:
        """Schema, static files and, on the first start, demo data."""
        self.manage("migrate", "--noinput", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        mark = self.folder / "demo-made"
        if not mark.exists():
            say("First start: making the demo organisation (a minute or two) ...")
            self.manage("demo")
            mark.touch()

    def wait_for_web(self) -> None:
        """Until the first page would be answered: nobody is sent to an address that refuses."""
        address = f"http://127.0.0.1:{self.port}/healthz"
        host = {"Host": self.environment["ALLOWED_HOSTS"].split(",")[0]}
        for _ in range(240):
            if self.children["web"].poll() is not None:
                raise Sorry("The web server did not start; see above.")
            with contextlib.suppress(OSError):
                request = urllib.request.Request(address, headers=host)  # noqa: S310 - loopback
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - loopback
                return
            time.sleep(0.25)
        raise Sorry(f"The web server does not answer on port {self.port}; see above.")

    def start_all(self) -> None:
        """Mail catcher where no mail server is named; then web, worker and beat."""
        python = sys.executable
        if not os.environ.get("EMAIL_URL"):
            port = free_port()
            self.environment["EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
            self.start(
                "mail", [python, "-m", "config.mailcatcher", str(self.folder / "mail"), str(port)]
            )
        self.start(
            "web",
            [
                python, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{self.port}",
                "--workers", "2", "--threads", "4", "--no-control-socket", "--access-logfile", "-",
                "--access-logformat", "%(m)s %(U)s %(s)s %(M)s ms",
                "--logger-class", "config.logs.AccessLog",
            ],
        )  # fmt: skip
        celery = [python, "-m", "celery", "-A", "config", "--quiet"]
        self.start(
            "worker", [*celery, "worker", "-c", "2", "-l", "WARNING", "--without-mingle"], "worker"
        )
        self.start(
            "beat",
            [*celery, "beat", "-l", "WARNING", "-s", str(self.folder / "beat-schedule"),
             "--pidfile", ""],
            "beat",
        )  # fmt: skip

    def watch(self) -> int:
        """Until a signal; a child that dies is started again a few times, the web server never."""
        while not self.stopping:
            time.sleep(0.3)
            if name := self.servers.dead():
                say(f"{name} ended; see {self.folder}/*.log. Stopping everything.")
                return 1
            for name, process in list(self.children.items()):
                if process.poll() is not None and not self._again(name, process.returncode):
                    return 1
        return 0

    def _again(self, name: str, code: int) -> bool:
        """Start a child that ended once more, unless it is the web server or keeps dying."""
        self.restarts[name] = self.restarts.get(name, 0) + 1
        if name == "web" or self.restarts[name] > RESTARTS:
            say(f"{name} ended with code {code}: stopping everything.")
            return False
        say(f"{name} ended with code {code}: starting it again.")
        self.start(name, self.commands[name], name if name in ("worker", "beat") else "web")
        return True

    def stop(self) -> None:
        """Beat, worker, web, mail: each asked to stop, after a while ended with its children."""
        for name in ORDER:
            process = self.children.get(name)
            if process is None:
                continue
            _end(process.pid, PATIENCE.get(name, 15))
            process.wait()
            (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def end_orphans(self) -> None:
        """Web, worker or beat that a crash of this supervisor left behind."""
        for name in ORDER:
            file = self.folder / f"{name}.pid"
            with contextlib.suppress(OSError, ValueError, psutil.Error):
                pid, born = file.read_text().split()
                if psutil.Process(int(pid)).create_time() == float(born):
                    _end(int(pid), 10)
            file.unlink(missing_ok=True)


def _end(pid: int, patience: float) -> None:
    """Ask a process to stop; after `patience` seconds end it, and what it started, for good."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = process.children(recursive=True)
        process.terminate()
        psutil.wait_procs([process], timeout=patience)
        for left in [process, *family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def _locked(folder: Path) -> IO[str]:
    """Only one `make run` per folder; the lock goes with the process, so it is never stale."""
    file = (folder / "run.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Sorry(
            f"Throughline is already running on {folder}. Stop it with Ctrl-C there, "
            "or give another folder: VAR=elsewhere PORT=8001 make run."
        ) from None
    return file


def _folder() -> Path:
    folder = Path(os.environ.get("VAR") or ROOT / "var").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Sorry(f"Cannot make the data folder {folder} ({error.strerror}): set VAR=.") from None
    if not os.access(folder, os.W_OK):
        raise Sorry(f"Cannot write to the data folder {folder}: set VAR= to one you own.")
    return folder


def _port() -> int:
    """PORT, if we may listen on it."""
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise Sorry(f"PORT must be a number from 1 to 65535, not {given!r}.")
    return int(given)


def run() -> int:
    """Everything up, until Ctrl-C."""
    folder, port = _folder(), _port()
    lock = _locked(folder)
    servers = Servers(folder)
    supervisor = Supervisor(folder, port, servers)
    supervisor.end_orphans()
    if not is_free(port):
        raise Sorry(
            f"Port {port} is taken, or needs rights you do not have. "
            f"Choose another one: PORT={port + 1 if port > 1023 else 8000} make run."
        )

    def stop_soon(*_: object) -> None:
        supervisor.stopping = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop_soon)
    signal.signal(signal.SIGINT, stop_soon)  # a shell that puts us in the background ignores it
    try:
        return _serve(supervisor, servers)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("Stopping ...")
        supervisor.stop()
        servers.stop()
        lock.close()
        say("Stopped. The data is kept.")


def _environment(servers: Servers, folder: Path, port: int) -> dict[str, str]:
    """What the children read; starts the servers that nobody named."""
    external = {k: os.environ[k] for k in ("DATABASE_URL", "REDIS_URL") if os.environ.get(k)}
    if len(external) == 2:
        servers.state = servers.load()
    own = external if len(external) == 2 else {**servers.start(), **external}
    environment = program_environment(own, str(servers.state["secret_key"]))
    environment.setdefault("MEDIA_ROOT", str(folder / "media"))
    environment.setdefault("STATIC_ROOT", str(folder / "static"))
    environment["BASE_URL"] = os.environ.get("BASE_URL") or f"http://127.0.0.1:{port}"
    if not os.environ.get("BASE_URL"):
        environment.setdefault("ALLOWED_HOSTS", "127.0.0.1,localhost")
    host = urlsplit(environment["BASE_URL"]).hostname or "localhost"
    environment.setdefault("ALLOWED_HOSTS", host)
    environment["PYTHONUNBUFFERED"] = "1"
    # SIGTERM gives a worker's running tasks their time, then hands them back to the queue
    environment["REMAP_SIGTERM"] = "SIGQUIT"
    # root in a container is nothing Celery has to explain in eight lines
    environment.setdefault("PYTHONWARNINGS", "ignore::UserWarning:celery.platforms")
    return environment


def _serve(supervisor: Supervisor, servers: Servers) -> int:
    folder = supervisor.folder
    supervisor.environment = _environment(servers, folder, supervisor.port)
    supervisor.prepare()
    supervisor.start_all()
    supervisor.wait_for_web()
    say("")
    say(f"Throughline is at {supervisor.environment['BASE_URL']}/")
    say(f"  accounts   {ACCOUNTS}")
    say("  password   throughline-demo")
    if not os.environ.get("EMAIL_URL"):
        say(f"  mails      {folder / 'mail'} (one .eml file each)")
    say(f"  data       {folder}")
    say("  stop       Ctrl-C")
    say("")
    return supervisor.watch()
