"""Fetching from a real IMAP server: whatever dies when, every message counts, and once."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imap_tools import MailBoxUnencrypted

from config.servers import ROOT, free_port
from requests_app.mail_in import apply, imap, processing
from requests_app.mail_in.store import store
from requests_app.models import CaseEntry, InboundMessage, Mailbox, Request
from requests_app.tasks import fetch_mail
from tests.factories import ContactFactory, Office
from tests.faults.harness import environment, process, wait_until
from tests.fulfillment.racing import at_once
from tests.mail_in.letters import MALFORMED, letter
from tests.mail_in.test_routing import reply_to
from workflow import clock

pytestmark = pytest.mark.django_db(transaction=True)
names = itertools.count(1)
USER, PASSWORD = "demouser", "demopass"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """pymap on a port of its own, spoken to by the real protocol."""
    port, log = free_port(), tmp_path_factory.mktemp("imap") / "log"
    words = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1", "--port",
             str(port), "dict", "--demo-user", USER, "--demo-password", PASSWORD]  # fmt: skip
    told = {"PATH": os.environ["PATH"]}
    with process(words, told, log):

        def up() -> bool:
            with contextlib.suppress(OSError):
                MailBoxUnencrypted("127.0.0.1", port, timeout=5).client.shutdown()
                return True
            return False

        wait_until(up, 40, f"the IMAP server answers; see {log}")
        yield port


class Box:
    """A folder of the server, seen as its owner sees it."""

    def __init__(self, port: int, folder: str, done: str) -> None:
        self.port, self.folder, self.done = port, folder, done

    @contextlib.contextmanager
    def open(self) -> Iterator[MailBoxUnencrypted]:
        box = MailBoxUnencrypted("127.0.0.1", self.port, timeout=20).login(USER, PASSWORD)
        yield box
        box.logout()

    def put(self, *raws: bytes) -> None:
        with self.open() as box:
            for raw in raws:
                box.append(raw, self.folder)

    def count(self, folder: str) -> int:
        with self.open() as box:
            if not box.folder.exists(folder):
                return 0
            box.folder.set(folder)
            return len(box.uids("ALL", charset=None))


@pytest.fixture
def mailbox(server: int, settings: Any) -> Box:
    """A fresh folder, which the program is told to look into."""
    number = next(names)
    made = Box(server, f"In{number}", f"Done{number}")
    with made.open() as box:
        box.folder.create(made.folder)
    settings.IMAP = {
        "security": "imap",
        "host": "127.0.0.1",
        "port": server,
        "user": USER,
        "password": PASSWORD,
        "folder": made.folder,
        "processed": made.done,
    }
    return made


def url(mailbox: Box) -> str:
    return (
        f"imap://{USER}:{PASSWORD}@127.0.0.1:{mailbox.port}/{mailbox.folder}"
        f"?processed={mailbox.done}"
    )


def test_what_lies_in_the_mailbox_is_stored_moved_and_read(office: Office, mailbox: Box) -> None:
    """Item 4 from end to end, with messages that break parsers among the rest."""
    request = office.request()
    ContactFactory(agency=office.agency, email="jo@agency.example")
    answer = letter(sender=office.contact.email, to=reply_to(request, office.contact))
    hostile = [MALFORMED[n] for n in ("null bytes", "no headers", "bad base64")]
    mailbox.put(answer, *hostile)
    fetch_mail()
    states = list(InboundMessage.objects.order_by("uid").values_list("state", flat=True))
    assert states == ["applied", "request_made", "review", "request_made"]
    assert bytes(InboundMessage.objects.earliest("uid").raw.content).split() == answer.split()
    assert (mailbox.count(mailbox.folder), mailbox.count(mailbox.done)) == (0, 4)
    row = Mailbox.objects.get()
    assert (row.failures, row.last_error) == (0, "")
    assert PASSWORD not in row.name


def test_a_batch_is_bounded_and_the_rest_comes_next(
    mailbox: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "BATCH", 2)
    mailbox.put(*[letter(text=str(n)) for n in range(5)])
    row = Mailbox.objects.create(name="box")
    assert [imap.fetch(row, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert InboundMessage.objects.count() == 5


def test_a_message_that_is_too_large_leaves_its_head(mailbox: Box, settings: Any) -> None:
    settings.THROUGHLINE = {**settings.THROUGHLINE, "MAX_MAIL_MB": 1}
    mailbox.put(letter(text="x\n" * 700_000))
    fetch_mail()
    message = InboundMessage.objects.get()
    assert (message.state, message.is_cut, message.size > 2**20) == ("review", True, True)


def test_two_pollers_at_once_store_each_message_once(office: Office, mailbox: Box) -> None:
    request = office.request()
    to = reply_to(request, office.contact)
    mailbox.put(*[letter(sender=office.contact.email, to=to, text=f"N{n}") for n in range(6)])
    row = Mailbox.objects.create(name=imap.name_of(imap.settings.IMAP))
    at_once(lambda: imap.fetch(row), lambda: imap.fetch(row))
    at_once(processing.sweep, processing.sweep)
    imap.fetch(row)
    assert InboundMessage.objects.count() == 6
    assert sorted(CaseEntry.objects.values_list("text", flat=True)) == [f"N{n}" for n in range(6)]
    assert mailbox.count(mailbox.folder) == 0


def test_of_two_polls_only_one_has_its_turn(mailbox: Box) -> None:
    Mailbox.objects.create(name=imap.name_of(imap.settings.IMAP))
    assert sorted(at_once(imap.poll, imap.poll)) in ([False, True], [True, True])
    Mailbox.objects.update(next_try_at=clock.now() + imap.LEASE)
    assert imap.poll() is False


def _both_read(message: InboundMessage) -> int:
    at_once(lambda: processing.process(message.pk), lambda: processing.process(message.pk))
    return CaseEntry.objects.count()


def _answer(office: Office) -> InboundMessage:
    request = office.request()
    raw = letter(sender=office.contact.email, to=reply_to(request, office.contact))
    return store(raw, source="pipe")


def test_two_readers_at_once_put_it_on_the_case_once(office: Office) -> None:
    assert _both_read(_answer(office)) == 1


def test_without_claim_lock_and_door_it_would_be_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the race above."""
    monkeypatch.setattr(processing, "_claim", lambda pk: True)
    monkeypatch.setattr(processing, "_locked", lambda pk: InboundMessage.objects.get(pk=pk))
    monkeypatch.setattr(apply, "advance", lambda message, step, **given: message)
    assert _both_read(_answer(office)) == 2


