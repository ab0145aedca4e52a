"""What the pending queue and the work list read: all of a page with one statement (F2, F6).

As nobody narrows it and from its beginning, a list is asked for all day: its statement is kept.
"""

from collections.abc import Hashable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import OuterRef, Subquery, Sum
from django.http import HttpRequest

from asd.models import Agency, Service
from fulfillment import lists, totals
from fulfillment.filters import PendingFilter, QueueFilter, WorkFilter
from fulfillment.forms import members_of
from fulfillment.models import ProviderGroup, QueueCheck, ScheduleEntry
from fulfillment.names import name_of
from fulfillment.pages import SIZE, page_with
from fulfillment.work_models import PlanItem, TimeEntry
from requests_app.models import Request
from requests_app.querysets import AmongKeys
from requests_app.rows import standing_of
from workflow.choosing import MOST as MOST_DRAWN
from workflow.drawn import Drawn, drawing, read_drawn
from workflow.models import CalendarException, User, WorkingHours
from workflow.paging import MOST
from workflow.prepared import HowMany, Sets, hand_over

if TYPE_CHECKING:
    from django.core.paginator import Page

BASE = (
    "reference", "title", "state", "state_since", "priority", "created_at", "closed_at", "due_at",
    "at_risk_at", "paused_since", "paused_for", "held_since", "review_on", "agency__name",
    "forecast__p50_on", "forecast__p85_on",
)  # fmt: skip

PERSON = ("username", "first_name", "last_name", "away_from", "away_until")


class Listed:
    """A request in a list of a group."""

    def __init__(self, req: Drawn) -> None:
        self.req = req

    @property
    def standing(self) -> str:
        """How it stands at this moment."""
        return standing_of(self.req)

    @property
    def facts(self) -> Hashable:
        """All that is shown of it, with what changes by the hour."""
        return (self.req.facts, self.standing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.req, name)


class Piece(NamedTuple):
    """A piece of a plan in the work list."""

    request_id: int
    pass_number: int
    title: str
    state: str
    estimate_hours: Decimal | None
    hours_spent: Decimal | None
    by: str | None

    @property
    def get_state_display(self) -> str:
        return str(PlanItem.State(self.state).label)


class Planned(NamedTuple):
    """When a request is planned."""

    request_id: int
    first_day: date
    last_day: date


def _pending(group: Any) -> Any:
    """Whoever may open the page of a group sees all of its requests."""
    return Request.objects.pending(group).by_rule()


def _working(group: Any) -> Any:
    rows = Request.objects.filter(provider_group=group, state__in=lists.ON_WORK_LIST)
    return rows.annotate(spent=lists.spent()).by_rule()


def _frame(group: Any, every: Any, found: Any) -> Sets:
    """How many there are, and what of agencies and services occurs in the list."""
    first = every.order_by()
    return {
        "count": ProviderGroup.objects.filter(pk=group).values_list(HowMany(found)),
        "agency": Agency.objects.filter(AmongKeys("pk", first.values("agency")[:MOST]))
        .order_by().values_list("pk", "name"),
        "service": Service.objects.filter(AmongKeys("pk", first.values("service")[:MOST]))
        .order_by().values_list("pk", "name"),
    }  # fmt: skip


def _waiting(rows: Any) -> Any:
    return rows.select_related("agency", "service", "forecast").only(*BASE, "service__name")


def _pending_sets(group: Any, every: Any, found: Any) -> Sets:
    return _frame(group, every, found) | {
        "page": _waiting(found)[:SIZE],
        "members": members_of(group).only(*PERSON)[: MOST_DRAWN + 1],
        "check": QueueCheck.objects.filter(group=group, queue="pending").select_related("by"),
        "hours": WorkingHours.objects.filter(calendar__groups=group),
        "exceptions": CalendarException.objects.filter(calendar__groups=group),
    }


def _pieces(requests: Any) -> Sets:
    """The plans of these requests, and when they are planned."""
    worked = TimeEntry.objects.filter(item=OuterRef("pk")).order_by().values("item")
    spent = Subquery(worked.annotate(total=Sum("hours")).values("total"))
    items = PlanItem.objects.filter(request__in=requests).order_by("position", "pk")
    entries = ScheduleEntry.objects.active().filter(request__in=requests).order_by()
    return {
        "items": items.values_list(
            "request", "pass_number", "title", "state", "estimate_hours", spent,
            name_of("assignee__"),
        ),
        "entries": entries.values_list("request", "first_day", "last_day"),
    }  # fmt: skip


