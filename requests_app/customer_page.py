"""What the customer's page shows, gathered once: plain words, nothing internal (F8, F15)."""

from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from requests_app.answers import waits_for_customer
from requests_app.case_models import TrackingToken
from requests_app.customer_actions import withdrawal_asked
from requests_app.customer_sections import sections_for
from requests_app.guards import recently_closed
from requests_app.models import Attachment, CaseEntry, Question, Request, Watcher
from requests_app.states import CLOSED_STATES, Kind, S
from workflow.action_forms import ActionForm
from workflow.actors import Actor, customer
from workflow.paging import page_of
from workflow.registry import Offer, find, offers

ENTRIES = 20
PLACE = "customer"
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
        _("If it is not solved, say so on this page."),
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


def line(req: Request) -> list[dict[str, Any]]:
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


def reason_of_the_end(req: Request) -> str:
    """Why it ended without fulfillment, as the notice said it."""
    if req.state not in (S.DECLINED, S.CANCELLED):
        return ""
    own = ContentType.objects.get_for_model(Request)
    ends = req.events.filter(subject_type=own, subject_id=req.pk, target=req.state)
    last = ends.exclude(source=req.state).order_by("number").last()
    return last.reason if last else ""


def files_of(req: Request) -> Any:
    """What the customer may have: public, and not withdrawn."""
    return Attachment.objects.kept().filter(case__request=req, public=True)


def entries_of(req: Request) -> Any:
    """The conversation as the customer reads it: public updates with their public files."""
    shown = Attachment.objects.kept().filter(public=True)
    return (
        CaseEntry.objects.filter(case__request=req, public=True)
        .prefetch_related(Prefetch("attachments", queryset=shown))
        .order_by("-at", "-pk")
    )


def as_customer(visitor: TrackingToken) -> Actor:
    """Who acts when this visitor sends a form."""
    return customer(visitor.contact.name, visitor.contact)


def is_theirs(req: Request, name: str) -> bool:
    """Whether the customer's page has an action of this name now."""
    made = find(req, name)
    return made is not None and made.place == PLACE


def _offers(req: Request, visitor: TrackingToken | None) -> dict[str, Offer]:
    if visitor is None:
        return {}
    found = offers(req, as_customer(visitor))
    return {o.name: o for o in found if o.place == PLACE and not o.blockers}


def page_context(
    req: Request,
    visitor: TrackingToken | None,
    *,
    number: Any = None,
    bound: tuple[str, ActionForm] | None = None,
    refusal: str = "",
    kept: str = "",
) -> dict[str, Any]:
    """Everything on the customer's page. Without a visitor it is the preview for staff.

    `bound` is the form that came back with errors, `refusal` the sentence of the process, `kept`
    what was typed into a form that does not exist any more.
    """
    found = _offers(req, visitor)
    if bound and bound[0] in found:
        found[bound[0]].form = bound[1]
    here, next_up = WORDS[S(req.state)]
    parts = sections_for(req, visitor)
    waiting = waits_for_customer(req)
    return {
        "req": req,
        "visitor": visitor,
        "preview": visitor is None,
        "offers": found,
        "acted": bound[0] if bound else "",
        "refusal": refusal,
        "kept": kept,
        "here": here,
        "next_up": next_up,
        "line": line(req),
        "waiting": waiting,
        "questions": list(Question.objects.filter(request=req).waiting()) if waiting else [],
        "urgent": [p for p in parts if p.urgent],
        "sections": [p for p in parts if not p.urgent],
        "entry": req.schedule_entries.active().first() if req.is_open else None,
        "representative": req.representative or req.agency.representative,
        "entries": page_of(entries_of(req), number, ENTRIES),
        "files": list(files_of(req)),
        "reason": reason_of_the_end(req),
        "withdrawal": withdrawal_asked(req),
        "rating": req.ratings.filter(pass_number=req.pass_number).first(),
        "can_reopen": req.state == S.CLOSED and recently_closed(req),
        "is_requester": visitor is not None and visitor.contact_id == req.contact_id,
        "followers": list(
            Watcher.objects.filter(request=req, contact__isnull=False).select_related("contact")
        ),
        "reopen_days": settings.THROUGHLINE["REOPEN_DAYS"],
        "max_mb": settings.THROUGHLINE["MAX_UPLOAD_MB"],
    }
