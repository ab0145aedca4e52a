"""The customer's pages: a link becomes a cookie, and the page behind it is read and answered.

No address with a secret is ever a page: nothing that the browser tells others, keeps in its
history as a page or draws a form on contains one.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from requests_app import lost_links, tracking, unsubscribing
from requests_app.case_models import TrackingToken
from requests_app.customer_forms import LostLinkForm
from requests_app.customer_page import as_customer, files_of, is_theirs, page_context
from requests_app.models import Request
from requests_app.views import plain_text_only
from workflow.client import client_address
from workflow.machine import Refused
from workflow.registry import InvalidFacts, perform

LANGUAGE = "tracked_language"
THEN = re.compile(r"[a-z0-9/-]{0,60}")
View = Callable[..., Any]


def _private(response: HttpResponse, referrer: str = "same-origin") -> HttpResponse:
    """Not kept, not indexed, and not told to other sites."""
    response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = referrer
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def language_of(request: HttpRequest, visitor: TrackingToken | None = None) -> str:
    """The language chosen on the page, else the contact's, else the browser's."""
    known = dict(settings.LANGUAGES)
    chosen = request.COOKIES.get(LANGUAGE, "")
    if chosen in known:
        return chosen
    if visitor is not None and visitor.contact.language in known:
        return visitor.contact.language
    return translation.get_language_from_request(request)


def in_their_language(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | Callable[[], dict[str, Any]],
    visitor: TrackingToken | None = None,
    status: int = 200,
) -> HttpResponse:
    """A customer's page: drawn in their language, private."""
    language = language_of(request, visitor)
    with translation.override(language):
        shown = context() if callable(context) else context
        shown |= {"languages": settings.LANGUAGES, "language": language}
        response = render(request, template, shown, status=status)
    response["Content-Language"] = language
    return _private(response)


def neutral(request: HttpRequest, kept: str = "") -> HttpResponse:
    """The one answer to everything that is not theirs, or not any more; what was typed is kept."""
    context = {"form": LostLinkForm(auto_id="lost-%s"), "kept": kept}
    return in_their_language(request, "tracking/unknown.html", context, status=404)


def for_visitors(view: View) -> View:
    """The view gets the request of its reference and who looks; nobody else gets past."""

    @wraps(view)
    def checked(request: HttpRequest, reference: str, *args: Any, **kwargs: Any) -> HttpResponse:
        found = Request.objects.select_related(
            "agency__representative", "contact", "service", "representative", "case", "forecast"
        )
        req = found.filter(reference=reference.upper()).first()
        visitor = tracking.visitor(request, req) if req is not None else None
        if req is None or visitor is None:
            return neutral(request, _typed(request))
        with translation.override(language_of(request, visitor)):
            return view(request, req, visitor, *args, **kwargs)

    return plain_text_only(checked)


def _typed(request: HttpRequest) -> str:
    """The words of a form that cannot be taken now, so that they are not lost."""
    given = (request.POST.get(name, "").strip() for name in ("text", "reason", "comment"))
    return "\n\n".join(filter(None, given))


# /track/


@plain_text_only
@require_safe
def track(request: HttpRequest, token: str, then: str = "") -> HttpResponse:
    """The link of a mail: its secret moves into a cookie and out of the address at once.

    It decides nothing, however often and by whomever it is opened.
    """
    found = tracking.find(token)
    if found is None:
        return _private(redirect("requests_lost"), "no-referrer")
    below = then if THEN.fullmatch(then) else ""
    response = redirect(f"/tracked/{found.request.reference}/{below}")
    tracking.remember(response, found)
    return _private(response, "no-referrer")


@plain_text_only
@require_http_methods(["GET", "HEAD", "POST"])
def lost(request: HttpRequest) -> HttpResponse:
    """A new link by e-mail, to an address on record; the answer is the same for every address."""
    if request.method != "POST":
        return neutral(request)
    form = LostLinkForm(request.POST, auto_id="lost-%s")
    with translation.override(language_of(request)):
        if not form.is_valid():
            return in_their_language(
                request, "tracking/unknown.html", {"form": form, "kept": ""}, status=422
            )
    lost_links.ask(**form.cleaned_data, client=client_address(request))
    return in_their_language(request, "tracking/asked.html", {})


# /tracked/<ref>/


