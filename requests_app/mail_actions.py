"""What representatives do with mail that the program would not decide about."""

from typing import Any

from django.core.exceptions import ValidationError

from asd.models import Contact
from requests_app import mail_forms
from requests_app.mail_in.apply import become_request, put_answer, put_note
from requests_app.mail_in.parse import File, files_of
from requests_app.mail_models import ASIDE, REVIEWED
from requests_app.models import BlockedSender, InboundMessage, Request
from requests_app.onboarding import create_agency, create_contact
from workflow.action_forms import NothingForm
from workflow.actors import Actor, customer
from workflow.door import advance
from workflow.machine import guard
from workflow.registry import action

MESSAGE = "requests_app.inboundmessage"


@guard("It does not say who sent it.")
def has_sender(message: InboundMessage) -> bool:
    return bool(message.from_address)


def _files(message: InboundMessage) -> list[File]:
    return files_of(bytes(message.raw.content))


@action("attach", "Put on a case", model=MESSAGE, at=REVIEWED, form=mail_forms.AttachForm,
        place="next", order=10)  # fmt: skip
def attach(
    message: InboundMessage, *, by: Actor, reference: Request, public: bool
) -> InboundMessage:
    """On the case of a request: as the customer's message, or for staff only (X6)."""
    if public:
        named = customer(message.from_name or message.from_address or reference.contact.name)
        known = message.contact
        if known is not None and known.agency_id == reference.agency_id:
            named = customer(known.name, known)
        put_answer(message, _files(message), reference, named)
    else:
        assert by.user is not None
        put_note(message, _files(message), reference, by.user)
    why = f"{by.name} put it on {reference}."
    return advance(message, "attach", by=by, why=why)


@action("make_request", "Make a request", model=MESSAGE, at=REVIEWED,
        form=mail_forms.MakeRequestForm, place="next", order=20)  # fmt: skip
def make_request(
    message: InboundMessage,
    *,
    by: Actor,
    agency: Any,
    new_agency: str,
    name: str,
    email: str,
    title: str,
) -> InboundMessage:
    """A request in triage; its agency and its contact are known, or made with it (X10, D4)."""
    assert by.user is not None
    owner = agency or create_agency(by.user, name=new_agency, code="")
    contact = Contact.objects.active().filter(agency=owner, email__iexact=email).first()
    try:
        contact = contact or create_contact(owner, name=name, email=email)
    except ValidationError as error:
        raise ValidationError({"email": "A former contact has this address."}) from error
    request = become_request(message, _files(message), contact, by=by, title=title)
    why = f"{by.name} made {request} of it."
    return advance(message, "make_request", by=by, why=why)


@action("discard", "Discard", model=MESSAGE, at=REVIEWED, form=mail_forms.DiscardForm,
        order=30)  # fmt: skip
def discard(message: InboundMessage, *, by: Actor, reason: str) -> InboundMessage:
    """Of no use to anybody; it stays readable, and can be taken up again."""
    why = f"{by.name} discarded it: {reason}"
    return advance(message, "discard", by=by, reason=reason, why=why)


@action("block_sender", "Block the sender", model=MESSAGE, at=REVIEWED,
        form=mail_forms.BlockForm, step="discard", given=[has_sender], when=has_sender, order=40,
        danger=True)  # fmt: skip
def block_sender(message: InboundMessage, *, by: Actor, reason: str) -> InboundMessage:
    """Discard it, and set aside whatever else comes from this address."""
    BlockedSender.objects.get_or_create(
        address=message.from_address, defaults={"reason": reason[:300], "by": by.person}
    )
    why = f"{by.name} blocked {message.from_address}: {reason}"
    return advance(message, "discard", by=by, reason=reason, why=why)


@action("take_up", "Review it after all", model=MESSAGE, at=ASIDE, form=NothingForm,
        place="next", order=10)  # fmt: skip
def take_up(message: InboundMessage, *, by: Actor) -> InboundMessage:
    """It was set aside or discarded wrongly."""
    return advance(message, "take_up", by=by, why=f"{by.name} took it up again.")
