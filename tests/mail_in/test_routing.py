"""Where a message goes: by the signed address it came to, never by what it says of its sender."""

from datetime import timedelta
from typing import Any

import pytest

from notifications.bounces import is_undeliverable
from notifications.delivery import send
from notifications.models import Notice
from requests_app.case_models import TrackingToken
from requests_app.mail_in import processing
from requests_app.mail_in.addresses import address_of, read_address
from requests_app.mail_in.apply import title_of
from requests_app.models import (
    Attachment,
    BlockedSender,
    CaseEntry,
    InboundMessage,
    Request,
    Watcher,
)
from requests_app.states import S
from tests import walk
from tests.factories import ContactFactory, Office
from tests.mail_in.letters import PDF, deliver, letter
from workflow import clock


def reply_to(request: Request, who: Any) -> str:
    """The reply address that a person's latest notice about this request carries."""
    notices = Notice.objects.filter(event__stream_id=request.pk, address=who.email)
    return str(notices.latest("created_at").context["reply_to"])


def answered(office: Office, **given: Any) -> tuple[Request, InboundMessage]:
    """A request, and the contact's answer to its first notice."""
    request = office.request()
    words = {"sender": office.contact.email, "to": reply_to(request, office.contact), **given}
    return request, deliver(letter(**words))


# Reply addresses


def test_every_notice_carries_a_signed_reply_address(office: Office) -> None:
    """To customers, watchers and staff; each their own, short, the same in any case."""
    request = office.request()
    watcher = ContactFactory(agency=office.agency)
    Watcher.objects.create(request=request, contact=watcher)
    walk.do(request, "triage", office.rep, service=office.service.pk, service_known="yes",
            **walk.STANDARD_YES)  # fmt: skip
    addresses = {reply_to(request, who) for who in (office.contact, watcher, office.lead)}
    assert len(addresses) == 3
    for address in addresses:
        local, _, host = address.partition("@")
        assert host == "desk.example"
        assert local.startswith("requests+")
        assert len(local) <= 64
        assert read_address(address.upper()) == read_address(address)
    signed = read_address(reply_to(request, office.lead))
    assert signed is not None
    assert (signed.user, signed.request_id) == (office.lead, request.pk)


def test_without_an_intake_address_there_is_none(office: Office, settings: Any) -> None:
    settings.INBOUND_ADDRESS = ""
    request = office.request()
    assert reply_to(request, office.contact) == ""


def test_an_address_that_was_not_made_here_is_nobodys(office: Office) -> None:
    request = office.request()
    address = reply_to(request, office.contact)
    local, _, host = address.partition("@")
    flipped = local[:-1] + ("a" if local[-1] != "a" else "b")
    other = ContactFactory(agency=office.agency)
    TrackingToken.objects.create(
        request=request, contact=other, digest="x", expires_at=clock.now() + timedelta(days=1)
    )
    swapped = local.replace("+c", "+c1", 1)
    for forged in (
        flipped,
        swapped,
        "requests+c1.",
        "requests+s1-1." + "a" * 16,
        "requests+cz" * 20,
    ):
        assert read_address(f"{forged}@{host}") is None
    message = deliver(letter(sender=office.contact.email, to=f"{flipped}@{host}"))
    assert (message.state, message.is_verified) == ("review", False)
    assert "not made here" in message.why


# Answers of customers


def test_an_answer_stands_on_its_case_with_its_files(office: Office) -> None:
    """X6: in public, as the customer's, quotes folded; the rest is named."""
    request, message = answered(
        office,
        text="Yes, please.\n\nOn Monday Desk <desk@x.example> wrote:\n> Is it so?\n",
        files={"plan.pdf": PDF, "run.exe": b"MZ", "empty.txt": b""},
    )
    assert (message.state, message.request) == ("applied", request)
    assert message.is_verified
    entry = CaseEntry.objects.get(case=request.case)
    assert (entry.text, entry.public, entry.from_customer) == ("Yes, please.", True, True)
    assert entry.author_name == office.contact.name
    assert "> Is it so?" in message.quoted
    assert [a.name for a in entry.attachments.all()] == ["plan.pdf"]
    refused = {f["name"]: f.get("why", "") for f in message.files}
    assert "cannot be attached" in refused["run.exe"]
    assert "empty" in refused["empty.txt"]


