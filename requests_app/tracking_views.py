"""What a customer sees without an account: where the request is, and what is meant for them."""

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from requests_app import tracking
from requests_app.models import Attachment, CaseEntry, Request
from requests_app.states import CLOSED_STATES, Kind, S

WORDS = {
    S.TRIAGE: "Your account representative is looking at it.",
    S.DISCOVERY: "We are finding out with you what is needed.",
    S.PARTS_MAINTENANCE: "Parts and equipment are being prepared.",
    S.PENDING: "It waits for a specialist.",
    S.ASSIGNED: "A specialist is working on it.",
    S.AWAITING_SCHEDULING: "It waits for a place in the schedule.",
    S.SCHEDULED: "It has a date.",
    S.PLANNING: "The work is being planned.",
    S.IN_FULFILLMENT: "The work is being done.",
    S.TESTING: "The solution is being tested.",
    S.BILLING: "It is tested; the billing is being prepared.",
    S.CUSTOMER_NOTICE: "It is tested; your representative writes to you.",
    S.CLOSED: "It is done.",
    S.DECLINED: "It was closed without being fulfilled.",
    S.CANCELLED: "It was cancelled.",
}
LINES = {
    Kind.ASSISTANCE: [("Received", [S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE]),
                      ("Waiting", [S.PENDING]), ("In work", [S.ASSIGNED]),
                      ("Done", CLOSED_STATES)],
    "": [("Received", [S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE]),
         ("Scheduled", [S.PENDING, S.AWAITING_SCHEDULING, S.SCHEDULED]),
         ("In work", [S.ASSIGNED, S.PLANNING, S.IN_FULFILLMENT]),
         ("Tested", [S.TESTING, S.BILLING, S.CUSTOMER_NOTICE]), ("Done", CLOSED_STATES)],
}  # fmt: skip


def _line(req: Request) -> list[dict[str, Any]]:
    stages = LINES.get(req.kind, LINES[""])
    here = next(i for i, (_, states) in enumerate(stages) if req.state in states)
    return [
        {"label": label, "done": i < here, "here": i == here} for i, (label, _) in enumerate(stages)
    ]


def _private(response: HttpResponse) -> HttpResponse:
    """The address is a key: it is not kept, not indexed, and not told to other sites."""
    response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _neutral(request: HttpRequest) -> HttpResponse:
    """Wrong, expired and revoked addresses look alike."""
    return _private(render(request, "tracking/unknown.html", status=404))


@require_safe
def track(request: HttpRequest, token: str) -> HttpResponse:
    """Where it is, in plain words; nothing internal, nothing to decide (F8, F15)."""
    found = tracking.find(token)
    if found is None:
        return _neutral(request)
    req = found.request
    entry = req.schedule_entries.active().first()
    context = {
        "req": req,
        "token": token,
        "words": WORDS[S(req.state)],
        "line": _line(req),
        "entry": entry if req.state == S.SCHEDULED else None,
        "entries": CaseEntry.objects.filter(case__request=req, public=True).select_related(),
        "files": Attachment.objects.kept().filter(case__request=req, public=True),
    }
    return _private(render(request, "tracking/track.html", context))


@require_safe
def track_file(request: HttpRequest, token: str, pk: int) -> HttpResponse | FileResponse:
    """A file meant for the customer, as a download."""
    found = tracking.find(token)
    if found is None:
        return _neutral(request)
    kept = get_object_or_404(
        Attachment.objects.kept(), pk=pk, public=True, case__request=found.request
    )
    response = FileResponse(kept.file.open(), as_attachment=True, filename=kept.name)
    response["X-Content-Type-Options"] = "nosniff"
    return _private(response)  # type: ignore[arg-type]
