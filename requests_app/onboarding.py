"""Intake by a representative: whose request it is, known customers and new ones (X10, D4)."""

import re
import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from asd.models import Agency, Contact, normalised
from requests_app.files import store
from requests_app.filters import near_names
from requests_app.intake import take_in
from requests_app.models import Request
from workflow.acting import act
from workflow.door import record
from workflow.models import User

CODE_LENGTH = 20


def same_agency(name: str, code: str) -> Agency | None:
    """The agency that has this very name or code already, however its letters are composed."""
    same = Q(name__iexact=normalised(name))
    if code:
        same |= Q(code__iexact=normalised(code))
    return Agency.objects.filter(same).first()


def near_agencies(name: str, email: str) -> QuerySet[Agency]:
    """Agencies that may be meant: a name like this one, or a contact with this address."""
    near = (
        near_names(Agency.objects, normalised(name))
        .order_by("-near")
        .values_list("pk", flat=True)[:5]
    )
    meant = Q(pk__in=list(near))
    if email:
        meant |= Q(contacts__email__iexact=email)
    return Agency.objects.filter(meant).distinct()[:8]


def free_code(name: str) -> str:
    """A short code until the agency has a number: its first letters, numbered when taken."""
    stem = re.sub(r"[^A-Z0-9]", "", name.upper())[:10] or "NEW"
    taken = set(Agency.objects.filter(code__startswith=stem).values_list("code", flat=True))
    numbered = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
    return stem if stem not in taken else next(code for code in numbered if code not in taken)


def take_in_at_the_desk(
    *,
    by: User,
    submission_key: uuid.UUID,
    agency: Agency | None,
    new_agency: dict[str, str] | None,
    contact: Contact | None,
    new_contact: dict[str, str] | None,
    files: list[Any],
    **words: Any,
) -> Request:
    """A request on behalf of a contact, with what is new about the customer: all or nothing.

    The form sent twice is one request (TA03): the second waits for the first and finds it, by the
    key that no two requests have; where it would make a customer first, before it does.
    """
    try:
        with act():
            if new_agency or new_contact:
                one_at_a_time(submission_key)
                before = _made_by(submission_key)
                if before is not None:
                    return before
            customer: Any = create_agency(by, **new_agency) if new_agency else agency
            person: Any = create_contact(customer, **new_contact) if new_contact else contact
            request = take_in(
                by=by, agency=customer, contact=person, submission_key=submission_key,
                first_time=True, **words
            )  # fmt: skip
            stored = [store(request, upload, by=by) for upload in files]
            if stored:
                record(request, "upload_file", by=by, facts={"files": [f.name for f in stored]})
    except IntegrityError:
        before = _made_by(submission_key)
        if before is None:
            raise
        return before
    return request


def _made_by(key: uuid.UUID) -> Request | None:
    return Request.objects.filter(submission_key=key).first()


def one_at_a_time(key: object) -> None:
    """Until this transaction ends nobody else takes in what has the same key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(key)])


def create_agency(by: User, *, name: str, code: str) -> Agency:
    """A prospective agency: no agreement yet, represented by who took its first request in."""
    owner = by if by.is_representative else None
    try:
        with transaction.atomic():
            return Agency.objects.create(
                name=normalised(name),
                code=normalised(code) or free_code(name),
                representative=owner,
            )
    except IntegrityError as error:
        raise ValidationError(
            {"new_agency": "An agency of this name or code exists by now: choose it above."}
        ) from error


def create_contact(agency: Any, *, name: str, email: str, phone: str = "") -> Contact:
    """Somebody new at an agency; ValidationError where the agency knows the address already."""
    try:
        with transaction.atomic():
            return Contact.objects.create(
                agency=agency, name=normalised(name), email=email, phone=phone
            )
    except IntegrityError as error:
        raise ValidationError(
            {"contact_email": "A contact of this agency has this address: choose it above."}
        ) from error
