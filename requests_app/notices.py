"""Who is told what about a request: one table of audiences, and what every notice can say."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings

from notifications.outbox import Recipient
from requests_app.mail_in.addresses import reply_address, staff_reply_address
from requests_app.tracking import sealed_url
from requests_app.unsubscribing import sealed_unsubscribe
from workflow.together import read_with

if TYPE_CHECKING:
    from requests_app.models import Request
    from workflow.models import Event, User

CLOSING = ("fulfill", "notify_and_close")
Audience = Callable[["Request", "Event"], Iterable[Recipient]]


def _contact(request: "Request", contact: Any, watcher: Any = None, then: str = "") -> Recipient:
    """A customer with their own link; whoever only watches can stop it by theirs (X9)."""
    facts = {
        "link": sealed_url(request, contact, then),
        "reply_to": reply_address(request, contact),
    }
    if watcher is not None:
        facts["unsubscribe"] = sealed_unsubscribe(watcher)
    return Recipient(contact.email, contact.name, contact.language, context=facts)


def _staff(request: "Request", user: "User | None", watcher: Any = None) -> list[Recipient]:
    if user is None or not user.is_active or not user.email:
        return []
    link = settings.BASE_URL + request.get_absolute_url()
    facts = {"link": link, "reply_to": staff_reply_address(request, user)}
    if watcher is not None:
        facts["unsubscribe"] = sealed_unsubscribe(watcher)
    return [Recipient(user.email, str(user), user.language, user, facts)]


def customers(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The requester and who watches, each but the one who wrote what is told (X9)."""
    author = event.facts.get("contact")
    watching: Any = read_with(request, "watchers")
    if watching is None:
        watching = request.watchers.select_related("contact", "user")
    for watcher in watching:
        contact = watcher.contact
        if contact is not None and contact.is_active and contact.pk != author:
            yield _contact(request, contact, watcher)
        elif watcher.user is not None:
            yield from _staff(request, watcher.user, watcher)
    if request.contact_id != author:
        yield requester_of(request, event)


def requester_of(request: "Request", event: "Event") -> Recipient:
    """Who asked; where the request is closed, with the page that asks how it went."""
    told = _contact(request, request.contact)
    if event.name in CLOSING:
        told.context["rate"] = sealed_url(request, request.contact, "rate/")
    return told


def requester(request: "Request", event: "Event") -> Iterable[Recipient]:
    """Who asked, alone."""
    return [requester_of(request, event)]


