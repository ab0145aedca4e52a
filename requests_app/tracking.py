"""The private address of the customer's tracking page, and the cookie it is exchanged for.

The secret in the address is made from a key, not drawn anew for each notice: a notice is written
with the change it tells about and rendered later, perhaps a second time days after, and must carry
the link again although only a hash of it is kept. So the outbox keeps which token it is, and the
secret is made when the mail is: an HMAC over the row's 256 random bits under the program's key.
Neither the database alone nor the key alone gives an address away; a row that is revoked is dead
whatever its mails say, and one whose secret no longer fits (the key was changed) is replaced.
"""

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from notifications.links import opener
from requests_app.case_models import TrackingToken
from workflow import clock
from workflow.acting import owe
from workflow.models import next_numbers
from workflow.together import put, read_with

if TYPE_CHECKING:
    from asd.models import Contact
    from requests_app.models import Request

COOKIE = "tracked_"
SCHEME = "tracking"
FRESH = 0.25  # a token with less of its life left than this is not sent out again
SEEN_EVERY = timedelta(minutes=10)


def _secret(token: TrackingToken) -> str:
    made_of = f"{token.pk}:{token.salt}"
    return salted_hmac("throughline.tracking", made_of, algorithm="sha256").hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def lifetime() -> timedelta:
    """How long an address opens the page (setting TRACKING_DAYS)."""
    return timedelta(days=settings.THROUGHLINE["TRACKING_DAYS"])


def token_for(request: "Request", contact: "Contact") -> TrackingToken:
    """The contact's token for this request; made where there is none that lasts (F8, F15)."""
    token = _latest(request, contact)
    if token is not None and token.digest == _digest(_secret(token)):
        return token
    known = read_with(request, "tokens")
    made = make_token(request, contact, next_numbers("requests_app_trackingtoken_id_seq")[0])
    if known is not None:
        put(request, "tokens", [*known, made])
    return made


def make_token(request: "Request", contact: "Contact", pk: int) -> TrackingToken:
    """A token with a number of its own, which its secret is made from as well."""
    made = TrackingToken(
        pk=pk, request=request, contact=contact, expires_at=clock.now() + lifetime()
    )
    made.digest = _digest(_secret(made))
    owe(made)
    return made


def _latest(request: "Request", contact: "Contact") -> TrackingToken | None:
    """The one that lasts longest, where it lasts long enough to be sent out."""
    lasts = clock.now() + lifetime() * FRESH
    known = read_with(request, "tokens")
    if known is None:
        own = TrackingToken.objects.filter(request=request, revoked_at__isnull=True)
        return own.filter(contact=contact, expires_at__gt=lasts).order_by("-expires_at").first()
    own_of = (t for t in known if t.contact_id == contact.pk and t.expires_at > lasts)
    return max(own_of, key=lambda token: token.expires_at, default=None)


def _address(token: TrackingToken, then: str = "") -> str:
    return f"{settings.BASE_URL}/track/{token.pk}-{_secret(token)}/{then}"


def tracking_url(request: "Request", contact: "Contact", then: str = "") -> str:
    """The contact's own address for this request; `then` a page below it, such as `rate/`."""
    return _address(token_for(request, contact), then)


def sealed_url(request: "Request", contact: "Contact", then: str = "") -> str:
    """The same for the outbox: which token, without its secret. The mail gets the address."""
    return f"{SCHEME}:{token_for(request, contact).pk}:{then}"


@opener(SCHEME)
def _open(sealed: str) -> str:
    pk, _, then = sealed.partition(":")
    token = TrackingToken.objects.filter(pk=int(pk)).first() if pk.isdigit() else None
    return _address(token, then) if token else f"{settings.BASE_URL}/track/"


def find(text: str) -> TrackingToken | None:
    """The valid token with this text, or None: wrong, expired and revoked look alike."""
    pk, _, secret = text.partition("-")
    if not pk.isascii() or not pk.isdigit() or len(pk) > 18:
        return None
    token = TrackingToken.objects.valid().select_related("request", "contact")
    found = token.filter(pk=int(pk)).first()
    if found is None or not constant_time_compare(found.digest, _digest(secret)):
        return None
    return found


def revoke(tokens: QuerySet[TrackingToken]) -> int:
    """End addresses for good, with the cookies they were exchanged for; says how many."""
    return int(tokens.filter(revoked_at__isnull=True).update(revoked_at=clock.now()))


# The cookie


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="throughline.tracked")


def remember(response: HttpResponse, token: TrackingToken) -> None:
    """Put the token into a cookie of its own, which goes to this request's pages alone."""
    said = {"token": token.pk, "digest": token.digest[:16], "at": clock.now().timestamp()}
    response.set_cookie(
        f"{COOKIE}{token.pk}",
        _signer().sign_object(said),
        max_age=timedelta(days=settings.THROUGHLINE["TRACKING_COOKIE_DAYS"]),
        path=f"/tracked/{token.request.reference}/",
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def visitor(http_request: HttpRequest, req: "Request") -> TrackingToken | None:
    """For which contact this browser may look at the request's customer pages; None for nobody.

    Several people may have opened the same request in one browser: a form says for whom it was
    drawn (`visitor`), else the one who came last counts. The token is looked up each time, so
    that revoking it ends what is open.
    """
    said = _remembered(http_request)
    if not said:
        return None
    tokens = TrackingToken.objects.valid().filter(request=req, pk__in=said)
    valid = {t.pk: t for t in tokens.select_related("contact")}
    found = [t for pk, t in valid.items() if t.digest[:16] == said[pk]["digest"]]
    if not found:
        return None
    meant = http_request.POST.get("visitor", "") if http_request.method == "POST" else ""
    if meant:
        return next((t for t in found if str(t.pk) == meant), None)
    return max(found, key=lambda t: said[t.pk]["at"])


def _remembered(http_request: HttpRequest) -> dict[int, dict[str, Any]]:
    """What the browser's cookies say, of those that we signed and that are not too old."""
    age = timedelta(days=settings.THROUGHLINE["TRACKING_COOKIE_DAYS"])
    found = {}
    for name, value in http_request.COOKIES.items():
        if name.startswith(COOKIE):
            try:
                said = _signer().unsign_object(value, max_age=age)
                found[int(said["token"])] = said
            except (BadSignature, ValueError, TypeError, KeyError):
                continue
    return found


def seen(token: TrackingToken) -> None:
    """When the page was last opened: a record of access, not of every click."""
    if token.seen_at is None or clock.now() - token.seen_at > SEEN_EVERY:
        TrackingToken.objects.filter(pk=token.pk).update(seen_at=clock.now())