def _shown(rows: Any) -> Any:
    return rows.select_related("agency", "specialist", "forecast").only(
        *BASE, "pass_number", *(f"specialist__{n}" for n in ("first_name", "last_name", "username"))
    )


def _work_sets(group: Any, every: Any, found: Any) -> Sets:
    people = User.objects.filter(AmongKeys("pk", every.order_by().values("specialist")[:MOST]))
    return _frame(group, every, found) | {
        "page": _shown(found)[:SIZE],
        "specialist": people.order_by().values_list("pk", name_of()),
        "totals": totals.sums_at_once(found),
        **_pieces(found.values("pk")[:SIZE]),
    }


@drawing("page", group=int)
def pending_of(group: Any) -> Sets:
    """The pending queue from its beginning."""
    return _pending_sets(group, _pending(group), _pending(group))


@drawing("page", group=int)
def work_of(group: Any) -> Sets:
    """The work list from its beginning."""
    return _work_sets(group, _working(group), _working(group))


class ListPage:
    """A list of a group as one page shows it. Made by `pending` and `worklist`."""

    def __init__(self, request: HttpRequest, filter_: QueueFilter, found: dict[str, list[Any]]):
        self.filter, self.found = filter_, found
        filter_.read_already(found)
        found["page"] = [Listed(req) for req in found["page"]]
        self.count: int = found["count"][0][0]
        self.page: Page[Any] = page_with(request.GET.get("page"), self.count, found["page"])

    @property
    def choices(self) -> Any:
        """All that the fields of the filter show beside what the address says."""
        return self.filter.occurring


def _asked(request: HttpRequest) -> Any:
    """What narrows the list; nothing where the address only turns its pages."""
    return request.GET if set(request.GET) - {"page", "totals"} else None


def pending(request: HttpRequest, group: ProviderGroup) -> ListPage:
    """The page of the pending queue that the address asks for. One statement; two further on."""
    rows = _pending(group.pk) if request.GET else Request.objects.none()
    filter_ = PendingFilter(_asked(request), queryset=rows, request=request)
    if filter_.is_bound:
        found = read_drawn("page", **_pending_sets(group.pk, rows, filter_.qs))
    else:
        found = pending_of(group=group.pk)
    made = ListPage(request, filter_, found)
    if group.calendar:
        hand_over([group.calendar], "hours", found["hours"])
        hand_over([group.calendar], "exceptions", found["exceptions"])
    if made.page.number > 1:
        part = slice(made.page.start_index() - 1, made.page.start_index() - 1 + SIZE)
        rest = read_drawn("page", page=_waiting(filter_.qs)[part])
        made.page.object_list = [Listed(req) for req in rest["page"]]
    return made


def worklist(request: HttpRequest, group: ProviderGroup) -> ListPage:
    """The page of the work list that the address asks for. One statement; two further on."""
    rows = _working(group.pk) if request.GET else Request.objects.none()
    filter_ = WorkFilter(_asked(request), queryset=rows, request=request)
    if filter_.is_bound:
        found = read_drawn("page", **_work_sets(group.pk, rows, filter_.qs))
    else:
        found = work_of(group=group.pk)
    made = ListPage(request, filter_, found)
    if made.page.number > 1:
        part = slice(made.page.start_index() - 1, made.page.start_index() - 1 + SIZE)
        rows = filter_.qs
        found |= read_drawn("page", page=_shown(rows)[part], **_pieces(rows.values("pk")[part]))
        made.page.object_list = [Listed(req) for req in found["page"]]
    return made


def work_totals(page: ListPage, *, every: bool) -> totals.WorkTotals | None:
    """The whole list added up; None for a long one unless `every` asks for it: it is fetched for
    itself then."""
    count = page.count
    if count <= totals.AT_ONCE:
        return totals.of(page.found["totals"], count)
    return totals.of(totals.sums(page.filter.qs), count) if every else None


def works(page: ListPage) -> list[lists.Work]:
    """The rows of the work list with their plans."""
    items: dict[int, list[Any]] = {}
    for row in page.found["items"]:
        items.setdefault(row[0], []).append(Piece(*row))
    entries = {row[0]: Planned(*row) for row in page.found["entries"]}
    return [
        lists.Work(
            req,
            [i for i in items.get(req.id, []) if i.pass_number == req.pass_number],
            entries.get(req.id),
        )
        for req in page.page.object_list
    ]
