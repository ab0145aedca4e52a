"""Calendars to subscribe to: RFC 5545, whose they are, and that they can be revoked (F2)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from icalendar import Calendar

from fulfillment import feeds
from fulfillment.models import CalendarFeed, ProviderGroup
from requests_app.models import Request
from tests import walk
from tests.factories import MembershipFactory, Office, UserFactory

pytestmark = pytest.mark.django_db
MONDAY = "2026-03-02 15:00Z"


@pytest.fixture(autouse=True)
def monday() -> Any:
    with time_machine.travel(MONDAY, tick=True):
        yield


def path(person: Any, group: ProviderGroup | None) -> str:
    return feeds.path_of(feeds.new_address(person, group))


def events(address: str) -> list[Any]:
    """The events of a calendar, fetched by somebody who is not signed in."""
    answer = Client().get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    return Calendar.from_ical(answer.content).walk("VEVENT")


def test_a_group_calendar_is_valid_and_says_no_more_than_it_should(office: Office) -> None:
    """F2, RFC 5545: CRLF, folded lines, escaped text, stable UID, whole days, all of it parsed."""
    title = "Move; the \\ lines, of \u201cüöä\u201d " + "x" * 90
    request = walk.to_scheduled(office, title=title, description="A secret of the customer.")
    walk.do(request, "reschedule", office.lead, day="2026-03-05", hours="20")
    address = path(office.specialist, office.group)
    raw = Client().get(address).content
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    for secret in (b"secret", office.contact.email.encode(), office.contact.name.encode()):
        assert secret not in raw.replace(b"\r\n ", b"")
    calendar = Calendar.from_ical(raw)
    assert (calendar["version"], calendar["calscale"]) == ("2.0", "GREGORIAN")
    assert calendar["x-wr-timezone"] == settings.TIME_ZONE
    [event] = calendar.walk("VEVENT")
    assert event.required == ("UID", "DTSTAMP")
    assert event["summary"] == f"{request.reference} {title}"
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (
        date(2026, 3, 5),
        date(2026, 3, 7),
    )
    assert event.decoded("dtstamp").utcoffset() == timedelta(0)
    assert event.decoded("dtstamp") <= datetime.now(UTC)
    assert str(event["description"]).splitlines() == [
        str(office.agency),
        f"{office.group}, 20 h in all",
        "Thu 5 Mar: 14.4 h",
        "Fri 6 Mar: 5.6 h",
    ]
    assert event["status"] == "CONFIRMED"
    assert event["url"] == f"{settings.BASE_URL}{request.get_absolute_url()}"
    assert calendar.to_ical() == raw, "what was parsed is written the same again"


def test_a_move_keeps_the_uid_and_raises_the_sequence(office: Office) -> None:
    """F2, RFC 5545: a calendar that has it already takes the change."""
    request = walk.to_scheduled(office)
    address = path(office.lead, office.group)
    [first] = events(address)
    with time_machine.travel("2026-03-03 15:00Z"):
        walk.do(request, "reschedule", office.lead, day="2026-03-12", hours="4")
        [moved] = events(address)
        walk.do(request, "hold", office.lead, reason="x", review_on=walk.later(3),
                waiting_for="other", keep_slot="on")  # fmt: skip
        [held] = events(address)
        walk.do(request, "resume", office.lead)
        walk.do(request, "unschedule", office.lead, reason="x")
        [gone] = events(address)
    assert {e["uid"] for e in (first, moved, held, gone)} == {first["uid"]}
    assert first["sequence"] < moved["sequence"] < gone["sequence"]
    assert first.decoded("dtstamp") < moved.decoded("dtstamp")
    assert [e["status"] for e in (first, moved, held, gone)] == [
        "CONFIRMED",
        "CONFIRMED",
        "TENTATIVE",
        "CANCELLED",
    ]
    with time_machine.travel("2026-05-03 15:00Z"):
        assert events(address) == [], "what is long past is not carried along"


def test_ones_own_calendar_shows_what_one_has_in_hand(office: Office) -> None:
    """F2: of one's groups, and nothing of colleagues."""
    mine, theirs = walk.to_planning(office), walk.to_scheduled(office)
    walk.do(theirs, "pull", office.specialist2)
    assert [str(e["summary"]) for e in events(path(office.specialist, None))] == [
        f"{mine.reference} {mine.title}"
    ]
    assert len(events(path(office.specialist, office.group))) == 2
    assert events(path(office.lead, None)) == []


