"""Calendars to subscribe to: a group's schedule, or a person's own work, by a secret address (F2).

RFC 5545. What a calendar shows is decided when it is fetched: who left the group or the house gets
404, and nobody reads more than the page of the schedule would show them.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import Signer
from django.db.models import Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from icalendar import Calendar, Event

from fulfillment.capacity import hours_in_words, in_words
from fulfillment.models import CalendarFeed, ProviderGroup, ScheduledDay, ScheduleEntry
from requests_app.models import Request
from workflow import clock
from workflow.models import User

KEPT = timedelta(days=30)
STANDING = ("booked", "started", "done")


def signature(key: uuid.UUID) -> str:
    """The half of an address that the database does not hold."""
    return Signer(salt="fulfillment.feeds").signature(str(key))


def path_of(feed: CalendarFeed) -> str:
    """Where the calendar is fetched, without the host."""
    return reverse("fulfillment_feed", args=[feed.key, signature(feed.key)])


def feed_of(user: User, group: ProviderGroup | None) -> CalendarFeed | None:
    """The person's own calendar of the group, or of their work; None while they have none."""
    return CalendarFeed.objects.filter(user=user, group=group).first()


def address_of(user: User, group: ProviderGroup | None) -> str:
    """The person's address of this calendar, or nothing while they have none."""
    return whole_address(feed_of(user, group))


def whole_address(feed: CalendarFeed | None) -> str:
    """Where a calendar is fetched, with the host; nothing for none."""
    return settings.BASE_URL + path_of(feed) if feed else ""


def new_address(user: User, group: ProviderGroup | None) -> CalendarFeed:
    """A new address of this calendar; the one before is void from now on."""
    feed, _ = CalendarFeed.objects.update_or_create(
        user=user, group=group, defaults={"key": uuid.uuid4(), "made_at": clock.now()}
    )
    return feed


def revoke(user: User, group: ProviderGroup | None) -> None:
    """No address any more."""
    CalendarFeed.objects.filter(user=user, group=group).delete()


def find(key: uuid.UUID, signed: str) -> CalendarFeed | None:
    """The calendar of an address, as long as its owner may still read it."""
    feed = CalendarFeed.objects.filter(key=key).select_related("user", "group").first()
    if not constant_time_compare(signed, signature(key)) or feed is None:
        return None
    if not feed.user.is_active:
        return None
    if feed.group is None:
        return feed if feed.user.group_ids else None
    groups = ProviderGroup.objects.visible_to(feed.user)
    return feed if groups.filter(pk=feed.group.pk).exists() else None


def entries_of(feed: CalendarFeed) -> QuerySet[ScheduleEntry]:
    """What stands in the calendar: from a month ago on; what was given back, for a month."""
    since = clock.today() - KEPT
    seen = Request.objects.visible_to(feed.user).values("pk")
    rows = ScheduleEntry.objects.filter(request__in=seen).filter(
        Q(state__in=STANDING, last_day__gte=since)
        | Q(state="suspended")
        | Q(state="released", state_since__gte=clock.now() - KEPT, last_day__gte=since)
    )
    if feed.group is not None:
        rows = rows.filter(group=feed.group)
    else:
        rows = rows.filter(request__specialist=feed.user, group__in=feed.user.group_ids)
    days = Prefetch("days", ScheduledDay.objects.order_by("day"))
    return rows.select_related("request__agency", "group").prefetch_related(days).order_by("pk")


def calendar_of(feed: CalendarFeed) -> bytes:
    """The calendar as RFC 5545 text: one all-day event for each entry.

    A slot is hours of a day, not an hour of the clock, so the events are all-day and transparent.
    """
    name = f"{feed.group}: 60-day schedule" if feed.group else f"{feed.user}: planned work"
    made = Calendar()
    made.add("prodid", "-//Throughline//Schedule//EN")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("x-wr-calname", name)
    made.add("x-wr-timezone", settings.TIME_ZONE)
    made.add("refresh-interval", timedelta(hours=1), parameters={"value": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    for entry in entries_of(feed):
        made.add_component(_event(entry))
    return bytes(made.to_ical())


def _event(entry: ScheduleEntry) -> Event:
    request = entry.request
    changed = _whole(max(entry.changed_at, entry.state_since))
    made = Event()
    made.add("uid", f"slot-{entry.pk}@{urlsplit(settings.BASE_URL).hostname}")
    made.add("dtstamp", changed)
    made.add("last-modified", changed)
    made.add("sequence", entry.sequence + (1 if entry.state in ("released", "done") else 0))
    made.add("dtstart", entry.first_day)
    made.add("dtend", entry.last_day + timedelta(days=1))
    made.add("summary", f"{request.reference} {request.title}")
    made.add("description", "\n".join(_lines(entry)))
    made.add("url", settings.BASE_URL + request.get_absolute_url())
    made.add("status", _status(entry))
    made.add("transp", "TRANSPARENT")
    made.add("class", "PRIVATE")
    return made


def _status(entry: ScheduleEntry) -> str:
    if entry.state == "released":
        return "CANCELLED"
    if entry.state == "suspended" or entry.request.is_on_hold:
        return "TENTATIVE"
    return "CONFIRMED"


def _lines(entry: ScheduleEntry) -> list[str]:
    days: list[Any] = list(entry.days.all())
    return [
        str(entry.request.agency),
        f"{entry.group}, {hours_in_words(entry.minutes)} in all",
        *(f"{in_words(one.day)}: {hours_in_words(one.minutes)}" for one in days),
    ]


def _whole(moment: datetime) -> datetime:
    """In UTC, to the second: what RFC 5545 can say."""
    return moment.astimezone(UTC).replace(microsecond=0)


def tag_of(content: bytes) -> str:
    """The ETag of a calendar: the same as long as nothing in it changed."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
