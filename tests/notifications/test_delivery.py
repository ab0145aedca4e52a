"""A notice goes out once, to one person, and nothing is forgotten (F8, TB13, TB14, TB17, TC11)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from notifications import delivery, outbox, tasks
from notifications.models import Notice
from notifications.outbox import Recipient, enqueue
from tests.factories import Office
from tests.fulfillment.racing import at_once
from tests.notifications.conftest import queue
from tests.notifications.post import Post

State = Notice.State


def minutes_until_next_try(notice: Notice) -> float:
    return (notice.next_try_at - timezone.now()).total_seconds() / 60


def test_the_mail_says_what_it_is_to_one_person(post: Post, notice: Notice, settings: Any) -> None:
    """One recipient, a Message-ID of the notice's own, marked as sent by a program."""
    settings.BASE_URL = "https://desk.example:8443"
    tasks.deliver(str(notice.pk))
    [mail] = post.messages
    assert post.envelopes[0][1] == ["jo@agency.example"]
    assert mail["To"] == "jo@agency.example"
    assert mail["Cc"] is None
    assert mail["Bcc"] is None
    assert mail["Message-ID"] == f"<{notice.pk}@desk.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "We have received your request REQ-2026-000001"
    text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))
    for body in (text, html):
        assert "A new line" in body
        assert "http://127.0.0.1:8000/track/1-x/" in body
    notice.refresh_from_db()
    assert (notice.state, notice.attempts, notice.lease_owner) == (State.SENT, 1, "")
    assert notice.sent_at is not None


def test_a_line_break_in_a_name_makes_no_header(post: Post, event: Any) -> None:
    """TC11: what people type may not add recipients or headers."""
    bad = 'x"\r\nBcc: thief@evil.example\r\n\r\n<b>y</b>, ' + "z" * 5000
    queue(event, reference=bad, title=bad, agency=bad)
    assert delivery.sweep() == 1
    [mail] = post.messages
    assert post.envelopes[0][1] == ["jo@agency.example"]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    assert len(mail["Subject"]) <= 180
    assert "<b>y</b>" not in mail.get_body(["html"]).get_content()
    assert "&lt;b&gt;y&lt;/b&gt;" in mail.get_body(["html"]).get_content()


def test_an_address_with_a_line_break_fails_and_harms_nobody(post: Post, event: Any) -> None:
    """TC12: it cannot be addressed, so it says so and is not tried for ever."""
    notice = queue(event)
    Notice.objects.filter(pk=notice.pk).update(address="jo@agency.example,\r\nBcc: x@evil.example")
    delivery.sweep()
    notice.refresh_from_db()
    assert [m["Bcc"] for m in post.messages] == [None], "the word to the representative alone"
    assert post.messages[0]["To"].endswith("@staff.example")
    assert notice.state == State.FAILED


def test_what_is_refused_for_now_is_tried_again_by_the_time_in_the_row(
    post: Post, notice: Notice
) -> None:
    """TB14: 450 waits about 1 minute, then about 5, then it goes out under the same Message-ID."""
    post.answers = ["450 4.2.1 Mailbox busy"]
    post.after_data = ["451 4.3.0 Try later"]
    delivery.sweep()
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == (State.QUEUED, 1)
    assert "450" in notice.last_error
    assert 0.7 < minutes_until_next_try(notice) < 1.3
    assert delivery.sweep() == 0, "not before its time"
    Notice.objects.update(next_try_at=timezone.now())
    delivery.sweep()
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == (State.QUEUED, 2)
    assert 3.9 < minutes_until_next_try(notice) < 6.1
    Notice.objects.update(next_try_at=timezone.now())
    delivery.sweep()
    notice.refresh_from_db()
    assert (notice.state, notice.attempts, notice.last_error) == (State.SENT, 3, "")
    assert post.ids() == [f"<{notice.pk}@127.0.0.1>"]


def test_a_mailbox_that_does_not_exist_fails_at_once_and_holds_up_nobody(
    post: Post, event: Any
) -> None:
    """TB14: 550 is for good; the others go out."""
    gone, other = queue(event, "gone@agency.example"), queue(event, "here@agency.example")
    Notice.objects.filter(pk=gone.pk).update(next_try_at=timezone.now() - timedelta(minutes=1))
    post.answers = ["550 5.1.1 No such person"]
    assert delivery.sweep() == 3, "these two, and the word to the representative"
    gone.refresh_from_db()
    other.refresh_from_db()
    assert (gone.state, gone.attempts) == (State.FAILED, 1)
    assert "550" in gone.last_error
    assert "No such person" in gone.last_error
    assert other.state == State.SENT
    assert [m["To"] for m in post.messages][0] == "here@agency.example"


