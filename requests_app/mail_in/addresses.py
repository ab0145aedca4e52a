"""Reply addresses: which case an answer belongs to and whose it is, signed by us.

`requests+c<token>.<mac>@host` stands for a contact on a request: it lives and dies with that
contact's tracking token. `requests+s<request>-<user>.<mac>@host` stands for a member of staff.
Letters and digits of one case only, for mail programs change the case; 80 bits of signature.
"""

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from requests_app.case_models import TrackingToken
from requests_app.tracking import token_for
from workflow import clock
from workflow.models import User

if TYPE_CHECKING:
    from asd.models import Contact
    from requests_app.models import Request

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
SIGNED = re.compile(
    r"[^@+]*\+(?:c(?P<token>[0-9a-z]{1,13})|s(?P<request>[0-9a-z]{1,13})-(?P<user>[0-9a-z]{1,13}))"
    r"\.(?P<mac>[a-z2-7]{16})@.+"
)
LONGEST_LOCAL = 64
BIGGEST = 2**63


def _short(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"


def _mac(*parts: object) -> str:
    words = ":".join(str(part) for part in parts)
    digest = salted_hmac("throughline.reply", words, algorithm="sha256").digest()
    return base64.b32encode(digest[:10]).decode().lower()


def _address(who: str, mac: str, base: str = "") -> str:
    """On the intake mailbox, by plus-addressing; empty while there is no intake address."""
    local, at, host = (base or settings.INBOUND_ADDRESS).rpartition("@")
    made = f"{local}+{who}.{mac}"
    return f"{made}@{host}" if at and len(made) <= LONGEST_LOCAL else ""


def reply_address(request: "Request", contact: "Contact") -> str:
    """Where this contact's answers about this request go; empty where mail does not come in."""
    return address_of(token_for(request, contact)) if settings.INBOUND_ADDRESS else ""


def address_of(token: TrackingToken, base: str = "") -> str:
    """The reply address that goes with a tracking token; `base` in the intake address's place."""
    mac = _mac("contact", token.pk, token.request_id, token.contact_id)
    return _address(f"c{_short(token.pk)}", mac, base)


def staff_reply_address(request: "Request", user: User) -> str:
    """Where a member of staff's answers about this request go; empty where none come in."""
    if not settings.INBOUND_ADDRESS:
        return ""
    who = f"s{_short(request.pk)}-{_short(user.pk)}"
    return _address(who, _mac("staff", request.pk, user.pk))


@dataclass(frozen=True)
class Signed:
    """What a genuine reply address says. `dead` is why it does not count any more, if so."""

    request_id: int
    token: TrackingToken | None = None
    user: User | None = None
    dead: str = ""


def looks_signed(address: str) -> bool:
    """Whether it has the form of a reply address, genuine or not."""
    return SIGNED.fullmatch(address.casefold()) is not None


def read_address(address: str) -> Signed | None:
    """Whom a reply address stands for; None where it was not made here."""
    match = SIGNED.fullmatch(address.casefold())
    if match is None:
        return None
    if match["token"]:
        return _contact_of(int(match["token"], 36), match["mac"])
    return _staff_of(int(match["request"], 36), int(match["user"], 36), match["mac"])


def _contact_of(pk: int, mac: str) -> Signed | None:
    tokens = TrackingToken.objects.select_related("request__agency", "contact")
    token = tokens.filter(pk=pk).first() if pk < BIGGEST else None
    if token is None:
        return None
    if not constant_time_compare(mac, _mac("contact", pk, token.request_id, token.contact_id)):
        return None
    dead = ""
    if token.revoked_at is not None:
        dead = "The reply address it came to was revoked."
    elif token.expires_at <= clock.now():
        dead = "The reply address it came to has expired."
    elif not token.contact.is_active:
        dead = f"{token.contact} is no longer a contact."
    return Signed(token.request_id, token=token, dead=dead)


def _staff_of(request: int, pk: int, mac: str) -> Signed | None:
    if not constant_time_compare(mac, _mac("staff", request, pk)):
        return None
    user = User.objects.filter(pk=pk).first()
    if user is None:
        return None
    return Signed(request, user=user, dead="" if user.is_active else f"{user} has left.")