def test_a_new_address_makes_the_old_one_void(office: Office) -> None:
    """F2: and so does revoking it; guessing gets nowhere."""
    client = Client()
    client.force_login(office.specialist)
    page = f"/queues/{office.group.slug}/schedule/"
    assert "Get an address" in client.get(page).content.decode()
    addresses = []
    for _ in range(2):
        client.post(f"{page}calendar/", {"new": "1"})
        addresses.append(feeds.address_of(office.specialist, office.group))
        assert addresses[-1] in client.get(page).content.decode()
    old, new = (one.removeprefix(settings.BASE_URL) for one in addresses)
    assert (Client().get(old).status_code, Client().get(new).status_code) == (404, 200)
    assert Client().post(new).status_code == 405
    half = new.rsplit("/", 1)[0]
    for wrong in (f"{half}/x.ics", f"{half}/{old.rsplit('/', 1)[1]}", f"{half}/%C3%BC.ics"):
        assert Client().get(wrong).status_code == 404
    client.post("/account/calendar/", {"new": "1"})
    own = feeds.address_of(office.specialist, None)
    assert own in client.get("/account/").content.decode()
    client.post(f"{page}calendar/", {"revoke": "1"})
    assert Client().get(new).status_code == 404
    assert Client().get(own.removeprefix(settings.BASE_URL)).status_code == 200
    assert CalendarFeed.objects.count() == 1


def test_who_left_or_is_deactivated_gets_404(office: Office) -> None:
    """F2, TD01: rights are looked up when it is fetched."""
    walk.to_planning(office)
    addresses = [path(office.specialist, g) for g in (office.group, None)]
    assert [len(events(a)) for a in addresses] == [1, 1]
    office.specialist.is_active = False
    office.specialist.save()
    assert [Client().get(a).status_code for a in addresses] == [404, 404]
    office.specialist.is_active = True
    office.specialist.save()
    place = office.specialist.memberships.get()
    place.delete()
    assert [Client().get(a).status_code for a in addresses] == [404, 404]
    MembershipFactory(group=office.other_group, user=office.specialist)
    assert [Client().get(a).status_code for a in addresses] == [404, 200]
    assert events(addresses[1]) == [], "nothing of the group one left"


def test_who_may_not_open_the_page_gets_no_address(office: Office) -> None:
    """F2, TD01: representatives and auditors may; strangers are not told that the group exists."""
    page = f"/queues/{office.group.slug}/schedule/calendar/"
    for person, code in ((office.rep, 302), (office.auditor, 302), (office.stranger, 404),
                         (office.billing, 404), (UserFactory(), 404)):  # fmt: skip
        client = Client()
        client.force_login(person)
        assert client.post(page).status_code == code
    client = Client()
    client.force_login(office.billing)
    assert client.post("/account/calendar/").status_code == 404
    assert "calendar" not in client.get("/account/").content.decode()


def test_an_unchanged_calendar_is_not_sent_again(office: Office) -> None:
    """F2: conditional GET."""
    request = walk.to_scheduled(office)
    address = path(office.specialist, office.group)
    first = Client().get(address)
    again = Client().get(address, headers={"If-None-Match": f'W/{first["ETag"]}, "x"'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    with time_machine.travel("2026-03-02 16:00Z"):
        assert Client().get(address)["ETag"] == first["ETag"], "time alone changes nothing"
        Request.objects.filter(pk=request.pk).update(title="Another title")
        changed = Client().get(address, headers={"If-None-Match": first["ETag"]})
        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]


def test_reading_a_calendar_takes_few_queries(
    office: Office, django_assert_max_num_queries: Any
) -> None:
    """F2: as many for one entry as for many."""
    for _ in range(3):
        walk.to_scheduled(office)
    address = path(office.specialist, office.group)
    with django_assert_max_num_queries(6):
        assert len(events(address)) == 3
