"""A worker dies while it plans a group: nothing is booked, the page says so, and one asks anew."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from django.urls import reverse

from fulfillment import tasks
from fulfillment.actions import placing
from fulfillment.models import Replan
from requests_app.states import S
from tests.factories import Office
from tests.faults.harness import Broker, environment, process, wait_until
from tests.fulfillment.test_many_at_once import overbooked
from tests.fulfillment.test_replan import crowded, slot
from workflow import clock

pytestmark = [pytest.mark.faults, pytest.mark.soak, pytest.mark.django_db(transaction=True)]


def test_a_worker_killed_in_the_middle_of_a_solve(
    office: Office, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F2: the schedule is as it was; when the lease is over the plan has failed with a sentence,
    and asking anew gives a plan, made by another worker."""
    monkeypatch.setattr(tasks, "nudge", lambda pk: None)
    low, urgent = crowded(office)
    before = slot(low).first_day
    row = placing.ask(office.group, by=office.lead)
    stopped = tmp_path / "stopped"
    told = environment(tmp_path, broker.address, 1, ROLE="worker", STOP_FILE=str(stopped))
    app = Celery(broker=broker.address)

    def worker(program: str) -> Any:
        words = [
            sys.executable, "-m", "celery", "-A", program, "--quiet", "worker", "-c", "1", "-l",
            "WARNING", "--without-mingle", "--without-gossip",
        ]  # fmt: skip
        return process(words, told, tmp_path / "worker.log")

    app.send_task("fulfillment.tasks.make_plan", [row.pk])
    with worker("tests.faults.stopped_planner") as started:
        wait_until(stopped.exists, 60, f"a worker plans; see {tmp_path}/worker.log")
        os.killpg(started.pid, signal.SIGKILL)
        started.wait(10)

    row.refresh_from_db()
    assert (row.state, slot(low).first_day, overbooked(office)) == ("running", before, [])
    assert not placing.make(row.pk), "delivered again while the lease lasts, it is not made twice"
    Replan.objects.filter(pk=row.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    lead = Client()
    lead.force_login(office.lead)
    page = reverse("fulfillment_replan", args=[office.group.slug])
    assert "has stopped" in lead.get(page).text

    asked = lead.post(reverse("fulfillment_replan_ask", args=[office.group.slug]), follow=True)
    assert asked.status_code == 200
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", placing.LOST)
    fresh = Replan.objects.open().get()
    app.send_task("fulfillment.tasks.make_plan", [fresh.pk])
    with worker("config"):
        wait_until(
            lambda: Replan.objects.get(pk=fresh.pk).state == "ready",
            60,
            f"another worker makes the plan; see {tmp_path}/worker.log",
        )
    fresh.refresh_from_db()
    placing.apply_plan(fresh, by=office.lead, charges={urgent.pk: False})
    urgent.refresh_from_db()
    assert (urgent.state, overbooked(office)) == (S.SCHEDULED, [])
