"""Tokens of the API: only their hash is kept. Apart from the rest, for DRF loads it early."""

import hashlib

from django.db.models import Q
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request as ApiRequest

from workflow import clock
from workflow.models import ApiToken, User
from workflow.written import Written

_TOKEN = Written(lambda digest: ApiToken.objects.select_related("user").filter(digest=digest))


def digest_of_token(text: str) -> str:
    """What is kept of a token: its SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


class BearerTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …` with a token of the account page or of `manage.py api_token`."""

    keyword = "Bearer"

    def authenticate(self, request: ApiRequest) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != self.keyword.lower().encode():
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Send the header as: Authorization: Bearer <token>.")
        digest = digest_of_token(parts[1].decode("latin-1"))
        token = next(iter(_TOKEN.instances(digest=digest)), None)
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is not known, or no longer valid.")
        self._note_use(token)
        return token.user, token

    def authenticate_header(self, request: ApiRequest) -> str:
        return self.keyword

    def _note_use(self, token: ApiToken) -> None:
        """Once a day is enough to see which tokens are in use."""
        today = clock.today()
        if token.last_used_on != today:
            ApiToken.objects.filter(pk=token.pk).filter(
                Q(last_used_on__isnull=True) | Q(last_used_on__lt=today)
            ).update(last_used_on=today)
