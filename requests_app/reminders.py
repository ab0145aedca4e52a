"""Customers are reminded of what we wait for, once after each wait, and then the desk is told."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from requests_app.answers import waits_for_customer
from requests_app.models import Question, QuestionReminder, Request
from workflow import clock
from workflow.acting import lock
from workflow.actors import SYSTEM
from workflow.door import record
from workflow.worktime import Hours, add_working_days, hours_of


def remind_due() -> int:
    """Remind of every question whose time has come; says how many reminders went out (X1)."""
    soonest = clock.now() - timedelta(days=min(settings.THROUGHLINE["REMIND_CUSTOMER_DAYS"]))
    waiting = Question.objects.waiting().filter(
        asked_at__lte=soonest, request__held_since__isnull=False
    )
    return sum(remind(question) for question in waiting.select_related("request"))


def remind(question: Question) -> bool:
    """The latest reminder that is due, once: what a day without a beat missed is not made up for.

    With the last one the representative is told that nobody answered.
    """
    with transaction.atomic():
        request = lock(question.request)
        waits = Question.objects.waiting().filter(pk=question.pk).exists()
        if not waits or not waits_for_customer(request):
            return False
        due = due_days(question, _hours(request))
        if not due or not claim(question, due):
            return False
        last = due[-1] == max(settings.THROUGHLINE["REMIND_CUSTOMER_DAYS"])
        record(
            request,
            "remind_customer",
            by=SYSTEM,
            facts={"question": question.text, "days": due[-1]},
            tell=("answer_reminder", "no_answer") if last else ("answer_reminder",),
        )
    return True


def due_days(question: Question, hours: Hours) -> list[int]:
    """Which of the waits (working days) are over today."""
    asked = timezone.localdate(question.asked_at)
    days = sorted(settings.THROUGHLINE["REMIND_CUSTOMER_DAYS"])
    return [n for n in days if add_working_days(asked, n, hours) <= clock.today()]


def claim(question: Question, due: list[int]) -> bool:
    """Whether the latest of these reminders is ours to send: the key lets nobody send it twice."""
    rows = [QuestionReminder(question=question, days=n, at=clock.now()) for n in due]
    known = QuestionReminder.objects.filter(question=question, days=due[-1]).exists()
    QuestionReminder.objects.bulk_create(rows, ignore_conflicts=True)
    return not known


def _hours(request: Request) -> Hours:
    group = request.provider_group
    return hours_of(group.calendar if group is not None else None)
