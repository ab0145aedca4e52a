"""The daily digest: once a morning, only what there is to say, to whom wants it (F3, TB22)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client

from fulfillment.actions.queue import note_check
from fulfillment.models import QueueCheck
from notifications.models import Notice
from notifications.rendering import render_notice
from requests_app import digests
from requests_app.digests import send_digests
from requests_app.models import Request
from tests import walk
from tests.factories import Office
from tests.fulfillment.racing import at_once
from workflow import clock

TUESDAY = datetime(2026, 11, 3, 13, 0, tzinfo=UTC)  # 07:00 in Chicago
HOUR = timedelta(hours=1)


def run_at(moment: datetime) -> int:
    with clock.acting_at(moment):
        return send_digests()


def told() -> list[str]:
    return sorted(Notice.objects.filter(template="digest").values_list("address", flat=True))


@pytest.fixture
def waiting(office: Office) -> Request:
    """Received on Monday morning, in the pending queue."""
    with clock.acting_at(TUESDAY - 22 * HOUR):
        return walk.to_pending(office)


@pytest.mark.django_db
class TestDigest:
    def test_once_in_the_morning_to_the_lead_and_the_representative(
        self, office: Office, waiting: Request
    ) -> None:
        assert run_at(TUESDAY - HOUR) == 0
        assert run_at(TUESDAY) == 2
        assert told() == sorted([office.lead.email, office.rep.email])
        assert run_at(TUESDAY + HOUR) == 0
        assert run_at(TUESDAY + 10 * HOUR) == 0
        assert run_at(TUESDAY + 24 * HOUR) == 2

    def test_after_downtime_once_for_today_and_not_for_yesterday(self, waiting: Request) -> None:
        """TB22."""
        run_at(TUESDAY)
        assert run_at(TUESDAY + 56 * HOUR) == 2  # Thursday at three
        assert run_at(TUESDAY + 57 * HOUR) == 0

    def test_nothing_to_say_is_not_said_and_nothing_on_a_day_off(self, office: Office) -> None:
        assert run_at(TUESDAY) == 0
        with clock.acting_at(TUESDAY):
            walk.to_pending(office)
        assert run_at(TUESDAY + timedelta(days=4)) == 0  # Saturday
        assert not told()

    def test_it_says_what_is_new_due_overdue_waiting_and_unopened(
        self, office: Office, waiting: Request
    ) -> None:
        with clock.acting_at(TUESDAY - 20 * HOUR):
            held = walk.to_pending(office)
            walk.do(held, "hold", office.rep, reason="Waits.", review_on="2027-01-04",
                    waiting_for="customer")  # fmt: skip
        with clock.acting_at(TUESDAY - timedelta(days=20)):
            late = walk.to_pending(office)
            note_check(office.group, "pending", office.lead)
        run_at(TUESDAY)
        text = render_notice(Notice.objects.get(address=office.lead.email, template="digest")).text
        for said in (
            f"Overdue: 1\n{late.reference}", "New since the last working morning: 2",
            "Due this week: 1", f"Waiting for the customer: 1\n{held.reference}",
            "Nobody has opened the pending queue since",
            f"{settings.BASE_URL}/queues/{office.group.slug}/",
        ):  # fmt: skip
            assert said in text, text

    def test_who_switched_it_off_hears_nothing(
        self, office: Office, waiting: Request, client: Client
    ) -> None:
        client.force_login(office.rep)
        facts = {"first_name": "R", "last_name": "R", "email": office.rep.email, "language": "en"}
        answer = client.post("/account/", facts)
        assert answer.status_code == 302
        office.group.digest_to = "members"
        office.group.save()
        run_at(TUESDAY)
        members = [office.lead.email, office.specialist.email, office.specialist2.email]
        assert told() == sorted(members)

    def test_a_queue_that_nobody_opened_for_a_working_day_says_so(
        self, office: Office, client: Client, waiting: Request
    ) -> None:
        note_check(office.group, "pending", office.specialist)
        client.force_login(office.rep)
        address = f"/queues/{office.group.slug}/pending/"
        sentence = "Nobody of the group has opened this queue since"
        assert sentence not in client.get(address).text
        QueueCheck.objects.update(at=clock.now() - timedelta(days=6))
        assert sentence in client.get(address).text
        assert sentence in client.get("/queues/").text


@pytest.mark.django_db(transaction=True)
def test_two_beats_write_one_digest(transactional_db: None) -> None:
    """TB22: the second waits for the first one's row of the day and finds it."""
    office = Office()
    with clock.acting_at(TUESDAY - 22 * HOUR):
        walk.to_pending(office)

    def beat() -> int:
        return run_at(TUESDAY)

    assert sorted(at_once(beat, beat)) == [0, 2]
    assert len(told()) == 2


@pytest.mark.django_db(transaction=True)
def test_control_without_the_key_of_the_day_it_would_be_written_twice(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the day are taken away between the runs: then only the notices' own keys hold."""
    office = Office()
    with clock.acting_at(TUESDAY - 22 * HOUR):
        walk.to_pending(office)
    assert run_at(TUESDAY) == 2
    digests.DigestDay.objects.all().delete()
    assert run_at(TUESDAY) == 0
    Notice.objects.filter(template="digest").delete()
    digests.DigestDay.objects.all().delete()
    assert run_at(TUESDAY) == 2
