"""From the public form to one request in triage: nothing counts before the address is confirmed."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from asd.models import Agency, Contact, normalised
from notifications.models import Notice
from notifications.outbox import Recipient, announce
from requests_app.case import add_entry
from requests_app.case_models import TrackingToken
from requests_app.files import clean_name, store
from requests_app.intake import take_in
from requests_app.models import PendingFile, PendingIntake, Request
from requests_app.onboarding import free_code, one_at_a_time, same_agency
from requests_app.public_models import network_of
from workflow import clock
from workflow.actors import SYSTEM, Actor, customer
from workflow.door import record


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def submit(
    *, key: uuid.UUID, address: str, files: Iterable[Any], email: str, **words: Any
) -> PendingIntake:
    """Keep what was sent and ask by mail whether it was meant (X10).

    The same `key` twice is one form and one mail. Raises ValidationError where more was sent from
    this client address or for this e-mail than is usual; the counts are exact, for those who send
    at the same moment wait for each other.
    """
    network = network_of(address)
    with transaction.atomic():
        one_at_a_time(f"form from {network}")
        one_at_a_time(f"form for {email.casefold()}")
        before = PendingIntake.objects.filter(pk=key).first()
        if before is not None:
            return before
        _within_limits(network, email)
        token = secrets.token_urlsafe(32)
        intake = PendingIntake.objects.create(
            pk=key, digest=_digest(token), network=network, email=email, **words
        )
        for upload in files:
            PendingFile.objects.create(intake=intake, file=upload, name=clean_name(upload.name))
        _ask(intake, token)
    return intake


def _within_limits(network: str, email: str) -> None:
    limits, now = settings.THROUGHLINE, clock.now()
    lately = PendingIntake.objects.filter(
        network=network, created_at__gt=now - timedelta(hours=1)
    ).count()
    if network and lately >= limits["FORMS_AN_HOUR"]:
        raise ValidationError(
            _("Many requests came from your network within the last hour. Try again in an hour.")
        )
    today = PendingIntake.objects.filter(
        email__iexact=email, created_at__gt=now - timedelta(days=1)
    ).count()
    if today >= limits["FORMS_A_DAY"]:
        raise ValidationError(
            {
                "email": _(
                    "Several requests were sent with this address today. Confirm those by the "
                    "links in your mail, or try again tomorrow."
                )
            }
        )


def _ask(intake: PendingIntake, token: str) -> None:
    """The mail with the link; its notice belongs to no event, for nothing has happened yet."""
    with translation.override(intake.language):
        button = _("Confirm the request")
    context = {
        "link": f"{settings.BASE_URL}/new/confirm/{token}/",
        "button": button,
        "title": intake.title,
        "agency": intake.agency.name if intake.agency else intake.agency_name,
        "valid_until": str(clock.today() + timedelta(days=7)),
    }
    announce(
        _notice_key(intake),
        "confirm_intake",
        [Recipient(intake.email, intake.name, intake.language)],
        context,
        suppressed=clock.in_the_past(),
    )


def _notice_key(intake: PendingIntake) -> str:
    return f"intake:{intake.pk}"


def find(token: str) -> PendingIntake | None:
    """What waits under this token; None where it is wrong, too old or gone: they look alike."""
    return (
        PendingIntake.objects.select_related("agency", "service", "request")
        .filter(digest=_digest(token), expires_at__gt=clock.now())
        .first()
    )


def confirm(token: str) -> Request | None:
    """The address is confirmed: exactly one request in triage, however often this is called.

    The customer is told by the usual notice. None where the token does not count.
    """
    with transaction.atomic():
        waiting = PendingIntake.objects.select_for_update().filter(
            digest=_digest(token), expires_at__gt=clock.now()
        )
        intake = waiting.first()
        if intake is None:
            return None
        if intake.request is not None:
            return intake.request
        intake.request = _take_in(intake)
        intake.save(update_fields=["request"])
        _forget_link(intake)
    return intake.request


def _take_in(intake: PendingIntake) -> Request:
    actor = customer(intake.name)
    agency = intake.agency or _described(intake)
    service: Any = intake.service
    request = take_in(
        by=actor,
        agency=agency,
        contact=_contact(agency, intake),
        title=intake.title,
        description=intake.description,
        service=service if service and service.state == "live" else None,
        needed_by=intake.needed_by,
        channel=Request.Channel.WEB,
        submission_key=intake.pk,
    )
    _carry_files(request, intake, actor)
    if intake.agency is None and intake.agency_about:
        about = f"The agency, in the customer's words: {intake.agency_name}. {intake.agency_about}"
        add_entry(request, about, by=SYSTEM, public=False)
    return request


def _described(intake: PendingIntake) -> Agency:
    """The agency that was not listed: the one of that very name, or a prospective one (D4)."""
    name = normalised(intake.agency_name)
    one_at_a_time("new agency")
    return same_agency(name, "") or Agency.objects.create(name=name, code=free_code(name))


def _contact(agency: Agency, intake: PendingIntake) -> Contact:
    """The contact of that agency with this address; else a new one for the office to check.

    A former contact who shows up again gets no old right back: signing and old addresses end.
    """
    one_at_a_time(f"contact {agency.pk} {intake.email.casefold()}")
    known = Contact.objects.filter(agency=agency, email__iexact=intake.email).first()
    if known is None:
        return Contact.objects.create(
            agency=agency,
            name=normalised(intake.name),
            email=intake.email,
            phone=intake.phone,
            language=intake.language,
            unverified_since=clock.now(),
        )
    if not known.is_active:
        TrackingToken.objects.filter(contact=known, revoked_at__isnull=True).update(
            revoked_at=clock.now()
        )
        known.is_active, known.is_signatory = True, False
        known.unverified_since = clock.now()
        known.save(update_fields=["is_active", "is_signatory", "unverified_since"])
    return known


def _carry_files(request: Request, intake: PendingIntake, actor: Actor) -> None:
    """The files go to the case; one that cannot be read any more is named to the representative."""
    stored, lost = [], []
    for staged in intake.files.all():
        try:
            with staged.file.open("rb") as content:
                stored.append(store(request, File(content, staged.name), by=actor, public=True))
        except (OSError, ValidationError):
            lost.append(staged.name)
    if stored:
        names = [kept.name for kept in stored]
        record(request, "upload_file", by=actor, facts={"files": names}, public=True)
    if lost:
        missing = f"Sent with the form, but could not be kept: {', '.join(lost)}. Ask for it again."
        add_entry(request, missing, by=SYSTEM, public=False)


def _forget_link(intake: PendingIntake) -> None:
    """The token has done its work; the log of notices keeps no copy of it."""
    for notice in Notice.objects.filter(key__startswith=f"{_notice_key(intake)}:"):
        notice.context["link"] = ""
        notice.save(update_fields=["context"])


def _delete(files: list[tuple[Any, str]]) -> None:
    for storage, name in files:
        storage.delete(name)


def purge() -> int:
    """Delete what was sent more than seven days ago, with its files and mails; says how many.

    Safe to run twice or twice at once. Files go after the rows: a row never lacks its file.
    """
    gone = 0
    for old in PendingIntake.objects.filter(expires_at__lte=clock.now()):
        with transaction.atomic():
            row = PendingIntake.objects.select_for_update(skip_locked=True).filter(pk=old.pk)
            if not row.exists():
                continue
            files = [(staged.file.storage, str(staged.file.name)) for staged in old.files.all()]
            Notice.objects.filter(key__startswith=f"{_notice_key(old)}:").delete()
            old.delete()
            transaction.on_commit(partial(_delete, files))
            gone += 1
    return gone
