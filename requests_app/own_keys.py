"""Which requests may wait for a person: found branch by branch, each along an index of its own.

One condition over all of them would have the database look at every open request. Each branch
gives its first by the rule of the queues; together they are the first of all.
"""

from datetime import date, datetime
from functools import cache
from typing import Any

from django.db.models import Q

from requests_app.led import late_in
from requests_app.models import Request
from requests_app.own_work import (
    PART_WORK,
    SPECIALIST,
    Task,
    records_of,
    tasks_of,
    with_facts,
    with_people,
)
from requests_app.querysets import AmongKeys
from requests_app.represented import BESIDE, MOST, represented
from requests_app.states import S
from workflow import clock
from workflow.models import User
from workflow.prepared import Reading, Sets
from workflow.statements import AmongValues

BY_RULE = ("pk", "overdue", "priority", "due_at", "created_at")
Roles = tuple[bool, ...]
KINDS = {"person": int, "groups": list, "led": list, "today": date}


def roles_of(user: User) -> Roles:
    """What decides how the question is put: everything else is a value in it."""
    return (user.is_representative, bool(user.group_ids), bool(user.led_group_ids),
            user.is_billing, user.is_asd_manager)  # fmt: skip


def _ordered(rows: Any, most: int = MOST) -> Any:
    """The first of some open requests by the rule, with what the rule looks at."""
    return rows.open().by_rule().values_list(*BY_RULE)[:most]


def _among(relation: str, key: str = "request", **where: Any) -> Q:
    """Requests on which such a record hangs: few, so they are looked up from the record's side."""
    return Q(AmongKeys("pk", records_of(relation).filter(**where).order_by().values(key)))


def _sets(roles: Roles, own: dict[str, Any]) -> Sets:
    """What is found by a person's own keys, whatever their roles."""
    represents, in_groups, leads, is_billing, is_asd_manager = roles
    person, requests = own["person"], Request.objects
    found: Sets = {
        "assigned": _ordered(requests.filter(specialist=person, state__in=list(SPECIALIST))),
        "items": _ordered(requests.filter(_among("plan_items", assignee=person, state="open"))),
        "teams": _ordered(
            requests.filter(_among("discoveries", team__user=person), state=S.DISCOVERY)
        ),
        "others": _ordered(requests.filter(specialist=person), MOST + BESIDE),
    }
    if represents:
        agencies = records_of("agency").order_by()
        found |= {
            "agencies": agencies.filter(Q(representative=person) | Q(deputy=person))
            .values_list("pk"),
            "nobodys": agencies.filter(representative=None).values_list("pk"),
            "deputised": User.objects.filter(deputy=person).order_by().values_list("pk"),
        }  # fmt: skip
    if in_groups:
        booked = records_of("schedule_entries").filter(
            AmongValues("group", own["groups"]), state="booked", first_day__lte=own["today"]
        )
        of_group = requests.filter(AmongValues("provider_group", own["groups"]))
        turn = of_group.filter(AmongKeys("pk", booked.order_by().values("request")))
        found["turn"] = _ordered(turn.filter(state=S.SCHEDULED))
        due = requests.filter(review_on__lte=own["today"]).order_by().values("pk")
        found["group_review"] = _ordered(of_group.filter(AmongKeys("pk", due)))
    if leads:
        led = requests.filter(AmongValues("provider_group", own["led"]))
        found["unplaced"] = _ordered(led.filter(state__in=[S.PENDING, S.AWAITING_SCHEDULING]))
    if is_billing:
        found["parts"] = _ordered(requests.filter(_among("part_lines", state__in=list(PART_WORK))))
        found["unknown"] = _ordered(
            requests.filter(state=S.BILLING, agency__known_to_billing=False)
        )
    if is_asd_manager:
        drafts = _among("proposed_services", "origin_request",
                        state__in=["proposed", "in_development"])  # fmt: skip
        found["updates"] = _ordered(requests.filter(_among("service_updates", state="requested")))
        found["drafts"] = _ordered(requests.filter(drafts))
    return found


@cache
def _reading(roles: Roles) -> Reading:
    name = "own_keys_" + "".join("ny"[is_so] for is_so in roles)
    return Reading(lambda **own: _sets(roles, own), KINDS, name)


class OwnKeys:
    """The keys of what may wait for a person, in order; of what is theirs whoever's turn it is;
    and the events about which notices failed. One statement, for a lead or a representative two.

    No more than `most` may wait; who needs fewer does not have the others looked up.
    """

    def __init__(self, user: User, most: int = MOST) -> None:
        found = _reading(roles_of(user))(
            person=user.pk,
            groups=sorted(user.group_ids),
            led=sorted(user.led_group_ids),
            today=clock.today(),
        )
        others = [found.pop("others")]
        keys = {name: [pk for (pk,) in found.pop(name, [])]
                for name in ("agencies", "nobodys", "deputised")}  # fmt: skip
        if user.led_group_ids:
            found["late"] = late_in(sorted(user.led_group_ids))
        first: list[Any] = []
        self.failed: list[int] = []
        if user.is_representative:
            keys["deputised"].append(user.pk)
            theirs = represented(keys["deputised"], keys["agencies"], keys["nobodys"], most)
            self.failed = [pk for pk, *_ in theirs.pop("failed")]
            others.append(theirs.pop("others"))
            first = theirs.pop("nobodys_tasks")
            others.append(theirs["represented"])  # where nothing is to be done about it yet
            found |= theirs
        tasks = [*_merged([first]), *_merged(list(found.values()))]
        self.tasks = [] if user.is_auditor else list(dict.fromkeys(tasks))[:most]
        self.others = _merged(others)[: most + BESIDE]


def _merged(lists: list[list[Any]]) -> list[int]:
    """The keys of all lists, each once, by the rule."""
    rows = {row[0]: row for rows in lists for row in rows}
    return sorted(rows, key=lambda pk: _place(*rows[pk]))


def _place(
    pk: int, overdue: bool, priority: int, due_at: datetime | None, created_at: datetime
) -> tuple[Any, ...]:
    """As `by_rule` says it of the database."""
    return (not overdue, priority, due_at is None, due_at, created_at, pk)


def tasks_for(user: User) -> list[Task]:
    """Everything that waits for this person, in all their roles, the most urgent first."""
    rows = Request.objects.filter(pk__in=OwnKeys(user).tasks)
    return tasks_of(with_people(with_facts(rows, user)), user)
