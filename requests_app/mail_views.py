"""The pages of mail that came in: what waits for a decision, one message, and it as it came."""

from typing import Any

import django_filters
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from requests_app.mail_models import ASIDE, ON_A_CASE, REVIEWED
from requests_app.models import InboundMessage, InboundRaw, Mailbox
from requests_app.views import plain_text_only
from workflow.action_forms import ActionForm
from workflow.machine import Refused
from workflow.paging import page_of
from workflow.registry import InvalidFacts, offers, perform

PER_PAGE = 25
TOLD = {
    "apply": "put on its case",
    "become_request": "made a request",
    "set_for_review": "set for review",
    "ignore": "set aside",
    "give_up": "given up",
    "attach": "put on a case",
    "make_request": "made a request",
    "discard": "discarded",
    "take_up": "taken up again",
}
SHOWN = {"case": ON_A_CASE, "aside": ASIDE}


class MailFilter(django_filters.FilterSet):
    """Which messages: those to review unless others are asked for."""

    q = django_filters.CharFilter(method="search", label="Search", max_length=100)
    show = django_filters.ChoiceFilter(
        choices=[
            ("case", "On a case"),
            ("aside", "Set aside and discarded"),
            ("all", "All"),
        ],
        method="shown",
        label="Show",
        empty_label="To review",
    )

    class Meta:
        model = InboundMessage
        fields: list[str] = []

    def search(self, queryset: Any, name: str, value: str) -> QuerySet[InboundMessage]:
        """Words of the subject, or a part of the sender."""
        said = Q(subject__icontains=value) | Q(from_name__icontains=value)
        return queryset.filter(said | Q(from_address__icontains=value))

    def shown(self, queryset: Any, name: str, value: str) -> QuerySet[InboundMessage]:
        """Narrowed in `qs`, because it narrows also when nothing is chosen."""
        return queryset

    @property
    def qs(self) -> QuerySet[InboundMessage]:
        found = super().qs
        show = (self.form.cleaned_data if self.form.is_valid() else {}).get("show") or ""
        return found if show == "all" else found.filter(state__in=SHOWN.get(show, REVIEWED))


# /mail/


@login_required
@plain_text_only
@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    """What came by mail and waits for a representative; whatever else came, on request."""
    user: Any = request.user
    if not (user.is_representative or user.is_superuser or user.is_auditor):
        raise PermissionDenied("Account representatives review mail.")
    shown = InboundMessage.objects.visible_to(user).select_related("request", "contact__agency")
    filtered = MailFilter(request.GET, queryset=shown, request=request)
    page = page_of(filtered.qs, request.GET.get("page"), PER_PAGE)
    context = {
        "filter": filtered,
        "page": page,
        "silent": Mailbox.objects.filter(failures__gt=0),
    }
    return render(request, "mail/list.html", context)


# /mail/<pk>/


def _found(request: HttpRequest, pk: int) -> InboundMessage:
    """The message, or 404 where it is not theirs to see."""
    shown = InboundMessage.objects.visible_to(request.user)  # type: ignore[arg-type]
    related = ("request__agency", "contact__agency", "mailbox")
    if pk >= 2**63:
        raise Http404
    return get_object_or_404(shown.select_related(*related), pk=pk)


@login_required
@plain_text_only
@require_safe
def mail_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One message as text, with what can be done about it."""
    return _page(request, _found(request, pk))


def _page(
    request: HttpRequest,
    message: InboundMessage,
    bound: tuple[str, ActionForm] | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    found = offers(message, request.user)  # type: ignore[arg-type]
    for offer in found:
        if bound and offer.name == bound[0]:
            offer.form = bound[1]
    events: list[Any] = list(message.events.order_by("-number")[:20])
    for event in events:
        event.told = TOLD.get(event.name, event.name.replace("_", " "))
    context = {
        "message": message,
        "offers": {offer.name: offer for offer in found},
        "refusal": refusal,
        "events": events,
    }
    return render(request, "mail/message.html", context, status=status)


@login_required
@plain_text_only
@require_POST
def mail_action(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """The one address of every action on a message (409 refused, 422 bad facts)."""
    message = _found(request, pk)
    expect = request.POST.get("expect", "")
    try:
        perform(message, name, by=request.user, data=request.POST, expect=expect)  # type: ignore[arg-type]
    except LookupError as error:
        raise Http404 from error
    except InvalidFacts as error:
        return _page(request, _found(request, pk), bound=(name, error.form), status=422)
    except Refused as refusal:
        return _page(request, _found(request, pk), refusal=str(refusal), status=409)
    now = _found(request, pk)
    messages.success(request, now.why)
    on_case = now.state in ON_A_CASE and now.request is not None
    return redirect(now.request if on_case else "requests_mail")  # type: ignore[arg-type]


@login_required
@plain_text_only
@require_safe
def mail_raw(request: HttpRequest, pk: int) -> HttpResponse:
    """The message as it came: a download that nothing runs."""
    message = _found(request, pk)
    raw = get_object_or_404(InboundRaw, message=message)
    response = HttpResponse(bytes(raw.content), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="message-{message.pk}.eml"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store, private"
    return response
