"""Services that a request proposed, moved from its page; the service page moves all (D10, F14)."""

from datetime import date

from asd.actions import take_live
from asd.models import Service, asd_manager
from billing import forms
from billing.guards import has_draft_service, has_live_service, has_proposed_service
from requests_app.models import Request
from requests_app.states import OPEN, State
from requests_app.who import car
from workflow.actors import Actor
from workflow.door import advance
from workflow.registry import action

REQUEST = "requests_app.request"


@action("develop_service", "Start developing the service", model=REQUEST, at=OPEN,
        form=forms.DevelopForm, who=[asd_manager, car], given=[has_proposed_service],
        when=has_proposed_service, place="billing", order=50)  # fmt: skip
def develop_service(request: Request, *, by: Actor, service: Service) -> Service:
    """The proposed service is being made (D10)."""
    return advance(service, "develop", by=by)


@action("go_live", "Take the service live", model=REQUEST, at=State, form=forms.GoLiveForm,
        who=[asd_manager], given=[has_draft_service], when=has_draft_service,
        place="next", order=28)  # fmt: skip
def go_live(request: Request, *, by: Actor, service: Service, live_on: date) -> Service:
    """From that day the service can be used and billed (F14)."""
    return take_live(service, by=by, live_on=live_on)


@action("cancel_service", "Cancel the proposed service", model=REQUEST, at=State,
        form=forms.CancelServiceForm, who=[asd_manager, car], given=[has_draft_service],
        when=has_draft_service, place="billing", order=52, danger=True)  # fmt: skip
def cancel_service(request: Request, *, by: Actor, service: Service, reason: str) -> Service:
    """The draft is kept with its reason, never offered (D10)."""
    return advance(service, "cancel_service", by=by, reason=reason)


@action("retire_service", "Retire the service", model=REQUEST, at=State,
        form=forms.RetireServiceForm, who=[asd_manager], given=[has_live_service],
        when=has_live_service, place="billing", order=53, danger=True)  # fmt: skip
def retire_service(request: Request, *, by: Actor, service: Service, reason: str) -> Service:
    """No longer offered; history keeps it (D10)."""
    return advance(service, "retire", by=by, reason=reason)
