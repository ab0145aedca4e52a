"""How a request stands against its target, as conditions over the stored columns of its clock (F1).

Every list, count, feed and report narrows by these; `prefix` is the way to the request, such as
"requests__" from a provider group.
"""

from datetime import datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone

from workflow import clock


def running_q(prefix: str = "") -> Q:
    """Open, with its clock running."""
    return Q(**{f"{prefix}closed_at__isnull": True, f"{prefix}paused_since__isnull": True})


def late_q(prefix: str = "", now: datetime | None = None) -> Q:
    """Past its due moment with the clock running, by now or by the moment given."""
    return running_q(prefix) & Q(**{f"{prefix}due_at__lt": now or clock.now()})


def at_risk_q(prefix: str = "") -> Q:
    """Three quarters of its working time have gone, and it is not late yet."""
    now = clock.now()
    return running_q(prefix) & Q(**{f"{prefix}at_risk_at__lte": now, f"{prefix}due_at__gte": now})


def paused_q(prefix: str = "") -> Q:
    """Open, with its clock stopped: on hold, for the customer, for parts."""
    return Q(**{f"{prefix}closed_at__isnull": True, f"{prefix}paused_since__isnull": False})


def due_q(days: int, prefix: str = "") -> Q:
    """Not late yet and due today (`days` 0) or within so many days after it."""
    last = clock.today() + timedelta(days=days + 1)
    end = datetime.combine(last, time(), timezone.get_default_timezone())
    return running_q(prefix) & Q(
        **{f"{prefix}due_at__gte": clock.now(), f"{prefix}due_at__lt": end}
    )


CHOICES = [
    ("overdue", "Overdue"),
    ("risk", "At risk"),
    ("today", "Due today"),
    ("week", "Due within seven days"),
    ("paused", "Clock stopped"),
]


def q_of(choice: str, prefix: str = "") -> Q:
    """The condition of one of the choices."""
    if choice in ("today", "week"):
        return due_q(0 if choice == "today" else 7, prefix)
    return {"overdue": late_q, "risk": at_risk_q, "paused": paused_q}[choice](prefix)
