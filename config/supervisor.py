"""`make run`: servers, migrations, demo data, web, worker, beat and mail catcher in one command."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from config.servers import ROOT, Servers, Sorry, free_port, is_free, program_environment

RESTARTS = 3
ACCOUNTS = (
    "rep rep2 billing lead specialist specialist2 lead_apps specialist_apps asd auditor admin"
)


def say(text: str) -> None:
    """One readable line."""
    print(text, flush=True)


class Supervisor:
    """Starts the program's processes, passes their words on, stops them in order."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
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
        (self.folder / f"{name}.pid").write_text(str(process.pid))
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

    def start_all(self) -> None:
        """Mail catcher where no mail server is named; then web, worker and beat."""
        python = sys.executable
        if "EMAIL_URL" not in os.environ:
            port = free_port()
            self.environment["EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
            self.start(
                "mail", [python, "-m", "config.mailcatcher", str(self.folder / "mail"), str(port)]
            )
        self.start(
            "web",
            [
                python, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{self.port}",
                "--workers", "2", "--threads", "4", "--access-logfile", "-",
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
            for name, process in list(self.children.items()):
                if process.poll() is None or self.stopping:
                    continue
                self.restarts[name] = self.restarts.get(name, 0) + 1
                if name == "web" or self.restarts[name] > RESTARTS:
                    say(f"{name} ended with code {process.returncode}: stopping everything.")
                    return 1
                say(f"{name} ended with code {process.returncode}: starting it again.")
                role = name if name in ("worker", "beat") else "web"
                self.start(name, self.commands[name], role)
        return 0

    def stop(self) -> None:
        """Beat, worker, web, mail: each asked to stop, after a while ended."""
        for name in ("beat", "worker", "web", "mail"):
            process = self.children.get(name)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
            (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def end_orphans(self) -> None:
        """Web, worker or beat that a crash of this supervisor left behind."""
        for name in ("beat", "worker", "web", "mail"):
            file = self.folder / f"{name}.pid"
            with contextlib.suppress(OSError, ValueError):
                pid = int(file.read_text())
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if any(w in (b"gunicorn", b"celery", b"config.mailcatcher") for w in words):
                    os.killpg(pid, signal.SIGTERM)
                    time.sleep(1)
            file.unlink(missing_ok=True)


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
    if os.geteuid() == 0 and not all(p.stat().st_mode & 1 for p in [folder, *folder.parents]):
        raise Sorry(
            f"PostgreSQL refuses to run as root, and the user nobody cannot enter {folder}. "
            "Give a folder that everybody may enter: VAR=/var/lib/throughline make run."
        )
    return folder


def run() -> int:
    """Everything up, until Ctrl-C."""
    folder = _folder()
    port = int(os.environ.get("PORT") or 8000)
    lock = _locked(folder)
    supervisor = Supervisor(folder, port)
    supervisor.end_orphans()
    if not is_free(port):
        raise Sorry(f"Port {port} is taken. Choose another one: PORT={port + 1} make run.")
    servers = Servers(folder)

    def stop_soon(*_: object) -> None:
        supervisor.stopping = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop_soon)
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


def _serve(supervisor: Supervisor, servers: Servers) -> int:
    external = {k: os.environ[k] for k in ("DATABASE_URL", "REDIS_URL") if os.environ.get(k)}
    own = external if len(external) == 2 else {**servers.start(), **external}
    if len(external) == 2:
        servers.state = servers._state()
    environment = program_environment(own, str(servers.state["secret_key"]))
    environment.setdefault("MEDIA_ROOT", str(supervisor.folder / "media"))
    environment["BASE_URL"] = os.environ.get("BASE_URL") or f"http://127.0.0.1:{supervisor.port}"
    environment["PYTHONUNBUFFERED"] = "1"
    supervisor.environment = environment
    supervisor.prepare()
    supervisor.start_all()
    say("")
    say(f"Throughline is at {environment['BASE_URL']}/")
    say(f"  accounts   {ACCOUNTS}")
    say("  password   throughline-demo")
    if "EMAIL_URL" not in os.environ:
        say(f"  mails      {supervisor.folder / 'mail'} (one .eml file each)")
    say(f"  data       {supervisor.folder}")
    say("  stop       Ctrl-C")
    say("")
    return supervisor.watch()
