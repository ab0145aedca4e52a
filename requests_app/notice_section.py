"""What was said to whom about a request, and how it went; what failed can be sent again (F8)."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.contenttypes.models import ContentType
from django.db.models import Case, QuerySet, Value, When
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from notifications import bounces
from notifications.bounces import plain
from notifications.models import Notice
from notifications.outbox import resend
from requests_app.archive import archived_notices
from requests_app.models import Request
from requests_app.states import State
from requests_app.who import staff
from workflow.action_forms import ActionForm
from workflow.actors import Actor
from workflow.among import Among
from workflow.door import record
from workflow.machine import Refused
from workflow.registry import action, section
from workflow.templatetags.throughline import moment, when
from workflow.together import read_with

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
SHOWN = 15
TITLES = {
    "customer_wrote": "The customer wrote",
    "customer_answered": "The customer answered",
    "withdrawal_asked": "The customer asks to withdraw",
    "follower_added": "Added as a follower",
    "tracking_link": "Link to the tracking page",
    "answer_reminder": "Reminder of a question",
    "no_answer": "No answer after reminders",
    "low_rating": "Low rating",
    "received": "Received",
    "routed": "Sent on",
    "discovery_started": "Discovery started",
    "proposal_issued": "Proposal issued",
    "proposal_expiring": "Proposal runs out",
    "proposal_unanswered": "Proposal not answered yet",
    "proposal_answered": "Proposal answered",
    "changes_asked": "Changes asked for",
    "proposal_accepted": "Proposal accepted",
    "proposal_declined": "Proposal declined",
    "scheduled": "Scheduled",
    "on_hold": "On hold",
    "needs_answer": "Question to the customer",
    "comment": "Message",
    "assistance_fulfilled": "Fulfilled",
    "rfc_fulfilled": "Request for Change fulfilled",
    "declined": "Closed without fulfillment",
    "cancelled": "Cancelled",
    "reopened": "Reopened",
    "queue_new": "New in the queue",
    "transferred": "Transferred",
    "parts_started": "Parts maintenance started",
    "returned_to_triage": "Returned to triage",
    "test_failed": "Test failed",
    "notice_due": "Customer notice due",
    "billing_opened": "Billing opened",
    "billing_returned": "Billing returned",
    "handed_over": "Handed over",
    "assigned": "Assigned",
    "team_invited": "Discovery team",
    "at_risk": "At risk",
    "overdue": "Overdue",
    "address_undeliverable": "An address takes no mail",
    "notice_failed": "A notice failed",
}


def notices_of(request: Request) -> QuerySet[Notice]:
    """Every notice about a request, what failed first, then the newest."""
    return by_urgency(ContentType.objects.get_for_model(Request).pk, request.pk)


def by_urgency(content_type: int, pk: int) -> QuerySet[Notice]:
    """The notices about one stream, what failed first, then the newest."""
    urgent = Case(When(state=Notice.State.FAILED, then=Value(0)), default=Value(1))
    own = Notice.objects.filter(event__stream_type=content_type, event__stream_id=pk)
    return own.order_by(urgent, "-created_at", "pk")


def _shown(request: Request) -> list[Notice]:
    """The first of them, and one more where there are more."""
    read = read_with(request, "notices")
    if read is None:
        read = list(notices_of(request)[: SHOWN + 1])
    if request.archived_at is None:
        return read
    memo = request.__dict__.setdefault("_archived_notices", [])
    if not memo:
        memo.append(archived_notices(request))
    return [*read, *memo[0]][: SHOWN + 1]


@section("notices", "Notices", model=REQUEST, template="notifications/_log.html", order=95,
         show=lambda request, user: bool(_shown(request)))  # fmt: skip
def notice_section(request: Request, user: "User") -> dict[str, Any]:
    """The delivery log: who was told what and when, and whom it did not reach."""
    rows = _shown(request)
    return {
        "notices": [(notice, _cells(notice)) for notice in rows[:SHOWN]],
        "more_notices": len(rows) > SHOWN,
        "failed_notices": sum(notice.state == Notice.State.FAILED for notice in rows),
    }


def address_today(request: Request, notice: Notice) -> str:
    """Where the person of a notice gets mail today: it may have been corrected since."""
    if notice.recipient is not None:
        return notice.recipient.email or notice.address
    named = request.agency.contacts.active().filter(name=notice.recipient_name).exclude(email="")
    known = {plain(address): address for address in named.values_list("email", flat=True)}
    if len(known) != 1 or plain(notice.address) in known:
        return notice.address
    return next(iter(known.values()))


def _cells(notice: Notice) -> SafeString:
    """What was said, to whom, and how it went: there are a dozen of these rows on a page."""
    trouble = notice.last_error if notice.state != Notice.State.SENT else ""
    return format_html(
        CELLS,
        TITLES.get(notice.template, notice.template),
        when(notice.created_at),
        notice.recipient_name,
        notice.address,
        _delivery(notice),
        format_html(TROUBLE, Truncator(trouble).chars(200)) if trouble else "",
    )


CELLS = (
    '<td data-label="Notice">{}<div class="text-secondary">{}</div></td>'
    '<td data-label="To">{}<div class="text-secondary text-break">{}</div></td>'
    '<td data-label="Delivery">{}{}</td>'
)
TROUBLE = '<div class="text-secondary text-break">{}</div>'
FAILED = mark_safe('<strong class="text-danger">Failed</strong>')  # noqa: S308 - words of ours


def _delivery(notice: Notice) -> str:
    if notice.state == Notice.State.FAILED:
        return FAILED
    if notice.state == Notice.State.SENT:
        return f"Sent {when(notice.sent_at)}"
    if notice.state == Notice.State.SUPPRESSED:
        return "Not sent: written as history"
    if notice.attempts:
        times = "time" if notice.attempts == 1 else "times"
        again = moment(notice.next_try_at)
        return f"Not yet: tried {notice.attempts} {times}, again {again}"
    return "On its way"


def _failed(about: Any) -> QuerySet[Notice]:
    return by_urgency(about.content_type, about.pk).filter(state=Notice.State.FAILED)


class ResendForm(ActionForm):
    """Which failed notice is sent again."""

    notice = forms.ModelChoiceField(
        Notice.objects.none(),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "This notice has not failed, or not any more."},
    )
    among = {"notice": Among(_failed)}


@action("resend_notice", "Send again", model=REQUEST, at=State, form=ResendForm,
        who=[staff], place="notices", order=95, on_hold=True)  # fmt: skip
def resend_notice(request: Request, *, by: Actor, notice: Notice) -> None:
    """A notice that could not be delivered is queued once more (F8).

    It goes to the address that the person has now. Raises Refused where the same was said to
    that address already.
    """
    address = address_today(request, notice)
    if plain(address) != plain(notice.address):
        said = Notice.objects.filter(event=notice.event, template=notice.template)
        if any(plain(other) == plain(address) for other in said.values_list("address", flat=True)):
            raise Refused(f"This was sent to {address} already.")
        Notice.objects.filter(pk=notice.pk).update(address=address)
        notice.address = address
    bounces.clear(address)
    resend(Notice.objects.filter(pk=notice.pk))
    record(
        request,
        "resend_notice",
        by=by,
        facts={"notice": TITLES.get(notice.template, notice.template), "to": notice.address},
    )
