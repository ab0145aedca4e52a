"""The 60-day schedule: capacity by calendar, every refusal, holding and keeping a slot (F2, X1)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import Sum

from discovery.models import Discovery, PartLine
from fulfillment import capacity
from fulfillment.capacity import in_words
from fulfillment.models import DayCapacity, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.factories import Office
from workflow import clock
from workflow.machine import Refused
from workflow.models import Calendar, CalendarException, WorkingHours
from workflow.registry import InvalidFacts, offers

pytestmark = pytest.mark.django_db
MONDAY = "2026-03-02 15:00Z"


@pytest.fixture(autouse=True)
def monday() -> Any:
    """A Monday morning, so that days can be named."""
    with time_machine.travel(MONDAY, tick=True):
        yield


def slot(day: date, hours: str = "4", charge: str = "no") -> dict[str, str]:
    return {"day": day.isoformat(), "hours": hours, "charge_expected": charge}


def refusal(request: Request, office: Office, **data: str) -> dict[str, list[str]]:
    """What the form says beside its fields; and that nothing was changed."""
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "schedule", office.lead, **data)
    request.refresh_from_db()
    assert request.state == S.AWAITING_SCHEDULING
    assert not request.schedule_entries.exists()
    assert not DayCapacity.objects.filter(booked__gt=0).exists()
    return {name: list(errors) for name, errors in refused.value.form.errors.items()}


def used(office: Office) -> int:
    return DayCapacity.objects.filter(group=office.group).aggregate(s=Sum("booked"))["s"] or 0


# capacity


def test_a_day_holds_the_members_hours_times_the_focus(office: Office) -> None:
    """F2: three members of eight hours at 60 percent make 14.4 hours."""
    force = capacity.Workforce(office.group)
    assert force.minutes(date(2026, 3, 3)) == 864


def test_weekends_holidays_exceptions_and_absences_take_from_it(office: Office) -> None:
    """F2, F1: no working time, no capacity; who is away does not count; short days are short."""
    calendar = Calendar.objects.create(name="Short Fridays", holidays="US-OK")
    for weekday in range(5):
        closes = "12:00" if weekday == 4 else "17:00"
        WorkingHours.objects.create(
            calendar=calendar, weekday=weekday, opens="08:00", closes=closes
        )
    CalendarException.objects.create(calendar=calendar, day=date(2026, 3, 4), note="Inventory")
    office.group.calendar = calendar
    office.specialist.away_from = date(2026, 3, 9)
    office.specialist.away_until = date(2026, 3, 13)
    office.specialist.save()
    force = capacity.Workforce(office.group)
    assert force.minutes(date(2026, 3, 7)) == 0, "Saturday"
    assert force.minutes(date(2026, 5, 25)) == 0, "Memorial Day"
    assert force.minutes(date(2026, 3, 4)) == 0, "exception"
    assert force.minutes(date(2026, 3, 6)) == int(3 * 240 * Decimal("0.6")), "short Friday"
    assert force.minutes(date(2026, 3, 9)) == int(2 * 480 * Decimal("0.6")), "one is away"
    assert date(2026, 3, 7) not in force.working_days(date(2026, 3, 2), date(2026, 3, 8))


def test_hours_fill_forward_over_working_days(office: Office) -> None:
    """F2: 20 hours from a Friday go over the weekend; every day keeps to its capacity."""
    request = walk.to_awaiting(office)
    walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 6), "20"))
    entry = request.schedule_entries.get()
    assert (entry.first_day, entry.last_day) == (date(2026, 3, 6), date(2026, 3, 9))
    assert list(entry.days.values_list("day", "minutes")) == [
        (date(2026, 3, 6), 864),
        (date(2026, 3, 9), 336),
    ]
    assert used(office) == 1200


def test_across_the_change_of_the_clock_a_day_is_still_a_day(office: Office) -> None:
    """F2, E: 8 March 2026 has 23 hours; Monday after it has its full capacity."""
    force = capacity.Workforce(office.group)
    assert force.minutes(date(2026, 3, 9)) == 864


def test_more_members_make_more_room_on_days_already_used(office: Office) -> None:
    """F2: a day's row follows the group, and never falls below what is booked."""
    request = walk.to_awaiting(office)
    walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 6), "14"))
    office.group.memberships.filter(user=office.specialist).update(hours_per_day=0)
    capacity.lock_days(office.group, date(2026, 3, 6), date(2026, 3, 9))
    row = DayCapacity.objects.get(day=date(2026, 3, 6))
    assert (row.capacity, row.booked) == (840, 840)
    assert DayCapacity.objects.get(day=date(2026, 3, 9)).capacity == 576


# refusals, each with its sentence