def test_an_answer_resumes_what_waited_for_it(office: Office) -> None:
    """X1."""
    request = walk.to_assigned(office)
    walk.do(request, "ask_customer", office.rep, question="Which floor?",
            review_on=walk.later(10))  # fmt: skip
    assert request.is_on_hold
    deliver(letter(sender=office.contact.email, to=reply_to(request, office.contact)))
    request.refresh_from_db()
    assert not request.is_on_hold
    assert request.state == S.ASSIGNED


def test_an_answer_to_a_closed_request_is_kept_on_it(office: Office) -> None:
    request = walk.to_closed(office)
    message = deliver(letter(sender=office.contact.email, to=reply_to(request, office.contact)))
    request.refresh_from_db()
    assert (message.state, request.state) == ("applied", S.CLOSED)


def test_from_another_address_of_the_same_domain_it_is_marked(office: Office) -> None:
    _, message = answered(office, sender="assistant@agency.example")
    assert (message.state, message.other_sender) == ("applied", "assistant@agency.example")


def test_from_another_domain_a_representative_decides(office: Office) -> None:
    """Whoever got hold of the address still is not believed without a look."""
    request, message = answered(office, sender="eve@evil.example")
    assert (message.state, message.request) == ("review", request)
    assert "eve@evil.example" in message.why
    assert not CaseEntry.objects.exists()


def test_a_revoked_address_leads_to_review(office: Office) -> None:
    request = office.request()
    address = reply_to(request, office.contact)
    TrackingToken.objects.update(revoked_at=clock.now())
    message = deliver(letter(sender=office.contact.email, to=address))
    assert (message.state, message.request) == ("review", request)
    assert "revoked" in message.why
    assert address_of(TrackingToken.objects.get()) == address


def test_the_same_message_by_two_ways_counts_once(office: Office) -> None:
    request = office.request()
    to = reply_to(request, office.contact)
    raw = letter(sender=office.contact.email, to=to, Message_ID="<one@agency.example>")
    first = deliver(b"Received: by one\r\n" + raw)
    second = deliver(b"Received: by another\r\n" + raw)
    assert (first.state, second.state) == ("applied", "ignored")
    assert CaseEntry.objects.count() == 1


def test_a_borrowed_message_id_does_not_swallow_another_message(office: Office) -> None:
    request = office.request()
    to = reply_to(request, office.contact)
    for text in ("One", "Another"):
        deliver(letter(sender=office.contact.email, to=to, text=text, Message_ID="<x@y.example>"))
    assert CaseEntry.objects.count() == 2


# Answers of staff


def test_a_colleagues_answer_is_an_internal_note(office: Office) -> None:
    """The safe reading: what a colleague writes to a notice of ours is never sent to a customer."""
    request = walk.to_pending(office)
    notices = Notice.objects.count()
    message = deliver(letter(sender=office.lead.email, to=reply_to(request, office.lead)))
    entry = CaseEntry.objects.get()
    assert (message.state, entry.public, entry.author) == ("applied", False, office.lead)
    assert Notice.objects.count() == notices


def test_a_colleague_who_may_not_see_it_any_more_is_reviewed(office: Office) -> None:
    request = walk.to_pending(office)
    address = reply_to(request, office.lead)
    office.lead.memberships.all().delete()
    message = deliver(letter(sender=office.lead.email, to=address))
    assert message.state == "review"
    assert not CaseEntry.objects.exists()


# New requests


