"""Questions to the customer and what they answer, wherever: the tracking page or an e-mail."""

from collections.abc import Iterable
from typing import Any

from requests_app.case import add_entry
from requests_app.models import CaseEntry, Question, Request
from requests_app.states import CLOSED_STATES
from workflow import clock
from workflow.acting import lock, pay
from workflow.actors import Actor
from workflow.door import advance, consequence, record


def ask(request: Request, *, by: Actor, question: str) -> Question:
    """A question on the case, told to the customers; it waits until they answer (X1, X6)."""
    add_entry(request, question, by=by, public=True)
    made = Question.objects.create(
        request=request, text=question, asked_by_name=by.name, asked_at=clock.now()
    )
    record(
        request, "ask_customer", by=by, facts={"question": question}, tell=("needs_answer",),
        public=True,
    )  # fmt: skip
    return made


def waits_for_customer(request: Request) -> bool:
    """On hold until the customer answers (X1)."""
    return request.is_on_hold and request.waiting_for == Request.WaitingFor.CUSTOMER


def answer(request: Request, *, by: Actor, text: str, files: Iterable[Any] = ()) -> CaseEntry:
    """What a customer writes goes on the case, and a request that waits for it goes on (X1, X6).

    It answers every question that waits. After somebody resumed by hand it is an update like any
    other; on a closed request too, whose page offers to reopen it. Called for mail and page alike.
    """
    row, uploads = lock(request), list(files)
    entry = add_entry(row, text, by=by, public=True, files=uploads)
    pay()
    waiting = Question.objects.filter(request=row).waiting()
    answered = waiting.update(closed_at=clock.now(), answer=entry)
    told = "customer_answered" if answered else "customer_wrote"
    record(
        row,
        "answer",
        by=by,
        facts={
            "message": text,
            "files": len(uploads),
            "answered": answered,
            "closed": row.state in CLOSED_STATES,
            "contact": by.contact.pk if by.contact else None,
        },
        # the others who follow it, unless nobody knows who wrote: then they would be told twice
        tell=(told, "comment") if by.contact else (told,),
        public=True,
    )
    if waits_for_customer(row):
        advance(row, "resume", by=by, reason="The customer answered.")
    request.refresh_from_db()
    return entry


@consequence("resume", "cancel", "decline", "fulfill", "notify_and_close", order=30)
def close_questions(request: Request, actor: Actor, facts: dict[str, Any]) -> None:
    """Whoever resumes by hand goes on without an answer: nobody is reminded any more (X1)."""
    if any(question.closed_at is None for question in request.questions.all()):
        Question.objects.filter(request=request).waiting().update(closed_at=clock.now())
