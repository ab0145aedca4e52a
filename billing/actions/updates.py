"""The ASD update of a charged request: asked for, applied, sent back, not needed (F14)."""

from datetime import date
from typing import Any

from asd.actions import apply_update
from asd.models import Service, ServiceUpdate, UpdateState, asd_manager
from billing import forms
from billing.guards import (
    a_service_is_live,
    concerned_services,
    no_update_waiting,
    update_unsettled,
    update_waiting,
    updates_of_pass,
)
from requests_app.models import Request
from requests_app.states import S
from requests_app.who import car
from workflow import clock
from workflow.action_forms import ReasonForm
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.registry import action

REQUEST = "requests_app.request"
AT = (S.TESTING, S.BILLING, S.CUSTOMER_NOTICE)


def _ask(request: Request, by: Actor, **fields: Any) -> ServiceUpdate:
    return ServiceUpdate.objects.create(
        request=request,
        pass_number=request.pass_number,
        requested_by=by.person,
        state_since=clock.now(),
        **fields,
    )


@action("request_asd_update", "Request an ASD update", model=REQUEST,
        at=[S.TESTING, S.CUSTOMER_NOTICE], form=forms.AskUpdateForm, who=[car],
        given=[a_service_is_live, no_update_waiting], when=no_update_waiting,
        place="billing", order=20)  # fmt: skip
@action("request_asd_update", "Request the ASD update", model=REQUEST, at=[S.BILLING],
        form=forms.AskUpdateForm, who=[car], given=[a_service_is_live, no_update_waiting],
        when=no_update_waiting, place="next", order=20)  # fmt: skip
def request_asd_update(
    request: Request,
    *,
    by: Actor,
    service: Service,
    change: str,
    starts_on: date,
    quantity: int,
) -> ServiceUpdate:
    """The ASD manager is asked to make or change the agency's service (F14)."""
    update = _ask(
        request, by, service=service, change=change, starts_on=starts_on, quantity=quantity
    )
    record(
        request,
        "request_asd_update",
        by=by,
        facts={"service": service, "change": change, "starts_on": starts_on, "quantity": quantity},
    )
    return update


@action("waive_asd_update", "No ASD update needed", model=REQUEST, at=AT, form=ReasonForm,
        who=[car], given=[update_unsettled], when=update_unsettled, order=31)  # fmt: skip
def waive_asd_update(request: Request, *, by: Actor, reason: str) -> ServiceUpdate:
    """No service record changes, with the reason: what was asked for is settled with it (F14)."""
    open_states = [UpdateState.REQUESTED, UpdateState.REFUSED]
    update = updates_of_pass(request).filter(state__in=open_states).first()
    if update is None:
        services = concerned_services(request)
        update = _ask(request, by, service=services[0] if services else None, change=reason)
    return advance(update, "waive", by=by, reason=reason)


@action("apply_asd_update", "Apply the ASD update", model=REQUEST, at=AT,
        form=forms.ApplyUpdateForm, who=[asd_manager], given=[update_waiting],
        when=update_waiting, place="next", order=25)  # fmt: skip
def apply_asd_update(request: Request, *, by: Actor, update: ServiceUpdate) -> ServiceUpdate:
    """The agency's use of the service is made or changed (F14)."""
    return apply_update(update, by=by)


@action("send_back_asd_update", "Send the ASD update back", model=REQUEST, at=AT,
        form=forms.SendBackUpdateForm, who=[asd_manager], given=[update_waiting],
        when=update_waiting, order=32)  # fmt: skip
def send_back_asd_update(
    request: Request, *, by: Actor, update: ServiceUpdate, reason: str
) -> ServiceUpdate:
    """It cannot be made as asked: the representative asks again (F14)."""
    return advance(update, "send_back", by=by, reason=reason)