def test_a_known_contact_makes_a_request_in_triage(office: Office) -> None:
    """X10: told that it was received; marked as unverified, because From proves nothing."""
    raw = letter(
        sender=f"Jo <{office.contact.email.upper()}>",
        subject="RE: Fwd: [EXT] AW: New telephones   for all",
        files={"plan.pdf": PDF},
    )
    message = deliver(raw)
    request = Request.objects.get()
    assert (message.state, message.request, message.is_verified) == ("request_made", request, False)
    assert (request.state, request.channel) == (S.TRIAGE, "email")
    assert (request.title, request.description) == ("New telephones for all", "Is it done yet?")
    assert (request.agency, request.contact) == (office.agency, office.contact)
    assert Attachment.objects.get().public
    [notice] = Notice.objects.all()
    assert (notice.template, notice.address) == ("received", office.contact.email)


@pytest.mark.parametrize(
    ("subject", "text", "title"),
    [
        ("", "Two lines\nof text", "Two lines"),
        ("Re:", "", "Message from jo@agency.example"),
        ("Re: Re[2]: fw: Hello", "x", "Hello"),
        ("Regarding: budget", "x", "Regarding: budget"),
    ],
)
def test_titles_are_clean(subject: str, text: str, title: str) -> None:
    message = InboundMessage(subject=subject, text=text, from_address="jo@agency.example")
    assert title_of(message) == title


def test_unknown_doubtful_and_internal_senders_are_reviewed(office: Office) -> None:
    request = office.request()
    ContactFactory(email="two@agency.example")
    ContactFactory(email="two@agency.example")
    former = ContactFactory(email="former@agency.example", is_active=False)
    for given, said in [
        ({"sender": "who@nowhere.example"}, "Nobody we know"),
        ({"sender": "two@agency.example"}, "more than one agency"),
        ({"sender": former.email}, "Nobody we know"),
        ({"sender": office.rep.email}, "colleague"),
        (
            {"sender": office.contact.email, "subject": f"About {request.reference}"},
            "seems to answer",
        ),
    ]:
        message = deliver(letter(**given))
        assert message.state == "review"
        assert said in message.why
    assert message.request == request
    assert Request.objects.count() == 1


def test_a_blocked_sender_is_set_aside(office: Office) -> None:
    BlockedSender.objects.create(address="eve@evil.example", reason="Spam")
    message = deliver(letter(sender="Eve <EVE@evil.example>"))
    assert (message.state, message.why) == ("ignored", "Its sender is blocked.")


def test_one_address_is_answered_only_so_often(office: Office) -> None:
    """A loop between two programs that look like people ends."""
    for n in range(8):
        deliver(letter(sender=office.contact.email, text=f"Number {n}"))
    assert Request.objects.count() == 5
    assert InboundMessage.objects.filter(state="review").count() == 3


# Automatic mail


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; type=x"},
        {"Precedence": "bulk"},
        {"Precedence": "junk"},
        {"Return_Path": "<>"},
        {"X_Autoreply": "yes"},
        {"subject": "Automatic reply: A question"},
        {"subject": "Out of Office: back on Monday"},
        {"subject": "Respuesta automática: hola"},
        {"sender": "MAILER-DAEMON@agency.example"},
        {"sender": "requests@desk.example"},
        {"sender": "requests+c1.aaaaaaaaaaaaaaaa@desk.example"},
    ],
)
def test_no_program_is_ever_answered(headers: dict[str, str], office: Office) -> None:
    """RFC 3834: set aside, whether it came to the intake or to a reply address."""
    request = office.request()
    notices = Notice.objects.count()
    for to in ("requests@desk.example", reply_to(request, office.contact)):
        message = deliver(letter(**{"sender": office.contact.email, "to": to, **headers}))
        assert message.state == "ignored", message.why
    assert Notice.objects.count() == notices
    assert not CaseEntry.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [{"List_Id": "<all.x>"}, {"Precedence": "list"}, {"X_Auto_Response_Suppress": "All"}],
)
def test_a_weak_sign_never_loses_an_answer(headers: dict[str, str], office: Office) -> None:
    """Through a list: nothing is made of it unasked, but an answer to us is looked at."""
    assert deliver(letter(sender=office.contact.email, **headers)).state == "ignored"
    _, message = answered(office, **headers)
    assert message.state == "review"


