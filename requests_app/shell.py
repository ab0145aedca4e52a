"""The frame of every page: the rail with the person's own queues, and the saved filters."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from requests_app.glance import QUEUES, frame_of, sum_of
from workflow.models import SavedFilter, User
from workflow.paging import said


def _rail(user: User, path: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"label": "Home", "href": "/"},
        {"label": "Requests", "href": "/requests/"},
    ]
    memberships = user.own_memberships
    work = frame_of(user).work
    for membership in memberships:
        group, states = membership.group, work.get(membership.group_id, {})
        entries.append({"label": group.name})
        for label, page, counted in (
            ("Pending queue", "pending", "pending"),
            ("60-day schedule", "schedule", "slots"),
            ("Work list", "worklist", "worklist"),
        ):
            entries.append(
                {
                    "label": label,
                    "href": f"/queues/{group.slug}/{page}/",
                    "count": sum_of(states, QUEUES[counted], "count"),
                    "late": sum_of(states, QUEUES[counted], "late"),
                    "risk": sum_of(states, QUEUES[counted], "risk"),
                    "group": True,
                }
            )
    entries.append({"label": "The organisation"})
    entries += [{"label": label, "href": href} for label, href, may in _pages(user) if may]
    entries += _mail(user)
    here = max((e["href"] for e in entries if _leads_to(e, path)), key=len, default="")
    for entry in entries:
        entry["here"] = bool(here) and entry.get("href") == here
    return entries


def _mail(user: User) -> list[dict[str, Any]]:
    """Mail that waits for a representative; an auditor reads it too."""
    if user.is_representative or user.is_superuser:
        count = frame_of(user).mail
        return [{"label": "Mail to review", "href": "/mail/", "count": count and said(count)}]
    return [{"label": "Mail to review", "href": "/mail/"}] if user.is_auditor else []


def _person(user: User) -> dict[str, Any]:
    """What the top bar says of who is signed in, and offers them."""
    name = str(user)
    return {
        "name": name,
        "initial": (user.get_short_name() or user.username)[:1].upper(),
        "takes_in": user.is_representative or user.is_superuser,
        "administers": user.is_staff,
    }


def _saved(user: User, path: str) -> list[SavedFilter]:
    return [saved for saved in frame_of(user).filters if saved.page == path]


def _leads_to(entry: dict[str, Any], path: str) -> bool:
    href = entry.get("href", "")
    return path == href or (len(href) > 1 and path.startswith(href))


def _pages(user: User) -> list[tuple[str, str, bool]]:
    """The pages beyond the own queues, and whether this person has any use for them."""
    oversees = user.is_representative or user.is_auditor or user.is_superuser
    works = oversees or bool(user.group_ids)
    finds_out = works or user.discovery_teams.filter(left_at__isnull=True).exists()
    return [
        ("Queues", "/queues/", oversees),
        ("Discovery", "/discovery/", finds_out),
        ("Proposals", "/proposals/", finds_out or user.is_billing),
        ("Parts", "/parts/", works or user.is_billing),
        ("Billing", "/billing/", oversees or user.is_billing or bool(user.led_group_ids)),
        ("Services", "/asd/services/", True),
        ("Agencies", "/asd/agencies/", True),
        ("Reports", "/reports/", True),
        ("Administration", "/admin/", user.is_staff),
    ]


def shell(request: HttpRequest) -> dict[str, Any]:
    """Read only when a page draws its frame."""
    # a request refused before it got a person (a foreign Host) still draws its error page
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {
        "rail": SimpleLazyObject(lambda: _rail(user, request.path)),
        "person": SimpleLazyObject(lambda: _person(user)),
        "saved_filters": SimpleLazyObject(lambda: _saved(user, request.path)),
    }
