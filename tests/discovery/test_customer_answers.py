"""The customer decides on a proposal on their own page (D9, S1.7d, S1.7e)."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from asd.models import Contact
from discovery.models import Proposal, ProposalAnswer
from discovery.tasks import expire_proposals, remind_proposals
from notifications.models import Notice
from notifications.rendering import render_notice
from requests_app.models import Request
from requests_app.states import S
from requests_app.tracking import tracking_url
from tests.discovery.steps import drafted, finalised, outcome, pdf_file
from tests.factories import ContactFactory, Office
from tests.fulfillment.racing import at_once, unlocked
from tests.walk import do, later
from workflow import clock, door, registry

pytestmark = pytest.mark.django_db


def offered(office: Office, rate: str = "1500.00", **proposal: Any) -> Request:
    """A proposal waits for the customer; everything else of the discovery is answered."""
    request = finalised(office)
    drafted(request, office.rep, rate, **proposal)
    outcome(request, office)
    do(request, "parts_question", office.rep, parts_required="no")
    do(request, "issue_proposal", office.rep)
    return request


def visit(request: Request, contact: Contact) -> Client:
    """A browser that has followed this contact's link."""
    client = Client(headers={"User-Agent": "Phone of the customer"}, REMOTE_ADDR="10.1.2.3")
    assert client.get(tracking_url(request, contact, "proposal/")).status_code == 302
    return client


def page(request: Request) -> str:
    return f"/tracked/{request.reference}/proposal/"


def facts(request: Request, **typed: Any) -> dict[str, Any]:
    """What the acceptance form sends."""
    proposal = request.proposals.order_by("version").last()
    return {
        "action": "accept_proposal",
        "proposal": proposal.pk,
        "sha256": proposal.pdf.sha256,
        "name": "Sam Signatory",
        "title": "Director",
        "authority": "on",
        "order": "now",
        "number": "PO-77",
        "amount": "1500.00",
        "issued_on": clock.today().isoformat(),
        "file": pdf_file(),
        **typed,
    }


def test_the_signatory_accepts_and_discovery_moves_on_by_itself(office: Office) -> None:
    """D9, D13: the record says who, when, from where and which exact document."""
    request = offered(office)
    client = visit(request, office.contact)
    shown = client.get(page(request))
    assert shown.status_code == 200
    assert "Accept the proposal" in shown.content.decode()
    document = b"".join(client.get(f"/tracked/{request.reference}/proposal.pdf"))
    answer = client.post(page(request), facts(request))
    assert (answer.status_code, answer["Location"]) == (302, page(request))
    made = ProposalAnswer.objects.get()
    assert (made.signed, made.verdict, made.way) == ("Sam Signatory, Director", "accepted", "page")
    assert (made.contact, made.address) == (office.contact, "10.1.2.3")
    assert (made.user_agent, made.language) == ("Phone of the customer", "en")
    assert made.sha256 == hashlib.sha256(document).hexdigest()
    assert made.signatory_named
    request.refresh_from_db()
    assert request.state == S.AWAITING_SCHEDULING
    assert request.accepted_proposal.has_purchase_order
    assert request.events.get(name="accept").actor_kind == "customer"
    assert request.events.get(name="complete").actor_kind == "system"
    told = set(
        Notice.objects.filter(template="proposal_answered").values_list("address", flat=True)
    )
    assert told == {office.rep.email, office.specialist.email}
    assert "Accepted by Sam Signatory, Director" in client.get(page(request)).content.decode()
    assert "was accepted" in client.get(f"/tracked/{request.reference}/").content.decode()
    staff = Client()
    staff.force_login(office.rep)
    record = staff.get(made.proposal.get_absolute_url()).content.decode()
    for words in ("10.1.2.3", "Phone of the customer", made.sha256, "authorised signatory"):
        assert words in record


