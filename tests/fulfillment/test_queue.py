"""The CRM Pending Queue: order, taking, assigning, putting back, fulfilling (F2-F5, F7, F8)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from fulfillment import board, lists, unplaced
from fulfillment.actions.queue import note_check, take_next
from fulfillment.actions.schedule import pull_next
from fulfillment.models import QueueCheck
from requests_app.escalation import mark_overdue, unmarked
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office, UserFactory
from workflow import clock
from workflow.machine import Refused
from workflow.registry import InvalidFacts, offers

pytestmark = pytest.mark.django_db


def set_to(request: Request, **values: Any) -> Request:
    """Arrange what the rule looks at."""
    Request.objects.filter(pk=request.pk).update(**values)
    mark_overdue(unmarked(Request.objects.filter(pk=request.pk), clock.now()))
    request.refresh_from_db()
    return request


def test_the_order_is_overdue_priority_due_age(office: Office) -> None:
    """F4: the rule that the page says in words."""
    now = clock.now()
    hour = timedelta(hours=1)
    old = set_to(walk.to_pending(office), priority=3, due_at=now + 5 * hour)
    young = set_to(walk.to_pending(office), priority=3, due_at=old.due_at)
    set_to(young, created_at=old.created_at + hour)
    soon = set_to(walk.to_pending(office), priority=3, due_at=now + hour)
    critical = set_to(walk.to_pending(office), priority=1, due_at=now + 9 * hour)
    late_low = set_to(walk.to_pending(office), priority=4, due_at=now - hour)
    late_high = set_to(walk.to_pending(office), priority=2, due_at=now - hour)
    undated = set_to(walk.to_pending(office), priority=3, due_at=None)
    found = list(lists.pending(office.group, office.specialist))
    assert found == [late_high, late_low, critical, soon, old, young, undated]
    assert take_next(office.group, by=office.specialist) == late_high


def test_take_next_leaves_out_what_is_on_hold_and_other_groups(office: Office) -> None:
    """F4, X1."""
    held = set_to(walk.to_pending(office), priority=1)
    walk.do(
        held, "hold", office.lead, reason="Waits.", review_on=walk.later(3), waiting_for="other"
    )
    assert take_next(office.group, by=office.specialist) is None
    free = walk.to_pending(office)
    assert take_next(office.other_group, by=office.stranger) is None
    taken = take_next(office.group, by=office.specialist)
    assert taken == free
    assert (taken.state, taken.specialist) == (S.ASSIGNED, office.specialist)
    assert taken.assigned_at is not None
    assert taken.events.filter(name="assign").count() == 1


def test_take_next_is_for_members_only(office: Office) -> None:
    """F5: a representative who calls it gets nothing, and nothing is taken."""
    request = walk.to_pending(office)
    for person in (office.rep, office.stranger, office.auditor):
        with pytest.raises(PermissionDenied):
            take_next(office.group, by=person)
    request.refresh_from_db()
    assert request.state == S.PENDING


def test_pull_next_takes_the_earliest_planned(office: Office) -> None:
    """F4, F6: by planned start, then by priority."""
    later, sooner = walk.to_awaiting(office), walk.to_awaiting(office)
    for request, days in ((later, 5), (sooner, 2)):
        day = walk.next_working_day(days).isoformat()
        walk.do(request, "schedule", office.lead, day=day, hours="2", charge_expected="no")
    assert pull_next(office.group, by=office.specialist) == sooner
    assert pull_next(office.group, by=office.specialist) == later
    assert pull_next(office.group, by=office.specialist) is None


def test_only_members_can_be_given_work(office: Office) -> None:
    """F5: neither somebody of another group nor a former member."""
    request = walk.to_pending(office)
    office.specialist2.is_active = False
    office.specialist2.save()
    for person in (office.stranger, office.rep, office.specialist2):
        with pytest.raises(InvalidFacts) as refused:
            walk.do(request, "assign", office.lead, specialist=person.pk)
        assert list(refused.value.form.errors) == ["specialist"]
    walk.do(request, "assign", office.lead, specialist=office.specialist.pk)
    assert request.specialist == office.specialist


def test_an_administrator_who_is_no_member_cannot_take_it(office: Office) -> None:
    """F5: being allowed everything does not make one a specialist of the group."""
    admin = UserFactory(admin=True)
    request = walk.to_pending(office)
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "take", admin)
    assert "Choose a member of the provider group." in str(refused.value)


def test_the_choice_shows_what_each_has_in_hand(office: Office) -> None:
    """F5: the load is visible, the least loaded first, absence said."""
    walk.to_assigned(office)
    office.specialist2.away_from = clock.today()
    office.specialist2.save()
    request = walk.to_pending(office)
    offer = next(iter(offers(request, office.lead, names={"assign"})))
    labels = [label for _, label in offer.form.fields["specialist"].choices][1:]
    assert labels[-1] == f"{office.specialist} (1 in hand)"
    assert f"{office.specialist2} (0 in hand, away)" in labels


def test_putting_back_needs_a_reason_and_its_specialist(office: Office) -> None:
    """F5."""
    request = walk.to_assigned(office)
    with pytest.raises(PermissionDenied):
        walk.do(request, "unassign", office.specialist2, reason="Mine.")
    with pytest.raises(InvalidFacts):
        walk.do(request, "unassign", office.specialist, reason=" ")
    walk.do(request, "unassign", office.specialist, reason="Needs somebody with access.")
    assert (request.state, request.specialist, request.assigned_at) == (S.PENDING, None, None)


def test_fulfilling_needs_a_resolution(office: Office) -> None:
    """F8: nothing is half done."""
    request = walk.to_assigned(office)
    with pytest.raises(InvalidFacts):
        walk.do(request, "fulfill", office.specialist, resolution="  ")
    request.refresh_from_db()
    assert (request.state, request.case.closed_at) == (S.ASSIGNED, None)
    with pytest.raises(PermissionDenied):
        walk.do(request, "fulfill", office.specialist2, resolution="Not mine.")


def test_a_specialists_own_list_is_in_order_of_receipt(office: Office) -> None:
    """F7: by when one got it, not by when it was taken in."""
    first, second = walk.to_pending(office), walk.to_pending(office)
    walk.do(second, "take", office.specialist)
    walk.do(first, "take", office.specialist)
    assert list(lists.in_hand_of(office.specialist)) == [second, first]


def test_nothing_can_be_taken_while_on_hold(office: Office) -> None:
    """X1."""
    request = walk.to_pending(office)
    walk.do(request, "hold", office.lead, reason="x", review_on=walk.later(2), waiting_for="vendor")
    with pytest.raises(Refused, match="on hold"):
        walk.do(request, "take", office.specialist)


def test_a_look_by_a_member_counts_as_a_check_at_most_once_a_minute(office: Office) -> None:
    """F3: written once; a representative's look is no check of the group."""
    note_check(office.group, "pending", office.rep)
    assert not QueueCheck.objects.exists()
    note_check(office.group, "pending", office.specialist)
    first = QueueCheck.objects.get()
    note_check(office.group, "pending", office.specialist2)
    assert QueueCheck.objects.get().by == office.specialist
    QueueCheck.objects.update(at=first.at - timedelta(minutes=2))
    note_check(office.group, "pending", office.specialist2)
    assert QueueCheck.objects.get().by == office.specialist2


