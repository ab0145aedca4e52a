"""Intake: a request enters, with its case, its targets and its first event (X10)."""

import uuid
from datetime import date
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction

from asd.models import Agency, Contact, normalised
from requests_app.models import Case, Request
from requests_app.states import Level, priority_of
from requests_app.tracking import make_token
from workflow import clock
from workflow.acting import act, hold_new, owe
from workflow.actors import Actor
from workflow.door import record
from workflow.models import User, reference_of
from workflow.together import put


def take_in(
    *,
    by: User | Actor,
    agency: Agency,
    contact: Contact,
    title: str,
    description: str,
    service: Any = None,
    needed_by: date | None = None,
    impact: int = Level.MEDIUM,
    urgency: int = Level.MEDIUM,
    channel: str = Request.Channel.REPRESENTATIVE,
    submission_key: uuid.UUID | None = None,
    first_time: bool = False,
) -> Request:
    """A new request in triage, with its CRM case; the customer is told that it was received.

    The same `submission_key` twice is one request: the second call returns the first one's.
    `first_time` says that the caller sees to that, or to the IntegrityError of the second.
    """
    write = partial(
        _write,
        by,
        channel=channel,
        submission_key=submission_key,
        agency=agency,
        contact=contact,
        title=normalised(title),
        description=description,
        service=service,
        provider_group_id=service.provider_group_id if service else None,
        needed_by=needed_by,
        impact=impact,
        urgency=urgency,
        priority=priority_of(impact, urgency),
        representative_id=agency.representative_id,
    )
    if submission_key is None or first_time:
        return write()
    before = Request.objects.filter(submission_key=submission_key).first()
    if before is not None:
        return before
    try:
        with transaction.atomic():
            return write()
    except IntegrityError:
        return Request.objects.get(submission_key=submission_key)


def _write(by: User | Actor, **fields: Any) -> Request:
    with act():
        made = Request(
            taken_in_by=by if isinstance(by, User) else by.person,
            created_at=clock.now(),
            state_since=clock.now(),
            **fields,
        )
        _, request, case, token = hold_new(
            made, "take_in", "requests_app_request_id_seq", "reference_req", "reference_case",
            "requests_app_trackingtoken_id_seq",
        )  # fmt: skip
        made.reference = reference_of("REQ", request)
        owe(made)
        owe(Case(request=made, reference=reference_of("CASE", case), opened_at=made.created_at))
        put(made, "tokens", [make_token(made, made.contact, pk=token)])
        _tell(made, by)
        return made


def _tell(request: Request, by: User | Actor) -> None:
    record(
        request,
        "take_in",
        by=by,
        facts={"channel": request.channel, "title": request.title},
        tell=("received",),
        public=True,
    )
