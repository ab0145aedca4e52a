"""Entering and taking back leave. The only writers."""

import pghistory
from django.db import transaction

from workflow.leave_models import Leave
from workflow.models import User
from workflow.upkeep import edited


def add_leave(leave: Leave, *, by: User) -> list[str]:
    """Keep it, and say what it makes impossible, in sentences (F1)."""
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        leave.added_by = by
        leave.save()
        return edited("leave", leave.user)


def take_back(leave: Leave, *, by: User) -> list[str]:
    """The person is at work after all."""
    person = leave.user
    with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
        leave.delete()
        return edited("leave", person)
