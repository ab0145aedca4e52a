"""Placing one request, and planning a group anew: made, looked at, applied, refused (F2)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from fulfillment import capacity, placement, replan
from fulfillment.actions import placing
from fulfillment.models import Membership, Replan, ScheduleEntry
from notifications.models import Notice
from requests_app.models import Link, Request
from requests_app.states import S
from tests import walk
from tests.factories import MembershipFactory, Office
from workflow import clock
from workflow.machine import Refused
from workflow.models import Event
from workflow.registry import InvalidFacts, offers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.THROUGHLINE = {**settings.THROUGHLINE, "REPLAN_SECONDS": 2}


def booked(office: Office, day: date, hours: str, **fields: Any) -> Request:
    request = walk.to_awaiting(office, **fields)
    walk.do(request, "schedule", office.lead, day=day.isoformat(), hours=hours,
            charge_expected="no")  # fmt: skip
    return request


def waiting(office: Office, hours: str = "4", **fields: Any) -> Request:
    request = walk.to_awaiting(office, **fields)
    walk.do(request, "set_estimate", office.lead, hours=hours)
    return request


def slot(request: Request) -> ScheduleEntry:
    return request.schedule_entries.active().get()


def day_hours(office: Office, day: date) -> Decimal:
    return Decimal(capacity.Workforce(office.group).minutes(day)) / 60


def made(office: Office, **options: Any) -> Replan:
    row = placing.ask(office.group, by=office.lead, **options)
    assert placing.make(row.pk)
    row.refresh_from_db()
    assert row.state == "ready", row.error
    return row


def crowded(office: Office) -> tuple[Request, Request]:
    """A low request holds the first day in full; a critical one is due there and waits."""
    # today, where today is a working day: else the critical one is simply placed before the low one
    first = capacity.days_ahead(office.group, clock.today(), capacity.window_end())[0].day
    low = booked(office, first, str(day_hours(office, first)), impact=3, urgency=3)
    Request.objects.filter(pk=low.pk).update(due_at=clock.now() + timedelta(days=50))
    urgent = waiting(office, "8", impact=1, urgency=1, needed_by=first)
    return low, urgent


def page(office: Office, user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(office: Office, name: str = "") -> str:
    return reverse(f"fulfillment_replan{name}", args=[office.group.slug])


# one request


def test_place_takes_the_days_on_which_it_is_finished_soonest(office: Office) -> None:
    """Without moving anybody: the first free days after what is booked (F2)."""
    first = walk.next_working_day(0)
    days = capacity.days_ahead(office.group, first, capacity.window_end())
    for one in days[:2]:
        booked(office, one.day, str(Decimal(one.free) / 60))
    request = waiting(office, "4")
    walk.do(request, "place", office.lead, hours="4", charge_expected="no")
    assert request.state == S.SCHEDULED
    assert slot(request).first_day == slot(request).last_day == days[2].day
    assert request.events.filter(name="schedule").count() == 1


def test_place_waits_for_the_earliest_date_and_for_what_it_needs_first(office: Office) -> None:
    later = walk.next_working_day(10)
    request = waiting(office)
    Request.objects.filter(pk=request.pk).update(earliest_on=later)
    walk.do(request, "place", office.lead, hours="4", charge_expected="no")
    assert slot(request).first_day == later
    follower = waiting(office)
    walk.do(follower, "link", office.lead, relation="needs", other=request.reference)
    walk.do(follower, "place", office.lead, hours="2", charge_expected="no")
    assert slot(follower).first_day > slot(request).last_day


def test_booking_by_hand_says_what_it_needs_first_and_begins_after_it(office: Office) -> None:
    """The form names the days; whoever knows better may still choose another (X4)."""

    def asked() -> tuple[Any, str]:
        offer = next(o for o in offers(follower, office.lead) if o.name == "schedule")
        field = offer.form.fields["day"]
        return offer.form["day"].initial, field.help_text

    first, follower = waiting(office), waiting(office)
    assert asked()[1] == ""
    walk.do(follower, "link", office.lead, relation="needs", other=first.reference)
    assert first.reference in asked()[1]
    walk.do(first, "place", office.lead, hours="4", charge_expected="no")
    day, said = asked()
    assert day > slot(first).last_day
    assert capacity.in_words(slot(first).last_day) in said


def test_place_says_what_is_in_the_way(office: Office) -> None:
    """Too long for the window, or something needed first without a date: a sentence each."""
    request = waiting(office)
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "place", office.lead, hours="9000", charge_expected="no")
    assert "do not fit" in refused.value.form.errors["hours"][0]
    other = waiting(office)
    walk.do(request, "link", office.lead, relation="needs", other=other.reference)
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "place", office.lead, hours="4", charge_expected="no")
    assert other.reference in refused.value.form.non_field_errors()[0]
    with pytest.raises(InvalidFacts) as refused:
        walk.do(request, "place", office.lead, hours="0", charge_expected="no")
    assert refused.value.form.errors["hours"]


def test_place_is_for_who_may_book_and_not_where_a_slot_is_kept(office: Office) -> None:
    request = waiting(office)
    with pytest.raises(PermissionDenied):
        walk.do(request, "place", office.specialist, hours="4", charge_expected="no")
    assert "place" in {o.name for o in offers(request, office.lead)}
    assert "place" not in {o.name for o in offers(request, office.rep)}


def test_what_needs_first_never_goes_round(office: Office) -> None:
    a, b, c = waiting(office), waiting(office), waiting(office)
    walk.do(a, "link", office.lead, relation="needs", other=b.reference)
    walk.do(b, "link", office.lead, relation="needs", other=c.reference)
    with pytest.raises(InvalidFacts) as refused:
        walk.do(c, "link", office.lead, relation="needs", other=a.reference)
    assert a.reference in refused.value.form.errors["other"][0]


# the group


def test_a_plan_is_made_looked_at_and_applied(office: Office) -> None:
    """One event per request that moves, the customer told the new date, nobody else touched."""
    low, urgent = crowded(office)
    far = walk.next_working_day(20)
    other = booked(office, far, "4")
    row = made(office)
    by_ref = {r["ref"]: r for r in row.result["rows"]}
    assert set(by_ref) == {low.reference, urgent.reference}
    assert by_ref[low.reference]["why"] == f"It makes room for {urgent.reference}."
    assert row.made_by == "optimal"
    assert row.cost_after is not None
    assert row.cost_before is not None
    assert row.cost_after < row.cost_before
    before = Event.objects.count(), Notice.objects.count()
    assert placing.apply_plan(row, by=office.lead, charges={urgent.pk: False}) == 2
    urgent.refresh_from_db()
    assert urgent.state == S.SCHEDULED
    assert slot(urgent).first_day <= walk.next_working_day(1)
    assert slot(low).first_day == date.fromisoformat(by_ref[low.reference]["after"][0][0])
    assert low.events.filter(name="replan").count() == 1
    assert not other.events.filter(name__in=["replan", "reschedule"]).exists()
    told = Notice.objects.order_by("created_at")[before[1] :]
    assert {n.template for n in told} == {"scheduled"}
    assert {Event.objects.get(pk=n.event_id).stream_id for n in told} == {low.pk, urgent.pk}
    row.refresh_from_db()
    assert row.state == "applied"
    assert Event.objects.count() - before[0] == 3  # the move, the first slot, the plan itself


def test_who_is_placed_first_waits_on_without_an_answer_about_the_charge(office: Office) -> None:
    low, urgent = crowded(office)
    placing.apply_plan(made(office), by=office.lead, charges={})
    urgent.refresh_from_db()
    assert urgent.state == S.AWAITING_SCHEDULING


def test_a_charge_without_a_basis_refuses_the_whole_plan(office: Office) -> None:
    low, urgent = crowded(office)
    office.rate.delete()
    row = made(office)
    first = slot(low).first_day
    with pytest.raises(Refused, match=urgent.reference):
        placing.apply_plan(row, by=office.lead, charges={urgent.pk: True})
    assert slot(low).first_day == first
    row.refresh_from_db()
    assert row.state == "ready"


def test_what_is_fixed_begun_or_on_hold_stays(office: Office) -> None:
    low, _ = crowded(office)
    walk.do(low, "fix_slot", office.lead)
    held = booked(office, walk.next_working_day(4), "4")
    walk.do(held, "hold", office.lead, reason="Waits", waiting_for="vendor", keep_slot="on",
            review_on=walk.later(30))  # fmt: skip
    reading = replan.read(office.group)
    assert not {low.pk, held.pk} & set(reading.candidates)
    assert reading.fixed[slot(low).first_day] == slot(low).minutes


@pytest.mark.parametrize("change", ["moved", "hours", "priority", "fixed", "cancelled"])
def test_a_plan_is_refused_when_something_changed_since(office: Office, change: str) -> None:
    """With a sentence that names it; the plan is out of date then, and nothing is booked."""
    low, urgent = crowded(office)
    row = made(office)
    if change == "moved":
        walk.do(low, "reschedule", office.lead, day=walk.next_working_day(9).isoformat(), hours="4")
    elif change == "hours":
        Membership.objects.filter(group=office.group, user=office.specialist).update(
            hours_per_day=4
        )
    elif change == "priority":
        walk.do(urgent, "change_priority", office.lead, impact="3", urgency="3", reason="Less")
    elif change == "fixed":
        walk.do(low, "fix_slot", office.lead)
    else:
        walk.do(low, "cancel", office.rep, reason="Withdrawn.")
    entries = list(ScheduleEntry.objects.values_list("pk", "first_day", "state"))
    with pytest.raises(Refused, match=r"plan anew") as refused:
        placing.apply_plan(row, by=office.lead, charges={urgent.pk: False})
    row.refresh_from_db()
    assert row.state == "stale"
    assert row.error == refused.value.sentences[0]
    assert list(ScheduleEntry.objects.values_list("pk", "first_day", "state")) == entries


def test_a_request_that_came_in_since_does_not_spoil_the_plan(office: Office) -> None:
    _, urgent = crowded(office)
    row = made(office)
    waiting(office)
    assert placing.apply_plan(row, by=office.lead, charges={urgent.pk: False}) == 2


def test_missed_and_suspended_entries_get_days_and_the_missed_is_counted(office: Office) -> None:
    with clock.acting_at(clock.now() - timedelta(days=7)):
        missed = booked(office, walk.next_working_day(1), "4")
    assert slot(missed).first_day < clock.today()
    row = made(office)
    [one] = row.result["rows"]
    assert one["why"] == "Its day passed before it was begun."
    placing.apply_plan(row, by=office.lead, charges={})
    assert slot(missed).first_day >= clock.today()
    assert slot(missed).carried_over == 1


def test_parts_and_dependencies_bar_the_days_before(office: Office) -> None:
    first = booked(office, walk.next_working_day(1), "4")
    second = booked(office, walk.next_working_day(3), "4")
    Link.objects.create(source=first, target=second, relation=Link.Relation.NEEDS)
    row = made(office)
    placing.apply_plan(row, by=office.lead, charges={})
    assert slot(first).first_day > slot(second).last_day
    later = walk.next_working_day(15)
    Request.objects.filter(pk=second.pk).update(earliest_on=later)
    row = made(office)
    assert "as agreed" in {r["ref"]: r for r in row.result["rows"]}[second.reference]["why"]
    placing.apply_plan(row, by=office.lead, charges={})
    assert slot(second).first_day >= later
    assert slot(first).first_day > slot(second).last_day


def test_what_cannot_be_planned_is_named_with_its_reason(office: Office) -> None:
    unknown = walk.to_awaiting(office)
    Request.objects.filter(pk=unknown.pk).update(estimate_hours=None)
    needy = waiting(office)
    walk.do(needy, "link", office.lead, relation="needs", other=unknown.reference)
    a, b = waiting(office), waiting(office)
    for one, two in ((a, b), (b, a)):
        Link.objects.create(source=one, target=two, relation=Link.Relation.NEEDS)
    said = {r.reference: why for r, why in replan.read(office.group).left_out}
    assert said[unknown.reference] == "It has no estimate yet."
    assert unknown.reference in said[needy.reference]
    assert "first needs it first" in said[a.reference]
    assert set(said) == {unknown.reference, needy.reference, a.reference, b.reference}


def test_a_leave_that_makes_days_too_short_is_planned_around(office: Office) -> None:
    """The days of the leave have what is left of the group; nothing new is placed by it (F2)."""
    day = walk.next_working_day(5)
    full = booked(office, day, str(day_hours(office, day)))
    small = booked(office, walk.next_working_day(8), "2")
    urgent = waiting(office)
    office.specialist.away_from = office.specialist.away_until = day
    office.specialist.save()
    row = made(office, for_days=[day])
    [one] = row.result["rows"]
    assert one["ref"] == full.reference
    assert one["why"] == f"More is promised on {capacity.in_words(day)} than the group can do."
    placing.apply_plan(row, by=office.lead, charges={})
    load = {d.day: d for d in capacity.days_ahead(office.group, day, day)}[day]
    assert load.booked <= capacity.Workforce(office.group).minutes(day)
    urgent.refresh_from_db()
    assert urgent.state == S.AWAITING_SCHEDULING
    assert not small.events.filter(name="replan").exists()


def test_one_open_plan_per_group_and_only_for_its_lead(office: Office) -> None:
    row = placing.ask(office.group, by=office.lead)
    with pytest.raises(Refused, match="being made"):
        placing.ask(office.group, by=office.lead)
    again = placing.ask(office.group, by=office.lead, anew=True)
    row.refresh_from_db()
    assert row.state == "discarded"
    assert not placing.make(row.pk)
    for person in (office.specialist, office.rep, office.stranger, office.auditor):
        with pytest.raises(PermissionDenied):
            placing.ask(office.group, by=person, anew=True)
    assert placing.make(again.pk)
    again.refresh_from_db()
    with pytest.raises(PermissionDenied):
        placing.apply_plan(again, by=office.specialist, charges={})


def test_twice_delivered_is_made_once_and_a_dead_worker_is_noticed(office: Office) -> None:
    row = placing.ask(office.group, by=office.lead)
    placing.advance(row, "begin", by=placing.SYSTEM, lease_until=clock.now() + placing.LEASE)
    assert not placing.make(row.pk)
    assert placing.give_up_lost() == 0
    Replan.objects.filter(pk=row.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    text = page(office, office.lead).get(url(office)).content.decode()
    assert "has stopped" in text
    fresh = placing.ask(office.group, by=office.lead)
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", placing.LOST)
    assert placing.make(fresh.pk)


def test_a_plan_that_is_not_sound_is_never_shown(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the planner says, the check has the last word: when made and when applied."""
    low, urgent = crowded(office)
    good = made(office)
    rows = good.result["rows"]
    rows[0]["after"] = [[rows[0]["after"][0][0], 1]]
    Replan.objects.filter(pk=good.pk).update(result={**good.result, "rows": rows})
    with pytest.raises(Refused, match="not sound"):
        placing.apply_plan(Replan.objects.get(pk=good.pk), by=office.lead, charges={})
    first = slot(low).first_day

    def wild(problem: placement.Problem, **options: Any) -> placement.Plan:
        placed = {job.key: ((first, 9000),) for job in problem.jobs}
        return placement.Plan(placed, "optimal", "", 0, 0, 0.0)

    monkeypatch.setattr(placement, "plan", wild)
    row = placing.ask(office.group, by=office.lead)
    placing.make(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert "not sound" in row.error


# its pages


def test_the_page_leads_from_asking_to_applied(office: Office) -> None:
    low, urgent = crowded(office)
    client = page(office, office.lead)
    assert (
        b"Plan automatically"
        in client.get(reverse("fulfillment_schedule", args=[office.group.slug])).content
    )
    assert client.post(url(office, "_ask")).url == url(office)
    text = client.get(url(office)).content.decode()
    assert "Waiting for a worker" in text
    assert 'hx-trigger="every 1s"' in text
    row = Replan.objects.get()
    Replan.objects.update(asked_at=clock.now() - timedelta(minutes=1))
    assert "may be down" in client.get(url(office), headers={"HX-Request": "true"}).content.decode()
    placing.make(row.pk)
    text = client.get(url(office)).content.decode()
    assert low.title in text
    assert f"It makes room for {urgent.reference}." in text
    assert "proved its choice the best" in text
    answer = client.post(url(office, "_apply"), {"plan": row.pk, f"charge_{urgent.pk}": "no"})
    assert answer.url == reverse("fulfillment_schedule", args=[office.group.slug])
    urgent.refresh_from_db()
    assert urgent.state == S.SCHEDULED
    again = client.post(url(office, "_apply"), {"plan": row.pk}, follow=True).content.decode()
    assert "Not possible any more" in again


def test_a_stale_plan_says_so_with_one_button_to_plan_anew(office: Office) -> None:
    low, urgent = crowded(office)
    row = made(office)
    walk.do(low, "reschedule", office.lead, day=walk.next_working_day(9).isoformat(), hours="4")
    client = page(office, office.lead)
    text = client.post(url(office, "_apply"), {"plan": row.pk}, follow=True).content.decode()
    assert low.reference in text
    assert text.count('data-action="ask_for_plan"') == 1


@pytest.mark.parametrize("name", ["", "_ask", "_apply", "_discard"])
def test_the_pages_are_for_the_lead_alone(office: Office, name: str) -> None:
    row = placing.ask(office.group, by=office.lead)
    other_lead = MembershipFactory(group=office.other_group, is_lead=True).user
    for person in (office.specialist, office.rep, office.auditor, office.stranger, other_lead):
        client = page(office, person)
        send = client.post if name else client.get
        assert send(url(office, name), {"plan": row.pk}).status_code == 404, person
    row.refresh_from_db()
    assert row.state == "queued"


def test_a_plan_of_another_group_is_not_to_be_had_through_ours(office: Office) -> None:
    boss = MembershipFactory(group=office.other_group, is_lead=True).user
    theirs = placing.ask(office.other_group, by=boss)
    client = page(office, office.lead)
    for name in ("_apply", "_discard"):
        for wrong in (theirs.pk, "", "x", "9" * 30, "²"):
            assert client.post(url(office, name), {"plan": wrong}).status_code == 404


def test_reading_and_showing_cost_the_same_for_more_requests(
    office: Office, django_assert_max_num_queries: Any
) -> None:
    low, urgent = crowded(office)
    Link.objects.create(source=low, target=urgent, relation=Link.Relation.NEEDS)
    with django_assert_max_num_queries(12) as few:
        replan.read(office.group)
    for n in range(3):
        one = booked(office, walk.next_working_day(6 + n), "2")
        Link.objects.create(source=one, target=waiting(office), relation=Link.Relation.NEEDS)
    with django_assert_max_num_queries(len(few)):
        replan.read(office.group)