@for_visitors
@require_safe
def tracked(request: HttpRequest, req: Request, visitor: TrackingToken) -> HttpResponse:
    """Where it is, in plain words, and what the customer can do about it (F8, F15)."""
    wanted = request.GET.get("language", "")
    if wanted in dict(settings.LANGUAGES):
        return _speak(redirect(request.path), req, wanted)
    tracking.seen(visitor)
    return _page(request, req, visitor)


def _speak(response: HttpResponse, req: Request, language: str) -> HttpResponse:
    response.set_cookie(
        LANGUAGE,
        language,
        max_age=31_536_000,
        path=f"/tracked/{req.reference}/",
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )
    return _private(response)


def _page(
    request: HttpRequest, req: Request, visitor: TrackingToken, status: int = 200, **shown: Any
) -> HttpResponse:
    context = page_context(req, visitor, number=request.GET.get("messages"), **shown)
    return in_their_language(request, "tracking/track.html", context, visitor, status)


@for_visitors
@require_POST
def tracked_action(
    request: HttpRequest, req: Request, visitor: TrackingToken, name: str
) -> HttpResponse:
    """What the customer sends: through the same door as everybody (409 refused, 422 bad facts)."""
    if not is_theirs(req, name):
        return _refused(request, req, visitor, _("This is not possible any more."))
    try:
        perform(req, name, by=as_customer(visitor), data=request.POST, files=request.FILES)
    except InvalidFacts as error:
        return _page(request, req, visitor, 422, bound=(name, error.form))
    except Refused as refusal:
        return _refused(request, req, visitor, _why(refusal))
    except PermissionDenied:
        return _refused(request, req, visitor, _("Only whoever asked for it can do this."))
    messages.success(request, SAID.get(name, _("Done.")))
    return _private(redirect(f"/tracked/{req.reference}/"))


SAID: dict[str, Any] = {
    "answer": translation.gettext_lazy("Thank you. Your message has arrived."),
    "ask_to_withdraw": translation.gettext_lazy("Your account representative has been told."),
    "reopen_as_customer": translation.gettext_lazy("It is open again."),
    "add_follower": translation.gettext_lazy("They get a link of their own by e-mail."),
    "remove_follower": translation.gettext_lazy("They are told nothing more, and their link ends."),
    "rate": translation.gettext_lazy("Thank you for telling us."),
}


def _why(refusal: Refused) -> str:
    """The refusal for customers: each sentence in their language, no state of ours by name."""
    if refusal.code == "wrong_state":
        return _("This is not possible any more.")
    return " ".join(_(sentence) for sentence in refusal.sentences)


def _refused(
    request: HttpRequest, req: Request, visitor: TrackingToken, sentence: str
) -> HttpResponse:
    fresh = Request.objects.select_related("agency__representative", "contact").get(pk=req.pk)
    return _page(request, fresh, visitor, 409, refusal=sentence, kept=_typed(request))


@for_visitors
@require_safe
def rate(
    request: HttpRequest, req: Request, visitor: TrackingToken, score: int = 0
) -> HttpResponse:
    """The question of the closing notice once more, with room for words; only sending counts."""
    context = page_context(req, visitor)
    offer = context["offers"].get("rate")
    if offer is not None and score in range(1, 6):
        offer.form.initial = {"score": score}
    return in_their_language(request, "tracking/rate.html", context, visitor)


@for_visitors
@require_safe
def tracked_file(request: HttpRequest, req: Request, visitor: TrackingToken, pk: int) -> Any:
    """A file meant for the customer, as a download that nothing runs."""
    kept = files_of(req).filter(pk=pk).first() if pk < 2**63 else None
    if kept is None:
        return neutral(request)
    try:
        content = kept.file.open()
    except OSError:
        return neutral(request)
    response = FileResponse(
        content,
        as_attachment=True,
        filename=kept.name,
        content_type=kept.content_type,
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return _private(response)  # type: ignore[arg-type]


# /unsubscribe/<key>/


@csrf_exempt  # the address is the permission; mail programs post here without a page (RFC 8058)
@plain_text_only
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, key: str) -> HttpResponse:
    """Asks, and on POST ends the watching; opening the link alone changes nothing (X9)."""
    watcher = unsubscribing.find(key)
    done = request.method == "POST" and watcher is not None
    if done and watcher is not None:
        unsubscribing.unsubscribe(watcher)
    contact = watcher.contact if watcher is not None else None
    with translation.override(contact.language if contact else language_of(request)):
        context = {"watcher": watcher, "done": done, "language": translation.get_language()}
        response = render(request, "tracking/unsubscribe.html", context)
    return _private(response, "no-referrer")
