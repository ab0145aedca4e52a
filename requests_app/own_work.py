"""What waits for a person, why and until when: one query for the facts, plain rules over them."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Subquery
from django.utils import timezone

from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from workflow import clock
from workflow.models import User

MOST = 100
PEOPLE = (
    "agency__representative__deputy", "provider_group", "specialist", "representative__deputy",
)  # fmt: skip
PERSON = ("username", "first_name", "last_name", "away_from", "away_until", "deputy")
ROW = (
    "reference", "title", "state", "state_since", "priority", "pass_number", "created_at",
    "closed_at", "due_at", "at_risk_at", "paused_since", "paused_for", "held_since", "review_on",
    "waiting_for", "agency__name", "agency__deputy", "agency__known_to_billing",
    "provider_group__name",
    *(f"{person}__{name}" for name in PERSON for person in (
        "specialist", "representative", "representative__deputy", "agency__representative",
        "agency__representative__deputy",
    )),
)  # fmt: skip
OPEN_BILLS = ("draft", "forwarded", "initiated")
ANSWER_SOON = timedelta(days=3)
PART_WORK = {"requested": "rate", "rated": "give a billing code", "coded": "list"}
STAGES = {
    "documenting": ("Document the service", "Say what is asked for and why it is outside"),
    "assembling": ("Assemble the team", "The discovery needs at least one more person"),
    "client_discovery": ("Carry on discovery", "Findings, needs and their verdicts"),
    "proposing": ("Build the proposal", "Client discovery is final"),
    "complete": ("Send it on", "The discovery is complete"),
}
PROPOSALS = {
    "draft": ("Issue the proposal", "It is still a draft"),
    "declined": ("Revise or close", "The customer declined the proposal"),
    "expired": ("Revise the proposal", "It expired without an answer"),
}


# Where on the request's page it is done; everything else under "What happens next"
PLACES = {
    "Document the service": "discovery",
    "Assemble the team": "discovery",
    "Carry on discovery": "discovery",
    "Complete the discovery": "discovery",
    "Build the proposal": "proposals",
    "Issue the proposal": "proposals",
    "Revise the proposal": "proposals",
    "Revise or close": "proposals",
    "Ask for the answer": "proposals",
    "Record the purchase order": "proposals",
    "See to its parts": "parts",
    "Plan the work": "plan",
    "Do the work": "plan",
    "Do your part": "plan",
    "Test it": "tests",
    "Initiate billing": "billing",
    "Record the customer": "billing",
    "Ask for the ASD update": "billing",
    "Ask again or waive": "billing",
    "Apply the ASD update": "billing",
    "Take the service live": "billing",
}


@dataclass(frozen=True)
class Task:
    """One line of *Act now*: the request, what to do, why, and until when."""

    req: Any
    what: str
    why: str = ""
    until: date | datetime | None = None

    @property
    def due(self) -> date | datetime | None:
        """Its own date where it has one, else the request's."""
        return self.until or self.req.due_at

    @property
    def place(self) -> str:
        """The part of the request's page where it is done."""
        return PLACES.get(self.what, "next-title")

    @property
    def facts(self) -> Hashable:
        """All that is shown of it, for a day."""
        r = self.req
        return (
            r.reference, r.title, r.agency.name, r.state, r.priority, r.standing, r.due_at,
            r.closed_at, r.paused_since, r.paused_for, r.review_on, r.state_since, self.what,
            self.why, self.until, self.is_late,
        )  # fmt: skip

    @property
    def is_late(self) -> bool:
        if self.until is None:
            return bool(self.req.is_overdue)
        day = self.until
        if isinstance(day, datetime):
            return day < clock.now()
        return day is not None and day < clock.today()

    @property
    def rank(self) -> tuple[bool, int, date, datetime]:
        """Overdue first, then by priority, then by date, then the oldest (F4)."""
        due = self.due
        day = timezone.localdate(due) if isinstance(due, datetime) else due
        return (not self.is_late, self.req.priority, day or date.max, self.req.created_at)


