"""Every notice arrives: through a mail server that fails in every way, and workers that die.

Time is made to pass by the test: what waits for its next try or for a dead worker's lease is made
due at once. The figures of each case are printed (`make faults ARGS=-s` shows them).
"""

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
import pytest
from celery import Celery
from django.utils import timezone

from config.invariants import failures_are_told, notices_once
from notifications.models import Notice
from tests import walk
from tests.factories import Office
from tests.faults.harness import Broker, environment, process, wait_until, web
from tests.faults.storm import Storm, a_storm, weather

pytestmark = [pytest.mark.faults, pytest.mark.soak, pytest.mark.django_db(transaction=True)]
State = Notice.State


@pytest.fixture
def storm() -> Iterator[Storm]:
    with a_storm() as server:
        yield server


@pytest.fixture
def queued(office: Office) -> Callable[[int], None]:
    """Queue so many notices to as many people."""

    def fill(number: int, to: str = "person{}@agency.example") -> None:
        request = office.request()
        event = request.events.latest("number")
        Notice.objects.all().delete()
        facts = {"reference": request.reference, "title": "A line", "agency": "Parks",
                 "link": "http://127.0.0.1:8000/track/1-x/"}  # fmt: skip
        Notice.objects.bulk_create(
            (
                Notice(event=event, template="received", address=to.format(n), context=facts)
                for n in range(number)
            ),
            batch_size=1000,
        )

    return fill


@contextmanager
def a_worker(told: dict[str, str], folder: Path, children: int = 2) -> Iterator[Popen[bytes]]:
    words = [
        sys.executable, "-m", "celery", "-A", "config", "--quiet", "worker", "-c", str(children),
        "-l", "WARNING", "--without-mingle", "--without-gossip",
    ]  # fmt: skip
    told = {**told, "ROLE": "worker", "REMAP_SIGTERM": "SIGQUIT"}
    with process(words, told, folder / "worker.log") as started:
        yield started


def kill(worker: Popen[bytes]) -> None:
    """The whole worker, without a word."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)


def time_passes() -> None:
    """What waits for a later try, or for the lease of somebody who is dead, is due now."""
    now = timezone.now()
    Notice.objects.filter(state=State.QUEUED, next_try_at__gt=now).update(next_try_at=now)
    held = Notice.objects.filter(state=State.SENDING, lease_until__gt=now)
    owners = held.order_by().values_list("lease_owner", flat=True).distinct()
    dead = [o for o in owners if not psutil.pid_exists(int(o.rpartition(":")[2] or 0))]
    held.filter(lease_owner__in=dead).update(lease_until=now)


def tick(broker: Broker) -> None:
    """What beat says every thirty seconds."""
    try:
        Celery(broker=broker.address).send_task("notifications.tasks.sweep")
    except Exception as error:  # noqa: BLE001 - a broker that is away now is asked again
        print("tick:", type(error).__name__)


def until_sent(
    broker: Broker, seconds: float, and_then: Callable[[int], None] = lambda sent: None
) -> float:
    """Sweeps and passing time until nothing waits; `and_then` hears how many are sent."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        tick(broker)
        time.sleep(1)
        sent = Notice.objects.filter(state=State.SENT).count()
        and_then(sent)
        if not Notice.objects.filter(state__in=[State.QUEUED, State.SENDING]).exists():
            return time.monotonic() - began
        time_passes()
    left = dict.fromkeys(Notice.objects.values_list("state", "attempts", "last_error"))
    raise AssertionError(f"Not all sent within {seconds} s; left: {list(left)[:20]}")


