"""What hangs on a request, for pages that show all of it: read together, by one statement.

Stage apps declare theirs beside their sections.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from asd.models import Agreement, Contact, CoveredService, RateCardLine
from notifications.models import UndeliverableAddress
from requests_app.customer_models import Question, QuestionReminder, Rating
from requests_app.line import moves_of
from requests_app.link_actions import tokens_of
from requests_app.mail_models import InboundMessage, MailState
from requests_app.models import Attachment, Link, TriageDecision, Watcher
from requests_app.notice_section import SHOWN, by_urgency
from workflow.models import Event
from workflow.together import Marks, hangs_on

REQUEST = "requests_app.request"


@hangs_on(REQUEST, "triage_decisions", steps=True)
def _triage(about: Marks) -> QuerySet[Any]:
    return TriageDecision.objects.filter(request=about.pk).select_related("by").order_by("pk")


@hangs_on(REQUEST, "ratings")
def _ratings(about: Marks) -> QuerySet[Any]:
    return Rating.objects.filter(request=about.pk)


@hangs_on(REQUEST, "questions", steps=True)
def _questions(about: Marks) -> QuerySet[Any]:
    return Question.objects.filter(request=about.pk)


@hangs_on(REQUEST, "questions__reminders")
def _reminders(about: Marks) -> QuerySet[Any]:
    return QuestionReminder.objects.filter(question__request=about.pk)


@hangs_on(REQUEST, "watchers", steps=True)
def _watchers(about: Marks) -> QuerySet[Any]:
    return Watcher.objects.filter(request=about.pk).select_related("contact", "user").order_by("pk")


@hangs_on(REQUEST, "files")
def _files(about: Marks) -> QuerySet[Any]:
    return Attachment.objects.filter(case__request=about.pk).select_related("uploaded_by")


@hangs_on(REQUEST, "related")
def _related(about: Marks) -> QuerySet[Any]:
    links = Link.objects.filter(Q(source=about.pk) | Q(target=about.pk))
    return links.select_related("source", "target").order_by("pk")


@hangs_on(REQUEST, "links")
def _links(about: Marks) -> QuerySet[Any]:
    return tokens_of(about.pk)


@hangs_on(REQUEST, "moves")
def _moves(about: Marks) -> QuerySet[Any]:
    return moves_of(about.content_type, about.pk)


@hangs_on(REQUEST, "withdrawals")
def _withdrawals(about: Marks) -> QuerySet[Any]:
    events = Event.objects.filter(stream_type=about.content_type, stream_id=about.pk)
    return events.filter(name="ask_to_withdraw").order_by("number")


@hangs_on(REQUEST, "asked_by_mail")
def _asked_by_mail(about: Marks) -> QuerySet[Any]:
    return InboundMessage.objects.filter(request=about.pk, state=MailState.REQUEST_MADE)[:1]


@hangs_on(REQUEST, "notices")
def _notices(about: Marks) -> QuerySet[Any]:
    return by_urgency(about.content_type, about.pk)[: SHOWN + 1]


@hangs_on(REQUEST, "undeliverable")
def _undeliverable(about: Marks) -> QuerySet[Any]:
    watching = Watcher.objects.filter(request=about.pk, contact__isnull=False).values("contact")
    told = Contact.objects.filter(Q(pk=about.contact_id) | Q(pk__in=watching)).order_by()
    plain = told.annotate(plain=Lower("email")).values("plain")
    return UndeliverableAddress.objects.filter(address__in=plain).order_by("address")


@hangs_on(REQUEST, "agency__agreements", steps=True)
def _agreements(about: Marks) -> QuerySet[Any]:
    return Agreement.objects.filter(agency=about.agency_id)


@hangs_on(REQUEST, "covered", steps=True)
def _covered(about: Marks) -> QuerySet[Any]:
    own = CoveredService.objects.filter(agreement__agency=about.agency_id, service=about.service_id)
    return own.select_related("agreement")


@hangs_on(REQUEST, "rates", steps=True)
def _rates(about: Marks) -> QuerySet[Any]:
    return RateCardLine.objects.filter(
        agreement__agency=about.agency_id, service=about.service_id
    ).select_related("agreement")
