"""Hours and leave of people, what their days hold, days that became short, load (F1, F2, F5)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fulfillment import capacity
from fulfillment.models import DayCapacity, Membership
from fulfillment.people import people_of
from fulfillment.short_days import days_short
from tests import walk
from tests.factories import MembershipFactory, Office
from workflow import clock
from workflow.leave_models import Leave

pytestmark = pytest.mark.django_db


def member(office: Office, person: Any) -> Membership:
    return office.group.memberships.get(user=person)


def minutes(office: Office, day: date) -> int:
    return capacity.Workforce(office.group).minutes(day)


@pytest.fixture
def full(office: Office) -> Office:
    """At full focus, three people at eight hours: 24 h a day."""
    office.group.focus = 1
    office.group.save()
    return office


def as_lead(office: Office, client: Client) -> str:
    client.force_login(office.lead)
    return f"/queues/{office.group.slug}/people/"


def hours(member: Membership, **days: str) -> dict[str, str]:
    week = {"mon": "8", "tue": "8", "wed": "8", "thu": "8", "fri": "8", "sat": "0", "sun": "0"}
    return {f"hours-{member.pk}-{day}": value for day, value in {**week, **days}.items()}


def leave(member: Membership, first: date, last: date | None = None, **more: str) -> dict[str, str]:
    facts = {"first_day": first.isoformat(), "last_day": (last or first).isoformat(),
             "part": "whole", "note": "", **more}  # fmt: skip
    return {f"leave-{member.pk}-{name}": value for name, value in facts.items()}


def test_a_day_holds_the_hours_of_who_is_there(full: Office) -> None:
    """Part time by weekday, whole and half days of leave, never more than the group is open."""
    day = walk.next_working_day(5)
    assert minutes(full, day) == 24 * 60
    mine = member(full, full.specialist)
    mine.week = [Decimal(4 if n == day.weekday() else 0) for n in range(7)]
    mine.save()
    assert minutes(full, day) == 20 * 60
    Leave.objects.create(user=full.specialist, first_day=day, last_day=day, part="morning")
    assert minutes(full, day) == 18 * 60
    Leave.objects.create(user=full.lead, first_day=clock.today(), last_day=day)
    assert minutes(full, day) == 10 * 60
    Membership.objects.filter(user=full.specialist2).update(hours_per_day=20)
    assert minutes(full, day) == 2 * 60 + 9 * 60


def test_the_lead_sets_part_time_on_the_page(full: Office, client: Client) -> None:
    page = as_lead(full, client)
    mine = member(full, full.specialist)
    answer = client.post(f"{page}{mine.pk}/hours/", hours(mine, wed="4", fri="0"), follow=True)
    assert "are saved" in answer.text
    assert "Wed 4 h" in answer.text
    mine.refresh_from_db()
    assert mine.week == [8, 8, 4, 8, 0, 0, 0]
    client.post(f"{page}{mine.pk}/hours/", hours(mine, mon="6", tue="6", wed="6", thu="6", fri="6"))
    mine.refresh_from_db()
    assert (mine.week, mine.hours_per_day) == (None, 6)


def test_bad_hours_and_leave_get_a_sentence_and_nothing_is_lost(
    full: Office, client: Client
) -> None:
    page = as_lead(full, client)
    mine = member(full, full.specialist)
    answer = client.post(f"{page}{mine.pk}/hours/", hours(mine, mon="25"))
    assert answer.status_code == 422
    assert "less than or equal to 24" in answer.text
    assert 'value="25"' in answer.text
    soon = clock.today() + timedelta(days=7)
    for facts, sentence in (
        (leave(mine, soon, soon - timedelta(days=1)), "must not be before the first"),
        (leave(mine, date(2020, 1, 6)), "Choose today or a later day."),
        (leave(mine, soon, soon + timedelta(days=2), part="morning"), "Half a day is one day"),
        (leave(mine, soon, soon + timedelta(days=900)), "At most a year"),
        (leave(mine, soon, note="x" * 121), "at most 120 characters"),
    ):
        answer = client.post(f"{page}{mine.pk}/leave/", facts)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert not Leave.objects.exists()
    assert client.post(f"{page}{mine.pk}/leave/", leave(mine, soon)).status_code == 302
    answer = client.post(f"{page}{mine.pk}/leave/", leave(mine, soon))
    assert "There is leave already" in answer.text


def test_only_a_lead_keeps_them_and_a_stranger_learns_nothing(full: Office, client: Client) -> None:
    page = f"/queues/{full.group.slug}/people/"
    mine = member(full, full.specialist)
    soon = clock.today() + timedelta(days=7)
    for person, code in ((full.specialist, 403), (full.auditor, 403), (full.stranger, 404)):
        client.force_login(person)
        assert client.post(f"{page}{mine.pk}/hours/", hours(mine)).status_code == code
        assert client.post(f"{page}{mine.pk}/leave/", leave(mine, soon)).status_code == code
    other = full.other_group.memberships.get()
    client.force_login(full.lead)
    assert client.post(f"{page}{other.pk}/leave/", leave(other, soon)).status_code == 404
    row = Leave.objects.create(user=full.stranger, first_day=soon, last_day=soon)
    assert client.post(f"{page}leave/{row.pk}/delete/").status_code == 404
    client.force_login(full.specialist)
    assert "Save hours" not in client.get(page).text
    assert client.post(f"/account/leave/{row.pk}/delete/").status_code == 404


def test_my_own_leave_on_my_account(full: Office, client: Client) -> None:
    client.force_login(full.specialist)
    soon = clock.today() + timedelta(days=10)
    facts = {"leave-first_day": soon.isoformat(), "leave-last_day": "", "leave-part": "afternoon",
             "leave-note": "Dentist"}  # fmt: skip
    answer = client.post("/account/leave/", facts, follow=True)
    assert "Your leave is entered." in answer.text
    row = full.specialist.leaves.get()
    assert (row.first_day, row.last_day, row.part) == (soon, soon, "afternoon")
    assert row.added_by == full.specialist
    bad = client.post("/account/leave/", {**facts, "leave-first_day": "2020-01-06"})
    assert bad.status_code == 422
    assert "Choose today or a later day." in bad.text
    client.post(f"/account/leave/{row.pk}/delete/")
    assert not full.specialist.leaves.exists()


def test_leave_that_makes_booked_days_impossible_is_listed(full: Office, client: Client) -> None:
    """The day keeps what is booked, takes nothing more, and is shown with its requests."""
    request = walk.to_scheduled(full)
    entry = request.schedule_entries.get()
    DayCapacity.objects.filter(day=entry.first_day).update(booked=F("capacity"))
    slice_ = entry.days.get()
    slice_.minutes = DayCapacity.objects.get(day=entry.first_day).booked
    slice_.save()
    assert days_short(full.group) == []
    page = as_lead(full, client)
    mine = member(full, full.specialist)
    answer = client.post(f"{page}{mine.pk}/leave/", leave(mine, entry.first_day), follow=True)
    assert "more than the people there can do" in answer.text
    assert request.title in answer.text
    short = days_short(full.group)
    assert [(d.day, d.booked - d.missing, d.missing) for d in short] == [
        (entry.first_day, 16 * 60, 8 * 60)
    ]
    assert [card.reference for card in short[0].cards] == [request.reference]
    row = DayCapacity.objects.get(day=entry.first_day)
    assert row.booked == row.capacity == 24 * 60
    room = capacity.days_ahead(full.group, entry.first_day, entry.first_day)
    assert [d.free for d in room] == [0]
    schedule = client.get(f"/queues/{full.group.slug}/schedule/").text
    assert "Booked beyond what the people there can do" in schedule
    back = full.specialist.leaves.get()
    client.post(f"{page}leave/{back.pk}/delete/")
    assert days_short(full.group) == []


def test_load_counts_assistance_plans_and_booked_hours(full: Office) -> None:
    """F5: per specialist, this week and the next."""
    walk.to_assigned(full)
    planned = walk.to_in_fulfillment(full)
    rows = {p.member.user: p for p in people_of(full.group)}
    mine = rows[full.specialist]
    assert (mine.assistance, mine.plans, mine.plan_hours) == (1, 1, Decimal(4))
    booked = planned.schedule_entries.get().days.all()
    shown = sum(d.minutes for d in booked if d.day < mine.weeks[1].first + timedelta(days=7))
    assert sum(week.booked for week in mine.weeks) == shown
    assert mine.weeks[1].there <= 5 * 8 * 60
    assert rows[full.specialist2].assistance == 0


def test_the_page_costs_the_same_for_many_people(full: Office, client: Client) -> None:
    page = as_lead(full, client)
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for _ in range(6):
        person = MembershipFactory(group=full.group).user
        Leave.objects.create(user=person, first_day=clock.today(), last_day=clock.today())
    with CaptureQueriesContext(connection) as many:
        client.get(page)
    assert len(many) == len(few)
