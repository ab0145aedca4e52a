"""Delivery in the background: one task per notice, and a sweep that forgets nothing."""

from celery import shared_task

from notifications import delivery


@shared_task
def deliver(notice_id: str) -> None:
    """Send one notice, if it is still to be sent: twice delivered is sent once."""
    delivery.send(notice_id)


@shared_task
def sweep() -> None:
    """Send whatever is due: what the broker lost, what is to be tried again."""
    delivery.sweep()
