"""Is it asked for already? What the representative sees in triage of a request that looks alike."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.postgres.search import TrigramSimilarity
from django.db.models import Q, QuerySet

from requests_app.models import Link, Request
from requests_app.states import OutOf, S
from requests_app.who import car
from workflow import clock
from workflow.action_forms import NothingForm, ReasonForm
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.machine import guard
from workflow.registry import action, section

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
LIKE, SHOWN, LATELY, LOOKED_AT = 0.35, 5, timedelta(days=60), 200


def similar_to(request: Request) -> QuerySet[Request]:
    """Requests of the same agency with a title like this one, open or lately closed (X4).

    Whoever asks twice does so soon: of an agency with thousands the newest are looked at.
    """
    lately = Q(closed_at__isnull=True) | Q(closed_at__gte=clock.now() - LATELY)
    newest = Request.objects.filter(agency=request.agency_id).order_by("-created_at")
    return (
        Request.objects.filter(lately, pk__in=newest.values("pk")[:LOOKED_AT])
        .exclude(pk=request.pk)
        .exclude(links_in__source=request)
        .exclude(links_out__target=request)
        .annotate(like=TrigramSimilarity("title", request.title))
        .filter(like__gte=LIKE)
        .order_by("-like", "-pk")
    )


def _first(request: Request) -> list[Request]:
    """Those most like it, compared once for a page."""
    if "_most_like" not in request.__dict__:
        found = list(similar_to(request).select_related("contact")[:SHOWN])
        request.__dict__["_most_like"] = found
    return request.__dict__["_most_like"]  # type: ignore[no-any-return]


def _in_doubt(request: Request, user: "User") -> bool:
    return request.state == S.TRIAGE and bool(_first(request))


@section("similar", "Asked for already?", model=REQUEST, template="requests_app/_similar.html",
         order=5, show=_in_doubt)  # fmt: skip
def similar_section(request: Request, user: "User") -> dict[str, Any]:
    """What looks like the same request, for the person who decides triage."""
    if user.oversees:
        return {"similar": _first(request)}
    found = similar_to(request).filter(pk__in=Request.objects.visible_to(user).values("pk"))
    return {"similar": found.select_related("contact")[:SHOWN]}


class SameAsForm(ReasonForm):
    """Which request it is the same as, and what the customer reads."""

    other = forms.ModelChoiceField(Request.objects.none(), widget=forms.HiddenInput)

    def prepare(self) -> None:
        field: Any = self.fields["other"]
        field.queryset = similar_to(self.subject)
        self.fields["reason"].label = "What the customer reads"
        other = field.queryset.filter(pk=self.initial["other"]).first() if self.initial else None
        if other is not None:
            self.initial.setdefault(
                "reason", f"We have this already as {other.reference}: {other.title}."
            )


@action("same_as", "The same", model=REQUEST, at=[S.TRIAGE], form=SameAsForm, step="decline",
        place="similar", order=91)  # fmt: skip
def same_as(request: Request, *, by: Actor, other: Request, reason: str) -> Request:
    """Sent twice: this one ends as a duplicate, linked to the other (X4)."""
    fresh = advance(
        request,
        "decline",
        by=by,
        reason=reason,
        outcome=OutOf.DUPLICATE,
        link=other.reference,
    )
    Link.objects.get_or_create(source=fresh, target=other, relation=Link.Relation.DUPLICATES)
    return fresh


@guard("The contact has been checked already.")
def contact_unverified(request: Request) -> bool:
    return request.contact.unverified_since is not None


@action("verify_contact", "I have checked this contact", model=REQUEST, at=S, who=[car],
        form=NothingForm, given=[contact_unverified], when=contact_unverified, place="people",
        order=83, on_hold=True)  # fmt: skip
def verify_contact(request: Request, *, by: Actor) -> None:
    """The office knows who wrote: from now on this person is a contact like any other (X10)."""
    request.contact.unverified_since = None
    request.contact.save(update_fields=["unverified_since"])
    record(request, "verify_contact", by=by, facts={"contact": request.contact.name})
