"""The clock of a request: targets, pauses, how it stands, who edits what, verify (F1, X1)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from requests_app import stale
from requests_app.clock_models import TargetDefault
from requests_app.models import Request
from requests_app.standing import q_of
from requests_app.states import S
from tests import walk
from tests.factories import Office
from workflow import clock
from workflow.models import Calendar, WorkingHours
from workflow.upkeep import edited
from workflow.worktime import STANDARD, add_minutes

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # 09:00 in Chicago, after the change of clocks


def hours(count: float, start: datetime = MONDAY) -> datetime:
    """So many working hours after the start."""
    return add_minutes(start, int(count * 60), STANDARD)


def at(moment: datetime) -> Any:
    return clock.acting_at(moment)


@pytest.fixture
def pending(office: Office) -> Request:
    """Assistance under an SLA: 8 h to respond, 24 h to fulfill."""
    with at(MONDAY):
        request = office.request()
    with at(hours(2)):
        walk.do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
                **walk.STANDARD_YES)  # fmt: skip
    return request


def hold(request: Request, office: Office, moment: datetime, waiting_for: str = "customer") -> None:
    with at(moment):
        walk.do(request, "hold", office.rep, reason="Waits.", review_on="2027-01-04",
                waiting_for=waiting_for)  # fmt: skip


def resume(request: Request, office: Office, moment: datetime) -> None:
    with at(moment):
        walk.do(request, "resume", office.rep)


def test_a_new_request_has_a_response_target_and_no_other(office: Office) -> None:
    with at(MONDAY):
        request = office.request()
    assert request.response_due_at == hours(8)
    assert (request.due_at, request.at_risk_at, request.responded_at) == (None, None, None)


def test_triage_is_the_first_response_and_sets_the_target(office: Office, pending: Request) -> None:
    """Three quarters of 24 hours are 18."""
    assert pending.responded_at == hours(2)
    assert (pending.due_at, pending.at_risk_at) == (hours(24), hours(18))
    assert pending.target_source == office.agreement.reference
    assert pending.events.get(name="triage").changes["due_at"][0] is None


def test_a_public_word_before_triage_is_the_first_response(office: Office) -> None:
    with at(MONDAY):
        request = office.request()
    with at(hours(1)):
        walk.do(request, "comment", office.rep, text="A note to ourselves.")
        assert request.responded_at is None
        walk.do(request, "comment", office.rep, text="We are looking into it.", public="yes")
    assert request.responded_at == hours(1)


def test_a_pause_moves_what_lies_ahead_and_nothing_else(office: Office, pending: Request) -> None:
    """X1: 10 h worked, 20 h on hold, so everything ahead comes 20 h later."""
    hold(pending, office, hours(10))
    assert (pending.paused_since, pending.paused_for) == (hours(10), "customer")
    assert pending.due_at == hours(24)  # as if it ran again at once
    resume(pending, office, hours(30))
    assert (pending.paused_since, pending.paused_for) == (None, "")
    assert (pending.at_risk_at, pending.due_at) == (hours(38), hours(44))
    hold(pending, office, hours(40), "vendor")
    resume(pending, office, hours(41))
    assert (pending.at_risk_at, pending.due_at) == (hours(38), hours(45))
    assert pending.response_due_at == hours(8)


def test_a_hold_over_the_weekend_costs_no_working_time(office: Office, pending: Request) -> None:
    friday = datetime(2026, 11, 6, 23, 0, tzinfo=UTC)  # 17:00
    hold(pending, office, friday)
    resume(pending, office, friday + timedelta(hours=60))
    assert pending.due_at == hours(24)


def test_parts_stop_the_clock(office: Office) -> None:
    """Waiting in a queue for a part on order: the clock stands until it is in (D12, F1)."""
    with at(MONDAY):
        request = walk.to_awaiting(office)
        span = 360
        assert request.due_at == hours(span)
        line = request.part_lines.create(name="Access switch", state="listed", to_order=True)
    from workflow.door import advance

    with at(hours(4)):
        advance(line, "order", by=office.rep, order_number="PO-1", vendor="A vendor")
        request.refresh_from_db()
        assert (request.paused_since, request.paused_for) == (hours(4), "parts")
        assert request.is_on_hold is False
    with at(hours(24)):
        line.refresh_from_db()
        line.quantity_received = line.quantity
        line.save()
        advance(line, "receive_in_full", by=office.rep)
    request.refresh_from_db()
    assert request.paused_since is None
    assert request.due_at == hours(span + 20)


def test_standing_and_filters_agree(office: Office, pending: Request) -> None:
    """One condition over stored columns says what the chip says."""
    stood = []
    for moment in (hours(3), hours(18.5), hours(25)):
        with at(moment):
            chosen = [c for c in ("overdue", "risk", "today", "week", "paused")
                      if Request.objects.filter(q_of(c)).exists()]  # fmt: skip
            stood.append((pending.standing, chosen))
    hold(pending, office, hours(25))
    with at(hours(26)):
        assert Request.objects.filter(q_of("paused")).get().standing == "paused"
    assert stood == [("", ["week"]), ("risk", ["risk", "today", "week"]), ("late", ["overdue"])]


def test_a_change_of_priority_moves_a_default_target(office: Office) -> None:
    """X8: without an SLA the office's default by kind and priority counts; admin edits it."""
    office.agreement.covered.all().delete()
    with at(MONDAY):
        request = office.request()
        walk.do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
                decision="assistance", override_reason="Known well.",
                **walk.STANDARD_YES)  # fmt: skip
        assert request.due_at == hours(24)
        walk.do(request, "change_priority", office.rep, impact=1, urgency=1, reason="All down.")
    assert request.due_at == hours(8)
    row, _ = TargetDefault.objects.update_or_create(
        kind="assistance", priority=1, defaults={"response_hours": 2, "fulfillment_hours": 4}
    )
    edited("target", row)
    assert stale.freshen() == 1
    request.refresh_from_db()
    assert (request.response_due_at, request.due_at) == (hours(2), hours(4))
    assert request.events.get(name="retarget").changes.keys() == {"due_at", "response_due_at"}


