"""Bulk data is legal by construction: copied whole from histories that went through the door."""

import io
import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count
from django.db.models.functions import ExtractWeekDay

from asd.models import Agency
from config.generate import bulk
from config.generate.exemplars import LEFT_OUT, OURS
from config.invariants import CHECKS
from fulfillment.models import ScheduledDay
from requests_app.mail_models import InboundMessage
from requests_app.models import Request
from tests.factories import Office
from tests.walk import (
    do,
    next_working_day,
    to_awaiting,
    to_closed,
    to_declined,
    to_discovery,
    to_pending,
    to_scheduled,
)
from workflow import clock
from workflow.models import Calendar, Event, WorkingHours

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 300


TUESDAY = datetime(2026, 11, 17, 15, tzinfo=UTC)


def built():
    """The names of all indexes, keys and triggers that are in force, and what tables are told."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' "
            "UNION ALL SELECT conname FROM pg_constraint WHERE convalidated "
            "UNION ALL SELECT tgname FROM pg_trigger WHERE tgenabled = 'O' AND NOT tgisinternal "
            "UNION ALL SELECT relname || reloptions::text FROM pg_class "
            "WHERE reloptions IS NOT NULL"
        )
        return sorted(name for (name,) in cursor.fetchall())


def test_the_copies_are_legal_and_everywhere(monkeypatch):
    """Every invariant holds, and the database is as it was: its indexes, keys and triggers."""
    monkeypatch.setattr("config.management.commands.generate.SETTLED", 1)
    before = built()
    with clock.acting_at(TUESDAY):
        office = Office()
        for walk in (to_pending, to_awaiting, to_closed, to_declined, to_discovery, to_scheduled):
            walk(office)
        written_to = Request.objects.order_by("pk").last()
        InboundMessage.objects.create(
            request=written_to, source="pipe", state="applied", sha256="ab" * 32, size=10
        )
        there = Request.objects.count()
        call_command("generate", requests=MANY, seed=3, stdout=io.StringIO())
    assert Request.objects.count() == there + MANY
    assert built() == before
    wrong = [sentence for check in CHECKS.values() for sentence in check()]
    assert wrong == []
    assert InboundMessage.objects.exclude(request=written_to).exists()
    assert Agency.objects.count() > 1
    busy = Request.objects.values("agency").annotate(n=Count("pk")).filter(n__gt=MANY // 10)
    assert busy.count() >= 2
    weekend = Event.objects.annotate(day=ExtractWeekDay("at")).filter(day__in=[1, 7])
    assert not weekend.exists()
    fresh = office.request()
    assert int(fresh.reference.rpartition("-")[2]) > MANY


def test_groups_that_work_on_saturdays_do_so_in_the_copies():
    """Two days of a history never become one: the schedule could not be made unique again."""
    with clock.acting_at(TUESDAY):
        office = Office()
        office.group.calendar = Calendar.objects.create(name="Two shifts")
        office.group.save()
        for weekday in range(6):
            WorkingHours.objects.create(
                calendar=office.group.calendar, weekday=weekday, opens=time(8), closes=time(17)
            )
        request = to_awaiting(office)
        day = next_working_day(2).isoformat()
        do(request, "schedule", office.lead, day=day, hours="60", charge_expected="no")
        (entry,) = request.schedule_entries.all()
        assert {5} < {d.day.weekday() for d in entry.days.all()}
    with clock.acting_at(TUESDAY + timedelta(weeks=2)):
        call_command("generate", requests=40, seed=3, stdout=io.StringIO())
    days = ScheduledDay.objects.exclude(entry=entry)
    assert days.count() == 40 * entry.days.count()
    assert days.filter(day__iso_week_day=6).exists()
    assert not days.filter(day__iso_week_day=7).exists()


def test_every_unique_column_has_its_way_of_being_copied():
    """A new one would be copied as it is, and its index could not be made again."""
    known = {
        "notifications.Notice.key", "requests_app.Case.reference", "requests_app.Request.reference",
        "requests_app.Request.submission_key", "requests_app.InboundMessage.sha256",
        "asd.Service.slug", "discovery.Part.number", "discovery.PublishedList.number",
        "billing.BillingCase.reference",
    }  # fmt: skip
    reached: set[Any] = {Request}
    models = [m for m in apps.get_models() if m._meta.app_label in OURS and m not in LEFT_OUT]
    for _ in range(len(models)):
        reached |= {
            m for m in models for f in m._meta.concrete_fields
            if f.many_to_one and f.related_model in reached and not m.__name__.endswith("Event")
        }  # fmt: skip
    assert {
        f"{m._meta.label}.{f.name}" for m in reached for f in m._meta.concrete_fields
        if f.unique and not f.primary_key and not f.is_relation
    } - known == set()  # fmt: skip


def test_what_a_killed_run_took_off_is_made_again_by_the_next(monkeypatch):
    before = built()
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "restore", lambda tell: None)
        with bulk.taken_off(["workflow_event", "requests_app_case"], print):
            pass
    assert set(before) - set(built()) > {"event_subject", "event_number_once_per_stream"}
    said = []
    bulk.restore(said.append)
    assert built() == before
    assert said[2].startswith("Checking ")


def first_read(table: str) -> int:
    """How many pages that are written the next reader of all rows writes on again."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM {table}")  # noqa: S608
        answer = cursor.fetchone()[0]
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return int(plan["Shared Dirtied Blocks"])


def test_rows_that_were_looked_at_are_not_written_on_again():
    with connection.cursor() as cursor:
        for table in ("looked_at", "not_looked_at"):
            cursor.execute(f"CREATE TABLE {table} (word text) WITH (autovacuum_enabled = off)")
        settling = bulk.Settling(["looked_at"])
        cursor.execute("SET synchronous_commit = on")  # a row is noted when its commit is safe
        for table in ("looked_at", "not_looked_at"):
            words = "SELECT repeat('word ', 100) FROM generate_series(1, 100)"
            cursor.execute(f"INSERT INTO {table} {words}")  # noqa: S608
        cursor.execute("SET synchronous_commit TO DEFAULT")
    try:
        settling.look()  # sees what is there
        settling.look()
        assert first_read("looked_at") == 0
        assert first_read("not_looked_at") > 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE looked_at, not_looked_at")


def test_a_second_run_is_refused(monkeypatch):
    monkeypatch.setattr("config.management.commands.generate.MOST_EXEMPLARS", 0)
    Office().request()
    with pytest.raises(CommandError, match="bulk data already"):
        call_command("generate", requests=5, stdout=io.StringIO())


def test_nothing_to_make_is_said():
    with pytest.raises(CommandError, match="one or more"):
        call_command("generate", requests=0, stdout=io.StringIO())