def test_a_day_in_the_past_is_refused(office: Office) -> None:
    """F2."""
    request = walk.to_awaiting(office)
    said = refusal(request, office, **slot(date(2026, 2, 27)))
    assert said == {
        "day": ["Fri 27 Feb is in the past. Free instead: Mon 2 Mar, Tue 3 Mar, Wed 4 Mar."]
    }


def test_a_day_beyond_the_window_is_refused(office: Office) -> None:
    """F2: the window rolls, sixty days from today."""
    request = walk.to_awaiting(office)
    said = refusal(request, office, **slot(date(2026, 5, 4)))
    assert said["day"][0].startswith(
        "Mon 4 May is beyond the 60 days: the last day is Fri 1 May. Free instead: Mon 2 Mar"
    )


def test_a_day_without_working_time_is_refused(office: Office) -> None:
    """F2: with the nearest days that would fit."""
    request = walk.to_awaiting(office)
    said = refusal(request, office, **slot(date(2026, 3, 7)))
    assert said["day"][0].startswith(f"{office.group} does not work on Sat 7 Mar. Free instead:")


def test_a_day_before_the_earliest_one_agreed_is_refused(office: Office) -> None:
    """F2: and what is offered instead keeps to it."""
    request = walk.to_awaiting(office)
    Request.objects.filter(pk=request.pk).update(earliest_on=date(2026, 3, 12))
    said = refusal(request, office, **slot(date(2026, 3, 6)))
    assert said["day"][0] == (
        "It must not start before Thu 12 Mar, as agreed. "
        "Free instead: Thu 12 Mar, Fri 13 Mar, Mon 16 Mar."
    )


def test_a_day_before_its_parts_are_expected_is_refused(office: Office) -> None:
    """F2, D13."""
    request = walk.to_awaiting(office)
    PartLine.objects.create(request=request, name="Handset", expected_on=date(2026, 3, 10))
    said = refusal(request, office, **slot(date(2026, 3, 6)))
    assert said["day"][0].startswith("1 × Handset is expected on Tue 10 Mar: not before.")


@pytest.mark.parametrize("hours", ["0", "-4", "", "many"])
def test_hours_must_be_more_than_nothing(office: Office, hours: str) -> None:
    """F2."""
    request = walk.to_awaiting(office)
    assert list(refusal(request, office, **slot(date(2026, 3, 6), hours))) == ["hours"]


def test_the_booking_itself_refuses_no_hours(office: Office) -> None:
    """F2: whoever calls it."""
    with pytest.raises(ValidationError) as refused:
        capacity.book(office.group, date(2026, 3, 6), 0)
    assert "hours" in refused.value.message_dict


def test_a_full_day_is_refused_with_the_nearest_free_ones(office: Office) -> None:
    """F2: the sentence names the days that would fit."""
    first, second = walk.to_awaiting(office), walk.to_awaiting(office)
    walk.do(first, "schedule", office.lead, **slot(date(2026, 3, 6), "14.4"))
    with pytest.raises(InvalidFacts) as refused:
        walk.do(second, "schedule", office.lead, **slot(date(2026, 3, 6), "8"))
    assert refused.value.form.errors["day"] == [
        "Fri 6 Mar is fully booked. Free instead: Mon 9 Mar, Tue 10 Mar, Wed 11 Mar."
    ]


def test_more_hours_than_the_window_holds_are_refused(office: Office) -> None:
    """F2: with what is free."""
    request = walk.to_awaiting(office)
    said = refusal(request, office, **slot(date(2026, 4, 30), "40"))
    assert said["hours"][0].startswith("40 h do not fit: 28.8 h are free until Fri 1 May.")


def test_a_group_without_people_at_work_has_nothing_to_book(office: Office) -> None:
    """F2, E."""
    request = walk.to_awaiting(office)
    office.group.memberships.update(hours_per_day=0)
    said = refusal(request, office, **slot(date(2026, 3, 6)))
    assert said["day"][0].startswith(f"Fri 6 Mar has nobody of {office.group} at work.")


def test_a_charge_needs_its_answer_and_its_basis(office: Office) -> None:
    """F2, F10: yes or no must be said; yes needs a rate, a proposal with PO, or rated parts."""
    request = walk.to_awaiting(office)
    assert list(refusal(request, office, **slot(date(2026, 3, 6), charge=""))) == [
        "charge_expected"
    ]
    office.rate.delete()
    said = refusal(request, office, **slot(date(2026, 3, 6), charge="yes"))
    assert said["charge_expected"][0].startswith("A charge needs a basis")


