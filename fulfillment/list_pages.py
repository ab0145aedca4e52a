"""What the pending queue and the work list read: all of a page with one statement (F2, F6).

As nobody narrows it and from its beginning, a list is asked for all day: its statement is kept.
"""

from typing import TYPE_CHECKING, Any

from django.db.models import Sum
from django.http import HttpRequest

from asd.models import Agency, Service
from fulfillment import lists, totals
from fulfillment.filters import PendingFilter, QueueFilter, WorkFilter
from fulfillment.forms import members_of
from fulfillment.models import PlanItem, ProviderGroup, QueueCheck, ScheduleEntry
from fulfillment.names import name_of
from fulfillment.pages import SIZE, page_with
from requests_app.models import Request
from workflow.models import CalendarException, User, WorkingHours
from workflow.paging import MOST
from workflow.prepared import HowMany, Sets, hand_over, read, reading

if TYPE_CHECKING:
    from django.core.paginator import Page

BASE = (
    "reference", "title", "state", "state_since", "priority", "created_at", "closed_at", "due_at",
    "at_risk_at", "paused_since", "paused_for", "held_since", "review_on", "agency__name",
    "forecast__p50_on", "forecast__p85_on",
)  # fmt: skip

PERSON = ("username", "first_name", "last_name", "away_from", "away_until")


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
        "agency": Agency.objects.filter(pk__in=first.values("agency")[:MOST])
        .order_by().values_list("pk", "name"),
        "service": Service.objects.filter(pk__in=first.values("service")[:MOST])
        .order_by().values_list("pk", "name"),
    }  # fmt: skip


def _pending_sets(group: Any, every: Any, found: Any) -> Sets:
    shown = found.select_related("agency", "service", "forecast").only(*BASE, "service__name")
    return _frame(group, every, found) | {
        "page": shown[:SIZE],
        "members": members_of(group).only(*PERSON),
        "check": QueueCheck.objects.filter(group=group, queue="pending").select_related("by"),
        "hours": WorkingHours.objects.filter(calendar__groups=group),
        "exceptions": CalendarException.objects.filter(calendar__groups=group),
    }


def _pieces(requests: Any) -> Sets:
    """The plans of these requests, and when they are planned."""
    items = PlanItem.objects.filter(request__in=requests).order_by("position", "pk")
    items = items.annotate(hours_spent=Sum("time_entries__hours"), by=name_of("assignee__"))
    entries = ScheduleEntry.objects.active().filter(request__in=requests)
    return {
        "items": items.only(
            "request", "pass_number", "position", "title", "state", "estimate_hours"
        ),
        "entries": entries.only("request", "state", "first_day", "last_day"),
    }


def _shown(rows: Any) -> Any:
    return rows.select_related("agency", "specialist", "forecast").only(
        *BASE, "pass_number", *(f"specialist__{n}" for n in ("first_name", "last_name", "username"))
    )


def _work_sets(group: Any, every: Any, found: Any) -> Sets:
    people = User.objects.filter(pk__in=every.order_by().values("specialist")[:MOST])
    return _frame(group, every, found) | {
        "page": _shown(found)[:SIZE],
        "specialist": people.order_by().values_list("pk", name_of()),
        "totals": totals.sums(found),
        **_pieces(found.values("pk")[:SIZE]),
    }


@reading(group=int)
def pending_of(group: Any) -> Sets:
    """The pending queue from its beginning."""
    return _pending_sets(group, _pending(group), _pending(group))


@reading(group=int)
def work_of(group: Any) -> Sets:
    """The work list from its beginning."""
    return _work_sets(group, _working(group), _working(group))


class ListPage:
    """A list of a group as one page shows it. Made by `pending` and `worklist`."""

    def __init__(self, request: HttpRequest, filter_: QueueFilter, found: dict[str, list[Any]]):
        self.filter, self.found = filter_, found
        filter_.read_already(found)
        self.page: Page[Any] = page_with(
            request.GET.get("page"), found["count"][0][0], found["page"]
        )

    @property
    def choices(self) -> Any:
        """All that the fields of the filter show beside what the address says."""
        return self.filter.occurring


def _asked(request: HttpRequest) -> Any:
    """What narrows the list; nothing where the address only turns its pages."""
    return request.GET if set(request.GET) - {"page", "all"} else None


def pending(request: HttpRequest, group: ProviderGroup) -> ListPage:
    """The page of the pending queue that the address asks for. One statement; two further on."""
    rows = _pending(group.pk)
    filter_ = PendingFilter(_asked(request), queryset=rows, request=request)
    if filter_.is_bound:
        found = read(**_pending_sets(group.pk, rows, filter_.qs))
    else:
        found = pending_of(group=group.pk)
    made = ListPage(request, filter_, found)
    if group.calendar:
        hand_over([group.calendar], "hours", found["hours"])
        hand_over([group.calendar], "exceptions", found["exceptions"])
    if made.page.number > 1:
        made.page.object_list = list(lists.shown(filter_.qs)[made.page.start_index() - 1 :][:SIZE])
    return made


def worklist(request: HttpRequest, group: ProviderGroup) -> ListPage:
    """The page of the work list that the address asks for. One statement; two further on."""
    rows = _working(group.pk)
    filter_ = WorkFilter(_asked(request), queryset=rows, request=request)
    if filter_.is_bound:
        found = read(**_work_sets(group.pk, rows, filter_.qs))
    else:
        found = work_of(group=group.pk)
    made = ListPage(request, filter_, found)
    if made.page.number > 1:
        part = slice(made.page.start_index() - 1, made.page.start_index() - 1 + SIZE)
        rows = filter_.qs
        found |= read(page=_shown(rows)[part], **_pieces(rows.values("pk")[part]))
        made.page.object_list = found["page"]
    return made


def works(page: ListPage) -> list[lists.Work]:
    """The rows of the work list with their plans."""
    items: dict[int, list[PlanItem]] = {}
    for item in page.found["items"]:
        items.setdefault(item.request_id, []).append(item)
    entries = {entry.request_id: entry for entry in page.found["entries"]}
    return [
        lists.Work(
            req,
            [i for i in items.get(req.pk, []) if i.pass_number == req.pass_number],
            entries.get(req.pk),
        )
        for req in page.page.object_list
    ]
