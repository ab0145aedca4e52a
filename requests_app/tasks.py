"""What requests do by the clock."""

from celery import shared_task

from requests_app import public_intake


@shared_task
def purge_forms() -> int:
    """Forms of the public page older than seven days go, with their files (X10)."""
    return public_intake.purge()