Answer = tuple[Any, ...] | None
Rule = Callable[[Any, User], Answer]


def records_of(relation: str) -> Any:
    """The records that hang on a request by this relation, whichever app keeps them."""
    model: Any = Request._meta.get_field(relation).related_model
    return model.objects


def _latest(relation: str, column: str, order: str, **where: Any) -> Subquery:
    """A column of the newest record that hangs on the request in its current pass."""
    records = records_of(relation).filter(**where)
    return Subquery(
        records.filter(request=OuterRef("pk"), pass_number=OuterRef("pass_number"))
        .order_by(order)
        .values(column)[:1]
    )


def _any(relation: str, **where: Any) -> Exists:
    return Exists(records_of(relation).filter(request=OuterRef("pk"), **where))


def with_facts(requests: Any, user: User | int) -> Any:
    """Everything that the rules below look at, in the same query."""
    return requests.annotate(
        stage=_latest("discoveries", "state", "-number"),
        offer=_latest("proposals", "state", "-version"),
        offer_valid_until=_latest("proposals", "valid_until", "-version"),
        has_order=_any("purchase_orders", proposal__state="accepted"),
        part_state=_latest("part_lines", "state", "-state", state__in=list(PART_WORK)),
        test=_latest("test_runs", "result", "-number"),
        slot=_latest("schedule_entries", "first_day", "-pk", state="booked"),
        bill=_latest("billing_cases", "state", "-pk", state__in=OPEN_BILLS),
        update=_latest("service_updates", "state", "-pk"),
        draft_service=_any_service(),
        on_team=_any("discoveries", team__user=user, team__left_at__isnull=True),
        my_items=Subquery(
            records_of("plan_items")
            .filter(request=OuterRef("pk"), assignee=user, state="open")
            .order_by()
            .values("request")
            .annotate(count=Count("pk"))
            .values("count")
        ),
    )


def _any_service() -> Exists:
    drafts = records_of("proposed_services").filter(state__in=["proposed", "in_development"])
    return Exists(drafts.filter(origin_request=OuterRef("pk")))


# What the representative has to do


def _triage(req: Any, user: User) -> Answer:
    if req.representative_id is None:
        return "Claim and triage", "Nobody represents it yet"
    return "Decide triage", "Came in and waits for its way"


def _discovery(req: Any, user: User) -> Answer:
    if req.offer == "issued":
        soon = req.offer_valid_until and req.offer_valid_until <= clock.today() + ANSWER_SOON
        return (
            ("Ask for the answer", "The proposal expires", req.offer_valid_until) if soon else None
        )
    if req.stage == "proposing" and req.offer == "accepted":
        if req.has_order:
            return "Complete the discovery", "The proposal is accepted"
        return "Record the purchase order", "The proposal is accepted"
    if req.stage == "proposing" and req.offer in PROPOSALS:
        return PROPOSALS[req.offer]
    return STAGES.get(req.stage, ("Carry on discovery", ""))


def _parts(req: Any, user: User) -> Answer:
    return PROPOSALS.get(req.offer) if req.offer != "draft" else None


def _billing(req: Any, user: User) -> Answer:
    if req.bill == "forwarded":
        if not req.agency.known_to_billing:
            return None
        return "Initiate billing", "The provider forwarded the billing case"
    if req.bill != "initiated":
        return None
    if req.update is None:
        return "Ask for the ASD update", "Billing is initiated"
    if req.update == "refused":
        return "Ask again or waive", "The ASD update was sent back"
    return None if req.update == "requested" else ("Settle billing", "Billing and ASD are done")


def _notice(req: Any, user: User) -> Answer:
    return "Notify the customer", "It is done; the customer does not know yet"


REPRESENTATIVE: dict[str, Rule] = {
    S.TRIAGE: _triage,
    S.DISCOVERY: _discovery,
    S.PARTS_MAINTENANCE: _parts,
    S.BILLING: _billing,
    S.CUSTOMER_NOTICE: _notice,
}


# What a specialist, a member and a lead have to do