def test_another_calendar_of_the_group_moves_the_clock(office: Office, pending: Request) -> None:
    """Half days take twice as long; saying so twice changes nothing more."""
    own = Calendar.objects.create(name="Mornings", holidays="")
    for weekday in range(5):
        WorkingHours.objects.create(calendar=own, weekday=weekday, opens="08:00", closes="12:00")
    office.group.calendar = own
    office.group.save()
    edited("group", office.group)
    assert stale.freshen() == 1
    assert stale.freshen() == 0
    pending.refresh_from_db()
    assert pending.due_at == datetime(2026, 11, 10, 15, 0, tzinfo=UTC)  # 3 h, then six mornings
    edited("calendar", own)
    assert stale.freshen() == 1
    assert pending.events.filter(name="retarget").count() == 1


def test_a_reopened_request_begins_anew(office: Office, pending: Request) -> None:
    """X3: the next pass has a clock of its own."""
    with at(hours(3)):
        walk.do(pending, "take", office.specialist)
        walk.do(pending, "fulfill", office.specialist, resolution="Done.")
    assert (pending.overdue, pending.alarm_at) == (False, None)
    with at(hours(4)):
        walk.do(pending, "reopen", office.rep, reason="It is not solved.")
    assert pending.due_at is None
    assert pending.response_due_at == hours(12)
    assert pending.responded_at is None


def test_verify_recomputes_every_clock(office: Office, pending: Request) -> None:
    """It finds nothing, until somebody tampers with a due moment or a pause."""
    hold(pending, office, hours(10))
    call_command("verify")
    for change in ({"due_at": hours(25)}, {"paused_since": None}, {"responded_at": MONDAY}):
        before = Request.objects.values(*change).get(pk=pending.pk)
        Request.objects.filter(pk=pending.pk).update(**change)
        with pytest.raises(CommandError, match=f"its {next(iter(change))} is"):
            call_command("verify")
        Request.objects.filter(pk=pending.pk).update(**before)
    call_command("verify")


def test_the_rule_is_answered_by_the_index_of_the_queue(office: Office) -> None:
    """F4: in the order of stored columns, without sorting."""
    walk.to_pending(office)
    with connection.cursor() as cursor, CaptureQueriesContext(connection):
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_incremental_sort = off")
        cursor.execute("SET LOCAL enable_sort = off")  # dear, so it stands in a plan only if needed
        plan = Request.objects.pending(office.group).open().by_rule()[:25].explain()
    assert "request_queue" in plan, plan
    assert "Sort" not in plan, plan


def test_the_request_page_says_how_the_clock_stands(
    office: Office, pending: Request, client: Any
) -> None:
    client.force_login(office.rep)
    address = pending.get_absolute_url()
    Request.objects.filter(pk=pending.pk).update(due_at=clock.now() - timedelta(days=3))
    assert "Overdue since" in client.get(address).text
    hold(pending, office, hours(10))
    assert "Clock stopped: waiting for the customer since" in client.get(address).text
    found = client.get("/requests/", {"scope": "all", "attention": "paused"}).text
    assert pending.reference in found
    assert (
        pending.reference
        not in client.get("/requests/", {"scope": "all", "attention": "overdue"}).text
    )
    client.force_login(office.lead)
    queue = client.get(f"/queues/{office.group.slug}/pending/", {"attention": "paused"}).text
    assert "Waiting for the customer" in queue
    assert pending.state == S.PENDING
