"""What must be true of all data at any time: each check yields a sentence per violation.

Everything is read in order and in chunks, so memory stays small however much there is.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import CharField, Count, Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce, Lower

from asd.models import ServiceUpdate
from billing.models import BillingCase
from fulfillment.models import DayCapacity, Membership, ProviderGroup, ScheduledDay
from notifications.models import Notice
from requests_app import archive
from requests_app.clock_history import events_of_many
from requests_app.models import Attachment, Request
from requests_app.states import FULFILLMENT, S
from requests_app.targets import reckon
from workflow import clock
from workflow.door import digest_of
from workflow.machine import steps_of
from workflow.models import Event, Machine

CHUNK = 2000
CLOCKS = 200
FIRST = {"requests_app.request": S.TRIAGE.value}
BOOKING = ["booked", "started", "done"]  # what was worked stays booked; only given back is free
Check = Callable[[], Iterator[str]]


def _machines() -> dict[int, type[Machine]]:
    """Content type id to model, of everything that has a machine."""
    return {
        ContentType.objects.get_for_model(m).pk: m
        for m in apps.get_models()
        if issubclass(m, Machine)
    }


def event_chains() -> Iterator[str]:
    """Every stream is numbered without gaps and its digests follow from each other (X7)."""
    number, digest, stream = 0, "", (0, 0)
    events = Event.objects.order_by("stream_type_id", "stream_id", "number")
    for event in events.iterator(chunk_size=CHUNK):
        here = (event.stream_type_id, event.stream_id)
        if here != stream:
            number, digest, stream = 0, "", here
        said = []
        if event.number != number + 1:
            said.append(f"event {number + 1} is missing before it.")
        elif event.previous_digest != digest:
            said.append("the chain is broken, it does not follow from the event before it.")
        if digest_of(event) != event.digest:
            said.append("it was changed after it was written, the chain is broken.")
        for what in said:
            yield f"Event {event.number} ({event.name}) of {_named(event)}: {what}"
        number, digest = event.number, event.digest


def _named(event: Event) -> str:
    model = event.stream_type.model_class()
    row = model._base_manager.filter(pk=event.stream_id).first() if model else None
    return str(row or f"{event.stream_type} {event.stream_id}")


def legal_paths() -> Iterator[str]:
    """I1: each history is a path through its machine, step by step where the last one led."""
    machines = _machines()
    legal = {
        pk: {(s.name, s.source, s.target) for s in steps_of(model)}
        for pk, model in machines.items()
    }
    place: dict[tuple[int, int], str] = {}
    stream = (0, 0)
    moves = Event.objects.exclude(source=F("target")).filter(subject_type__in=list(machines))
    ordered = moves.order_by("stream_type_id", "stream_id", "number")
    for event in ordered.iterator(chunk_size=CHUNK):
        if (event.stream_type_id, event.stream_id) != stream:
            place, stream = {}, (event.stream_type_id, event.stream_id)
        subject = (event.subject_type_id, event.subject_id)
        first = FIRST.get(machines[event.subject_type_id]._meta.label_lower, event.source)
        if event.source != place.get(subject, first):
            yield (
                f"{_named(event)}: event {event.number} starts from {event.source}, "
                f"but it was {place.get(subject, first)}."
            )
        if (event.name, event.source, event.target) not in legal[event.subject_type_id]:
            yield (
                f"{_named(event)}: no step {event.name} leads from {event.source} "
                f"to {event.target}."
            )
        place[subject] = event.target


def states_follow_events() -> Iterator[str]:
    """I1: every state is where the last moving event led; a request without one is in triage."""
    for pk, model in _machines().items():
        last = (
            Event.objects.filter(subject_type=pk, subject_id=OuterRef("pk"))
            .exclude(source=F("target"))
            .order_by("-number")
            .values("target")[:1]
        )
        first = FIRST.get(model._meta.label_lower)
        led = Coalesce(
            Subquery(last, CharField()),
            Cast("state", CharField()) if first is None else Value(first, CharField()),
        )
        rows: Any = model._base_manager
        wrong = rows.annotate(led=led).exclude(state=F("led")).order_by("pk")
        for row in wrong.iterator(chunk_size=CHUNK):
            yield f"{row}: it is {row.state}, but its events led to {row.led}."


def notices_once() -> Iterator[str]:
    """I2: nobody is told the same about the same event twice."""
    twice = (
        Notice.objects.values("event", "key", "template", low=Lower("address"))
        .annotate(times=Count("pk"))
        .filter(times__gt=1)
        .order_by("event")
    )
    for row in twice.iterator(chunk_size=CHUNK):
        yield f"Event {row['event']}: {row['template']} to {row['low']} {row['times']} times."


def notices_move() -> Iterator[str]:
    """I3: nothing waits in the outbox for long. True only while workers run."""
    now = clock.now()
    stuck = Q(state="sending", lease_until__lt=now - timedelta(minutes=10))
    stuck |= Q(state="queued", next_try_at__lt=now - timedelta(minutes=5))
    for notice in Notice.objects.filter(stuck).order_by("pk").iterator(chunk_size=CHUNK):
        yield f"Notice {notice.pk} ({notice}) waits since {notice.next_try_at:%Y-%m-%d %H:%M}."


def failures_are_told() -> Iterator[str]:
    """No notice has failed without a word to whoever stands for the customer (DESIGN, Notices)."""
    silent = Notice.objects.filter(state="failed", reported_at__isnull=True)
    # the sweep that sees it fail tells of it at its end
    old = silent.filter(next_try_at__lt=clock.now() - timedelta(minutes=5))
    for notice in old.order_by("pk").iterator(chunk_size=CHUNK):
        yield f"Notice {notice.pk} ({notice}) failed, and nobody was told: {notice.last_error}"


def days_not_overbooked() -> Iterator[str]:
    """I4: what entries hold on a day is what the day says is booked, and never too much."""
    for group in ProviderGroup.objects.order_by("pk"):
        parts = ScheduledDay.objects.filter(entry__group=group, entry__state__in=BOOKING)
        held = dict(parts.order_by().values_list("day").annotate(Sum("minutes")))
        for row in DayCapacity.objects.filter(group=group).select_related("group").order_by("pk"):
            total = held.get(row.day, 0)
            if total != row.booked or row.booked > row.capacity:
                yield (
                    f"{row}: entries hold {total} minutes, "
                    f"the day says {row.booked} of {row.capacity}."
                )
    unknown = ScheduledDay.objects.filter(entry__state__in=BOOKING).exclude(
        Exists(DayCapacity.objects.filter(group=OuterRef("entry__group"), day=OuterRef("day")))
    )
    for part in unknown.select_related("entry__request").order_by("pk").iterator(chunk_size=CHUNK):
        yield f"{part.entry}: booked on {part.day}, which the group's days do not know."


def work_is_with_somebody() -> Iterator[str]:
    """I5: a pulled request is with exactly one specialist, who is of its group."""
    place = Membership.objects.filter(user=OuterRef("specialist"), group=OuterRef("provider_group"))
    lost = Request.objects.filter(state__in=FULFILLMENT).exclude(Exists(place))
    for row in lost.select_related("specialist", "provider_group").iterator(chunk_size=CHUNK):
        yield (
            f"{row}: {row.get_state_display().lower()} with {row.specialist or 'nobody'}, "
            f"who is not of {row.provider_group or 'any group'}."
        )


def files_are_there() -> Iterator[str]:
    """I6: every attachment has its file, unchanged."""
    for row in Attachment.objects.order_by("pk").iterator(chunk_size=CHUNK):
        try:
            with default_storage.open(str(row.file.name)) as stored:
                digest = hashlib.file_digest(stored, "sha256").hexdigest()
        except OSError:
            yield f"Attachment {row.pk} ({row.name}): its file is missing."
            continue
        if digest != row.sha256:
            yield f"Attachment {row.pk} ({row.name}): its file was changed."


def orphan_files() -> Iterator[str]:
    """Files of no attachment, older than an hour: left behind when an upload was undone."""
    old = clock.now() - timedelta(hours=1)
    for folder in _folders("attachments"):
        names = default_storage.listdir(folder)[1]
        known = set(
            Attachment.objects.filter(file__startswith=f"{folder}/").values_list("file", flat=True)
        )
        for name in sorted(names):
            path = f"{folder}/{name}"
            if path not in known and default_storage.get_modified_time(path) < old:
                yield path


def _folders(top: str) -> Iterator[str]:
    if default_storage.exists(top):
        yield top
        for name in sorted(default_storage.listdir(top)[0]):
            yield from _folders(f"{top}/{name}")


def charges_before_closing() -> Iterator[str]:
    """I7: no charged request closed before billing was initiated and the ASD settled (F13-F15)."""
    over = Q(request__state=S.CLOSED) | Q(pass_number__lt=F("request__pass_number"))
    early = BillingCase.objects.filter(state__in=["draft", "forwarded"]).filter(over)
    for case in early.select_related("request").order_by("pk").iterator(chunk_size=CHUNK):
        yield f"{case.request}: closed while {case} is {case.get_state_display().lower()}."
    updates = ServiceUpdate.objects.filter(
        request=OuterRef("request"), pass_number=OuterRef("pass_number")
    )
    charged = BillingCase.objects.filter(state="initiated").filter(over)
    unsettled = charged.filter(
        ~Exists(updates.filter(state__in=["applied", "not_needed"]))
        | Exists(updates.filter(state="requested"))
    )
    for case in unsettled.select_related("request").order_by("pk").iterator(chunk_size=CHUNK):
        yield f"{case.request}: closed, but the ASD was not updated for {case}."


def clocks_true() -> Iterator[str]:
    """F1: every open request's clock is what its events, agreement and calendar make of it.

    Those whose calendar or agreement was edited a moment ago are left to the task that sets them.
    """
    rows = Request.objects.open().filter(stale_since__isnull=True).order_by("pk")
    rows = rows.select_related("provider_group__calendar")
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:CLOCKS]):
        last = batch[-1].pk
        told = events_of_many(batch)
        for row in batch:
            for name, value in reckon(row, told[row.pk]).items():
                if getattr(row, name) != value:
                    yield f"{row}: its {name} is {getattr(row, name)}, but it should be {value}."
            if row.overdue and not row.is_overdue:
                yield f"{row}: it is marked overdue and is not."


def clocks_move() -> Iterator[str]:
    """Alarms are sounded and stale clocks set anew. True only while workers run."""
    old = clock.now() - timedelta(minutes=10)
    waiting = Q(alarm_at__lt=old) | Q(stale_since__lt=old)
    for row in Request.objects.open().filter(waiting).order_by("pk").iterator(chunk_size=CHUNK):
        yield f"{row}: its clock waits for the scheduler since {row.alarm_at or row.stale_since}."


def constraints_hold() -> Iterator[str]:
    """I8: every declared constraint is in the database, valid; events are protected."""
    with connection.cursor() as cursor:
        for model in apps.get_models():
            there = connection.introspection.get_constraints(cursor, model._meta.db_table)
            for declared in model._meta.constraints:
                if declared.name not in there:
                    yield f"{model._meta.label}: the database has no constraint {declared.name}."
        cursor.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated")
        for (name,) in cursor.fetchall():
            yield f"The constraint {name} was never validated."
        cursor.execute(
            "SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'workflow_event'::regclass "
            "AND tgname LIKE 'pgtrigger_append_only%'"
        )
        if [row[0] for row in cursor.fetchall()] != ["O"]:
            yield "The trigger that protects events is missing or switched off."


CHECKS: dict[str, Check] = {
    "event chains": event_chains,
    "I1 legal paths": legal_paths,
    "I1 states": states_follow_events,
    "I2 notices": notices_once,
    "I2 failures": failures_are_told,
    "I4 capacity": days_not_overbooked,
    "I5 specialists": work_is_with_somebody,
    "I6 files": files_are_there,
    "I7 charges": charges_before_closing,
    "I8 constraints": constraints_hold,
    "clocks": clocks_true,
    "archive": archive.faults,
}
