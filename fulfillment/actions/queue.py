"""The CRM Pending Queue: who takes which assistance request, and its end (F2-F5, F7, F8)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Exists

from fulfillment import forms
from fulfillment.models import ProviderGroup, QueueCheck
from requests_app.at_hand import CLOCK, PEOPLE, TOLD
from requests_app.escalation import mark_overdue, not_marked, unmarked
from requests_app.models import Request
from requests_app.states import S
from workflow import clock
from workflow.acting import act, find_and_lock
from workflow.action_forms import ReasonForm
from workflow.actors import Actor, as_actor
from workflow.door import advance
from workflow.registry import action
from workflow.together import asks_for
from workflow.written import Written

if TYPE_CHECKING:
    from workflow.models import User

REQUEST = "requests_app.request"
CHECK_EVERY = timedelta(minutes=1)
asks_for(REQUEST, ["take", "assign", "unassign"], *PEOPLE, *CLOCK)
asks_for(REQUEST, ["fulfill"], *PEOPLE, *TOLD, "case", "questions", "proposed_services")


@action("take", "Take it", model=REQUEST, at=[S.PENDING], step="assign",
        place="next", order=10)  # fmt: skip
def take(request: Request, *, by: Actor) -> Request:
    """A specialist takes it; of two who press at once one gets it (F5)."""
    return advance(request, "assign", by=by, specialist=by.person)


@action("assign", "Assign", model=REQUEST, at=[S.PENDING], form=forms.AssignForm,
        place="next", order=11)  # fmt: skip
def assign(request: Request, *, by: Actor, specialist: "User") -> Request:
    """A specialist of the group gets it (F5)."""
    return advance(request, "assign", by=by, specialist=specialist)


@action("unassign", "Put back into the queue", model=REQUEST, at=[S.ASSIGNED],
        form=ReasonForm, order=52)  # fmt: skip
def unassign(request: Request, *, by: Actor, reason: str) -> Request:
    """Back into the pending queue, with the reason (F5)."""
    return advance(request, "unassign", by=by, reason=reason)


@action("fulfill", "Fulfill and close", model=REQUEST, at=[S.ASSIGNED],
        form=forms.FulfillForm, place="next", order=10)  # fmt: skip
def fulfill(request: Request, *, by: Actor, resolution: str) -> Request:
    """Case updated, closed, customer told: all or nothing (F7, F8)."""
    return advance(request, "fulfill", by=by, resolution=resolution)


def next_pending(group: ProviderGroup | int) -> Any:
    """The queue in the order of the rule, without what is on hold (F4)."""
    return Request.objects.pending(group).filter(held_since__isnull=True).by_rule()


def _first(rows: Any) -> Any:
    return rows.select_for_update(skip_locked=True, of=("self",)).values_list("pk")[:1]


def _first_where_all_are_marked(group: int, now: datetime) -> Any:
    late = not_marked(Request.objects.pending(group), now)
    return _first(next_pending(group).filter(~Exists(late)))


LATE = Written(lambda group, now: unmarked(Request.objects.pending(group), now))
FIRST_OF_MARKED = Written(_first_where_all_are_marked, planned=True)
FIRST = Written(lambda group: _first(next_pending(group)), planned=True)


def take_next(group: ProviderGroup, *, by: "User | Actor") -> Request | None:
    """The right one under the rule, or None; two at once get different ones (F4, F5).

    A row that somebody else is taking at this moment is skipped, not waited for. What is late and
    not marked so is marked first, so that the rule finds it on top.
    """
    person = as_actor(by).person
    with act():
        now = clock.now()
        found = find_and_lock(Request, FIRST_OF_MARKED, "assign", group=group.pk, now=now)
        if found is None:
            mark_overdue(LATE.tuples(group=group.pk, now=now))
            found = find_and_lock(Request, FIRST, "assign", group=group.pk)
        if found is None:
            return None
        return advance(found, "assign", by=by, specialist=person)


def note_check(group: ProviderGroup, queue: str, by: "User") -> QueueCheck | None:
    """A member has looked at the queue: written at most once a minute (F3). The latest look."""
    return noted(group, queue, by, group.checks.filter(queue=queue).select_related("by").first())


def noted(
    group: ProviderGroup, queue: str, by: "User", check: QueueCheck | None
) -> QueueCheck | None:
    """As `note_check`, where the latest look was read already."""
    now = clock.now()
    if group.pk not in by.group_ids or (check is not None and check.at > now - CHECK_EVERY):
        return check
    if check is None:
        return group.checks.update_or_create(queue=queue, defaults={"by": by, "at": now})[0]
    check.by, check.at = by, now
    group.checks.filter(queue=queue).update(by=by, at=now)  # one statement: others look on
    return check