def the_contact(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The one contact the event is about, by the link of their own."""
    contact = request.agency.contacts.active().filter(pk=event.facts.get("contact")).first()
    watcher = request.watchers.filter(contact=contact).first() if contact else None
    return [_contact(request, contact, watcher)] if contact else []


def who_works(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The representative, and who has it: whom a customer's words concern."""
    yield from representative(request, event)
    yield from _staff(request, request.specialist)


def unless_asked(request: "Request", event: "Event") -> Iterable[Recipient]:
    """A hold that waits for an answer has been told with the question already (X1)."""
    return [] if event.facts.get("asked") else customers(request, event)


def representative(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The CAR, or the deputy while the CAR is away."""
    person = request.representative or request.agency.representative
    if person is not None and person.is_away and person.deputy is not None:
        person = person.deputy
    return _staff(request, person)


def specialist(request: "Request", event: "Event") -> Iterable[Recipient]:
    """Who has the request, unless they took it themselves."""
    if request.specialist_id == event.actor_id:
        return []
    return _staff(request, request.specialist)


def leads(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The leads of the provider group."""
    group = request.provider_group
    if group is None:
        return
    leading: Any = read_with(request, "leads")
    if leading is None:
        leading = group.memberships.filter(is_lead=True).select_related("user")
    for membership in leading:
        if membership.user_id != event.actor_id:
            yield from _staff(request, membership.user)


def team(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The discovery team."""
    discovery = request.discovery
    if discovery is None:
        return
    for member in discovery.team.filter(left_at__isnull=True).select_related("user"):
        if member.user_id != event.actor_id:
            yield from _staff(request, member.user)


def proposal_readers(request: "Request", event: "Event") -> Iterable[Recipient]:
    """Customers, and who may sign for the agency, each with a link to the proposal (S1.7d)."""
    for contact in request.agency.contacts.signatories().exclude(email=""):
        yield _contact(request, contact, then="proposal/")
    yield from customers(request, event)
    if request.contact.email:
        yield _contact(request, request.contact, then="proposal/")


def who_proposes(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The representative and the discovery team, unless they did it themselves."""
    told = [*representative(request, event), *team(request, event)]
    return [r for r in told if r.user is None or r.user.pk != event.actor_id]


def desk(request: "Request", event: "Event") -> Iterable[Recipient]:
    """Who has the work in hand: specialist and leads; where there is nobody, the CAR (F1)."""
    told = [*specialist(request, event), *leads(request, event)]
    return told or representative(request, event)


def desk_and_representative(request: "Request", event: "Event") -> Iterable[Recipient]:
    """The desk, and the CAR who answers to the customer (F1)."""
    yield from desk(request, event)
    yield from representative(request, event)


AUDIENCES: dict[str, Audience] = {
    "received": customers,
    "routed": customers,
    "discovery_started": customers,
    "proposal_issued": proposal_readers,
    "proposal_expiring": proposal_readers,
    "proposal_unanswered": who_proposes,
    "proposal_answered": who_proposes,
    "changes_asked": who_proposes,
    "proposal_accepted": customers,
    "proposal_declined": customers,
    "scheduled": customers,
    "on_hold": unless_asked,
    "needs_answer": customers,
    "comment": customers,
    "assistance_fulfilled": customers,
    "rfc_fulfilled": customers,
    "declined": customers,
    "cancelled": customers,
    "reopened": customers,
    "at_risk": desk,
    "overdue": desk_and_representative,
    "queue_new": leads,
    "transferred": leads,
    "parts_started": representative,
    "returned_to_triage": representative,
    "test_failed": specialist,
    "notice_due": representative,
    "billing_opened": representative,
    "billing_returned": specialist,
    "handed_over": representative,
    "assigned": specialist,
    "team_invited": team,
    "address_undeliverable": representative,
    "notice_failed": representative,
    "customer_wrote": who_works,
    "customer_answered": who_works,
    "withdrawal_asked": who_works,
    "follower_added": the_contact,
    "tracking_link": the_contact,
    "answer_reminder": requester,
    "no_answer": representative,
    "low_rating": representative,
}


def recipients(request: "Request", template: str, event: "Event") -> list[Recipient]:
    """Everybody who is told by this notice; whoever has no address is told by the CAR."""
    return [r for r in AUDIENCES[template](request, event) if r.address]


def context(request: "Request", template: str, event: "Event") -> dict[str, Any]:
    """Plain facts for the templates; a notice is rendered when it is sent."""
    every = request.schedule_entries.all() if template == "scheduled" else []
    entry = next((one for one in every if one.is_active), None)
    offered = "proposal" in template or template == "changes_asked"
    proposal = request.proposals.order_by("version").last() if offered else None
    return {
        "reference": request.reference,
        "title": request.title,
        "agency": request.agency.name,
        "service": request.service.name if request.service else "",
        "group": request.provider_group.name if request.provider_group else "",
        "kind": request.kind,
        "reason": event.reason,
        "resolution": request.resolution,
        "message": event.facts.get("message", ""),
        "question": event.facts.get("question", ""),
        "review_on": str(request.review_on or ""),
        "due_at": request.due_at.isoformat() if request.due_at else "",
        "first_day": str(entry.first_day) if entry else "",
        "last_day": str(entry.last_day) if entry else "",
        "proposal": str(proposal) if proposal else "",
        "valid_until": str(proposal.valid_until) if proposal and proposal.valid_until else "",
        "answered_by": proposal.answered_by if proposal else "",
        "verdict": str(proposal.get_state_display()) if proposal else "",
        "by": event.actor_name,
        "address": event.facts.get("to", ""),
        "reopen_days": settings.THROUGHLINE["REOPEN_DAYS"],
        "score": event.facts.get("score", ""),
        "comment": event.facts.get("comment", ""),
        "days": event.facts.get("days", ""),
    }
