"""The frame of every page: the rail with the person's own queues, and the saved filters."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.models import User

WORKLIST = (S.PLANNING, S.IN_FULFILLMENT, S.TESTING)
SCHEDULE = (S.AWAITING_SCHEDULING, S.SCHEDULED)


def group_counts(group_ids: set[int]) -> dict[int, dict[str, int]]:
    """Open work by group and queue, and how much of it is overdue: one query (F3)."""
    late = Q(due_at__lt=clock.now(), held_since__isnull=True)
    rows = (
        Request.objects.open()
        .filter(provider_group__in=group_ids)
        .values("provider_group")
        .order_by()
        .annotate(
            pending=Count("pk", filter=Q(state=S.PENDING)),
            pending_late=Count("pk", filter=Q(state=S.PENDING) & late),
            schedule=Count("pk", filter=Q(state__in=SCHEDULE)),
            schedule_late=Count("pk", filter=Q(state__in=SCHEDULE) & late),
            worklist=Count("pk", filter=Q(state__in=WORKLIST)),
            worklist_late=Count("pk", filter=Q(state__in=WORKLIST) & late),
        )
    )
    return {row["provider_group"]: row for row in rows}


def _rail(user: User, path: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"label": "Home", "href": "/"},
        {"label": "Requests", "href": "/requests/"},
    ]
    memberships = list(user.memberships.select_related("group").order_by("group__name"))
    counts = group_counts({m.group_id for m in memberships}) if memberships else {}
    for membership in memberships:
        group, row = membership.group, counts.get(membership.group_id, {})
        entries.append({"label": group.name})
        for label, page in (
            ("Pending queue", "pending"),
            ("60-day schedule", "schedule"),
            ("Work list", "worklist"),
        ):
            entries.append(
                {
                    "label": label,
                    "href": f"/queues/{group.slug}/{page}/",
                    "count": row.get(page, 0),
                    "risk": row.get(f"{page}_late", 0),
                    "group": True,
                }
            )
    entries.append({"label": "The organisation"})
    if user.is_representative or user.is_auditor or user.is_superuser:
        entries.append({"label": "Queues", "href": "/queues/"})
    entries += [
        {"label": "Discovery", "href": "/discovery/"},
        {"label": "Proposals", "href": "/proposals/"},
        {"label": "Parts", "href": "/parts/"},
        {"label": "Billing", "href": "/billing/"},
        {"label": "Services", "href": "/asd/services/"},
        {"label": "Agencies", "href": "/asd/agencies/"},
        {"label": "Reports", "href": "/reports/"},
    ]
    for entry in entries:
        href = entry.get("href", "")
        entry["here"] = path == href or (len(href) > 1 and path.startswith(href))
    return entries


def shell(request: HttpRequest) -> dict[str, Any]:
    """Read only when a page draws its frame."""
    user = request.user
    if not user.is_authenticated:
        return {}
    return {
        "rail": SimpleLazyObject(lambda: _rail(user, request.path)),
        "saved_filters": SimpleLazyObject(
            lambda: list(user.saved_filters.filter(page=request.path))
        ),
    }
