"""What did not reach a customer: told to who represents, shown, and tried again by them."""

from django import forms
from django.db import transaction
from django.db.models import Q

from notifications import bounces, reporting
from notifications.models import Notice, UndeliverableAddress
from notifications.outbox import resend
from requests_app.models import Request, Watcher
from requests_app.states import State
from requests_app.who import car
from workflow.acting import lock
from workflow.action_forms import ActionForm
from workflow.actors import SYSTEM, Actor
from workflow.door import record
from workflow.machine import guard
from workflow.models import User
from workflow.registry import action
from workflow.together import read_with

REQUEST = "requests_app.request"
TEMPLATE, FAILED = ALERTS = ("address_undeliverable", "notice_failed")


def told_at(mark: UndeliverableAddress) -> list[Request]:
    """Open requests whose customers are written to at this address, or whose notice came back."""
    watched = Watcher.objects.filter(
        contact__email__iexact=mark.address, contact__is_active=True
    ).values("request")
    concerned = Q(contact__email__iexact=mark.address) | Q(pk__in=watched)
    event = mark.notice.event if mark.notice is not None else None
    if event is not None and event.stream_type.model_class() is Request:
        concerned |= Q(pk=event.stream_id)
    return list(Request.objects.open().filter(concerned).order_by("pk"))


@bounces.when_marked
def alert(mark: UndeliverableAddress) -> None:
    """Every open request concerned remembers it; each representative is told by one of them."""
    told = set(User.objects.filter(email__iexact=mark.address))  # not by a mail that fails too
    with transaction.atomic():
        for request in told_at(mark):
            row = lock(request)
            person = row.representative or row.agency.representative
            record(
                row,
                TEMPLATE,
                by=SYSTEM,
                reason=mark.why,
                facts={"to": mark.address},
                tell=() if person in told else (TEMPLATE,),
            )
            told |= {person} if person else set()


@reporting.when_failed
def alert_about_notices(notices: list[Notice]) -> None:
    """The representative is told which notices of a request failed, unless by the mark already."""
    event = notices[0].event
    if event is None or event.stream_type.model_class() is not Request:
        return
    request = lock(Request.objects.get(pk=event.stream_id))
    marked = set(request.events.filter(name=TEMPLATE).values_list("facts__to", flat=True)) & set(
        bounces.undeliverable_among(n.address for n in notices)
    )
    news = [
        notice
        for notice in notices
        if notice.template not in ALERTS and bounces.plain(notice.address) not in marked
    ]
    if not news:
        return
    person = request.representative or request.agency.representative
    own = {bounces.plain(notice.address) for notice in news}
    record(
        request,
        FAILED,
        by=SYSTEM,
        reason=news[0].last_error,
        facts={"to": ", ".join(sorted(own))},
        tell=() if person and bounces.plain(person.email) in own else (FAILED,),
    )


def marks_of(request: Request) -> list[UndeliverableAddress]:
    """The addresses of this request's customers that take no mail."""
    read = read_with(request, "undeliverable")
    if read is not None:
        return read
    watchers = Watcher.objects.filter(request=request, contact__isnull=False)
    addresses = [*watchers.values_list("contact__email", flat=True), request.contact.email]
    return sorted(bounces.undeliverable_among(addresses).values(), key=lambda m: m.address)


class TryAgainForm(ActionForm):
    """Which address is written to again."""

    address = forms.ChoiceField(
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "This address is not marked, or not any more."},
    )

    def prepare(self) -> None:
        field = self.fields["address"]
        field.choices = [(m.address, m.address) for m in marks_of(self.subject)]  # type: ignore[attr-defined]


@guard("All addresses of its customers take mail.")
def has_mark(request: Request) -> bool:
    return bool(marks_of(request))


@action("try_address_again", "Try this address again", model=REQUEST, at=State, form=TryAgainForm,
        who=[car], place="people", order=96, on_hold=True, when=has_mark)  # fmt: skip
def try_address_again(request: Request, *, by: Actor, address: str) -> None:
    """The representative knows that mails arrive again: what failed about this request goes out."""
    bounces.clear(address)
    resend(
        Notice.objects.filter(
            address__iexact=address, event__in=request.events.all(), state=Notice.State.FAILED
        )
    )
    record(request, "try_address_again", by=by, facts={"to": address})
