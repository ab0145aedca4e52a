"""Handing all open items to a colleague: each through the door, each with its own answer (X5)."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from requests_app.models import Request
from requests_app.views import plain_text_only
from workflow.choosing import OneOf
from workflow.door import advance
from workflow.machine import Refused
from workflow.models import User
from workflow.registry import InvalidFacts, perform


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    req: Request
    done: bool
    sentence: str


class HandOverForm(forms.Form):
    """To whom, and why."""

    colleague = OneOf(
        User.objects.none(),
        kind="person",
        help_text="Representatives, and members of your groups.",
    )
    reason = forms.CharField(
        max_length=300, help_text="Kept in the history of every request, such as: parental leave."
    )
    agencies = forms.BooleanField(
        required=False, label="Also make them the representative of my agencies"
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        able = Q(memberships__group__in=user.group_ids)
        if user.is_representative:
            able |= Q(is_representative=True)
        people = User.objects.filter(able, is_active=True, is_auditor=False).exclude(pk=user.pk)
        field: Any = self.fields["colleague"]
        field.queryset = people.distinct().order_by("first_name", "last_name")
        self.user = user
        if not (user.is_representative and user.agencies.exists()):
            del self.fields["agencies"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        colleague = data.get("colleague")
        if data.get("agencies") and colleague and not colleague.is_representative:
            self.add_error("agencies", f"{colleague} is not an account representative.")
        return data


def represented(user: User) -> QuerySet[Request]:
    """Open requests that the person represents."""
    return Request.objects.open().filter(representative=user).for_list().by_rule()


def in_hand(user: User) -> QuerySet[Request]:
    """Open requests that the person works on as specialist."""
    return Request.objects.open().filter(specialist=user).for_list().by_rule()


def _give_representation(req: Request, user: User, to: User, reason: str) -> str:
    advance(req, "reassign_representative", by=user, representative=to, reason=reason)
    return f"{to} represents it now."


def _give_work(req: Request, user: User, to: User, reason: str) -> str:
    """The colleague must be of the same group; the work stays where it is (F5)."""
    perform(req, "hand_to_colleague", by=user, data={"specialist": to.pk, "reason": reason})
    return f"{to} has it now."


def _attempt(give: Any, req: Request, user: User, to: User, reason: str) -> Outcome:
    """One request's refusal must not stop the others."""
    try:
        return Outcome(req, True, give(req, user, to, reason))
    except Refused as refusal:
        return Outcome(req, False, " ".join(refusal.sentences))
    except PermissionDenied:
        return Outcome(req, False, "This is not yours to hand over.")
    except ValidationError as error:
        return Outcome(req, False, " ".join(error.messages))
    except InvalidFacts:
        return Outcome(req, False, f"{to} is not a member of {req.provider_group}.")


def carry_out(user: User, to: User, reason: str, *, agencies: bool = False) -> list[Outcome]:
    """Hand everything over; with `agencies`, what comes in later goes to the colleague too."""
    work = list(in_hand(user))
    done = [
        _attempt(_give_representation, req, user, to, reason) for req in list(represented(user))
    ]
    done += [_attempt(_give_work, req, user, to, reason) for req in work]
    if agencies:
        for agency in user.agencies.all():
            agency.representative = to
            agency.save(update_fields=["representative"])
    return done


@login_required
@plain_text_only
@require_http_methods(["GET", "POST"])
def hand_over(request: HttpRequest) -> HttpResponse:
    """What is open with me, and whom I give it to."""
    user: Any = request.user
    form = HandOverForm(request.POST or None, user=user)
    context: dict[str, Any] = {"form": form}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            given = form.cleaned_data
            context["outcomes"] = carry_out(
                user,
                given["colleague"],
                given["reason"],
                agencies=given.get("agencies", False),
            )
            messages.success(request, "Handed over; every request says below what became of it.")
            status = 200
    context["represented"] = represented(user)
    context["in_hand"] = in_hand(user)
    return render(request, "account/handover.html", context, status=status)
