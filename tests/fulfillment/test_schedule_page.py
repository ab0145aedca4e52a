"""The page of the schedule: its weeks, what comes later, moving with a preview, and undo (F2)."""

from datetime import date
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.test import Client

from discovery.models import PartLine
from fulfillment import board, rolling, slots, unplaced
from fulfillment.models import ScheduleEntry
from requests_app.models import Link, Request
from tests import walk
from tests.factories import Office
from workflow.models import Calendar, CalendarException

pytestmark = pytest.mark.django_db
MONDAY = "2026-05-18 15:00Z"


@pytest.fixture(autouse=True)
def monday() -> Any:
    """A Monday a week before Memorial Day."""
    with time_machine.travel(MONDAY, tick=True):
        yield


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page_of(client: Client, office: Office, more: str = "") -> BeautifulSoup:
    answer = client.get(f"/queues/{office.group.slug}/schedule/{more}")
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def day_of(page: BeautifulSoup, name: str) -> Any:
    return next(d for d in page.select(".day") if d.h3.get_text().startswith(name))


def move_path(request: Request, office: Office) -> str:
    return f"/queues/{office.group.slug}/schedule/move/{request.reference}/"


# the weeks


def test_every_day_of_the_window_is_there_and_days_off_say_why(office: Office) -> None:
    """F2: sixty days in weeks; today marked; holidays and the calendar's own days off named."""
    calendar = Calendar.objects.create(name="Ours", holidays="US-OK", is_default=True)
    for weekday in range(5):
        calendar.hours.create(weekday=weekday, opens="08:00", closes="17:00")
    CalendarException.objects.create(calendar=calendar, day=date(2026, 6, 3), note="Inventory")
    page = page_of(client_of(office.specialist), office)
    assert len(page.select(".week")) == 9
    assert "today" in day_of(page, "Mon 18 May").get_text()
    assert "Memorial Day" in day_of(page, "Mon 25 May").get_text()
    assert "Inventory" in day_of(page, "Wed 3 Jun").get_text()
    assert "14.4 h free" in day_of(page, "Tue 19 May").get_text()
    assert not page.select(".day.is-outside"), "the window ends on a Friday"
    shown = [w.select_one(".week-name").get_text() for w in page.select(".week[open]")]
    assert shown == ["Week of 18 May", "Week of 25 May"]


def test_what_cannot_begin_within_the_window_is_listed_as_later(office: Office) -> None:
    """F2: with the reason and the day on which it comes into view; then it waits like others."""
    agreed, parts = (
        walk.to_awaiting(office, title="Agreed"),
        walk.to_awaiting(office, title="Parts"),
    )
    walk.do(agreed, "set_earliest", office.lead, earliest_on="2026-08-03")
    PartLine.objects.create(request=parts, name="Switch", expected_on=date(2026, 7, 27))
    page = page_of(client_of(office.lead), office)
    later = page.select_one(".later").get_text(" ", strip=True)
    assert "must not start before Mon 3 Aug, as agreed. It comes into view on Thu 4 Jun." in later
    assert "1 × Switch is expected on Mon 27 Jul: not before." in later
    assert "To be placed 0" in page.select_one(".waiting h2").get_text(" ", strip=True)
    assert rolling.roll_in() == 0
    with time_machine.travel("2026-06-04 15:00Z"):
        assert [rolling.roll_in(), rolling.roll_in()] == [1, 0], "on record, once"
        assert agreed.events.get(name="came_into_view").actor_kind == "system"
        page = page_of(client_of(office.lead), office)
        assert "To be placed 2" in page.select_one(".waiting h2").get_text(" ", strip=True)
        assert not page.select(".later")


def test_waiting_requests_come_in_pages(office: Office) -> None:
    """F2: a long list never makes a long page."""
    for _ in range(26):
        walk.to_awaiting(office)
    page = page_of(client_of(office.lead), office)
    assert len(page.select(".waiting-row")) == 25
    assert len(page_of(client_of(office.lead), office, "?page=2").select(".waiting-row")) == 1


def books(office: Office, day: str, number: int, hours: str = "0.5") -> list[Request]:
    made = [walk.to_awaiting(office, title=f"Number {n}") for n in range(number)]
    for request in made:
        walk.do(request, "schedule", office.lead, day=day, hours=hours, charge_expected="no")
    return made


