"""The sessions of browsers, each with the account that signed in."""

from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class BrowserSession(AbstractBaseSession):
    """A session as Django keeps it that names its person, so that both are read at once."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="browser_sessions"
    )

    @classmethod
    def get_session_store_class(cls) -> Any:
        from workflow.sessions import SessionStore

        return SessionStore
