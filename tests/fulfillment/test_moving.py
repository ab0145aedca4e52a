"""Moving, shaping, swapping, fixing and undoing booked slots, and many at once (F2)."""

from datetime import date
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Sum

from discovery.models import PartLine
from fulfillment import capacity, slots
from fulfillment.actions.moving import version
from fulfillment.models import DayCapacity, ScheduledDay
from notifications.models import Notice
from requests_app.models import Request
from tests import walk
from tests.factories import Office
from workflow.machine import Refused
from workflow.models import Calendar, CalendarException
from workflow.registry import InvalidFacts, offers

pytestmark = pytest.mark.django_db
MONDAY = "2026-03-02 15:00Z"
THURSDAY = date(2026, 3, 5)


@pytest.fixture(autouse=True)
def monday() -> Any:
    """A Monday morning, so that days can be named."""
    with time_machine.travel(MONDAY, tick=True):
        yield


def days(request: Request) -> list[capacity.Slice]:
    return slots.slices_of(request.schedule_entries.active().get())


def move(request: Request, office: Office, day: str, hours: str = "4", **more: str) -> Any:
    return walk.do(request, "reschedule", office.lead, day=day, hours=hours, **more)


def said(request: Request, office: Office, **data: str) -> dict[str, list[str]]:
    """What a refused move says beside its fields; and that the slot stayed where it was."""
    before = days(request)
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "reschedule", office.lead, **data)
    assert days(request) == before
    return {name: list(errors) for name, errors in refused.value.form.errors.items()}


def agree(office: Office) -> None:
    """I4: what the day rows say is what the entries hold, and never too much."""
    for row in DayCapacity.objects.filter(group=office.group):
        total = ScheduledDay.objects.filter(day=row.day).aggregate(s=Sum("minutes"))["s"] or 0
        assert (row.booked, row.booked <= row.capacity) == (total, True)


# the shape of a slot


def test_hours_can_be_spread_thin(office: Office) -> None:
    """F2: ten hours at no more than four a day; and the next move keeps to it."""
    request = walk.to_scheduled(office)
    move(request, office, "2026-03-05", "10", per_day="4")
    assert days(request) == [
        (date(2026, 3, 5), 240),
        (date(2026, 3, 6), 240),
        (date(2026, 3, 9), 120),
    ]
    form = next(iter(offers(request, office.lead, names={"reschedule"}))).form
    assert form["per_day"].initial == 4
    agree(office)


def test_a_person_can_choose_the_days(office: Office) -> None:
    """F2: these days with these hours, whatever first day and hours say."""
    request = walk.to_awaiting(office)
    walk.do(request, "schedule", office.lead, day="", hours="",
            split="2026-03-10 2\n\n2026-03-05 1.5 h", charge_expected="no")  # fmt: skip
    assert days(request) == [(date(2026, 3, 5), 90), (date(2026, 3, 10), 120)]
    entry = request.schedule_entries.get()
    assert (entry.minutes, entry.first_day, entry.last_day) == (210, THURSDAY, date(2026, 3, 10))


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        ("soon 4", "“soon 4” is not a day and its hours, such as 2026-12-01 4."),
        ("2026-03-05", "“2026-03-05” is not a day and its hours, such as 2026-12-01 4."),
        ("2026-03-05 0", "Between a quarter of an hour and 24 h on 2026-03-05."),
        ("2026-03-05 -3", "Between a quarter of an hour and 24 h on 2026-03-05."),
        ("2026-03-05 NaN", "“2026-03-05 NaN” is not a day and its hours, such as 2026-12-01 4."),
        ("2026-03-05 1\n2026-03-05 2", "Thu 5 Mar is there twice."),
        ("2026-03-05 4\n2026-03-07 1", "{group} does not work on Sat 7 Mar. Free instead:"),
        ("2026-02-27 4", "Fri 27 Feb is in the past. Free instead: Mon 2 Mar,"),
        ("2026-03-05 4\n2026-05-04 1", "Mon 4 May is beyond the 60 days: the last day is"),
        ("2026-03-05 15", "Thu 5 Mar has 14.4 h free, not 15 h. No single day"),
    ],
)
def test_days_that_cannot_be_chosen_are_named(office: Office, split: str, sentence: str) -> None:
    """F2: which it is, and what would fit."""
    request = walk.to_scheduled(office)
    errors = said(request, office, split=split)
    assert list(errors) == ["split"]
    assert errors["split"][0].startswith(sentence.format(group=office.group)), errors


def test_a_holiday_is_named(office: Office) -> None:
    """F2, F1: a public holiday by its name, the calendar's own day off by its note."""
    request = walk.to_scheduled(office)
    calendar = Calendar.objects.create(name="Ours", holidays="US-OK", is_default=True)
    for weekday in range(5):
        calendar.hours.create(weekday=weekday, opens="08:00", closes="17:00")
    CalendarException.objects.create(calendar=calendar, day=date(2026, 3, 10), note="Inventory")
    with time_machine.travel("2026-04-20 15:00Z"):
        [why] = said(request, office, day="2026-05-25", hours="4")["day"]
        assert why.startswith(f"{office.group} does not work on Mon 25 May (Memorial Day).")
    [why] = said(request, office, day="2026-03-10", hours="4")["day"]
    assert why.startswith(f"{office.group} does not work on Tue 10 Mar (Inventory).")
    assert "Free instead: Mon 2 Mar" in why


