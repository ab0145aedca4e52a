"""Delivery in the background: one task per notice, and a sweep that forgets nothing."""

from celery import shared_task


@shared_task
def deliver(notice_id: str) -> None:
    """Send one notice, if it is still to be sent."""


@shared_task
def sweep() -> None:
    """Send whatever is due: what the broker lost, what is to be tried again."""
