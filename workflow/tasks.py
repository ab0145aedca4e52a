"""What the ground floor tidies by the clock."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from workflow import clock
from workflow.models import ApiCall, BrowserSession


@shared_task
def purge_calls() -> int:
    """Answers kept for an Idempotency-Key go when nobody asks again any more; says how many."""
    until = clock.now() - timedelta(days=settings.THROUGHLINE["API_CALL_DAYS"])
    return ApiCall.objects.filter(at__lt=until).delete()[0]


@shared_task
def purge_sessions() -> int:
    """Sessions that have expired go; says how many."""
    return BrowserSession.objects.filter(expire_date__lt=clock.now()).delete()[0]