# moving


def test_a_page_that_is_out_of_date_is_told_where_it_is_now(office: Office) -> None:
    """F2, TA10: nobody moves what somebody else has moved meanwhile."""
    request = walk.to_scheduled(office)
    seen = version(request.schedule_entries.get())
    move(request, office, "2026-03-12", seen=seen)
    with pytest.raises(Refused, match=r"begins on Thu 12 Mar now, with 4 h\. What you typed"):
        move(request, office, "2026-03-17", seen=seen)
    assert days(request) == [(date(2026, 3, 12), 240)]


def test_what_was_missed_counts_how_often(office: Office) -> None:
    """F2: the carry-over counter."""
    request = walk.to_scheduled(office)
    for today, day, count in [
        ("2026-03-06", "2026-03-10", 1),
        ("2026-03-09", "2026-03-11", 1),
        ("2026-03-12", "2026-03-16", 2),
    ]:
        with time_machine.travel(f"{today} 15:00Z"):
            move(request, office, day)
        assert request.schedule_entries.get().carried_over == count


def test_only_a_lead_moves_swaps_fixes_and_undoes(office: Office) -> None:
    """F2."""
    request = walk.to_scheduled(office)
    facts = {"day": "2026-03-12", "hours": "4", "other": "REQ-1"}
    for person in (office.specialist, office.rep, office.stranger, office.auditor):
        for name in ("reschedule", "swap_slot", "fix_slot", "unfix_slot", "undo_move"):
            with pytest.raises(PermissionDenied):
                walk.do(request, name, person, **facts)


# undo


def test_a_move_is_undone_with_its_days_hours_and_shape(office: Office) -> None:
    """F2, X7: back as it was, on record, and the customer is told the date that counts."""
    request = walk.to_scheduled(office)
    move(request, office, "2026-03-05", "10", per_day="4")
    shaped = days(request)
    move(request, office, "2026-03-17", "6")
    event = request.events.get(name="reschedule", number=request.events.count())
    walk.do(request, "undo_move", office.lead, event=event.number)
    assert days(request) == shaped
    entry = request.schedule_entries.get()
    assert (entry.minutes, entry.most_per_day) == (600, 240)
    last = request.events.order_by("-number").first()
    assert (last.name, last.actor) == ("undo_move", office.lead)
    assert last.changes["first_day"] == ["2026-03-17", "2026-03-05"]
    assert Notice.objects.filter(event=last, template="scheduled").exists()
    agree(office)


def test_an_undo_can_be_undone(office: Office) -> None:
    """F2: it is a move like any other."""
    request = walk.to_scheduled(office)
    move(request, office, "2026-03-17")
    walk.do(request, "undo_move", office.lead)
    walk.do(request, "undo_move", office.lead)
    assert days(request) == [(date(2026, 3, 17), 240)]


def test_undo_is_refused_once_something_else_changed_there(office: Office) -> None:
    """F2: with the sentence that says what."""
    request = walk.to_scheduled(office)
    assert not offers(request, office.lead, names={"undo_move"}), "nothing was moved yet"
    move(request, office, "2026-03-17")
    first = request.events.get(name="reschedule").number
    walk.do(request, "fix_slot", office.lead)
    with pytest.raises(Refused, match="something changed there since"):
        walk.do(request, "undo_move", office.lead, event=first)
    walk.do(request, "unfix_slot", office.lead)
    move(request, office, "2026-03-18")
    with pytest.raises(Refused, match="was changed again since"):
        walk.do(request, "undo_move", office.lead, event=first)
    assert days(request) == [(date(2026, 3, 18), 240)]


def test_undo_is_refused_when_somebody_took_the_room(office: Office) -> None:
    """F2: the days before are full now; it stays where it is."""
    request, other = walk.to_scheduled(office), walk.to_awaiting(office)
    move(request, office, "2026-03-17")
    walk.do(other, "schedule", office.lead, day="2026-03-05", hours="14.4", charge_expected="no")
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "undo_move", office.lead)
    assert "Thu 5 Mar has 0 h free, not 4 h." in str(refused.value)
    assert days(request) == [(date(2026, 3, 17), 240)]


# swap and fix


def test_two_swap_their_places(office: Office) -> None:
    """F2: each begins where the other began; both are on record and undone together."""
    one, two = walk.to_scheduled(office), walk.to_scheduled(office)
    move(two, office, "2026-03-17", "6")
    walk.do(one, "swap_slot", office.lead, other=two.reference.lower())
    assert (days(one), days(two)) == ([(date(2026, 3, 17), 240)], [(THURSDAY, 360)])
    agree(office)
    assert two.events.filter(name="swap_slot").exists()
    walk.do(two, "undo_move", office.lead)
    assert (days(one), days(two)) == ([(THURSDAY, 240)], [(date(2026, 3, 17), 360)])
    agree(office)


