"""Who is told at 75 % and at 100 %, exactly once each (F1, TB22)."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from notifications.models import Notice
from requests_app import escalation, stale
from requests_app.clock_models import Escalation
from requests_app.escalation import escalate
from requests_app.models import Request
from tests import walk
from tests.factories import Office
from tests.fulfillment.racing import WAIT, at_once
from workflow import clock

MONDAY = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def taken(office: Office) -> Request:
    """With a specialist since Monday morning."""
    with clock.acting_at(MONDAY):
        return walk.to_assigned(office)


def told(request: Request, template: str) -> set[str]:
    return set(
        Notice.objects.filter(event__stream_id=request.pk, template=template).values_list(
            "address", flat=True
        )
    )


def levels(request: Request) -> list[int]:
    return [e.level for e in Escalation.objects.filter(request=request, rearmed_at=None)]


def run_at(moment: datetime) -> int:
    with clock.acting_at(moment):
        return escalate()


MINUTE = timedelta(minutes=1)


@pytest.mark.django_db
class TestLevels:
    def test_desk_at_75_and_the_representative_too_at_100(
        self, office: Office, taken: Request
    ) -> None:
        assert run_at(taken.at_risk_at - MINUTE) == 0
        assert run_at(taken.at_risk_at) == 1
        assert run_at(taken.at_risk_at + MINUTE) == 0
        assert told(taken, "at_risk") == {office.specialist.email, office.lead.email}
        assert run_at(taken.due_at - MINUTE) == 0
        assert run_at(taken.due_at + MINUTE) == 1
        assert run_at(taken.due_at + 100 * MINUTE) == 0
        assert told(taken, "overdue") == {
            office.specialist.email, office.lead.email, office.rep.email,
        }  # fmt: skip
        assert levels(taken) == [75, 100]
        assert [e.facts["level"] for e in taken.events.filter(name="escalate")] == ["75 %", "100 %"]
        taken.refresh_from_db()
        assert (taken.overdue, taken.alarm_at) == (True, None)

    def test_after_a_day_without_the_scheduler_once_at_the_highest_level(
        self, taken: Request
    ) -> None:
        """TB22: one catch-up run, nothing multiplied."""
        late = taken.due_at + timedelta(days=1)
        assert [run_at(late), run_at(late + MINUTE)] == [1, 0]
        assert levels(taken) == [75, 100]
        assert taken.events.filter(name="escalate").count() == 1
        assert not told(taken, "at_risk")
        assert len(told(taken, "overdue")) == 3

    def test_nobody_is_told_while_the_clock_stands(self, office: Office, taken: Request) -> None:
        """X1."""
        with clock.acting_at(MONDAY + 60 * MINUTE):
            walk.do(taken, "hold", office.rep, reason="Waits.", review_on="2027-01-04",
                    waiting_for="customer")  # fmt: skip
        assert run_at(MONDAY + timedelta(days=60)) == 0
        with clock.acting_at(MONDAY + timedelta(days=60)):
            walk.do(taken, "resume", office.rep)
        assert run_at(taken.at_risk_at) == 1

    def test_a_pause_after_75_does_not_arm_it_again(self, office: Office, taken: Request) -> None:
        moment = taken.at_risk_at
        assert run_at(moment) == 1
        with clock.acting_at(moment + MINUTE):
            walk.do(taken, "hold", office.rep, reason="Waits.", review_on="2027-01-04",
                    waiting_for="customer")  # fmt: skip
        with clock.acting_at(moment + timedelta(days=30)):
            walk.do(taken, "resume", office.rep)
        assert taken.at_risk_at == moment
        assert run_at(moment + timedelta(days=30, minutes=1)) == 0

    def test_a_target_that_moves_past_the_present_arms_it_again(
        self, office: Office, taken: Request
    ) -> None:
        """The agreement gives more time: what was told lies ahead once more."""
        late = taken.due_at + MINUTE
        assert run_at(late) == 1
        office.agreement.covered.update(assistance_hours=80)
        with clock.acting_at(late):
            stale.of_agency(office.agency)
            stale.freshen()
        taken.refresh_from_db()
        assert (taken.overdue, taken.alarm_at) == (False, taken.at_risk_at)
        assert levels(taken) == []
        assert [run_at(late + MINUTE), run_at(taken.at_risk_at), run_at(taken.due_at)] == [0, 1, 1]
        assert Escalation.objects.filter(request=taken).count() == 4

    def test_one_that_cannot_be_told_holds_up_nobody(
        self, office: Office, taken: Request, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with clock.acting_at(MONDAY + MINUTE):
            other = walk.to_assigned(office)
        whole = escalation.sound

        def breaking(request: Request) -> int:
            if request == taken:
                raise ValueError("broken")
            return whole(request)

        monkeypatch.setattr(escalation, "sound", breaking)
        assert run_at(other.due_at) == 1
        assert levels(other) == [75, 100]
        assert levels(taken) == []

    def test_a_run_keeps_to_its_time(self, taken: Request) -> None:
        with clock.acting_at(taken.due_at):
            assert escalate(seconds=0) == 0
            assert escalate() == 1


@pytest.mark.django_db(transaction=True)
class TestTwoBeats:
    """Each on a connection of its own."""

    @pytest.fixture
    def late(self, transactional_db: None) -> list[Request]:
        office = Office()
        with clock.acting_at(clock.now() - timedelta(days=60)):
            return [walk.to_assigned(office) for _ in range(6)]

    def test_each_is_told_once(self, late: list[Request]) -> None:
        """TB22: a second beat, and all of it once more."""
        assert sum(at_once(escalate, escalate)) == 6
        assert at_once(escalate, escalate) == [0, 0]
        for request in late:
            assert request.events.filter(name="escalate").count() == 1
            assert len(told(request, "overdue")) == 3

    def test_control_without_the_lock_they_collide(
        self, late: list[Request], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both take the same request; only the key in the database stands in the way."""
        meeting = threading.Barrier(2)
        collided: list[Exception] = []
        whole = escalation.sound

        def unlocked(broken: set[int]) -> Any:
            found = escalation.due_alarms().exclude(pk__in=broken).first()
            if found is not None and not getattr(threading.current_thread(), "met", False):
                threading.current_thread().met = True
                meeting.wait(WAIT)
            return found

        def watched(request: Request) -> int:
            try:
                return whole(request)
            except IntegrityError as error:
                collided.append(error)
                raise

        monkeypatch.setattr(escalation, "next_alarm", unlocked)
        monkeypatch.setattr(escalation, "sound", watched)
        at_once(escalate, escalate)
        assert collided
        for request in late:
            assert request.events.filter(name="escalate").count() == 1