def test_two_deliveries_of_the_same_bytes_are_one(office: Office) -> None:
    raw = letter()
    one, other = at_once(lambda: store(raw, source="pipe"), lambda: store(raw, source="webhook"))
    assert one.pk == other.pk


def test_a_server_that_is_away_is_tried_later_and_seen(
    settings: Any, mailbox: Box, office: Office, client: Any
) -> None:
    """Back-off by the time in the row; the review list and admin say since when."""
    settings.IMAP = {**settings.IMAP, "port": free_port()}
    waits = []
    for _ in range(4):
        Mailbox.objects.update(next_try_at=clock.now())
        assert imap.poll() is True
        waits.append((Mailbox.objects.get().next_try_at - clock.now()).total_seconds() / 60)
    row = Mailbox.objects.get()
    assert row.failures == 4
    assert "refused" in row.last_error
    assert 0.7 < waits[0] < 1.3
    assert 6 < waits[3] < 10
    client.force_login(office.rep)
    assert b"No mail is fetched from" in client.get("/mail/").content


def test_a_wrong_password_is_said_without_it(settings: Any, mailbox: Box) -> None:
    settings.IMAP = {**settings.IMAP, "password": "not-the-one"}
    imap.poll()
    row = Mailbox.objects.get()
    assert row.failures == 1
    assert "not-the-one" not in row.last_error + row.name


def test_the_mailbox_made_anew_doubles_nothing(mailbox: Box) -> None:
    """UIDVALIDITY changed: everything is fetched again, and recognised by its bytes."""
    mailbox.put(letter())
    fetch_mail()
    InboundMessage.objects.update(uid_validity=1)
    mailbox.put(letter())
    fetch_mail()
    assert InboundMessage.objects.count() == 1
    assert mailbox.count(mailbox.folder) == 0


KILLS = {
    "between store and mark": "imap._put_away = die",
    "in the middle of storing": "InboundRaw.objects.create = die",
    "between mark and read": "processing.sweep = die",
    "in the middle of reading": "apply.advance = die",
}
KILLED = """
import os, signal
import django
django.setup()
from requests_app.mail_in import apply, imap, processing
from requests_app.models import InboundRaw
from requests_app.tasks import fetch_mail
def die(*args, **given):
    os.kill(os.getpid(), signal.SIGKILL)
{kill}
fetch_mail()
"""


def _killed(when: str, told: dict[str, str]) -> None:
    """A poller as a process of its own that is killed at this very place."""
    script = KILLED.format(kill=KILLS[when])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=told, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def _survives(kills: list[str], office: Office, mailbox: Box, tmp_path: Path) -> None:
    request = office.request()
    to = reply_to(request, office.contact)
    told = environment(tmp_path, "redis://127.0.0.1:1/0", 25, IMAP_URL=url(mailbox),
                       DJANGO_SETTINGS_MODULE="config.settings")  # fmt: skip
    for number, when in enumerate(kills):
        mailbox.put(letter(sender=office.contact.email, to=to, text=f"Answer {number}"))
        _killed(when, told)
        Mailbox.objects.update(next_try_at=clock.now())
        InboundMessage.objects.update(next_try_at=clock.now())
    fetch_mail()
    said = sorted(CaseEntry.objects.values_list("text", flat=True))
    assert said == [f"Answer {n}" for n in range(len(kills))]
    assert InboundMessage.objects.filter(state="applied").count() == len(kills)
    assert mailbox.count(mailbox.folder) == 0
    assert Request.objects.count() == 1


def test_a_poller_killed_between_store_and_mark_loses_and_doubles_nothing(
    office: Office, mailbox: Box, tmp_path: Path
) -> None:
    _survives(["between store and mark"], office, mailbox, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_poller_killed_anywhere_loses_and_doubles_nothing(
    office: Office, mailbox: Box, tmp_path: Path
) -> None:
    _survives([*KILLS, *KILLS], office, mailbox, tmp_path)
