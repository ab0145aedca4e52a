"""The customer's page of a proposal: read it, ask for changes, decline it or accept it (D9)."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from discovery.customer_forms import Origin
from discovery.models import Proposal, ProposalAnswer
from discovery.proposal_models import may_decide, signatories_of
from requests_app.case_models import TrackingToken
from requests_app.customer_page import as_customer
from requests_app.models import Request
from requests_app.tracking_views import for_visitors, in_their_language, neutral
from workflow.action_forms import ActionForm
from workflow.client import client_address
from workflow.machine import Refused
from workflow.registry import InvalidFacts, find, perform

DONE = {
    "accept_proposal": translation.gettext_lazy("Thank you. You have accepted the proposal."),
    "decline_proposal": translation.gettext_lazy(
        "You have declined the proposal. Your account representative writes to you."
    ),
    "ask_changes": translation.gettext_lazy(
        "Thank you. Your account representative looks at what you wrote."
    ),
    "give_purchase_order": translation.gettext_lazy("Thank you. The purchase order has arrived."),
}


def _versions(req: Request) -> Any:
    """What was issued to the customer, the newest first."""
    return (
        Proposal.objects.filter(request=req, pdf__isnull=False)
        .exclude(state="draft")
        .select_related("pdf", "answer__contact")
        .prefetch_related("lines")
        .order_by("-version")
    )


def _version(request: HttpRequest, req: Request) -> Proposal | None:
    """The version asked for, or the newest."""
    wanted = request.GET.get("version", "")
    if not wanted:
        return _versions(req).first()
    if not (wanted.isascii() and wanted.isdigit()) or len(wanted) > 4:
        return None
    return _versions(req).filter(version=int(wanted)).first()


@for_visitors
@require_http_methods(["GET", "HEAD", "POST"])
def proposal(request: HttpRequest, req: Request, visitor: TrackingToken) -> HttpResponse:
    """One version as it stands. Only sending a form from here decides."""
    shown = _version(request, req)
    if shown is None:
        return neutral(request)
    if request.method == "POST":
        return _sent(request, req, visitor, shown)
    return _page(request, req, visitor, shown)


def _sent(
    request: HttpRequest, req: Request, visitor: TrackingToken, shown: Proposal
) -> HttpResponse:
    name = request.POST.get("action", "")
    if name not in DONE:
        return neutral(request)
    data: Any = request.POST.copy()
    data["origin"] = Origin(
        client_address(request),
        request.headers.get("User-Agent", ""),
        translation.get_language() or "en",
    )
    try:
        result = perform(req, name, by=as_customer(visitor), data=data, files=request.FILES)
    except InvalidFacts as error:
        again = [getattr(f, "name", "") for f in request.FILES.values()]
        return _page(request, req, visitor, shown, 422, bound=(name, error.form), again=again)
    except Refused as refusal:
        return _stays(request, req, visitor, shown, _(str(refusal)))
    except PermissionDenied:
        sentence = _("Only the person who may sign for your agency can do this.")
        return _stays(request, req, visitor, shown, sentence)
    _say(request, name, visitor, result)
    return redirect(f"/tracked/{req.reference}/proposal/")


def _say(request: HttpRequest, name: str, visitor: TrackingToken, result: Any) -> None:
    """What was done; or, where somebody decided before, whose decision stands (S1.7e)."""
    meant = {"accept_proposal": "accepted", "decline_proposal": "declined"}.get(name)
    if isinstance(result, ProposalAnswer) and (
        result.contact_id != visitor.contact_id or result.verdict != meant
    ):
        messages.warning(
            request,
            _("%(name)s answered before you: %(verdict)s. What you sent is kept as a message.")
            % {"name": result.signed, "verdict": result.get_verdict_display()},
        )
        return
    messages.success(request, DONE[name])


def _stays(
    request: HttpRequest, req: Request, visitor: TrackingToken, shown: Proposal, sentence: str
) -> HttpResponse:
    """Not done: the page as it is now, with the sentence and what was typed."""
    typed = (request.POST.get(name, "").strip() for name in ("reason", "text"))
    current = _versions(req).filter(pk=shown.pk).first() or shown
    return _page(request, req, visitor, current, 409, refusal=sentence,
                 kept="\n\n".join(filter(None, typed)))  # fmt: skip


def _page(
    request: HttpRequest,
    req: Request,
    visitor: TrackingToken,
    shown: Proposal,
    status: int = 200,
    bound: tuple[str, ActionForm] | None = None,
    **said: Any,
) -> HttpResponse:
    newest = _versions(req).first()
    by_office = list(signatories_of(req))
    context = {
        "req": Request.objects.select_related("agency", "contact").get(pk=req.pk),
        "visitor": visitor,
        "proposal": shown,
        "answer": getattr(shown, "answer", None),
        "newest": newest if newest is not None and newest.pk != shown.pk else None,
        "orders": shown.purchase_orders.select_related("attachment"),
        "may_decide": may_decide(req, visitor.contact),
        "signatories": by_office,
        "unchecked": visitor.contact.unverified_since is not None,
        "asked": req.events.filter(
            name="ask_changes", facts__proposal=str(shown)
        ).order_by("-number").first(),
        "open": bound[0] if bound else "",
        **_forms(req, visitor, shown, bound),
        **said,
    }  # fmt: skip
    return in_their_language(request, "tracking/proposal.html", context, visitor, status)


def _forms(
    req: Request, visitor: TrackingToken, shown: Proposal, bound: tuple[str, ActionForm] | None
) -> dict[str, Any]:
    """The forms that this visitor can send now; each with the version and its fingerprint."""
    actor = as_customer(visitor)
    decides = may_decide(req, visitor.contact)
    waits = shown.state == "issued" and not shown.is_past
    names = {
        "accept_proposal": waits and decides,
        "decline_proposal": waits and decides,
        "ask_changes": waits and req.is_open,
        "give_purchase_order": decides and shown.state == "accepted" and req.is_open
        and shown.is_charged and not shown.has_purchase_order,
    }  # fmt: skip
    initial = {"proposal": shown, "sha256": shown.pdf.sha256 if shown.pdf else ""}
    found: dict[str, Any] = {}
    for name, possible in names.items():
        made = find(req, name)
        if possible and made is not None:
            found[name] = made.bind(req, actor, initial=dict(initial))
    if bound and bound[0] in found:
        found[bound[0]] = bound[1]
    return {"forms": found}


@for_visitors
@require_safe
def proposal_file(request: HttpRequest, req: Request, visitor: TrackingToken) -> HttpResponse:
    """The very bytes that lie on the case: what the fingerprint is of (D9)."""
    shown = _version(request, req)
    if shown is None or shown.pdf is None:
        return neutral(request)
    try:
        content = shown.pdf.file.open("rb")
    except OSError:
        return neutral(request)
    response = FileResponse(content, as_attachment=True, filename=shown.pdf.name,
                            content_type="application/pdf")  # fmt: skip
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store, private"
    return response  # type: ignore[return-value]
