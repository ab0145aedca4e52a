"""Sessions as Django keeps them in the database; the question of every page is written once."""

from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from workflow.written import Written

_KEPT = Written(lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now))


class SessionStore(db.SessionStore):
    """Reads the session of a page by a statement whose text is made once."""

    def _get_session_from_db(self) -> Any:
        found = _KEPT.instances(key=str(self.session_key), now=timezone.now())
        if not found:
            self._session_key = None
        return next(iter(found), None)