def arrived_once(storm: Storm, *, twice: int = 0) -> int:
    """Every notice arrived, under its own Message-ID; at most so many a second time."""
    wanted = {f"<{pk}@127.0.0.1>" for pk in Notice.objects.values_list("pk", flat=True)}
    got = storm.ids()
    assert set(got) == wanted
    assert {*Notice.objects.values_list("state", flat=True)} == {State.SENT}
    doubled = len(got) - len(wanted)
    assert doubled <= twice, f"{doubled} mails arrived twice"
    assert not [*failures_are_told(), *notices_once()]
    return doubled


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", [int(os.environ.get("SOAK_NOTICES", "10000"))])
def test_every_notice_arrives_though_everything_fails(
    number: int, storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """The worker is killed five times, the broker emptied once, a third of the time the mail
    server refuses: none lost, at most one doubled per kill (TB01, TB08, TB13, TB14, TA12)."""
    queued(number)
    told = environment(tmp_path, broker.address, storm.port)
    app = Celery(broker=broker.address)
    for pk in Notice.objects.values_list("pk", flat=True)[: number // 10]:
        app.send_task("notifications.tasks.deliver", [str(pk)])
    kills = [number * share // 100 for share in (10, 25, 40, 55, 70)]
    emptied: list[int] = []
    with ExitStack() as stack:
        # one process: whoever is killed has at most one mail on its way
        workers = [stack.enter_context(a_worker(told, tmp_path, children=1))]

        def trouble(sent: int) -> None:
            if kills and sent >= kills[0]:
                kills.pop(0)
                kill(workers[-1])
                workers.append(stack.enter_context(a_worker(told, tmp_path, children=1)))
            if not emptied and sent >= number // 3:
                emptied.append(sent)
                with app.connection_for_write() as line:
                    line.default_channel.client.flushall()

        with weather(storm):
            took = until_sent(broker, 1000, trouble)
    doubled = arrived_once(storm, twice=5)
    print(f"{number} notices in {took:.0f} s, {len(workers) - 1} kills, {doubled} doubled, "
          f"moods met {dict(storm.met)}")  # fmt: skip
    assert (len(workers), len(emptied)) == (6, 1)


def test_a_worker_killed_in_the_middle_of_a_mail(
    storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """TB01: after DATA has begun; the mail comes again under the same Message-ID, or only then."""
    queued(20)
    storm.mood, storm.slow_seconds = "slow", 1.5
    told = environment(tmp_path, broker.address, storm.port)
    with a_worker(told, tmp_path) as worker:
        tick(broker)
        wait_until(lambda: len(storm.kept) > 1, 60, "the worker is sending")
        kill(worker)
    storm.mood = "ok"
    with a_worker(told, tmp_path):
        until_sent(broker, 60)
    print(f"TB01: {arrived_once(storm, twice=2)} of 20 doubled")


def test_a_rolling_restart_loses_and_doubles_nothing(
    storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """TB03: SIGTERM during a hundred."""
    queued(100)
    storm.mood, storm.slow_seconds = "slow", 0.05
    told = environment(tmp_path, broker.address, storm.port)
    with a_worker(told, tmp_path) as worker:
        tick(broker)
        wait_until(lambda: len(storm.kept) > 5, 60, "the worker is sending")
        worker.terminate()
        worker.wait(60)
    with a_worker(told, tmp_path):
        until_sent(broker, 60)
    assert arrived_once(storm) == 0


def test_a_broker_emptied_with_two_hundred_waiting(
    storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """TB08: the broker is only a nudge."""
    queued(200)
    app = Celery(broker=broker.address)
    for pk in Notice.objects.values_list("pk", flat=True):
        app.send_task("notifications.tasks.deliver", [str(pk)])
    with app.connection_for_write() as line:
        line.default_channel.client.flushall()
    with a_worker(environment(tmp_path, broker.address, storm.port), tmp_path):
        until_sent(broker, 60)
    assert arrived_once(storm) == 0


def test_four_processes_ten_times_the_same_and_two_sweeps(
    storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """TA11, TA12, TB22: every id ten times, two beats that sweep, four processes: 500 mails."""
    queued(500)
    app = Celery(broker=broker.address)
    for pk in [*Notice.objects.values_list("pk", flat=True)[:100]] * 10:
        app.send_task("notifications.tasks.deliver", [str(pk)])
    for _beat in range(20):
        tick(broker)
    with a_worker(environment(tmp_path, broker.address, storm.port), tmp_path, children=4):
        until_sent(broker, 90)
    assert arrived_once(storm) == 0
    assert len(storm.kept) == 500


@pytest.mark.parametrize("case", ["TB09 killed three times", "B09b frozen for 12 s"])
def test_a_worker_goes_on_when_its_broker_comes_back(
    case: str, storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """Without being started again, within a minute."""
    queued(1)
    with a_worker(environment(tmp_path, broker.address, storm.port), tmp_path):
        until_sent(broker, 60)
        if case.startswith("TB09"):
            for _ in range(3):
                broker.kill()
                time.sleep(1)
                broker.begin()
                time.sleep(2)
        else:
            broker.freeze()
            time.sleep(12)
            broker.thaw()
        storm.kept.clear()
        queued(5)
        took = until_sent(broker, 60)
    print(f"{case}: sent again after {took:.0f} s")
    assert arrived_once(storm) == 0


def test_a_mailbox_that_hangs_holds_up_nobody(
    storm: Storm, broker: Broker, queued: Any, tmp_path: Path
) -> None:
    """TB15: its worker is free again after EMAIL_TIMEOUT, and the others go out meanwhile."""
    queued(100)
    first = Notice.objects.first()
    assert first is not None
    past = timezone.now().replace(year=2020)
    Notice.objects.filter(pk=first.pk).update(address="hang@agency.example", next_try_at=past)
    with a_worker(environment(tmp_path, broker.address, storm.port), tmp_path, children=1):
        began = time.monotonic()
        tick(broker)
        wait_until(lambda: len(storm.kept) == 99, 60, "the other ninety-nine")
        took = time.monotonic() - began
    first.refresh_from_db()
    print(f"TB15: with one process the other 99 had left after {took:.0f} s")
    assert took < 35
    assert (first.state, first.attempts) == (State.QUEUED, 1)


def test_pages_are_no_slower_without_a_mail_server(
    storm: Storm, broker: Broker, office: Office, tmp_path: Path
) -> None:
    """A request's page and a POST that promises notices, with the server up, hanging and away."""
    request = walk.to_pending(office)
    told = environment(tmp_path, broker.address, storm.port)
    took: dict[str, list[float]] = {"ok": [], "hang": [], "away": []}
    with web(told, tmp_path) as site, a_worker(told, tmp_path):
        for number in range(12):
            for mood, times in took.items():
                storm.be(mood)
                began = time.monotonic()
                status, body = site.act(
                    request, "comment", office.rep, text=f"{mood} {number}", public="yes"
                )
                assert status in (302, 303), body[-500:]
                if number > 1:  # the first ones warm the workers up
                    times.append(time.monotonic() - began)
    middle = {mood: statistics.median(times) for mood, times in took.items()}
    print("POST, median ms:", {mood: round(t * 1000) for mood, t in middle.items()})
    assert max(middle["hang"], middle["away"]) < 1.5 * middle["ok"] + 0.05