@pytest.mark.parametrize("other", ["", "REQ-0000-000001", "itself", "awaiting", "foreign"])
def test_there_must_be_another_to_swap_with(office: Office, other: str) -> None:
    """F2, TD03: on the same schedule."""
    request = walk.to_scheduled(office)
    if other == "itself":
        other = request.reference
    elif other == "awaiting":
        other = walk.to_awaiting(office).reference
    elif other == "foreign":
        elsewhere = Office()
        other = walk.to_scheduled(elsewhere).reference
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "swap_slot", office.lead, other=other)
    assert list(refused.value.form.errors) == ["other"]


def test_a_fixed_slot_stays(office: Office) -> None:
    """F2: neither moved nor swapped until it is let go again."""
    request, other = walk.to_scheduled(office), walk.to_scheduled(office)
    walk.do(request, "fix_slot", office.lead)
    assert {o.name for o in offers(request, office.lead, names={"fix_slot", "unfix_slot"})} == {
        "unfix_slot"
    }
    with pytest.raises(Refused, match="fixed: let it move again first"):
        move(request, office, "2026-03-17")
    with pytest.raises(Refused, match=f"{request.reference} is fixed"):
        walk.do(other, "swap_slot", office.lead, other=request.reference)
    walk.do(request, "unfix_slot", office.lead)
    move(request, office, "2026-03-17")
    assert request.events.get(name="fix_slot").changes == {"is_fixed": [False, True]}


# many at once


def test_many_are_moved_together_or_not_at_all(office: Office) -> None:
    """F2: a plan is applied as a whole; what does not fit leaves everything as it was."""
    three = [walk.to_scheduled(office) for _ in range(3)]
    entries = [r.schedule_entries.get() for r in three]
    plan = {
        entries[0]: [(date(2026, 3, 9), 240)],
        entries[1]: [(date(2026, 3, 10), 120), (date(2026, 3, 12), 120)],
        entries[2]: capacity.Wish(date(2026, 3, 9), 240),
    }
    with pytest.raises(ValidationError, match=r"Mon 9 Mar has 10.4 h free, not 14.4 h"):
        slots.rebook(office.group, {**plan, entries[1]: [(date(2026, 3, 9), 864)]}, by=office.lead)
    assert [days(r) for r in three] == [[(THURSDAY, 240)]] * 3
    slots.rebook(office.group, plan, by=office.lead, reason="Re-planned.", name="replan")
    assert days(three[1]) == [(date(2026, 3, 10), 120), (date(2026, 3, 12), 120)]
    agree(office)
    walk.do(three[2], "undo_move", office.lead)
    assert [days(r) for r in three] == [[(THURSDAY, 240)]] * 3
    agree(office)


def test_a_plan_keeps_to_rights_holds_and_what_is_fixed(office: Office) -> None:
    """F2: whoever applies it."""
    request = walk.to_scheduled(office)
    entry = request.schedule_entries.get()
    plan = {entry: [(date(2026, 3, 9), 240)]}
    with pytest.raises(PermissionDenied):
        slots.rebook(office.group, plan, by=office.specialist)
    with pytest.raises(Refused, match="not on this schedule any more"):
        slots.rebook(office.other_group, plan, by=office.lead)
    walk.do(request, "fix_slot", office.lead)
    with pytest.raises(Refused, match=f"{request.reference} is fixed"):
        slots.rebook(office.group, plan, by=office.lead)
    walk.do(request, "unfix_slot", office.lead)
    walk.do(request, "hold", office.lead, reason="x", review_on=walk.later(3),
            waiting_for="other", keep_slot="on")  # fmt: skip
    with pytest.raises(Refused, match=f"{request.reference} is on hold"):
        slots.rebook(office.group, plan, by=office.lead)


# from when on


def test_the_earliest_date_is_set_and_lifted(office: Office) -> None:
    """F2: agreed with the customer, kept by every booking."""
    request = walk.to_awaiting(office)
    walk.do(request, "set_earliest", office.rep, earliest_on="2026-03-12", reason="Moving in then")
    assert slots.not_before(request) == date(2026, 3, 12)
    with pytest.raises(InvalidFacts):
        walk.do(request, "schedule", office.lead, day="2026-03-05", hours="4",
                charge_expected="no")  # fmt: skip
    walk.do(request, "schedule", office.lead, day="2026-03-12", hours="4", charge_expected="no")
    for day, why in (("2026-03-13", "booked for Thu 12 Mar already"), ("2026-02-13", "the past")):
        with pytest.raises(InvalidFacts) as refused:
            walk.do(request, "set_earliest", office.lead, earliest_on=day)
        assert why in str(refused.value)
    walk.do(request, "set_earliest", office.lead)
    assert request.earliest_on is None
    PartLine.objects.create(request=request, name="Handset", expected_on=date(2026, 3, 20))
    assert slots.not_before(request) == date(2026, 3, 20)
