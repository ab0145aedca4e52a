"""What a customer sees without an account: where the request is, and what is meant for them."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from requests_app import tracking
from requests_app.models import Attachment, CaseEntry, Request
from requests_app.states import CLOSED_STATES, Kind, S

REPRESENTATIVE = _("Your account representative gets in touch with you.")
# where it is, and what happens next: never more than a customer may know
WORDS = {
    S.TRIAGE: (
        _("Your account representative is looking at it."),
        _("It is decided how your request is fulfilled, and you get a message."),
    ),
    S.DISCOVERY: (_("We are finding out with you what is needed."), REPRESENTATIVE),
    S.PARTS_MAINTENANCE: (
        _("Parts and equipment are being prepared."),
        _("When they are ready, the work is lined up."),
    ),
    S.PENDING: (_("It waits for a specialist."), _("A specialist takes it up.")),
    S.ASSIGNED: (
        _("A specialist is working on it."),
        _("You get a message when it is done."),
    ),
    S.AWAITING_SCHEDULING: (
        _("It waits for a place in the schedule."),
        _("You get a message with the date."),
    ),
    S.SCHEDULED: (_("It has a date."), _("The work is planned in detail and begins then.")),
    S.PLANNING: (_("The work is being planned."), _("Then the work begins.")),
    S.IN_FULFILLMENT: (_("The work is being done."), _("Then the solution is tested.")),
    S.TESTING: (
        _("The solution is being tested."),
        _("When it works as it should, you get a message."),
    ),
    S.BILLING: (
        _("It is tested; the billing is being prepared."),
        _("Then you get a message that your Request for Change is fulfilled."),
    ),
    S.CUSTOMER_NOTICE: (
        _("It is tested."),
        _("Your account representative writes to you that it is fulfilled."),
    ),
    S.CLOSED: (
        _("It is done."),
        _("If it is not solved, tell your account representative within 14 days."),
    ),
    S.DECLINED: (
        _("It was closed without being fulfilled."),
        _("If you see it differently, talk to your account representative."),
    ),
    S.CANCELLED: (_("It was cancelled."), ""),
}
RECEIVED = (S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE)
ASSISTANCE = [
    (_("Received"), RECEIVED),
    (_("Waiting"), (S.PENDING,)),
    (_("In work"), (S.ASSIGNED,)),
    (_("Done"), CLOSED_STATES),
]
CHANGE = [
    (_("Received"), RECEIVED),
    (_("Scheduling"), (S.PENDING, S.AWAITING_SCHEDULING, S.SCHEDULED)),
    (_("In work"), (S.ASSIGNED, S.PLANNING, S.IN_FULFILLMENT)),
    (_("Tested"), (S.TESTING, S.BILLING, S.CUSTOMER_NOTICE)),
    (_("Done"), CLOSED_STATES),
]


def _line(req: Request) -> list[dict[str, Any]]:
    """The stages as a customer thinks of them; one that ended early skips what never was."""
    stages = ASSISTANCE if req.kind == Kind.ASSISTANCE else CHANGE
    if req.state in (S.DECLINED, S.CANCELLED):
        return [
            {"label": _("Received"), "done": True, "here": False},
            {"label": req.get_state_display(), "done": False, "here": True},
        ]
    here = next(i for i, (_label, states) in enumerate(stages) if req.state in states)
    return [
        {"label": label, "done": i < here, "here": i == here}
        for i, (label, _states) in enumerate(stages)
    ]


def _private(response: HttpResponse) -> HttpResponse:
    """The address is a key: it is not kept, not indexed, and not told to other sites."""
    response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _neutral(request: HttpRequest) -> HttpResponse:
    """Wrong, expired and revoked addresses look alike, and so do files that are not theirs."""
    return _private(render(request, "tracking/unknown.html", status=404))


@require_safe
def track(request: HttpRequest, token: str) -> HttpResponse:
    """Where it is, in plain words; nothing internal, nothing to decide (F8, F15)."""
    found = tracking.find(token)
    if found is None:
        return _neutral(request)
    req = found.request
    here, next_up = WORDS[S(req.state)]
    context = {
        "req": req,
        "token": token,
        "here": here,
        "next_up": next_up,
        "line": _line(req),
        "entry": req.schedule_entries.active().first() if req.is_open else None,
        "representative": req.representative or req.agency.representative,
        "entries": CaseEntry.objects.filter(case__request=req, public=True).order_by("-at", "-pk"),
        "files": _files(req),
        "reason": _reason(req),
    }
    return _private(render(request, "tracking/track.html", context))


def _reason(req: Request) -> str:
    """Why it ended without fulfillment, as the notice said it."""
    if req.state not in (S.DECLINED, S.CANCELLED):
        return ""
    own = ContentType.objects.get_for_model(Request)
    ends = req.events.filter(subject_type=own, subject_id=req.pk, target=req.state)
    last = ends.exclude(source=req.state).order_by("number").last()
    return last.reason if last else ""


def _files(req: Request) -> Any:
    """What the customer may have: public, and not withdrawn."""
    return Attachment.objects.kept().filter(case__request=req, public=True)


@require_safe
def track_file(request: HttpRequest, token: str, pk: int) -> HttpResponse | FileResponse:
    """A file meant for the customer, as a download that nothing runs."""
    found = tracking.find(token)
    kept = _files(found.request).filter(pk=pk).first() if found else None
    if kept is None:
        return _neutral(request)
    try:
        content = kept.file.open()
    except OSError:
        return _neutral(request)
    response = FileResponse(
        content,
        as_attachment=True,
        filename=kept.name,
        content_type=kept.content_type,
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return _private(response)  # type: ignore[arg-type]
