"""Processes die between two lines of code; what was promised is said all the same."""

import contextlib
import http.client
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from notifications.models import Notice
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office
from tests.faults.harness import Broker, environment, manage, process, wait_until, web
from tests.notifications.post import Post

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]
State = Notice.State
PATIENCE_S = 3


def _only_new_notices() -> None:
    """What the way to the starting point promised is not what the test is about."""
    Notice.objects.update(state=State.SUPPRESSED)


def _new() -> list[Notice]:
    return list(Notice.objects.exclude(state=State.SUPPRESSED))


def test_a_web_worker_killed_between_commit_and_nudge_loses_no_mail(
    office: Office, mail: tuple[Post, int], broker: Broker, tmp_path: Path
) -> None:
    """TB05: the state has changed, the mail goes out with the next sweep, once."""
    post, port = mail
    request = office.request()
    _only_new_notices()
    stopped = tmp_path / "stopped"
    told = environment(tmp_path, broker.address, port, STOP_FILE=str(stopped))
    with web(told, tmp_path, "tests.faults.stopped_wsgi") as site:
        answer: list[Any] = []

        def press() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer.append(site.act(request, "cancel", office.rep, reason="Not needed."))

        person = threading.Thread(target=press)
        person.start()
        wait_until(stopped.exists, 20, f"the worker stands behind COMMIT; see {site.log}")
        pid = int(stopped.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        person.join(20)
        assert answer == [], "the person got an answer from a killed worker"
        wait_until(site.is_up, 20, "the web server goes on with another worker")

    request.refresh_from_db()
    assert request.state == S.CANCELLED
    assert {n.state for n in _new()} == {State.QUEUED}
    assert post.messages == []
    manage(told, "send_pending")
    assert post.ids() == [f"<{n.pk}@127.0.0.1>" for n in _new()]
    assert {n.state for n in _new()} == {State.SENT}


def _timed_cancel(site: Any, request: Request, office: Office) -> float:
    began = time.monotonic()
    status, body = site.act(request, "cancel", office.rep, reason="Not needed.")
    took = time.monotonic() - began
    assert status in (302, 303), body[-2000:]
    request.refresh_from_db()
    assert request.state == S.CANCELLED
    return took


def test_a_broker_that_is_away_or_frozen_holds_up_nobody_and_loses_nothing(
    office: Office, mail: tuple[Post, int], broker: Broker, tmp_path: Path
) -> None:
    """TB06: success within three seconds, the notice queued, sent when the broker is back."""
    post, port = mail
    frozen, away = office.request(), office.request()
    _only_new_notices()
    told = environment(tmp_path, broker.address, port)
    with web(told, tmp_path) as site:
        broker.freeze()
        assert _timed_cancel(site, frozen, office) < PATIENCE_S
        broker.thaw()
        broker.kill()
        assert _timed_cancel(site, away, office) < PATIENCE_S
        time_to_notice = time.monotonic() + 1
        while time.monotonic() < time_to_notice:
            assert post.messages == []
        assert {n.state for n in _new()} == {State.QUEUED}

        broker.begin()
        worker = [
            sys.executable, "-m", "celery", "-A", "config", "--quiet", "worker", "-c", "1", "-l",
            "WARNING", "--without-mingle", "--without-gossip",
        ]  # fmt: skip
        with process(worker, {**told, "ROLE": "worker"}, tmp_path / "worker.log"):
            # what beat says every 30 seconds
            Celery(broker=broker.address).send_task("notifications.tasks.sweep")
            wait_until(
                lambda: {n.state for n in _new()} == {State.SENT},
                40,
                f"the notices are sent; see {tmp_path}/worker.log",
            )
    assert sorted(post.ids()) == sorted(f"<{n.pk}@127.0.0.1>" for n in _new())


def test_with_everything_up_a_notice_is_sent_without_waiting_for_the_sweep(
    office: Office, mail: tuple[Post, int], broker: Broker, tmp_path: Path
) -> None:
    """The nudge works: the control of the two cases above."""
    post, port = mail
    request = walk.to_pending(office)
    _only_new_notices()
    told = environment(tmp_path, broker.address, port)
    worker = [
        sys.executable, "-m", "celery", "-A", "config", "--quiet", "worker", "-c", "1", "-l",
        "WARNING", "--without-mingle", "--without-gossip",
    ]  # fmt: skip
    with (
        process(worker, {**told, "ROLE": "worker"}, tmp_path / "worker.log"),
        web(told, tmp_path) as site,
    ):
        assert _timed_cancel(site, request, office) < PATIENCE_S
        wait_until(lambda: post.messages, 40, f"the mail; see {tmp_path}/worker.log")
    assert [str(m["To"]) for m in post.messages] == [office.contact.email]