def test_only_a_lead_of_the_group_schedules(office: Office) -> None:
    """F2."""
    request = walk.to_awaiting(office)
    for person in (office.specialist, office.rep, office.stranger, office.auditor):
        with pytest.raises(PermissionDenied):
            walk.do(request, "schedule", person, **slot(date(2026, 3, 6)))


def test_the_lead_validates_priority_and_estimate(office: Office) -> None:
    """F2: both are kept with before and after."""
    request = walk.to_awaiting(office)
    walk.do(
        request, "schedule", office.lead, **slot(date(2026, 3, 6)),
        estimate_hours="12", impact="1", urgency="1",
    )  # fmt: skip
    assert (request.estimate_hours, request.priority) == (Decimal(12), 1)
    event = request.events.get(name="schedule")
    assert event.changes["estimate_hours"] == [None, "12"]
    assert request.events.filter(name="change_priority").exists()


# moving and giving back


def test_moving_gives_back_and_books_anew(office: Office) -> None:
    """F2: the days before and after are on record and the customer is told."""
    request = walk.to_scheduled(office)
    walk.do(request, "reschedule", office.lead, day="2026-03-12", hours="6", reason="Room is free")
    entry = request.schedule_entries.get()
    assert (entry.first_day, entry.minutes, used(office)) == (date(2026, 3, 12), 360, 360)
    event = request.events.get(name="reschedule")
    assert event.changes["first_day"] == ["2026-03-05", "2026-03-12"]
    assert event.reason == "Room is free"


def test_a_refused_move_keeps_the_slot(office: Office) -> None:
    """F2: both or neither."""
    request = walk.to_scheduled(office)
    with pytest.raises(InvalidFacts):
        walk.do(request, "reschedule", office.lead, day="2026-03-07", hours="6")
    entry = request.schedule_entries.get()
    assert (entry.first_day, used(office)) == (date(2026, 3, 5), 240)


@pytest.mark.parametrize("step", ["unschedule", "return_to_triage", "cancel", "put_back"])
def test_leaving_gives_the_hours_back(office: Office, step: str) -> None:
    """F2, X2: the entry stays as history, its hours are free."""
    walked = walk.to_planning if step == "put_back" else walk.to_scheduled
    request = walked(office)
    by = office.rep if step == "cancel" else office.lead
    data = {"reason": "Another time.", "why": "wrong_kind"}
    walk.do(request, step, by, **data)
    entry = request.schedule_entries.get()
    assert (entry.state, used(office), entry.days.count()) == ("released", 0, 0)
    assert request.events.filter(name="release").get().reason.endswith("Another time.")


def test_put_back_keeps_plan_and_hours(office: Office) -> None:
    """F6."""
    request = walk.to_in_fulfillment(office)
    walk.do(request, "log_time", office.specialist, hours="2")
    walk.do(request, "put_back", office.lead, reason="A more urgent one.")
    assert request.state == S.AWAITING_SCHEDULING
    assert request.specialist is None
    assert (request.plan_items.count(), request.time_entries.count()) == (1, 1)
    walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 20)))
    assert request.schedule_entries.active().get().state == "booked"


# hold and resume


def hold(request: Request, office: Office, **keep: str) -> None:
    walk.do(
        request, "hold", office.lead, reason="The room is not ready.",
        review_on=walk.later(3), waiting_for="customer", **keep,
    )  # fmt: skip


def test_a_hold_may_keep_the_slot(office: Office) -> None:
    """X1."""
    request = walk.to_scheduled(office)
    hold(request, office, keep_slot="on")
    assert (request.schedule_entries.get().state, used(office)) == ("booked", 240)


def test_a_hold_without_it_frees_the_hours_and_resuming_books_the_next_free_days(
    office: Office,
) -> None:
    """X1: somebody else took the old day meanwhile."""
    request, other = walk.to_scheduled(office), walk.to_awaiting(office)
    hold(request, office)
    entry = request.schedule_entries.get()
    assert (entry.state, used(office), entry.days.count()) == ("suspended", 0, 0)
    walk.do(other, "schedule", office.lead, **slot(entry.first_day, "14.4"))
    walk.do(request, "resume", office.lead)
    entry = request.schedule_entries.get()
    assert (entry.state, entry.first_day) == ("booked", date(2026, 3, 6))
    assert used(office) == 864 + 240