def test_a_week_far_away_is_a_line_until_it_is_opened(office: Office) -> None:
    """F2: its load and how many begin; its cards come when it is opened, or by its address."""
    books(office, "2026-06-10", 2)
    client = client_of(office.lead)
    page = page_of(client, office)
    week = page.select_one("#week-2026-06-08")
    assert "open" not in week.attrs
    assert "1 h of 72 h · 2 begin" in week.select_one("summary").get_text(" ", strip=True)
    assert not week.select(".slot")
    assert week.select_one("[data-day='2026-06-10']"), "a day to drop a card on"
    plain = week.select_one("#day-2026-06-10 .slot-more a")["href"]
    assert plain == "?week=2026-06-08#day-2026-06-10"
    opened = page_of(client, office, plain).select_one("#week-2026-06-08")
    assert "open" in opened.attrs
    assert len(opened.select(".slot.movable")) == 2
    part = client.get(
        f"/queues/{office.group.slug}/schedule/{week['hx-get']}", headers={"HX-Request": "true"}
    )
    cards = BeautifulSoup(part.content, "html.parser")
    assert [u["id"] for u in cards.select("ul[hx-swap-oob]")] == ["cards-2026-06-10"]
    assert len(cards.select("[data-slot]")) == 2
    for nonsense in ("x", "2026-13-40", "1999-01-01", "2099-01-01"):
        assert len(page_of(client, office, f"?week={nonsense}").select(".week[open]")) == 2


def test_a_full_day_shows_its_first_cards_and_says_how_many_more(office: Office) -> None:
    """F2: the others are one click away, and the print view has them all."""
    books(office, "2026-05-20", board.MOST_A_DAY + 3)
    client = client_of(office.lead)
    day = day_of(page_of(client, office), "Wed 20 May")
    assert len(day.select(".slot")) == board.MOST_A_DAY
    more = day.select_one(".slot-more a")
    assert more.get_text(" ", strip=True).startswith("and 3 more")
    whole = day_of(page_of(client, office, more["href"]), "Wed 20 May")
    assert len(whole.select(".slot")) == board.MOST_A_DAY + 3
    part = client.get(
        f"/queues/{office.group.slug}/schedule/{more['hx-get']}", headers={"HX-Request": "true"}
    )
    cards = BeautifulSoup(part.content, "html.parser").select("#cards-2026-05-20 .slot")
    assert [n for n, card in enumerate(cards) if card.select("[autofocus]")] == [board.MOST_A_DAY]
    printed = page_of(client, office, "?view=print").get_text()
    assert sum(f"Number {n}" in printed for n in range(board.MOST_A_DAY + 3)) == len(cards)


def test_of_what_was_missed_the_first_are_shown_and_all_can_be(office: Office) -> None:
    """F2: the number is that of all of them."""
    made = books(office, "2026-05-20", unplaced.SHOWN_ASIDE + 2)
    ScheduleEntry.objects.filter(request__in=made).update(first_day=date(2026, 5, 14))
    page = page_of(client_of(office.lead), office)
    missed = page.select_one("[aria-labelledby=missed-title]")
    assert len(missed.select("tbody tr")) == unplaced.SHOWN_ASIDE
    assert missed.h2.get_text(" ", strip=True) == f"Missed {len(made)}"
    everything = page_of(
        client_of(office.lead), office, missed.select_one(".card-footer a")["href"]
    )
    assert len(everything.select("[aria-labelledby=missed-title] tbody tr")) == len(made)


# moving: preview, then the move