def test_the_record_is_never_changed(office: Office) -> None:
    request = offered(office)
    visit(request, office.contact).post(page(request), facts(request))
    for act in (
        lambda: ProposalAnswer.objects.update(name="Somebody else"),
        lambda: ProposalAnswer.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


def test_the_document_that_was_shown_is_the_one_that_counts(office: Office) -> None:
    """Another fingerprint, or bytes changed on the disk: refused, and nothing was decided."""
    request = offered(office)
    client = visit(request, office.contact)
    wrong = client.post(page(request), facts(request, sha256="0" * 64))
    assert wrong.status_code == 422
    assert "not the document" in wrong.content.decode()
    with open(request.proposals.get().pdf.file.path, "ab") as kept:
        kept.write(b"%changed")
    assert client.post(page(request), facts(request)).status_code == 422
    assert not ProposalAnswer.objects.exists()
    assert request.proposals.get().state == "issued"


def test_bad_input_is_said_beside_the_field_and_what_was_typed_stays(office: Office) -> None:
    request = offered(office)
    client = visit(request, office.contact)
    answer = client.post(page(request), facts(
        request, title=" ", authority="", amount="3.00", number="", issued_on=later(2),
        file=pdf_file("order.exe")))  # fmt: skip
    assert answer.status_code == 422
    form = answer.context["forms"]["accept_proposal"]
    assert set(form.errors) == {"title", "authority", "amount", "number", "issued_on", "file"}
    words = answer.content.decode()
    assert "Less than the proposal&#x27;s total of 1500.00 USD." in words
    assert "Sam Signatory" in words
    assert "order.exe" in words
    assert not ProposalAnswer.objects.exists()


def test_who_is_no_signatory_may_read_and_ask_but_not_decide(office: Office) -> None:
    """S1.7d: the signatory decides; without one whoever asked; an unchecked contact never."""
    asker = ContactFactory(agency=office.agency, is_signatory=False)
    office_contact, office.contact = office.contact, asker
    request = offered(office, **{})
    assert request.contact == asker
    client = visit(request, asker)
    words = client.get(page(request)).content.decode()
    assert f"decided by <strong>{office_contact}" in words
    assert "accept_proposal" not in words
    assert client.post(page(request), facts(request)).status_code == 409
    mails = Notice.objects.filter(template="proposal_issued").values_list("address", flat=True)
    assert set(mails) == {asker.email, office_contact.email}
    Contact.objects.filter(pk=office_contact.pk).update(is_active=False)
    assert "so whoever asked for it decides" in client.get(page(request)).content.decode()
    Contact.objects.filter(pk=asker.pk).update(unverified_since=clock.now())
    assert client.post(page(request), facts(request)).status_code == 409
    Contact.objects.filter(pk=asker.pk).update(unverified_since=None)
    assert client.post(page(request), facts(request)).status_code == 302
    assert not ProposalAnswer.objects.get().signatory_named


def test_without_the_cookie_of_this_request_everything_is_neutral(office: Office) -> None:
    request, other = offered(office), office.request()
    for client in (Client(), visit(other, office.contact)):
        for path in (page(request), f"/tracked/{request.reference}/proposal.pdf"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert request.title not in answer.content.decode()
        assert client.post(page(request), facts(request)).status_code == 404
    assert visit(other, office.contact).get(page(other)).status_code == 404
    assert not ProposalAnswer.objects.exists()


def test_asking_for_changes_goes_to_the_conversation_and_the_team(office: Office) -> None:
    request = offered(office)
    client = visit(request, office.contact)
    proposal = request.proposals.get()
    sent = {"action": "ask_changes", "proposal": proposal.pk, "text": "One display is enough."}
    assert client.post(page(request), sent).status_code == 302
    assert proposal.state == "issued"
    entry = request.case.entries.last()
    assert (entry.from_customer, entry.public) == (True, True)
    assert "One display is enough." in entry.text
    assert Notice.objects.filter(template="changes_asked", address=office.rep.email).exists()
    assert "asked for changes" in client.get(page(request)).content.decode()
    do(request, "revise_proposal", office.rep)
    assert "working on a new version" in client.get(page(request)).content.decode()
    do(request, "issue_proposal", office.rep)
    assert "v2" in client.get(page(request)).content.decode()
    old = client.get(f"{page(request)}?version=1").content.decode()
    assert "Version 1 does not count any more" in old
    assert "accept_proposal" not in old
    late = client.post(f"{page(request)}?version=1", {**facts(request), "proposal": proposal.pk})
    assert late.status_code == 409
    assert "newer version" in late.content.decode()


def test_declining_needs_a_reason_and_the_request_waits_for_the_representative(
    office: Office,
) -> None:
    request = offered(office)
    client = visit(request, office.contact)
    typed = facts(request, action="decline_proposal", reason="")
    assert client.post(page(request), typed).status_code == 422
    assert client.post(page(request), {**typed, "reason": "Too dear."}).status_code == 302
    made = ProposalAnswer.objects.get()
    assert (made.verdict, made.note) == ("declined", "Too dear.")
    assert Proposal.objects.get().state == "declined"
    notice = Notice.objects.get(template="proposal_answered", address=office.rep.email)
    assert "Too dear." in render_notice(notice).text


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [("withdraw_proposal", "was withdrawn"), ("expire", "cannot be accepted any more")],
)
def test_a_withdrawn_or_expired_proposal_says_so(office: Office, verb: str, sentence: str) -> None:
    request = offered(office, valid_until=later(2))
    client = visit(request, office.contact)
    if verb == "expire":
        with clock.acting_at(clock.now() + timedelta(days=3)):
            assert client.post(page(request), facts(request)).status_code == 409
            assert sentence in client.get(page(request)).content.decode()
            expire_proposals()
    else:
        do(request, verb, office.rep, reason="We counted wrongly.")
    assert sentence in client.get(page(request)).content.decode()
    assert client.post(page(request), facts(request)).status_code == 409
    assert not ProposalAnswer.objects.exists()


def test_the_first_decision_stands_and_the_second_is_kept_as_a_comment(office: Office) -> None:
    """S1.7e: two people answer differently; two clicks of one are one decision."""
    second = ContactFactory(agency=office.agency, name="Dana Deputy")
    request = offered(office)
    client, other = visit(request, office.contact), visit(request, second)
    assert client.post(page(request), facts(request)).status_code == 302
    assert client.post(page(request), facts(request)).status_code == 302
    before = request.case.entries.count()
    no = facts(request, action="decline_proposal", reason="Not for me.", name="Dana Deputy")
    for _ in range(2):
        answer = other.post(page(request), no, follow=True)
        assert "answered before you" in answer.content.decode()
    assert request.case.entries.count() == before + 1
    assert "Not for me." in request.case.entries.order_by("pk").last().text
    assert ProposalAnswer.objects.get().verdict == "accepted"
    assert request.proposals.get().state == "accepted"


def test_the_purchase_order_may_come_later_on_the_same_page(office: Office) -> None:
    """S1.8c: accepted without it, discovery waits; when it arrives, it moves on by itself."""
    request = offered(office)
    client = visit(request, office.contact)
    late = {"order": "later", "number": "", "amount": "", "issued_on": "", "file": ""}
    assert client.post(page(request), facts(request, **late)).status_code == 302
    request.refresh_from_db()
    assert (request.state, request.discovery.state) == (S.DISCOVERY, "proposing")
    waiting = client.get(f"/tracked/{request.reference}/").content.decode()
    assert "We still need your purchase order." in waiting
    typed = facts(request, action="give_purchase_order")
    assert client.post(page(request), {**typed, "file": ""}).status_code == 422
    assert client.post(page(request), {**typed, "file": pdf_file()}).status_code == 302
    request.refresh_from_db()
    assert request.state == S.AWAITING_SCHEDULING
    assert request.purchase_orders.get().number == "PO-77"


def test_what_costs_nothing_asks_for_no_purchase_order(office: Office) -> None:
    request = offered(office, "0.00")
    client = visit(request, office.contact)
    assert 'name="number"' not in client.get(page(request)).content.decode()
    assert client.post(page(request), facts(request)).status_code == 302
    request.refresh_from_db()
    assert request.state == S.AWAITING_SCHEDULING
    assert request.purchase_orders.get().not_needed_because


def test_parts_maintenance_is_left_to_the_representative(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    outcome(request, office)
    do(request, "parts_question", office.rep, parts_required="yes")
    do(request, "add_part_line", office.rep, change="add", name="A display", quantity="1")
    do(request, "issue_proposal", office.rep)
    visit(request, office.contact).post(page(request), facts(request))
    request.refresh_from_db()
    assert (request.state, request.discovery.state) == (S.DISCOVERY, "complete")
    do(request, "start_parts_maintenance", office.rep)
    assert request.state == S.PARTS_MAINTENANCE


def test_an_acceptance_on_paper_is_the_same_record_with_its_scan(office: Office) -> None:
    request = offered(office)
    yesterday = (clock.today() - timedelta(days=1)).isoformat()
    do(request, "record_acceptance", office.rep, answered_by=office.contact.name,
       title="Director", given_on=yesterday, files={"evidence": pdf_file("scan.pdf")})  # fmt: skip
    made = ProposalAnswer.objects.get()
    assert (made.way, made.recorded_by, made.contact) == ("recorded", office.rep, office.contact)
    assert (made.title, made.given_on.isoformat()) == ("Director", yesterday)
    assert made.evidence.name == "scan.pdf"
    assert made.sha256 == made.proposal.pdf.sha256
    assert not Notice.objects.filter(template="proposal_answered", address=office.rep.email)


def test_what_runs_out_soon_is_brought_to_mind_once(office: Office) -> None:
    """D9: customer and representative; twice at once is once (the lock)."""
    request = offered(office, valid_until=later(5))
    assert remind_proposals() == 0
    with clock.acting_at(clock.now() + timedelta(days=4)):
        assert remind_proposals() == 1
        assert remind_proposals() == 0
    event = request.events.get(name="remind_of_proposal")
    assert {(n.template, n.address) for n in event.notices.all()} == {
        ("proposal_expiring", office.contact.email),
        ("proposal_unanswered", office.rep.email),
        ("proposal_unanswered", office.specialist.email),
    }


def test_the_mail_leads_straight_to_the_proposal(office: Office) -> None:
    request = offered(office)
    notice = Notice.objects.get(template="proposal_issued", address=office.contact.email)
    link = next(w for w in render_notice(notice).text.split() if "/track/" in w)
    client = Client()
    assert client.get(link)["Location"] == page(request)
    assert (
        "waits for your decision" in client.get(f"/tracked/{request.reference}/").content.decode()
    )


def race(office: Office, ready: Callable[[], None] = lambda: None) -> tuple[list[Any], list[int]]:
    """Two signatories and two clicks of one, at the same moment: what they are answered, and how
    many decisions and answers there are then."""
    second = ContactFactory(agency=office.agency)
    request = offered(office)
    first, other = visit(request, office.contact), visit(request, second)
    yes = facts(request, order="later", file="")
    no = facts(request, action="decline_proposal", reason="No.", file="")
    ready()
    answers = at_once(
        lambda: first.post(page(request), yes),
        lambda: first.post(page(request), yes),
        lambda: other.post(page(request), no),
    )
    decided = request.events.filter(name__in=["accept", "decline_proposal"])
    kept = ProposalAnswer.objects.filter(proposal__request=request)
    return [getattr(a, "status_code", a) for a in answers], [decided.count(), kept.count()]


@pytest.mark.django_db(transaction=True)
def test_of_answers_at_the_same_moment_one_counts_and_not_without_the_lock(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert race(office) == ([302] * 3, [1, 1])

    def without_the_lock() -> None:
        fresh = unlocked(3)
        monkeypatch.setattr(registry, "lock", fresh)
        monkeypatch.setattr(door, "lock", fresh)

    monkeypatch.setattr(Client, "raise_request_exception", False, raising=False)
    assert race(office, without_the_lock) != ([302] * 3, [1, 1])
