"""What customers do on their own page: through the same door as everybody, without an account."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from asd.models import Contact
from requests_app import answers, customer_forms, tracking
from requests_app.case import add_entry
from requests_app.case_models import TrackingToken
from requests_app.guards import recently_closed
from requests_app.models import Rating, Request, Watcher
from requests_app.states import OPEN, S, State
from requests_app.who import FOLLOWER, REQUESTER
from workflow import clock
from workflow.actors import Actor
from workflow.door import advance, consequence, record
from workflow.machine import guard
from workflow.registry import action
from workflow.together import read_with

REQUEST = "requests_app.request"
FILES_ONLY = "(files)"


@guard("It was asked for already: the account representative decides.")
def not_asked_to_withdraw(request: Request) -> bool:
    return withdrawal_asked(request) is None


@guard("It was rated already.")
def not_rated(request: Request) -> bool:
    return all(rating.pass_number != request.pass_number for rating in request.ratings.all())


def withdrawal_asked(request: Request) -> Any:
    """The customer's wish of this pass to withdraw the request, or None (X2)."""
    if not request.is_open:
        return None
    read = read_with(request, "withdrawals")
    if read is not None:
        asked = [event for event in read if event.facts.get("pass") == request.pass_number]
        return asked[-1] if asked else None
    events = request.events.filter(name="ask_to_withdraw", facts__pass=request.pass_number)
    return events.order_by("number").last()


@action("answer", "Send", model=REQUEST, at=State, form=customer_forms.AnswerForm,
        who=[FOLLOWER], place="customer", order=10, on_hold=True)  # fmt: skip
def answer(request: Request, *, by: Actor, text: str, files: list[Any]) -> Any:
    """A customer's message; one that was waited for lets the request go on (X1, X6)."""
    return answers.answer(request, by=by, text=text or _(FILES_ONLY), files=files)


@action("ask_to_withdraw", "Ask to withdraw it", model=REQUEST, at=OPEN,
        form=customer_forms.WhyForm, who=[REQUESTER], given=[not_asked_to_withdraw],
        place="customer", order=40, on_hold=True)  # fmt: skip
def ask_to_withdraw(request: Request, *, by: Actor, reason: str) -> None:
    """The requester asks for an end; cancelling is the representative's, who is told (X2)."""
    add_entry(request, _("Please withdraw this request:") + f" {reason}", by=by, public=True)
    record(
        request,
        "ask_to_withdraw",
        by=by,
        reason=reason,
        facts={"pass": request.pass_number},
        tell=("withdrawal_asked",),
        public=True,
    )


@action("reopen_as_customer", "It is not solved: open it again", model=REQUEST, at=[S.CLOSED],
        form=customer_forms.WhyForm, who=[REQUESTER], given=[recently_closed],
        place="customer", order=30)  # fmt: skip
def reopen_as_customer(request: Request, *, by: Actor, reason: str) -> Request:
    """Not solved after all, said by the customer: the next pass begins (X3)."""
    add_entry(request, reason, by=by, public=True)
    return advance(request, "reopen", by=by, reason=reason)


@action("add_follower", "Add", model=REQUEST, at=OPEN, form=customer_forms.FollowerForm,
        who=[REQUESTER], place="customer", order=50, on_hold=True)  # fmt: skip
def add_follower(request: Request, *, by: Actor, email: Contact) -> None:
    """The requester lets a colleague of the agency follow: told by a link of their own (X9)."""
    _watcher, made = Watcher.objects.get_or_create(request=request, contact=email, user=None)
    if not made:
        raise ValidationError({"email": _("They follow it already.")})
    record(
        request,
        "add_follower",
        by=by,
        facts={"watcher": email.name, "contact": email.pk},
        tell=("follower_added",),
    )


@action("remove_follower", "Remove", model=REQUEST, at=State, form=customer_forms.UnfollowForm,
        who=[REQUESTER], place="customer", order=51, on_hold=True)  # fmt: skip
def remove_follower(request: Request, *, by: Actor, watcher: Watcher) -> None:
    """The colleague is no longer told, and their link ends (X9)."""
    drop(request, watcher, by=by, name="remove_follower")


def drop(request: Request, watcher: Watcher, *, by: Actor, name: str) -> None:
    """End the watching and, for a customer, the link that came with it (X9)."""
    record(request, name, by=by, facts={"watcher": str(watcher)})
    if watcher.contact_id:
        tracking.revoke(TrackingToken.objects.filter(request=request, contact=watcher.contact_id))
    watcher.delete()


@action("rate", "Send", model=REQUEST, at=[S.CLOSED], form=customer_forms.RatingForm,
        who=[REQUESTER], given=[not_rated], place="customer", order=20)  # fmt: skip
def rate(request: Request, *, by: Actor, score: int, comment: str) -> Rating:
    """How it went, once per pass; a low score reaches the representative at once."""
    assert request.closed_at is not None
    made = Rating.objects.create(
        request=request,
        pass_number=request.pass_number,
        score=score,
        comment=comment,
        given_by=by.name,
        closed_at=request.closed_at or clock.now(),
        at=clock.now(),
    )
    record(
        request,
        "rate",
        by=by,
        facts={"score": score, "comment": comment},
        tell=("low_rating",) if made.is_low else (),
    )
    return made


@consequence("edit", order=40)
def end_the_link_of_the_former_contact(
    request: Request, actor: Actor, facts: dict[str, Any]
) -> None:
    """Another contact asks from now on: the former one reads on only as a watcher."""
    before = Request.objects.values_list("contact_id", flat=True).get(pk=request.pk)
    watching = request.watchers.filter(contact=before).exists()
    if before != request.contact_id and not watching:
        tracking.revoke(TrackingToken.objects.filter(request=request, contact=before))
