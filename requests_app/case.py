"""Writing on the case: updates by people, and what closing and reopening do to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from requests_app.files import store
from requests_app.models import CaseEntry, Request
from workflow import clock
from workflow.acting import owe
from workflow.actors import Actor, as_actor
from workflow.models import User


def add_entry(
    request: Request,
    text: str,
    *,
    by: User | Actor,
    public: bool,
    files: Sequence[Any] = (),
) -> CaseEntry:
    """An update on the case with its files, public or internal (X6, F8)."""
    actor = as_actor(by)
    entry = CaseEntry(
        case=request.case,
        text=text,
        public=public,
        author=actor.person,
        author_name=actor.name,
        from_customer=actor.kind == "customer",
        at=clock.now(),
    )
    if files:
        entry.save()
    else:
        owe(entry)
    for upload in files:
        store(request, upload, by=actor, public=public, entry=entry)
    return entry


def close_case(request: Request) -> None:
    """The case ends with its request (F8)."""
    _set_closed(request, clock.now())


def reopen_case(request: Request) -> None:
    """The case goes on with its request (X3)."""
    _set_closed(request, None)


def _set_closed(request: Request, moment: datetime | None) -> None:
    request.case.closed_at = moment
    owe(request.case, ["closed_at"])