def test_our_own_mail_that_comes_back_is_a_loop(office: Office) -> None:
    office.request()
    notice = Notice.objects.get()
    raw = letter(sender=office.contact.email, Message_ID=f"<{notice.pk}@127.0.0.1>")
    assert deliver(raw).state == "ignored"


def report(
    notice_id: Any, status: str = "5.1.1", action: str = "failed", code: str = "550"
) -> bytes:
    """A delivery status notification as a mail server writes one (RFC 3464)."""
    text = f"""From: MAILER-DAEMON@mx.example
To: no-reply@desk.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; victim@agency.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} No such user here

--b
Content-Type: text/rfc822-headers

Message-ID: <{notice_id}@127.0.0.1>
Subject: Received

--b--
"""
    return text.replace("\n", "\r\n").encode()


def test_a_returned_mail_marks_the_address_of_its_notice(office: Office) -> None:
    office.request()
    notice = Notice.objects.get()
    Notice.objects.update(state=Notice.State.SENT)
    message = deliver(report(notice.pk))
    assert (message.state, "marked" in message.why) == ("ignored", True)
    assert is_undeliverable(office.contact.email)
    assert not is_undeliverable("victim@agency.example")
    notice.refresh_from_db()
    assert notice.state == Notice.State.FAILED


@pytest.mark.parametrize(
    ("status", "action"), [("4.2.2", "delayed"), ("4.4.1", "failed"), ("5.2.2", "failed")]
)
def test_what_is_late_or_full_is_not_given_up(status: str, action: str, office: Office) -> None:
    office.request()
    deliver(report(Notice.objects.get().pk, status, action))
    assert not is_undeliverable(office.contact.email)


def test_a_forged_report_marks_nobody(office: Office) -> None:
    """It would need the Message-ID of a notice, which only its recipient has seen."""
    office.request()
    message = deliver(report("00000000-0000-4000-8000-000000000000"))
    assert message.state == "ignored"
    assert not is_undeliverable(office.contact.email)
    assert not is_undeliverable("victim@agency.example")


# Trouble


def test_what_fails_is_tried_again_and_then_given_to_a_person(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("a disk that is full")

    monkeypatch.setattr(processing, "decide", broken)
    message = deliver(letter())
    states = [message.state]
    for _ in range(4):
        InboundMessage.objects.update(next_try_at=clock.now())
        processing.sweep()
        message.refresh_from_db()
        states.append(message.state)
    assert states == ["stored", "stored", "stored", "failed", "failed"]
    assert "a disk that is full" in message.why
    assert message.attempts == 4


def test_whose_reader_died_again_and_again_is_given_up(office: Office) -> None:
    """A message that kills whatever reads it does so a few times only."""
    message = deliver(b"")
    InboundMessage.objects.filter(pk=message.pk).update(state="stored", attempts=4)
    InboundMessage.objects.update(next_try_at=clock.now())
    processing.sweep()
    message.refresh_from_db()
    assert message.state == "failed"


def test_headers_cannot_be_smuggled_through(office: Office, smtp_sink: Any) -> None:
    """TC11 on the way in: line breaks in encoded words end as words of the title."""
    raw = (
        f"From: =?utf-8?Q?Jo=0D=0ABcc:_eve@evil.example?= <{office.contact.email}>\r\n"
        "To: requests@desk.example\r\n"
        "Subject: =?utf-8?Q?Lines=0D=0ABcc:_eve@evil.example=0D=0A=0D=0AHello?=\r\n\r\nWords"
    )
    message = deliver(raw.encode())
    request = Request.objects.get()
    assert request.title == "Lines Bcc: eve@evil.example Hello"
    assert message.from_name == "Jo Bcc: eve@evil.example"
    send(str(Notice.objects.get().pk))
    [mail] = smtp_sink.messages
    assert mail["Bcc"] is None
    assert mail["To"] == office.contact.email
    assert mail["Reply-To"] == reply_to(request, office.contact)
    assert read_address(mail["Reply-To"]) is not None