def test_a_move_is_shown_before_it_is_done(office: Office) -> None:
    """F2: which days get how many hours, what is beside it, the new finish, what it misses."""
    request, other = walk.to_scheduled(office), walk.to_awaiting(office)
    Request.objects.filter(pk=request.pk).update(needed_by=date(2026, 5, 27))
    walk.do(other, "schedule", office.lead, day="2026-05-28", hours="12", charge_expected="no")
    Link.objects.create(source=request, target=other, relation="needs")
    before = slots.slices_of(request.schedule_entries.get())
    client = client_of(office.lead)
    answer = client.get(move_path(request, office), {"day": "2026-05-28", "hours": "4"})
    page = BeautifulSoup(answer.content, "html.parser")
    rows = [r.get_text(" ", strip=True) for r in page.select(".preview-days tbody tr")]
    assert rows == [
        f"Thu 28 May 2.4 h 14.4 h of 14.4 h {other.reference} 12 h",
        "Fri 29 May 1.6 h 1.6 h of 14.4 h nothing else",
    ]
    text = page.select_one(".preview").get_text(" ", strip=True)
    assert "New finish: Fri 29 May, in 8 working days." in text
    assert "needs it by Wed 27 May: it would be finished on Fri 29 May." in text
    assert f"It needs {other} first, which is planned until Thu 28 May." in text
    assert "Free again: 4 h on Thu 21 May." in text
    assert "Full then: Thu 28 May." in text
    assert slots.slices_of(request.schedule_entries.get()) == before, "only shown"
    form = page.select_one("form[data-action=reschedule]")
    data = {i["name"]: i.get("value", "") for i in form.select("input[name]")}
    answer = client.post(form["action"], data)
    assert answer.status_code == 302
    assert slots.slices_of(request.schedule_entries.get())[0] == (date(2026, 5, 28), 144)
    page = BeautifulSoup(client.get(answer["Location"]).content, "html.parser")
    said = page.select_one(".moved").get_text(" ", strip=True)
    assert said.startswith(f"{request.reference} moved from Thu 21 May to Thu 28 May – Fri 29 May.")
    undo = page.select_one("form[data-action=undo_move]")
    data = {i["name"]: i.get("value", "") for i in undo.select("input[name]")}
    client.post(undo["action"], data)
    assert slots.slices_of(request.schedule_entries.get()) == before


@pytest.mark.parametrize(
    ("day", "hours", "sentence"),
    [
        ("2026-05-15", "4", "Fri 15 May is in the past. Free instead: Mon 18 May, Tue 19 May,"),
        ("2026-05-23", "4", "does not work on Sat 23 May. Free instead: Mon 18 May"),
        ("2026-05-25", "4", "does not work on Mon 25 May (Memorial Day). Free instead: Mon 18 May"),
        ("2026-07-20", "4", "Mon 20 Jul is beyond the 60 days: the last day is Fri 17 Jul."),
        ("2026-07-17", "40", "40 h do not fit: 14.4 h are free until Fri 17 Jul."),
        ("2026-05-20", "4", "must not start before Thu 21 May, as agreed. Free instead: Thu 21"),
        ("2026-05-28", "4", "Thu 28 May is fully booked. Free instead: Fri 29 May, Mon 1 Jun"),
    ],
)
def test_a_preview_says_why_a_day_will_not_do_and_what_would(
    office: Office, day: str, hours: str, sentence: str
) -> None:
    """F2: the same sentence in the preview and at the door; what was typed stays."""
    request, other = walk.to_scheduled(office), walk.to_awaiting(office)
    walk.do(other, "schedule", office.lead, day="2026-05-28", hours="14.4", charge_expected="no")
    if "agreed" in sentence or "fully" in sentence:
        Request.objects.filter(pk=request.pk).update(earliest_on=date(2026, 5, 21))
    client = client_of(office.lead)
    data = {"day": day, "hours": hours}
    shown = client.get(move_path(request, office), data)
    assert sentence in shown.content.decode()
    assert b"data-move-apply" not in shown.content
    refused = client.post(move_path(request, office), {**data, "reason": "Because of the floor"})
    assert refused.status_code == 422
    text = refused.content.decode()
    assert sentence in text
    assert f'value="{day}"' in text
    assert "Because of the floor" in text


@pytest.mark.parametrize(("hours", "field"), [("0", "hours"), ("-4", "hours"), ("x", "hours")])
def test_hours_that_are_none_are_refused_beside_the_field(
    office: Office, hours: str, field: str
) -> None:
    """F2."""
    request = walk.to_scheduled(office)
    client = client_of(office.lead)
    answer = client.get(move_path(request, office), {"day": "2026-05-28", "hours": hours})
    page = BeautifulSoup(answer.content, "html.parser")
    assert page.select_one(f"#move-{field}_error") is not None
    assert not page.select(".preview")