def test_resuming_into_a_full_window_leaves_it_to_the_lead(office: Office) -> None:
    """X1: the customer's answer never fails for want of a day; pulling waits for one."""
    request = walk.to_scheduled(office)
    hold(request, office)
    everything = capacity.days_ahead(office.group, clock.today(), capacity.window_end())
    other = walk.to_awaiting(office)
    hours = sum(d.free for d in everything) / 60
    walk.do(other, "schedule", office.lead, **slot(clock.today(), f"{hours:.2f}"))
    walk.do(request, "resume", office.rep)
    assert request.schedule_entries.get().state == "suspended"
    with pytest.raises(Refused, match="book them again first"):
        walk.do(request, "pull", office.specialist)
    walk.do(other, "unschedule", office.lead, reason="Make room.")
    walk.do(request, "reschedule", office.lead, day="2026-03-10", hours="4")
    assert request.schedule_entries.get().state == "booked"
    walk.do(request, "pull", office.specialist)
    assert request.state == S.PLANNING


# discovery


def back_from_discovery(request: Request, office: Office) -> None:
    """The discovery is over and found that the routine path will do."""
    Discovery.objects.filter(request=request).update(state="complete", parts_required=False)
    walk.do(request, "await_scheduling", office.rep)


def test_to_discovery_without_a_word_releases_the_slot(office: Office) -> None:
    """F17: kept only by explicit choice."""
    request = walk.to_scheduled(office)
    walk.do(request, "send_to_discovery", office.specialist, reason="Not routine.")
    assert (request.schedule_entries.get().state, used(office)) == ("released", 0)


@pytest.mark.parametrize("walked", [walk.to_scheduled, walk.to_in_fulfillment])
def test_a_slot_kept_over_discovery_is_confirmed_by_the_lead(office: Office, walked: Any) -> None:
    """F17, F2: the form comes back with its day and hours."""
    request = walked(office)
    walk.do(request, "send_to_discovery", office.lead, reason="Not routine.", keep_slot="on")
    assert (request.schedule_entries.get().state, used(office)) == ("booked", 240)
    back_from_discovery(request, office)
    offer = next(iter(offers(request, office.lead, names={"schedule"})))
    assert offer.form["day"].initial == date(2026, 3, 5)
    assert offer.form["hours"].initial == Decimal(4)
    walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 5), "4"))
    assert request.state == S.SCHEDULED
    assert used(office) == 240
    assert request.schedule_entries.count() == 1


def test_a_kept_slot_can_be_moved_or_given_back(office: Office) -> None:
    """F17."""
    request = walk.to_scheduled(office)
    walk.do(request, "send_to_discovery", office.lead, reason="Not routine.", keep_slot="on")
    walk.do(request, "release_slot", office.lead, reason="It will take longer.")
    assert (request.schedule_entries.get().state, used(office)) == ("released", 0)
    back_from_discovery(request, office)
    walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 17), "4"))
    assert request.schedule_entries.active().get().first_day == date(2026, 3, 17)


def test_a_slot_that_passed_meanwhile_must_be_moved(office: Office) -> None:
    """F17, E."""
    request = walk.to_scheduled(office)
    walk.do(request, "send_to_discovery", office.lead, reason="Not routine.", keep_slot="on")
    back_from_discovery(request, office)
    with time_machine.travel("2026-03-16 15:00Z"):
        with pytest.raises(InvalidFacts) as refused:
            walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 5), "4"))
        assert "is in the past" in refused.value.form.errors["day"][0]
        walk.do(request, "schedule", office.lead, **slot(date(2026, 3, 17), "4"))
    entry = request.schedule_entries.active().get()
    assert (entry.first_day, used(office)) == (date(2026, 3, 17), 240)


def test_the_booked_minutes_are_always_those_of_the_entries(office: Office) -> None:
    """I4: whatever was done, the day rows agree with the slices."""
    requests = [walk.to_scheduled(office) for _ in range(4)]
    walk.do(requests[0], "unschedule", office.lead, reason="x")
    hold(requests[1], office)
    walk.do(requests[1], "resume", office.lead)
    walk.do(requests[2], "reschedule", office.lead, day="2026-03-20", hours="30")
    walk.do(requests[3], "pull", office.specialist)
    for row in DayCapacity.objects.filter(group=office.group):
        total = ScheduledDay.objects.filter(day=row.day).aggregate(s=Sum("minutes"))["s"] or 0
        assert (row.booked, row.booked <= row.capacity) == (total, True)


def test_dates_are_said_as_people_say_them() -> None:
    assert in_words(date(2026, 12, 2)) == "Wed 2 Dec"
    assert capacity.hours_in_words(210) == "3.5 h"
    assert capacity.hours_in_words(600) == "10 h"


def test_a_request_has_one_active_entry(office: Office) -> None:
    """F2: also in the database."""
    request = walk.to_scheduled(office)
    with pytest.raises(IntegrityError, match="one_active_schedule_entry"):
        ScheduleEntry.objects.create(
            request=request,
            group=office.group,
            minutes=60,
            first_day=clock.today(),
            last_day=clock.today() + timedelta(days=1),
        )