def test_an_item_is_in_exactly_one_queue(office: Office) -> None:
    """F2: pending or schedule, never both."""
    assistance, enhancement = walk.to_pending(office), walk.to_scheduled(office)
    assert list(lists.pending(office.group, office.lead)) == [assistance]
    assert list(unplaced.waiting(office.group, office.lead)) == []
    weeks = board.board(office.group).weeks
    cards = [card.reference for week in weeks for day in week.days for card in day.cards]
    assert cards == [enhancement.reference]


def test_a_group_at_a_glance_counts_both_queues(office: Office) -> None:
    """F3: counts, oldest, overdue, at risk, missed, last checked."""
    now = clock.now()
    set_to(walk.to_pending(office), due_at=now - timedelta(hours=1))
    risky = walk.to_pending(office)
    received = now - timedelta(hours=9)
    set_to(risky, created_at=received, at_risk_at=now, due_at=now + timedelta(hours=1))
    walk.to_awaiting(office)
    scheduled = walk.to_scheduled(office)
    scheduled.schedule_entries.update(first_day=clock.today() - timedelta(days=1))
    note_check(office.group, "schedule", office.lead)
    pending, schedule = lists.glance([office.group], office.lead)[0].queues
    assert (pending["count"], pending["late"], pending["risk"]) == (2, 1, 1)
    assert pending["oldest"] == risky.created_at
    assert (pending["stale"], schedule["stale"]) == (True, False)
    assert (schedule["count"], schedule["missed"]) == (2, 1)
    assert unplaced.aside(office.group).missed == [scheduled.schedule_entries.get()]
