"""Bulk data is legal by construction: copied whole from histories that went through the door."""

import io
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count
from django.db.models.functions import ExtractWeekDay

from asd.models import Agency
from config.invariants import CHECKS
from requests_app.models import Request
from tests.factories import Office
from tests.walk import to_awaiting, to_closed, to_declined, to_discovery, to_pending, to_scheduled
from workflow import clock
from workflow.models import Event

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 300


TUESDAY = datetime(2026, 11, 17, 15, tzinfo=UTC)


def built():
    """The names of all indexes, keys and triggers that are in force."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' "
            "UNION ALL SELECT conname FROM pg_constraint WHERE convalidated "
            "UNION ALL SELECT tgname FROM pg_trigger WHERE tgenabled = 'O' AND NOT tgisinternal"
        )
        return sorted(name for (name,) in cursor.fetchall())


def test_the_copies_are_legal_and_everywhere():
    """Every invariant holds, and the database is as it was: its indexes, keys and triggers."""
    before = built()
    with clock.acting_at(TUESDAY):
        office = Office()
        for walk in (to_pending, to_awaiting, to_closed, to_declined, to_discovery, to_scheduled):
            walk(office)
        there = Request.objects.count()
        call_command("generate", requests=MANY, seed=3, stdout=io.StringIO())
    assert Request.objects.count() == there + MANY
    assert built() == before
    wrong = [sentence for check in CHECKS.values() for sentence in check()]
    assert wrong == []
    assert Agency.objects.count() > 1
    busy = Request.objects.values("agency").annotate(n=Count("pk")).filter(n__gt=MANY // 10)
    assert busy.count() >= 2
    weekend = Event.objects.annotate(day=ExtractWeekDay("at")).filter(day__in=[1, 7])
    assert not weekend.exists()
    fresh = office.request()
    assert int(fresh.reference.rpartition("-")[2]) > MANY


def test_a_second_run_is_refused(monkeypatch):
    monkeypatch.setattr("config.management.commands.generate.MOST_EXEMPLARS", 0)
    Office().request()
    with pytest.raises(CommandError, match="bulk data already"):
        call_command("generate", requests=5, stdout=io.StringIO())


def test_nothing_to_make_is_said():
    with pytest.raises(CommandError, match="one or more"):
        call_command("generate", requests=0, stdout=io.StringIO())