def _testing(req: Any, user: User) -> Answer:
    if req.test == "failed":
        return "Send back to fulfillment", "The last test failed"
    if req.test == "passed":
        return "Decide on the charge", "The last test passed"
    return "Test it", "Every plan item is done"


SPECIALIST: dict[str, Rule] = {
    S.ASSIGNED: lambda req, user: ("Fulfill it", "Assigned to you"),
    S.PLANNING: lambda req, user: ("Plan the work", "Plan and estimates come first"),
    S.IN_FULFILLMENT: lambda req, user: ("Do the work", _items(req) or "Work has started"),
    S.TESTING: _testing,
}


def _items(req: Any) -> str:
    if not req.my_items:
        return ""
    return f"{req.my_items} plan {'item' if req.my_items == 1 else 'items'} of yours"


def _member(req: Any, user: User) -> Answer:
    if req.state == S.SCHEDULED and req.slot and req.slot <= clock.today():
        return "Pull it for planning", "Its day on the schedule has come", req.slot
    if req.state in (S.PLANNING, S.IN_FULFILLMENT) and req.my_items:
        return "Do your part", _items(req)
    return None


def _lead(req: Any, user: User) -> Answer:
    if req.state == S.PENDING:
        return "Assign it", "Nobody has taken it yet"
    if req.state == S.AWAITING_SCHEDULING:
        return "Schedule it", "It has no slot yet"
    if req.state in FULFILLMENT and req.is_overdue:
        return "Look into it", f"Overdue with {req.specialist}"
    return None


# What the billing office, the ASD manager and discovery teams have to do


def _office(req: Any, user: User) -> Answer:
    if req.state == S.BILLING and not req.agency.known_to_billing:
        return "Record the customer", f"{req.agency} is not known to billing"
    if req.part_state:
        return "See to its parts", f"A part line to {PART_WORK[req.part_state]}"
    return None


def _asd(req: Any, user: User) -> Answer:
    if req.update == "requested":
        return "Apply the ASD update", "The representative asked for it"
    if req.draft_service and req.state in (S.TESTING, S.BILLING, S.CUSTOMER_NOTICE):
        return "Take the service live", "Its request is nearly done"
    return None


def _team(req: Any, user: User) -> Answer:
    if req.state != S.DISCOVERY or req.stage not in ("client_discovery", "proposing"):
        return None
    return None if req.offer in ("issued", "accepted") else STAGES[req.stage]


def _held(req: Any, user: User) -> Answer:
    if req.review_on is None or req.review_on > clock.today():
        return None
    return "Look again", "On hold; its review date has come", req.review_on


def _answers(req: Any, user: User) -> Iterator[Answer]:
    """What each role of the person has to say about the request, the nearest role first."""
    represents, member = req.is_represented_by(user), req.is_member(user)
    if req.is_on_hold:
        yield _held(req, user) if represents or member else None
        return
    if req.specialist_id == user.pk and req.state in SPECIALIST:
        yield SPECIALIST[req.state](req, user)
    if represents and req.state in REPRESENTATIVE:
        yield REPRESENTATIVE[req.state](req, user)
    if req.is_lead(user):
        yield _lead(req, user)
    if member:
        yield _member(req, user)
    if req.on_team:
        yield _team(req, user)
    if user.is_billing:
        yield _office(req, user)
    if user.is_asd_manager:
        yield _asd(req, user)


def task_of(req: Any, user: User) -> Task | None:
    """What this person has to do with a request (with its facts), or None."""
    answer = next(filter(None, _answers(req, user)), None)
    return Task(req, *answer) if answer else None


def with_people(requests: Any) -> Any:
    """With no more of each than own work looks at and shows."""
    return requests.select_related(*PEOPLE).only(*ROW)


def tasks_of(requests: Iterable[Any], user: User) -> list[Task]:
    """What these requests (with their facts) want of a person, the most urgent first."""
    return sorted(filter(None, (task_of(req, user) for req in requests)), key=lambda t: t.rank)
