"""Whatever the bytes are: every message ends on a case, as a request or with a representative."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from config.servers import ROOT
from requests_app.mail_in import parse, route, text
from requests_app.models import Attachment, InboundMessage, Request
from tests.factories import ContactFactory, Office
from tests.mail_in.letters import BOMB, MALFORMED, PDF, deliver, letter

ENDS = {"applied", "request_made", "review", "ignored", "failed"}
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "{{7*7}}{% debug %}",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
]


def test_every_malformed_message_ends_somewhere(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 4: none lost, none twice, none that loops; and each in bounded time."""
    monkeypatch.setattr(text, "READ_SECONDS", 0.2)
    monkeypatch.setattr(route, "_answered_too_often", lambda address: False)
    ContactFactory(agency=office.agency, email="jo@agency.example")
    made = 0
    for name, raw in MALFORMED.items():
        began = time.process_time()
        message = deliver(raw)
        assert message.state in ENDS - {"failed"}, (name, message.state, message.last_error)
        assert message.why, name
        assert time.process_time() - began < 8, name
        assert bytes(message.raw.content) == raw, name
        assert deliver(raw).pk == message.pk, name
        made += message.state == "request_made"
    assert InboundMessage.objects.count() == len(MALFORMED)
    assert Request.objects.count() == made


def test_what_can_be_read_is_read(office: Office) -> None:
    for name, said in [
        ("html only", "Hello"),
        ("null bytes", "onetwo"),
        ("unknown charset", "café"),
        ("wrong charset", "café"),
        ("boundary never closed", "A"),
        ("direction and control", "abcgnp.exe[31m end"),
        ("nested twenty deep", ""),
    ]:
        assert deliver(MALFORMED[name]).text == said, name


def test_headers_in_every_alphabet_are_words(office: Office) -> None:
    message = deliver(MALFORMED["eight-bit headers"])
    assert (message.from_name, message.subject) == ("Jö", "Straße")
    assert deliver(MALFORMED["utf-8 headers"]).subject == "Ä 🎉"


def test_names_of_files_are_made_harmless(office: Office) -> None:
    """TC06: no path, no direction of reading; what is not allowed is named and not kept."""
    contact = ContactFactory(agency=office.agency, email="jo@agency.example")
    deliver(MALFORMED["rfc 2231 name"])
    assert [a.name for a in Attachment.objects.all()] == ["passwd.pdf"]
    message = deliver(MALFORMED["winmail.dat"])
    assert message.files[0]["name"] == "winmail.dat"
    assert message.files[0]["why"] == "files of this type cannot be attached."
    assert contact.email == message.from_address


def test_a_zip_bomb_is_kept_as_it_is_and_never_opened(office: Office) -> None:
    """TC10."""
    ContactFactory(agency=office.agency, email="jo@agency.example")
    deliver(MALFORMED["zip bomb"])
    kept = Attachment.objects.get()
    assert kept.file.read() == BOMB


def test_a_message_inside_a_message_is_a_file(office: Office) -> None:
    inner = letter(subject="Inside", text="Deep words")
    raw = (b"From: jo@agency.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
           b"--x\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
           b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--x--\r\n")  # fmt: skip
    mail = parse.read(raw)
    assert mail.text == "See below."
    [one] = mail.files
    assert one.name == "message.eml"
    assert b"Deep words" in one.content


def test_too_many_parts_are_said_and_not_read(office: Office) -> None:
    message = deliver(MALFORMED["ten thousand parts"])
    assert "Only the first 200 parts" in message.notes[0]
    deep = deliver(MALFORMED["nested five hundred deep"])
    assert "more parts in parts" in deep.notes[0]


def test_a_message_that_is_too_large_keeps_its_head(office: Office, settings: Any) -> None:
    settings.THROUGHLINE = {**settings.THROUGHLINE, "MAX_MAIL_MB": 1}
    raw = letter(text="x\n" * 700_000)
    message = deliver(raw)
    assert (message.state, message.size) == ("review", len(raw))
    assert "too large" in message.why
    assert len(message.raw.content) == 64 * 1024


def test_hostile_words_stay_words(office: Office, client: Any) -> None:
    """TC05: in subject, text, quote, file name and sender; on every page that shows them."""
    client.force_login(office.rep)
    for payload in PAYLOADS:
        raw = letter(
            sender=f'"{payload.replace(chr(34), "")}" <eve@evil.example>',
            subject=payload,
            text=f"{payload}\n\n> {payload}",
            files={f"{payload}.pdf".replace("/", ""): PDF},
        )
        message = deliver(raw)
        assert payload in message.text
        for address in ("/mail/", f"/mail/{message.pk}/"):
            page = client.get(address).content.decode().split("<main")[1]
            for code in ("<script>alert", "<img src=x", "<svg/", "<iframe"):
                assert code not in page, f"{code} on {address}"


@pytest.mark.parametrize(
    ("typed", "new", "quoted", "signature"),
    [
        ("Yes.\n\nOn Mon, 2 Nov 2026 at 10:00, Desk <d@x.example> wrote:\n> Is it done?\n",
         "Yes.", "On Mon", ""),
        ("> Is it done?\nYes, since today.\n> Really?\nReally.", "Yes, since today.\nReally.",
         "> Is it done?\n> Really?", ""),
        ("Thanks\n\n-- \nJo\nRoom 5", "Thanks", "", "Jo"),
        ("    indented\n  less", "indented\n  less", "", ""),
        ("> only a quote", "> only a quote", "", ""),
        ("", "", "", ""),
    ],
)  # fmt: skip
def test_quotes_and_signatures_are_folded_and_nothing_is_lost(
    typed: str, new: str, quoted: str, signature: str
) -> None:
    folded = text.fold(typed)
    assert folded.new == new
    assert quoted in folded.quoted
    assert signature in folded.signature
    for word in typed.replace(">", " ").split():
        assert word in f"{folded.new} {folded.quoted} {folded.signature}"


def test_a_library_that_never_comes_back_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folding of quotes has so much processor time and no more."""

    def hang(self: Any, words: str) -> None:
        while True:
            pass

    monkeypatch.setattr(text.EmailReplyParser, "read", hang)
    monkeypatch.setattr(text, "READ_SECONDS", 0.2)
    began = time.process_time()
    assert text.fold("Yes.\n> Done?").new == "Yes."
    assert time.process_time() - began < 2


def test_html_becomes_text() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><p>One&nbsp;two</p>"
        "<ul><li>a<li>b</ul><a href='https://x.example/y'>here</a>"
        "<blockquote>old<blockquote>older</blockquote></blockquote><script>x</script>end"
    )
    said = text.text_of_html(page)
    assert said.splitlines()[0] == "One two"
    for line in ("- a", "here (https://x.example/y)", "> old", "> > older", "end"):
        assert line in said.splitlines()
    assert "p{}" not in said


def test_the_messages_of_the_field_all_end_somewhere(office: Office) -> None:
    """The 113 files of real and malformed messages, where they are at hand."""
    folder = Path(os.environ.get("THROUGHLINE_DATA", ROOT / ".." / "shared" / "data")) / "mail"
    if not folder.is_dir():
        pytest.skip(f"The messages are not at {folder}: set THROUGHLINE_DATA.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rows = {deliver(path.read_bytes()).pk for path in files}
    distinct = {path.read_bytes() for path in files}
    assert len(rows) == len(distinct)
    found = InboundMessage.objects.filter(pk__in=rows)
    assert set(found.values_list("state", flat=True)) <= ENDS - {"failed"}
    assert not found.filter(last_error__gt="").exists()
