"""What keepers of the Agency Services Database do. The only writers of services and updates."""

from datetime import date
from typing import Any

import pghistory
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.text import slugify

from asd.models import (
    Agency,
    AgencyService,
    Agreement,
    Contact,
    Service,
    ServiceState,
    ServiceUpdate,
)
from workflow import clock
from workflow.actors import Actor, as_actor
from workflow.door import advance, record
from workflow.machine import Refused
from workflow.models import User
from workflow.upkeep import edited

# Services


def _keeper(by: User) -> None:
    if not keeps_services(by):
        raise PermissionDenied("The ASD manager keeps the services.")


def keeps_services(user: User) -> bool:
    """The ASD manager, and administrators."""
    return user.is_active and not user.is_auditor and (user.is_asd_manager or user.is_superuser)


def add_service(*, by: User, **fields: Any) -> Service:
    """A new entry begins as proposed; the door takes it further (D10)."""
    _keeper(by)
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        service = Service.objects.create(
            slug=free_slug(fields["name"]), state=ServiceState.PROPOSED, **fields
        )
        record(service, "add_service", by=by)
    return service


def edit_service(service: Service, *, by: User, **fields: Any) -> Service:
    """Name, description, group and owner; before and after are kept (X7)."""
    _keeper(by)
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        row = Service.objects.select_for_update().get(pk=service.pk)
        changes = {
            name: [_said(getattr(row, name)), _said(value)]
            for name, value in fields.items()
            if getattr(row, name) != value
        }
        if changes:
            for name, value in fields.items():
                setattr(row, name, value)
            row.save(update_fields=list(fields))
            record(row, "edit_service", by=by, changes=changes)
    return row


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def free_slug(name: str) -> str:
    """An address for a service that no other has."""
    stem = slugify(name)[:110] or "service"
    taken = set(Service.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    taken.add("new")  # the page where one is made
    numbered = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
    return stem if stem not in taken else next(slug for slug in numbered if slug not in taken)


# ASD updates


def apply_update(update: ServiceUpdate, *, by: User | Actor) -> ServiceUpdate:
    """Make or change the agency's use of the service, and say so on the update (F14)."""
    changed = _use(update)
    return advance(update, "apply", by=by, **changed)


def _use(update: ServiceUpdate) -> dict[str, Any]:
    """The agency's use of the service as the update says; a quantity of none ends it."""
    agency, service = update.request.agency, update.service
    if service is None:
        raise Refused("The update names no service: send it back.")
    since = update.starts_on or clock.today()
    used = AgencyService.objects.select_for_update().filter(
        agency=agency, service=service, until__isnull=True
    )
    row = used.first()
    before = row.quantity if row else 0
    if row is None and update.quantity:
        AgencyService.objects.create(
            agency=agency,
            service=service,
            since=since,
            quantity=update.quantity,
            note=update.change[:200],
        )
    elif row is not None and update.quantity:
        row.quantity, row.note = update.quantity, update.change[:200]
        row.save(update_fields=["quantity", "note"])
    elif row is not None:
        row.until = max(since, row.since)
        row.save(update_fields=["until"])
    return {"service": service, "quantity": [before, update.quantity], "since": since}


# Agencies


def adds_agencies(user: User) -> bool:
    """Any representative, and the ASD manager."""
    roles = user.is_representative or user.is_asd_manager or user.is_superuser
    return roles and user.is_active and not user.is_auditor


def keeps_agency(agency: Agency, user: User) -> bool:
    """Its representative or deputy, any representative where it has none, the ASD manager."""
    if not user.is_active or user.is_auditor:
        return False
    if user.is_superuser or user.is_asd_manager:
        return True
    owners = {agency.representative_id, agency.deputy_id} - {None}
    return user.is_representative and (not owners or user.pk in owners or _stands_in(agency, user))


def _stands_in(agency: Agency, user: User) -> bool:
    owner = agency.representative
    return owner is not None and owner.deputy_id == user.pk and owner.is_away


def _keeps(agency: Agency, by: User) -> None:
    if not keeps_agency(agency, by):
        raise PermissionDenied("Its account representative keeps this agency.")


def save_agency(agency: Agency, *, by: User) -> Agency:
    """Name, code, people and notes of an agency; the database keeps the history (X7)."""
    if agency.pk:
        _keeps(Agency.objects.get(pk=agency.pk), by)
    elif not adds_agencies(by):
        raise PermissionDenied("Account representatives add agencies.")
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        agency.save()
    return agency


def save_contact(contact: Contact, *, by: User) -> Contact:
    """A contact of an agency, new or changed; who saves it has checked it."""
    _keeps(contact.agency, by)
    contact.unverified_since = None
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        contact.save()
    return contact


def save_agreement(agreement: Agreement, *, by: User, parts: list[Any]) -> Agreement:
    """An SLA or one-off agreement with its covered services and rates: all or nothing (D2)."""
    _keeps(agreement.agency, by)
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        agreement.save()
        for formset in parts:
            formset.instance = agreement
            formset.save()
        edited("agency", agreement.agency)
    return agreement


def mark_known_to_billing(agency: Agency, *, by: User | Actor) -> bool:
    """The billing office has a record for this customer; says whether that is news (F13)."""
    person = as_actor(by).person
    if person is None or not (person.is_billing or person.is_superuser) or person.is_auditor:
        raise PermissionDenied("The billing office records customers.")
    with transaction.atomic(), pghistory.context(user=person.pk, name=str(person)):
        row = Agency.objects.select_for_update().get(pk=agency.pk)
        if row.known_to_billing:
            return False
        row.known_to_billing = True
        row.save(update_fields=["known_to_billing"])
    return True


def take_live(service: Service, *, by: User | Actor, live_on: date) -> Service:
    """From that day the service can be used and billed (F14)."""
    return advance(service, "go_live", by=by, live_on=live_on)
