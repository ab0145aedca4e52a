"""Where a message belongs. Who sent it is known by the signed address it came to, never by From.

The rules, in their order:

1. Automatic mail is set aside and never answered; a returned mail marks its address. Where only a
   weak sign says so and the reply address is genuine, a representative looks at it.
2. A blocked sender is set aside.
3. A genuine reply address puts it on its case: a contact's answer in public, a member of staff's
   as an internal note. From another address of the same domain it is marked so; from another
   domain a representative decides.
4. Without one, mail from exactly one contact becomes a request in triage, marked as unverified
   (harmless: a representative triages it); one that seems to answer a notice is reviewed instead.
5. Everybody else is reviewed.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from asd.models import Contact
from notifications.models import Notice
from requests_app.mail_in.addresses import Signed, looks_signed, read_address
from requests_app.mail_in.automatic import answered_notice, automatic, take_report
from requests_app.mail_in.parse import Mail
from requests_app.models import BlockedSender, Request
from workflow import clock
from workflow.models import User

REFERENCE = re.compile(r"\bREQ-\d{4}-\d{6,}\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a message, and why in a sentence."""

    step: str
    why: str
    request: Request | None = None
    contact: Contact | None = None
    user: User | None = None
    other_sender: str = ""
    is_verified: bool = False


def decide(mail: Mail, envelope_to: str = "") -> Verdict:
    """The rules above. A returned mail is acted upon here; nothing else is changed."""
    sign = automatic(mail)
    if sign is not None and sign.returned:
        return Verdict("ignore", take_report(mail))
    if sign is not None and not sign.weak:
        return Verdict("ignore", sign.why)
    if mail.from_address and BlockedSender.objects.filter(address=mail.from_address).exists():
        return Verdict("ignore", "Its sender is blocked.")
    to = [*([envelope_to.casefold()] if envelope_to else []), *mail.recipients]
    signed = next((found for a in to if (found := read_address(a)) is not None), None)
    if signed is not None:
        verdict = _answer(mail, signed)
        if sign is not None and verdict.step == "apply":
            return _for_review(f"{sign.why} Its reply address is genuine.", verdict)
        return verdict
    if sign is not None:
        return Verdict("ignore", sign.why)
    if any(looks_signed(a) for a in to):
        return _hinted(mail, "The reply address it came to was not made here.")
    return _unsigned(mail)


def _for_review(why: str, like: Verdict) -> Verdict:
    return Verdict(
        "set_for_review", why, like.request, like.contact, like.user, like.other_sender,
        like.is_verified,
    )  # fmt: skip


def _answer(mail: Mail, signed: Signed) -> Verdict:
    """It came to a genuine reply address."""
    request = Request.objects.select_related("agency", "contact").get(pk=signed.request_id)
    contact = signed.token.contact if signed.token else None
    person = contact or signed.user
    own = (person.email if person else "").casefold()
    other = mail.from_address if mail.from_address != own else ""
    to_case = Verdict(
        "apply",
        f"It came to the reply address of {person}.",
        request,
        contact,
        signed.user,
        other,
        not signed.dead,
    )
    if signed.dead:
        return _for_review(signed.dead, to_case)
    if signed.user and not Request.objects.visible_to(signed.user).filter(pk=request.pk).exists():
        return _for_review(f"{signed.user} does not work on this request any more.", to_case)
    if other and _domain(other) != _domain(own):
        return _for_review(f"It came to the reply address of {person}, but from {other}.", to_case)
    return to_case


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _hinted(mail: Mail, why: str) -> Verdict:
    """For review, with the request it seems to be about and the contact it may be from."""
    contacts = list(_contacts(mail.from_address)[:2])
    return Verdict("set_for_review", why, _hint(mail), contacts[0] if len(contacts) == 1 else None)


def _hint(mail: Mail) -> Request | None:
    """The request a message names or whose notice it says it answers; believed by people only."""
    notice = answered_notice(mail)
    if notice is not None and notice.event is not None:
        found = Request.objects.filter(pk=notice.event.stream_id).first()
        if found is not None and isinstance(notice.event.stream, Request):
            return found
    named = REFERENCE.search(f"{mail.subject} {mail.references}")
    return Request.objects.filter(reference=named[0].upper()).first() if named else None


def _contacts(address: str):
    known = Contact.objects.active().filter(agency__is_active=True).select_related("agency")
    return known.filter(email__iexact=address) if address else known.none()


def _unsigned(mail: Mail) -> Verdict:
    """It came to the intake address itself; who it is from is only what it says."""
    if not mail.from_address:
        return _hinted(mail, "It does not say who sent it.")
    contacts = list(_contacts(mail.from_address)[:2])
    if not contacts:
        if User.objects.filter(email__iexact=mail.from_address, is_active=True).exists():
            return _hinted(mail, "A colleague wrote to the intake address.")
        return _hinted(mail, "Nobody we know has this address.")
    if len(contacts) > 1:
        return _hinted(mail, "Contacts of more than one agency have this address.")
    if _hint(mail) is not None:
        return _hinted(mail, "It seems to answer a notice, but not to its reply address.")
    if _answered_too_often(mail.from_address):
        return _hinted(mail, "This address wrote so often that it would be answered in a loop.")
    why = f"{contacts[0]} wrote to the intake address; the sender is not verified."
    return Verdict("become_request", why, None, contacts[0])


def _answered_too_often(address: str) -> bool:
    """At most so many automatic answers to one address in an hour, whatever writes there."""
    limits: dict[str, Any] = settings.THROUGHLINE
    since = clock.now() - timedelta(hours=1)
    answered = Notice.objects.filter(
        template="received", address__iexact=address, created_at__gte=since
    )
    return answered.count() >= int(limits["MAIL_ANSWERS_PER_HOUR"])