def test_a_mail_server_that_is_away_is_waited_for_and_at_last_given_up(
    notice: Notice, settings: Any
) -> None:
    """TB13: attempts are counted; nine of them over two days, then it is for people to look at."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    waits = []
    for _ in range(len(delivery.WAITS_MIN)):
        delivery.sweep()
        notice.refresh_from_db()
        assert notice.state == State.QUEUED
        waits.append(minutes_until_next_try(notice))
        Notice.objects.update(next_try_at=timezone.now())
    assert waits == sorted(waits)
    delivery.sweep()
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == (State.FAILED, delivery.TRIES)
    assert "ConnectionRefusedError" in notice.last_error


def test_a_mail_server_that_keeps_silent_costs_its_timeout_and_no_more(
    post: Post, notice: Notice, settings: Any
) -> None:
    """TB15."""
    settings.EMAIL_TIMEOUT = 1
    post.silence = 3
    delivery.sweep()
    notice.refresh_from_db()
    assert notice.state == State.QUEUED
    assert "timed out" in notice.last_error


def test_a_notice_that_cannot_be_written_fails_and_the_others_go_out(
    post: Post, event: Any
) -> None:
    """TB17: one poisoned row among many does not loop and does not stop the sweep."""
    queue(event, "one@agency.example")
    [poison] = enqueue(event, "no_such_template", [Recipient("two@agency.example")], {})
    queue(event, "three@agency.example")
    assert delivery.sweep() == 4, "these three, and the word to the representative"
    poison.refresh_from_db()
    assert poison.state == State.FAILED
    assert "cannot be written" in poison.last_error
    assert len(post.messages) == 3
    assert delivery.sweep() == 0


def test_a_notice_claimed_twice_is_sent_once(post: Post, notice: Notice) -> None:
    """TA11: the same id delivered again and again."""
    for _ in range(5):
        tasks.deliver(str(notice.pk))
    assert len(post.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_four_workers_and_a_sweep_send_each_notice_once(post: Post, event: Any) -> None:
    """TA11, TA12: real connections, the same ids from all sides."""
    ids = [str(queue(event, f"person{n}@agency.example").pk) for n in range(12)]

    def all_of_them() -> None:
        for one in ids:
            tasks.deliver(one)

    assert at_once(all_of_them, all_of_them, delivery.sweep, delivery.sweep)[:2] == [None, None]
    assert sorted(post.ids()) == sorted(f"<{one}@127.0.0.1>" for one in ids)
    assert set(Notice.objects.values_list("state", flat=True)) == {State.SENT}


@pytest.mark.django_db(transaction=True)
def test_control_without_the_conditional_update_a_notice_goes_out_twice(
    post: Post, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA11: the same test with the claim taken out sees the damage."""
    monkeypatch.setattr(delivery, "claim", lambda notice_id: Notice.objects.get(pk=notice_id))
    at_once(lambda: tasks.deliver(str(notice.pk)), lambda: tasks.deliver(str(notice.pk)))
    assert len(post.messages) > 1


@pytest.mark.django_db(transaction=True)
def test_the_sweep_passes_over_rows_that_others_are_taking(post: Post, event: Any) -> None:
    """SKIP LOCKED: it neither waits nor sends what somebody holds."""
    held, free = queue(event, "held@agency.example"), queue(event, "free@agency.example")
    answers: list[Any] = []

    def sweep() -> None:
        answers.append(delivery.sweep())

    with transaction.atomic():
        Notice.objects.select_for_update().get(pk=held.pk)
        at_once(sweep)
    assert answers == [1]
    free.refresh_from_db()
    assert free.state == State.SENT


def test_what_a_dead_worker_had_claimed_goes_out_when_its_lease_is_over(
    post: Post, notice: Notice
) -> None:
    """TB01: and not before; the mail keeps its Message-ID."""
    assert delivery.claim(str(notice.pk)) is not None
    assert delivery.sweep() == 0
    Notice.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert delivery.sweep() == 1
    assert post.ids() == [f"<{notice.pk}@127.0.0.1>"]


def test_who_comes_back_after_the_lease_was_over_does_not_overwrite_what_the_next_one_wrote(
    post: Post, notice: Notice
) -> None:
    slow = delivery.claim(str(notice.pk))
    assert slow is not None
    Notice.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    delivery.sweep()
    delivery._again(slow, "too late")
    notice.refresh_from_db()
    assert (notice.state, notice.last_error) == (State.SENT, "")


def test_a_notice_that_kills_whoever_takes_it_is_given_up(post: Post, notice: Notice) -> None:
    Notice.objects.update(attempts=delivery.TRIES, state=State.SENDING,
                          lease_until=timezone.now() - timedelta(seconds=1))  # fmt: skip
    delivery.sweep()
    notice.refresh_from_db()
    assert notice.state == State.FAILED
    assert notice.address not in [m["To"] for m in post.messages]


