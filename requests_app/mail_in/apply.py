"""Doing what was decided about a message, through the same actions that people use."""

import re
import uuid
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils.datastructures import MultiValueDict

from asd.models import Contact
from requests_app.answers import answer
from requests_app.files import check_upload
from requests_app.files import store as store_file
from requests_app.intake import take_in
from requests_app.mail_in.parse import File, Mail
from requests_app.mail_in.route import Verdict
from requests_app.models import Attachment, CaseEntry, InboundMessage, Request
from workflow.actors import SYSTEM, Actor, customer
from workflow.door import advance
from workflow.machine import Refused
from workflow.models import User
from workflow.registry import InvalidFacts, perform

BEFORE_SUBJECT = re.compile(
    r"^(?:\s*(?:re|fwd?|aw|wg|sv|vs|rv|tr|res|enc)\s*(?:\[\d+\])?\s*[:：]\s*|\s*\[ext(?:ernal)?\]\s*)+",
    re.IGNORECASE,
)
SAME_MAIL = uuid.UUID("6b0c2c5e-6a2c-5d0e-8f0b-0a7c3b1d9e42")
NO_TEXT = "(The message has no text.)"


def carry_out(message: InboundMessage, mail: Mail, verdict: Verdict) -> str:
    """Take the step that the verdict names, with its work; says the state it leads to.

    Where an action refuses, the message goes to review with the action's own sentence.
    """
    _keep(message, verdict)
    if verdict.step == "apply":
        try:
            with transaction.atomic():
                _put_on_case(message, mail, verdict)
        except (Refused, PermissionDenied, InvalidFacts) as error:
            why = f"{verdict.why} It could not be put on the case. {error}".strip()
            return advance(message, "set_for_review", by=SYSTEM, why=why).state
    elif verdict.step == "become_request" and verdict.contact is not None:
        become_request(
            message, mail.files, verdict.contact, by=customer(verdict.contact.name, verdict.contact)
        )
    return advance(message, verdict.step, by=SYSTEM, why=verdict.why).state


def _keep(message: InboundMessage, verdict: Verdict) -> None:
    message.request, message.contact = verdict.request, verdict.contact
    message.other_sender = verdict.other_sender
    message.is_verified = verdict.is_verified
    message.save(update_fields=["request", "contact", "other_sender", "is_verified"])


def _put_on_case(message: InboundMessage, mail: Mail, verdict: Verdict) -> None:
    request = verdict.request
    if request is None:
        raise Refused("It names no request.")
    if verdict.contact is not None:
        who = customer(verdict.contact.name, verdict.contact)
        put_answer(message, mail.files, request, who)
    elif verdict.user is not None:
        put_note(message, mail.files, request, verdict.user)


def put_answer(message: InboundMessage, files: list[File], request: Request, by: Actor) -> None:
    """The customer's words on the case, as from the answer box of the tracking page (X6)."""
    uploads = fitting(message, files, request)
    entry = answer(request, by=by, text=message.text or NO_TEXT, files=uploads)
    _stands_on(message, request, entry)


def put_note(message: InboundMessage, files: list[File], request: Request, by: User) -> None:
    """An internal update; so is a colleague's answer to a notice, lest the customer reads it."""
    uploads = fitting(message, files, request)
    entry = perform(
        request,
        "comment",
        by=by,
        data=MultiValueDict({"text": [message.text or NO_TEXT], "public": [""]}),
        files=MultiValueDict({"files": uploads}),
    )
    _stands_on(message, request, entry)


def _stands_on(message: InboundMessage, request: Request, entry: CaseEntry | None) -> None:
    message.request, message.entry = request, entry
    message.save(update_fields=["request", "entry", "files"])


def become_request(
    message: InboundMessage,
    files: list[File],
    contact: Contact,
    *,
    by: User | Actor,
    title: str = "",
) -> Request:
    """A request in triage with the message's words and files; its sender is told (X10)."""
    request = take_in(
        by=by,
        agency=contact.agency,
        contact=contact,
        title=title or title_of(message),
        description=message.text or NO_TEXT,
        channel=Request.Channel.EMAIL,
        submission_key=uuid.uuid5(SAME_MAIL, message.sha256),
    )
    who = customer(contact.name, contact)
    for upload in fitting(message, files, request):
        store_file(request, upload, by=who, public=True)
    message.contact = contact
    message.save(update_fields=["contact"])
    _stands_on(message, request, None)
    return request


def title_of(message: InboundMessage) -> str:
    """The subject without Re: and Fwd:, else the first words, else who it is from."""
    subject = BEFORE_SUBJECT.sub("", message.subject).strip()
    first = message.text.strip().splitlines()[0].strip() if message.text.strip() else ""
    return (subject or first or f"Message from {message.sender}")[:160]


def fitting(message: InboundMessage, files: Iterable[File], request: Request) -> list[Any]:
    """The files that may be kept; of the others the message's row says which and why.

    A file that is on the case already (a logo in every signature) is not kept again.
    """
    there = set(Attachment.objects.filter(case=request.case).values_list("sha256", flat=True))
    uploads, listed = [], []
    for one in files:
        row: dict[str, Any] = {"name": one.name, "size": len(one.content)}
        upload = SimpleUploadedFile(one.name, one.content)
        try:
            check_upload(upload)
        except ValidationError as error:
            row["why"] = " ".join(error.messages).removeprefix(f"{one.name}: ")
        else:
            if one.sha256 in there:
                row["why"] = "on the case already"
            else:
                there.add(one.sha256)
                uploads.append(upload)
        listed.append(row)
    message.files = listed
    return uploads
