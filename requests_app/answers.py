"""A customer's answer, wherever it was given: the request's page for customers, or an e-mail."""

from collections.abc import Iterable
from typing import Any

from requests_app.case import add_entry
from requests_app.models import CaseEntry, Request
from workflow.actors import Actor
from workflow.door import advance, lock, record


def answer(request: Request, *, by: Actor, text: str, files: Iterable[Any] = ()) -> CaseEntry:
    """Put it on the case; a request that waits for it goes on (X1, X6)."""
    row, uploads = lock(request), list(files)
    entry = add_entry(row, text, by=by, public=True, files=uploads)
    record(row, "answer", by=by, facts={"message": text, "files": len(uploads)}, public=True)
    if row.is_on_hold and row.waiting_for == Request.WaitingFor.CUSTOMER:
        advance(row, "resume", by=by)
    return entry
