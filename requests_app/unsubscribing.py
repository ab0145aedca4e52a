"""Hearing no more of a request that one only watches: a link without an account (X9, RFC 8058)."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction

from notifications.links import opener
from requests_app import customer_actions
from requests_app.models import Watcher
from workflow.acting import lock
from workflow.actors import Actor, as_actor, customer

if TYPE_CHECKING:
    from requests_app.models import Request

SCHEME = "unsubscribe"


def _signer() -> Signer:
    return Signer(salt="throughline.unsubscribe", sep=".")


def sealed_unsubscribe(watcher: Watcher) -> str:
    """For the outbox: which watcher; the mail gets the address."""
    return f"{SCHEME}:{watcher.pk}"


@opener(SCHEME)
def unsubscribe_url(pk: str) -> str:
    """The address that ends this watching, and nothing else."""
    return f"{settings.BASE_URL}/unsubscribe/{_signer().sign(pk)}/"


def find(key: str) -> Watcher | None:
    """Whom the address stands for; None where it is wrong or the watching ended before."""
    try:
        pk = int(_signer().unsign(key))
    except (BadSignature, ValueError):
        return None
    return Watcher.objects.select_related("request", "contact", "user").filter(pk=pk).first()


def unsubscribe(watcher: Watcher) -> "Request":
    """They hear no more of the request; a customer's own link to it ends with that."""
    with transaction.atomic():
        request = lock(watcher.request)
        still = Watcher.objects.filter(pk=watcher.pk).first()
        if still is not None:
            customer_actions.drop(request, still, by=_who(watcher), name="unsubscribe")
    return request


def _who(watcher: Watcher) -> Actor:
    if watcher.user is not None:
        return as_actor(watcher.user)
    return customer(str(watcher.contact), watcher.contact)
