"""What happened stays: events cannot be changed, and a changed past is found (X7)."""

import pytest
from django.core.management import CommandError, call_command
from django.db import InternalError, connection, transaction

from tests.factories import Office
from tests.walk import do
from workflow.door import digest_of
from workflow.models import Event


def tampered(sql: str, *args: object) -> None:
    """Change the past behind the trigger's back, as somebody with the database's keys could."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, args)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def with_history(office: Office) -> int:
    request = office.request()
    do(request, "hold", office.rep, reason="Budget freeze.", review_on="2099-01-02",
       waiting_for="budget")  # fmt: skip
    do(request, "resume", office.rep)
    return request.pk


def test_the_database_refuses_to_change_an_event(office: Office) -> None:
    office.request()
    with pytest.raises(InternalError, match="append_only"), transaction.atomic():
        Event.objects.update(reason="Something else.")
    assert not Event.objects.filter(reason="Something else.").exists()


def test_the_database_refuses_to_delete_an_event(office: Office) -> None:
    office.request()
    count = Event.objects.count()
    with pytest.raises(InternalError, match="append_only"), transaction.atomic():
        Event.objects.all()._raw_delete(Event.objects.db)
    assert Event.objects.count() == count


def test_events_are_numbered_and_chained_per_request(office: Office) -> None:
    pk = with_history(office)
    events = list(Event.objects.filter(stream_id=pk).order_by("number"))
    assert [e.number for e in events] == [1, 2, 3]
    assert [e.previous_digest for e in events] == ["", events[0].digest, events[1].digest]
    assert all(digest_of(e) == e.digest for e in events)


def test_verify_is_content_with_an_untouched_past(office: Office) -> None:
    with_history(office)
    call_command("verify")


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'Quite different.'",
        "actor_name = 'Somebody Else'",
        "facts = '{\"amount\": 1}'",
        "at = at - interval '1 day'",
        "source = 'pending'",
        "digest = repeat('0', 64)",
    ],
)
def test_verify_names_a_changed_event(office: Office, change: str) -> None:
    pk = with_history(office)
    sql = f"UPDATE workflow_event SET {change} WHERE stream_id = %s AND number = 2"  # noqa: S608
    tampered(sql, pk)
    with pytest.raises(CommandError, match="chain"):
        call_command("verify")


def test_verify_names_a_missing_event(office: Office) -> None:
    pk = with_history(office)
    tampered(
        "DELETE FROM notifications_notice WHERE event_id IN "
        "(SELECT id FROM workflow_event WHERE stream_id = %s AND number = 2)",
        pk,
    )
    tampered("DELETE FROM workflow_event WHERE stream_id = %s AND number = 2", pk)
    with pytest.raises(CommandError, match="missing"):
        call_command("verify")


def test_verify_names_a_state_that_nobody_moved(office: Office) -> None:
    """I1: the state is where the last moving event led."""
    pk = with_history(office)
    tampered("UPDATE requests_app_request SET state = 'pending' WHERE id = %s", pk)
    with pytest.raises(CommandError, match="REQ-"):
        call_command("verify")