def test_history_is_never_sent(post: Post, event: Any) -> None:
    """Notices of the demo and of imports are kept as suppressed."""
    [notice] = enqueue(event, "received", [Recipient("a@agency.example")], {}, suppressed=True)
    tasks.deliver(str(notice.pk))
    assert delivery.sweep() == 0
    assert outbox.resend(Notice.objects.all()) == 0
    notice.refresh_from_db()
    assert notice.state == State.SUPPRESSED
    assert post.messages == []


def test_a_notice_that_is_gone_is_no_error(db: None, post: Post) -> None:
    """TF05: an id from a database that was restored from yesterday."""
    tasks.deliver("00000000-0000-4000-8000-000000000000")
    assert post.messages == []


def test_one_person_is_told_once_by_one_event(event: Any) -> None:
    people = [Recipient("Jo@agency.example"), Recipient("jo@agency.example"), Recipient("")]
    assert len(enqueue(event, "received", people, {})) == 1


def test_a_change_that_is_undone_tells_nobody(post: Post, office: Office) -> None:
    """The notice is written with the change: no change, no notice."""
    before = Notice.objects.count()
    with transaction.atomic():
        office.request()
        assert Notice.objects.count() > before
        transaction.set_rollback(True)
    assert Notice.objects.count() == before


def test_the_command_sends_everything_that_is_due(post: Post, event: Any, capsys: Any) -> None:
    for number in range(3):
        queue(event, f"person{number}@agency.example")
    call_command("send_pending")
    assert len(post.messages) == 3
    assert "3 notices tried" in capsys.readouterr().out


def test_a_mail_put_together_here_reads_as_it_was_meant(event: Any, post: Post) -> None:
    """TC11: long and foreign subjects, long lines, lines of one dot, odd addresses."""
    title = "Teléfonos für Büro 3 – 日本 🎉 " + "very " * 30 + "long"
    message = ".\n..\n" + "x" * 3000 + "\nFrom here\t\n" + "día " * 400
    extra = {"reply_to": "reply+1@desk.example"}
    for template, facts in (
        ("comment", {"title": title, "message": message, "by": "Ñ", "reference": title}),
        ("received", {"title": "Plain", "reference": "R-1", "agency": "Parks"}),
    ):
        person = Recipient("o'neil+x@bücher.example", context=extra)
        enqueue(event, template, [person], facts)
    assert delivery.sweep() == 2
    mails = {("Plain" in m.get_body(["plain"]).get_content()): m for m in post.messages}
    for mail in post.messages:
        assert mail.defects == []
        assert mail["To"] == "o'neil+x@xn--bcher-kva.example"
        assert [p.get_content_type() for p in mail.iter_parts()] == ["text/plain", "text/html"]
    text = mails[False].get_body(["plain"]).get_content().replace("\r\n", "\n")
    assert f'wrote about your request "{title}"' in text
    assert message.strip() in text
    assert mails[False]["Subject"].startswith("News about Teléfonos für Büro 3 – 日本 🎉 very")
    assert message.split("\n")[2] in mails[False].get_body(["html"]).get_content()


def test_a_server_that_has_had_enough_gets_another_connection_at_once(
    event: Any, post: Post
) -> None:
    """A limit of mails per connection costs nobody a minute."""
    for number in range(3):
        queue(event, f"person{number}@agency.example")
    post.after_data = ["250 OK", "421 4.7.0 Too many messages on this connection"]
    assert delivery.sweep() == 3
    assert set(Notice.objects.values_list("state", flat=True)) == {State.SENT}
    assert len(set(post.ids())) == 2, "one was answered 250 and kept by nobody"


def test_the_program_s_own_trouble_costs_no_notice_an_attempt(
    event: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away in the middle of a batch: what was not tried is given back."""
    for number in range(3):
        queue(event, f"person{number}@agency.example")

    def gone(notice: Notice) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(delivery, "_sent", gone)
    with pytest.raises(DatabaseError):
        delivery.sweep()
    states = sorted(Notice.objects.values_list("state", "attempts"))
    assert states == [("queued", 0), ("sending", 1), ("sending", 1)]
    assert len(post.messages) == 1, "the second had not been handed over when the first was lost"


def test_two_troubles_in_a_row_end_the_batch_and_the_rest_loses_nothing(
    event: Any, post: Post, settings: Any
) -> None:
    """TB15: a server that hangs costs two timeouts, not one per mail."""
    settings.EMAIL_TIMEOUT = 0.3
    post.silence = 2
    for number in range(5):
        queue(event, f"person{number}@agency.example")
    assert delivery.sweep() == 2
    assert sorted(Notice.objects.values_list("attempts", flat=True)) == [0, 0, 0, 1, 1]
