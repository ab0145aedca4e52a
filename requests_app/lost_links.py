"""A new link by e-mail: asked for by anybody, sent only to an address on record.

Asking writes one row, whoever's address it is, and sending happens elsewhere: neither the answer
nor the time it takes says whether the address is known.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from asd.models import Contact
from requests_app.models import LinkAsked, Request
from requests_app.onboarding import one_at_a_time
from requests_app.public_models import network_of
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM
from workflow.door import record

HOUR = timedelta(hours=1)
KEPT = timedelta(days=2)
MOST_REQUESTS = 10
RECENTLY = timedelta(days=60)


def ask(*, email: str, reference: str = "", client: str = "") -> None:
    """Remember who asked, within the limits for an address and a client; over them, nothing."""
    limits, since = settings.THROUGHLINE, clock.now() - HOUR
    address, network = email.casefold(), network_of(client)
    with transaction.atomic():
        one_at_a_time(f"link for {address}")
        one_at_a_time(f"link from {network}")
        lately = LinkAsked.objects.filter(at__gte=since)
        of_client = lately.filter(client=network).count() if network else 0
        if lately.filter(email=address).count() >= limits["LINKS_PER_ADDRESS"]:
            return
        if of_client >= limits["LINKS_PER_CLIENT"]:
            return
        wanted = reference.strip().upper()
        LinkAsked.objects.create(email=address, reference=wanted, client=network, at=clock.now())


def send_asked() -> int:
    """Send what was asked for; two workers at once take different rows. Says how many links."""
    sent = 0
    while True:
        with transaction.atomic():
            waiting = LinkAsked.objects.filter(handled_at__isnull=True).order_by("at")
            asked = waiting.select_for_update(skip_locked=True).first()
            if asked is None:
                break
            sent += _send(asked)
            asked.handled_at = clock.now()
            asked.save(update_fields=["handled_at"])
    LinkAsked.objects.filter(at__lt=clock.now() - KEPT).delete()
    return sent


def _send(asked: LinkAsked) -> int:
    """A link for each request of each contact with this address, the newest first."""
    sent = 0
    for contact in Contact.objects.active().filter(email__iexact=asked.email).order_by("pk"):
        for request in _requests(contact, asked.reference)[: MOST_REQUESTS - sent]:
            row = lock(request)
            record(
                row,
                "send_link",
                by=SYSTEM,
                facts={"to": contact.name, "contact": contact.pk},
                tell=("tracking_link",),
            )
            sent += 1
    return sent


def _requests(contact: Contact, reference: str) -> list[Request]:
    """What the contact asked for or watches: open, or closed lately."""
    theirs = Q(contact=contact) | Q(watchers__contact=contact)
    found = Request.objects.filter(theirs).distinct()
    if reference:
        return list(found.filter(reference=reference))
    lately = Q(closed_at__isnull=True) | Q(closed_at__gte=clock.now() - RECENTLY)
    return list(found.filter(lately).order_by("-created_at")[:MOST_REQUESTS])
