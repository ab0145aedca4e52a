"""Sessions in the database. Who is signed in, and where they belong, is read with the session: one
statement of every page, of which the plan is kept."""

from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone

from workflow.models import User, places_of
from workflow.prepared import reading
from workflow.session_models import BrowserSession

_brought: ContextVar[User | None] = ContextVar("brought", default=None)


@reading(key=str, now=datetime)
def _who(key: str, now: datetime) -> dict[str, Any]:
    valid = {"session_key": key, "expire_date__gt": now}
    of_it = {f"user__browser_sessions__{name}": value for name, value in valid.items()}
    return {
        "session": BrowserSession.objects.filter(**valid).select_related("person"),
        "places": places_of(**of_it),
    }


class SessionStore(db.SessionStore):
    """Django's, but for knowing whose the session is."""

    @classmethod
    def get_model_class(cls) -> Any:
        return BrowserSession

    def create_model_instance(self, data: Any) -> Any:
        made: Any = super().create_model_instance(data)
        made.person_id = data.get("_auth_user_id") or None
        return made

    def _get_session_from_db(self) -> Any:
        found = _who(key=str(self.session_key), now=timezone.now())
        session = next(iter(found["session"]), None)
        if session is None:
            self._session_key = None
        elif session.person is not None:
            session.person.own_memberships = found["places"]
            _brought.set(session.person)
        return session


def take(person: int) -> User | None:
    """The account that came with the session which was read last, for the one who asks first:
    whoever asks later reads it anew."""
    found = _brought.get()
    _brought.set(None)
    return found if found is not None and found.pk == person else None
