"""The private address of the customer's tracking page: made from a key, kept only as a hash."""

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from requests_app.case_models import TrackingToken
from workflow import clock

if TYPE_CHECKING:
    from asd.models import Contact
    from requests_app.models import Request

LIFETIME = timedelta(days=365)


def _secret(pk: int) -> str:
    return salted_hmac("throughline.tracking", str(pk), algorithm="sha256").hexdigest()[:40]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def tracking_url(request: "Request", contact: "Contact") -> str:
    """The contact's own address for this request; made on first use (F8, F15)."""
    token = TrackingToken.objects.filter(
        request=request, contact=contact, revoked_at__isnull=True, expires_at__gt=clock.now()
    ).first()
    if token is None:
        token = TrackingToken.objects.create(
            request=request,
            contact=contact,
            digest=f"new-{request.pk}-{contact.pk}-{clock.now().timestamp()}",
            expires_at=clock.now() + LIFETIME,
        )
        token.digest = _digest(_secret(token.pk))
        token.save(update_fields=["digest"])
    return f"{settings.BASE_URL}/track/{token.pk}-{_secret(token.pk)}/"


def find(text: str) -> TrackingToken | None:
    """The valid token with this text, or None: wrong, expired and revoked look alike."""
    pk, _, secret = text.partition("-")
    if not pk.isascii() or not pk.isdigit() or len(pk) > 18:
        return None
    token = (
        TrackingToken.objects.select_related("request__agency", "contact")
        .filter(
            pk=int(pk),
            contact__is_active=True,
            revoked_at__isnull=True,
            expires_at__gt=clock.now(),
        )
        .first()
    )
    if token is None or not constant_time_compare(token.digest, _digest(secret)):
        return None
    return token
