"""The daily digest: what is new, due, overdue, waiting, and which queues nobody opened (F3).

Once a day, in the morning of the organisation's zone, for each group and each representative, and
only where there is something to say. A morning that was missed is not made up for, but a late one
is: whenever the scheduler is back on a day, that day's digest goes out once.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from notifications.outbox import Recipient, announce
from requests_app import standing
from requests_app.digest_models import DigestDay
from requests_app.models import Request
from requests_app.own_work import records_of
from requests_app.states import LANES, S
from workflow import clock
from workflow.models import User
from workflow.worktime import hours_of, over_a_working_day

LISTED = 8
QUEUE_STATES = [s for s, lane in LANES.items() if lane == "queue"]


@dataclass
class Part:
    """One heading of a digest: how many, and the first few as plain text."""

    title: str
    count: int
    lines: list[str] = field(default_factory=list)


def _part(title: str, rows: Any) -> Part:
    count = rows.count()
    shown = rows.by_rule().select_related("agency")[:LISTED] if count else []
    return Part(title, count, [_line(req) for req in shown])


def _line(req: Request) -> str:
    due = f", due {timezone.localtime(req.due_at):%a %d %b %H:%M}" if req.due_at else ""
    return f"{req.reference} {req.title} ({req.agency.name}){due}"


def parts_of(rows: Any) -> list[Part]:
    """What there is to say about these requests this morning; empty where there is nothing."""
    calendar = hours_of(None)
    since = _last_morning(calendar)
    waiting = standing.paused_q() & Q(paused_for="customer")
    open_ = rows.open()
    found = [
        _part("Overdue", open_.filter(standing.late_q())),
        _part("Due today", open_.filter(standing.due_q(0))),
        _part("Due this week", open_.filter(standing.due_q(7)).exclude(standing.due_q(0))),
        _part("New since the last working morning", open_.filter(created_at__gte=since)),
        _part("Waiting for the customer", open_.filter(waiting)),
    ]
    return [part for part in found if part.count]


def _last_morning(calendar: Any) -> datetime:
    today = clock.today()
    day = today - timedelta(days=1)
    while not calendar.on(day) and (today - day).days < 14:
        day -= timedelta(days=1)
    return datetime.combine(day, time(digest_hour()), timezone.get_default_timezone())


def digest_hour() -> int:
    return int(settings.THROUGHLINE["DIGEST_HOUR"])


def unopened(group: Any) -> list[str]:
    """Queues of the group with work that none of its members opened for a working day (F3)."""
    checks = {check.queue: check for check in group.checks.select_related("by")}
    named = {
        "pending": ("pending queue", [S.PENDING]),
        "schedule": ("60-day schedule", [S.AWAITING_SCHEDULING, S.SCHEDULED]),
    }
    said = []
    for queue, (name, states) in named.items():
        waits = Request.objects.filter(provider_group=group, state__in=states)
        check = checks.get(queue)
        since = check.at if check else waiting_since(waits)
        if since is not None and over_a_working_day(since, hours_of(group.calendar)):
            if check is None:
                said.append(f"Nobody has opened the {name} yet.")
            else:
                local = timezone.localtime(check.at)
                said.append(f"Nobody has opened the {name} since {local:%a %d %b %H:%M}.")
    return said


def waiting_since(waits: Any) -> datetime | None:
    """Since when the oldest of these waits; None where nothing does."""
    return waits.order_by("state_since").values_list("state_since", flat=True).first()


def _staff(people: Iterable[User]) -> list[User]:
    return [p for p in people if p.is_active and p.email and p.daily_digest and not p.is_away]


def _send(key: str, name: str, link: str, people: list[User], facts: dict[str, Any]) -> int:
    to = [
        Recipient(p.email, str(p), p.language, p, {"link": settings.BASE_URL + link})
        for p in people
    ]
    context = {"whose": name, "button": "Open Throughline", **facts}
    return len(announce(key, "digest", to, context, suppressed=clock.in_the_past()))


def of_groups(day: str) -> int:
    """One digest per group, to its leads or its members, as the group has it set."""
    sent = 0
    groups = records_of("provider_group").filter(is_active=True).exclude(digest_to="nobody")
    for group in groups.select_related("calendar"):
        members = group.memberships.select_related("user")
        if group.digest_to == "leads":
            members = members.filter(is_lead=True)
        people = _staff(m.user for m in members)
        parts = parts_of(Request.objects.filter(provider_group=group)) if people else []
        stale = unopened(group) if people else []
        if parts or stale:
            facts = {"parts": [asdict(p) for p in parts], "unopened": stale}
            key = f"digest:{day}:group:{group.pk}"
            sent += _send(key, group.name, f"/queues/{group.slug}/", people, facts)
    return sent


def of_representatives(day: str) -> int:
    """One digest per representative, about what is theirs and the queues nobody opened."""
    sent = 0
    for person in _staff(User.objects.filter(is_representative=True, is_active=True)):
        mine = Request.objects.filter(
            pk__in=Request.objects.filter(
                Q(representative=person) | Q(agency__representative=person)
            ).values("pk")
        )
        parts = parts_of(mine)
        if not parts:
            continue
        waiting = mine.filter(state__in=QUEUE_STATES).values("provider_group")
        groups = records_of("provider_group").filter(pk__in=waiting).select_related("calendar")
        stale = [f"{group}: {said}" for group in groups for said in unopened(group)]
        facts = {"parts": [asdict(p) for p in parts], "unopened": stale}
        sent += _send(f"digest:{day}:person:{person.pk}", "your requests", "/", [person], facts)
    return sent


def send_digests() -> int:
    """This morning's digests, unless they went out; says how many notices were written.

    Two beats at once: the second waits for the first one's row of the day and finds it there. If
    it breaks off, the row is gone with the notices, and the next run does it all.
    """
    now = timezone.localtime(clock.now())
    if now.hour < digest_hour() or not hours_of(None).on(now.date()):
        return 0
    if DigestDay.objects.filter(day=now.date()).exists():
        return 0
    with transaction.atomic():
        row, made = DigestDay.objects.get_or_create(day=now.date())
        if not made:
            return 0
        row.sent = of_groups(f"{now:%Y-%m-%d}") + of_representatives(f"{now:%Y-%m-%d}")
        row.save(update_fields=["sent"])
    return row.sent
