"""The customers' links as staff see them: who has one, when it was last used; renewed, revoked."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q

from asd.models import Contact
from requests_app import tracking
from requests_app.case_models import TrackingToken
from requests_app.models import Request, Watcher
from requests_app.states import State
from requests_app.who import car
from workflow import clock
from workflow.action_forms import ActionForm
from workflow.actors import Actor
from workflow.among import Among
from workflow.door import record
from workflow.registry import action
from workflow.together import read_with

REQUEST = "requests_app.request"


@dataclass(frozen=True)
class LinkState:
    """How one customer's link to the request stands."""

    contact: Contact
    requester: bool
    token: TrackingToken | None

    @property
    def works(self) -> bool:
        """Whether the latest link opens the page."""
        token = self.token
        return (
            token is not None
            and token.revoked_at is None
            and token.expires_at > clock.now()
            and self.contact.is_active
        )


def links_of(request: Request) -> list[LinkState]:
    """Every customer who follows the request or was given a link, the requester first."""
    tokens = read_with(request, "links")
    if tokens is None:
        tokens = list(tokens_of(request.pk))
    latest = {token.contact_id: token for token in tokens}
    people = {request.contact_id: request.contact}
    people |= {w.contact.pk: w.contact for w in request.watchers.all() if w.contact}
    people |= {t.contact_id: t.contact for t in latest.values() if t.contact_id not in people}
    return [
        LinkState(contact, pk == request.contact_id, latest.get(pk))
        for pk, contact in people.items()
    ]


def tokens_of(request: int) -> Any:
    """Every link to the request, the oldest first."""
    found = TrackingToken.objects.filter(request=request)
    return found.select_related("contact").order_by("pk")


def _customers(about: Any) -> Any:
    watching = Watcher.objects.filter(request=about.pk).values("contact")
    given = TrackingToken.objects.filter(request=about.pk).values("contact")
    theirs = Q(pk=about.contact_id) | Q(pk__in=watching) | Q(pk__in=given)
    return Contact.objects.filter(theirs)


class LinkForm(ActionForm):
    """Whose link."""

    contact = forms.ModelChoiceField(Contact.objects.none(), widget=forms.HiddenInput)
    among = {"contact": Among(_customers)}


def _tokens(request: Request, contact: Contact) -> Any:
    return TrackingToken.objects.filter(request=request, contact=contact)


@action("renew_link", "Send a new link", model=REQUEST, at=State, form=LinkForm,
        who=[car], place="people", order=86, on_hold=True)  # fmt: skip
def renew_link(request: Request, *, by: Actor, contact: Contact) -> None:
    """The contact gets a new link by e-mail; those they had before end (X9)."""
    tracking.revoke(_tokens(request, contact))
    record(
        request,
        "renew_link",
        by=by,
        facts={"to": contact.name, "contact": contact.pk},
        tell=("tracking_link",),
    )


@action("revoke_link", "Revoke the link", model=REQUEST, at=State, form=LinkForm,
        who=[car], place="people", order=87, on_hold=True)  # fmt: skip
def revoke_link(request: Request, *, by: Actor, contact: Contact) -> None:
    """What the contact has opened is closed to them; the next notice brings a new link (X9)."""
    tracking.revoke(_tokens(request, contact))
    record(request, "revoke_link", by=by, facts={"of": contact.name})


def revoke_of_the_inactive() -> int:
    """A contact who left does not get back in by old mails, should they ever return."""
    return tracking.revoke(TrackingToken.objects.filter(contact__is_active=False))
