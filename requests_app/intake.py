"""Intake: a request enters, with its case, its targets and its first event (X10)."""

import uuid
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from asd.models import Agency, Contact, normalised
from requests_app.models import Case, Request
from requests_app.states import Level, priority_of
from workflow import clock
from workflow.actors import Actor
from workflow.door import record
from workflow.models import User, next_reference


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
) -> Request:
    """A new request in triage, with its CRM case; the customer is told that it was received.

    The same `submission_key` twice is one request: the second call returns the first one's.
    """
    if submission_key is not None:
        before = Request.objects.filter(submission_key=submission_key).first()
        if before is not None:
            return before
    try:
        with transaction.atomic():
            return _write(
                by,
                channel=channel,
                submission_key=submission_key,
                agency=agency,
                contact=contact,
                title=normalised(title),
                description=description,
                service=service,
                provider_group=service.provider_group if service else None,
                needed_by=needed_by,
                impact=impact,
                urgency=urgency,
                priority=priority_of(impact, urgency),
                representative=agency.representative,
            )
    except IntegrityError:
        if submission_key is None:
            raise
        return Request.objects.get(submission_key=submission_key)


def _write(by: User | Actor, **fields: Any) -> Request:
    request = Request(
        reference=next_reference("REQ"),
        taken_in_by=by if isinstance(by, User) else by.person,
        created_at=clock.now(),
        state_since=clock.now(),
        **fields,
    )
    request.save(force_insert=True)
    Case.objects.create(
        request=request, reference=next_reference("CASE"), opened_at=request.created_at
    )
    record(
        request,
        "take_in",
        by=by,
        facts={"channel": request.channel, "title": request.title},
        tell=("received",),
        public=True,
    )
    return request