def test_a_stale_preview_is_told_where_the_card_is_now(office: Office) -> None:
    """F2, TA10: 409 with the sentence, the present state, and what was typed."""
    request = walk.to_scheduled(office)
    client = client_of(office.lead)
    shown = client.get(move_path(request, office), {"day": "2026-05-28", "hours": "4"})
    form = BeautifulSoup(shown.content, "html.parser").select_one("form[data-action=reschedule]")
    data = {i["name"]: i.get("value", "") for i in form.select("input[name]")}
    walk.do(request, "reschedule", office.lead, day="2026-06-02", hours="4")
    answer = client.post(form["action"], {**data, "reason": "Typed before"})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody moved it meanwhile: it begins on Tue 2 Jun now, with 4 h." in text
    assert "Typed before" in text
    assert 'value="2026-05-28"' in text
    walk.do(request, "pull", office.specialist)
    answer = client.post(form["action"], data)
    assert (answer.status_code, "Not on the schedule any more" in answer.content.decode()) == (
        409,
        True,
    )


def test_the_move_page_is_the_leads_alone(office: Office) -> None:
    """F2, TD01: for everybody else it does not exist."""
    request = walk.to_scheduled(office)
    for person in (office.specialist, office.rep, office.auditor, office.stranger, office.billing):
        client = client_of(person)
        assert client.get(move_path(request, office)).status_code == 404
        facts = {"day": "2026-05-28", "hours": "4"}
        assert client.post(move_path(request, office), facts).status_code == 404
    elsewhere = Office()
    theirs = walk.to_scheduled(elsewhere)
    assert client_of(office.lead).get(move_path(theirs, office)).status_code == 404


def test_undo_says_when_it_is_too_late(office: Office) -> None:
    """F2: the same message, without its button."""
    request = walk.to_scheduled(office)
    walk.do(request, "reschedule", office.lead, day="2026-06-02", hours="4")
    number = request.events.get(name="reschedule").number
    walk.do(request, "pull", office.specialist)
    page = page_of(client_of(office.lead), office, f"?moved={request.reference}.{number}")
    text = page.select_one(".moved").get_text(" ", strip=True)
    assert f"It cannot be undone any more: {request.reference} is planning now" in text
    assert not page.select("form[data-action=undo_move]")
    for nonsense in ("x", "REQ-1.1", f"{request.reference}.999", f"{request.reference}.x", "\x00"):
        page = page_of(client_of(office.lead), office, f"?moved={nonsense}")
        assert len(page.select(".moved")) <= 1


def test_a_card_shows_what_one_must_know(office: Office) -> None:
    """F2: fixed, begun, on hold, continued; only what may move can be taken."""
    fixed, begun, long = (walk.to_scheduled(office) for _ in range(3))
    walk.do(fixed, "fix_slot", office.lead)
    walk.do(begun, "pull", office.specialist)
    walk.do(long, "reschedule", office.lead, day="2026-05-26", hours="20")
    page = page_of(client_of(office.lead), office)
    cards = day_of(page, "Thu 21 May").select(".slot")
    assert [sorted(set(c["class"]) - {"slot"}) for c in cards] == [["fixed"], ["begun"]]
    first, second = (day_of(page, d).select_one(".slot") for d in ("Tue 26 May", "Wed 27 May"))
    assert "movable" in first["class"]
    assert "14.4 h of 20 h" in first.get_text()
    assert "goes-on" in second["class"]
    assert "movable" not in second["class"]
    shown = client_of(office.lead).get(move_path(long, office), {"day": "2026-05-28"})
    hours = BeautifulSoup(shown.content, "html.parser").select_one("#move-hours")
    assert hours["value"] == "20", "what the address leaves out is as it is now"


def test_a_group_that_never_works_has_no_board(office: Office) -> None:
    """F2, E: without members at work, or without any working time."""
    office.group.memberships.update(hours_per_day=0)
    assert "No hours to book" in page_of(client_of(office.lead), office).get_text()
    office.group.calendar = Calendar.objects.create(name="Closed")
    office.group.save()
    assert "No hours to book" in page_of(client_of(office.lead), office).get_text()
    assert board.board(office.group).weeks == []
