"""Histories of requests, each told step by step through the same actions that people use.

A story is a generator: it does one thing, then yields the working hours until the next.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from config.demo.organisation import DAYS, Organisation
from requests_app.intake import take_in
from requests_app.models import Request
from requests_app.states import S
from requests_app.triage import CHECKLIST
from workflow import clock
from workflow.models import User
from workflow.registry import perform
from workflow.worktime import STANDARD, add_minutes, add_working_days, minutes_between

Story = Iterator[float]
WISHES = [
    ("{service} for {count} new colleagues", "We have {count} people starting and need {service} for them by then."),
    ("Move {service} to the new floor", "We are moving offices and {service} has to move along, {count} places."),
    ("More of {service}", "What we have is not enough any more: please add {count}."),
    ("Change of {service}", "Please change {service} for {count} people as described to the help line."),
    ("{service} for the field offices", "Our {count} field offices need {service} as the main office has it."),
    ("Review of {service}", "Please look at our {service} and set it up for {count} more users."),
]  # fmt: skip
YES = {key: "yes" for key, _ in CHECKLIST}


@dataclass
class Teller:
    """One request on its way: who acts, what moment it is, where it stops."""

    org: Organisation
    rng: random.Random
    stop_at: str = ""
    request: Request = field(init=False)

    def begin(self, agencies: list[Any], service: Any) -> None:
        """The request comes in."""
        agency = self.rng.choice(agencies)
        contact = self.rng.choice(list(agency.contacts.all()))
        title, text = self.rng.choice(WISHES)
        count = self.rng.randint(2, 30)
        what = service.name if service else "a service of our own"
        self.rep: User = agency.representative
        self.request = take_in(
            by=self.rep,
            agency=agency,
            contact=contact,
            title=title.format(service=what, count=count),
            description=text.format(service=what, count=count),
            service=service,
            impact=self.rng.choice([1, 2, 2, 2, 3]),
            urgency=self.rng.choice([1, 2, 2, 3, 3]),
            needed_by=clock.today() + timedelta(days=self.rng.randint(10, 90))
            if self.rng.random() < 0.5
            else None,
        )

    def do(self, name: str, by: User, **data: Any) -> Any:
        """One action, as typed into its form."""
        files = {k: v for k, v in data.items() if hasattr(v, "chunks")}
        texts = {k: str(v) for k, v in data.items() if k not in files and v is not None}
        result = perform(self.request, name, by=by, data=texts, files=files)
        self.request.refresh_from_db()
        return result

    def hours(self, low: float, high: float) -> float:
        """Working hours until the next step: mostly short, sometimes long."""
        return low + (high - low) * self.rng.betavariate(1.3, 3)

    def slot(self, hours: float) -> dict[str, Any]:
        """The facts of a booking some days ahead."""
        day = add_working_days(clock.today(), self.rng.randint(1, 12), STANDARD)
        return {"day": day.isoformat(), "hours": hours}


def triaged(t: Teller, standard: bool, service: Any) -> Story:
    """From intake to a queue."""
    t.begin(t.org.current, service)
    yield t.hours(0.3, 10)
    answers = YES if standard else {**YES, "solution": "no", "pre_approved": "no"}
    t.do("triage", t.rep, service=service.pk, service_known="yes", decision="", **answers)
    if t.request.state == S.TRIAGE:
        return
    yield t.hours(0.5, 12)


def assistance(t: Teller) -> Story:
    """Routine help of a current customer (D15, F5, F7, F8)."""
    service = t.rng.choice(t.org.services)
    yield from triaged(t, True, service)
    if t.request.state != S.PENDING:
        return
    specialist = t.rng.choice(t.org.specialists(t.request.provider_group))
    t.do("take", specialist)
    yield t.hours(0.5, 16)
    if t.rng.random() < 0.3:
        t.do("comment", specialist, text="Called the contact: two questions are clear now.")
        yield t.hours(0.5, 6)
    t.do("log_time", specialist, hours=t.rng.choice(["0.5", "1", "1.5", "2.25"]),
         on=clock.today().isoformat())  # fmt: skip
    t.do("fulfill", specialist, resolution="Set up as asked and tried out with the contact.")
    if t.rng.random() < 0.05:
        yield t.hours(8, 40)
        t.do("reopen", t.rep, reason="The contact says that one of the places still does not work.")


def worked(t: Teller, charge: bool) -> Story:
    """An enhancement from awaiting scheduling to a passing test (F6, F9)."""
    group = t.request.provider_group
    lead, specialist = t.org.lead(group), t.rng.choice(t.org.specialists(group))
    effort = t.rng.choice([4, 6, 8, 12, 16, 20])
    t.do("schedule", lead, charge_expected="yes" if charge else "no", **t.slot(effort))
    days = minutes_between(
        clock.now(),
        clock.now()
        + (t.request.schedule_entries.active().first().first_day - clock.today())
        * timedelta(days=1).days,
        STANDARD,
    )
    yield max(1.0, days / 60)
    t.do("pull", specialist, specialist=specialist.pk)
    yield t.hours(1, 10)
    titles = ["Prepare and agree the change", "Carry it out", "Document and hand over"]
    for title in titles:
        t.do("add_plan_item", specialist, title=title, estimate_hours=f"{effort / 3:.2f}",
             assignee=specialist.pk, test_criterion=f"{title}: checked")  # fmt: skip
    yield t.hours(1, 8)
    t.do("start_work", specialist)
    for item in t.request.plan_items.all():
        yield t.hours(2, 20)
        t.do("log_time", specialist, item=item.pk, on=clock.today().isoformat(),
             hours=f"{max(0.25, effort / 3 * t.rng.uniform(0.6, 1.4)):.2f}")  # fmt: skip
        t.do("finish_plan_item", specialist, item=item.pk)
    yield t.hours(0.5, 6)
    t.do("submit_for_testing", specialist)
    yield t.hours(1, 10)
    yield from tested(t, specialist)


def tested(t: Teller, specialist: User) -> Story:
    """Test runs until one passes; the first one sometimes fails (F9)."""
    lead = t.org.lead(t.request.provider_group)
    if t.rng.random() < 0.2:
        t.do("record_test_run", lead, result="failed", cases="Works from a second place: failed",
             findings="Does not work from the second place: the permission is missing.")  # fmt: skip
        t.do("fail_test", lead)
        yield t.hours(2, 16)
        t.do("add_plan_item", specialist, title="Correct the finding", estimate_hours="1")
        item = t.request.plan_items.get(title="Correct the finding")
        t.do("finish_plan_item", specialist, item=item.pk)
        t.do("submit_for_testing", specialist)
        yield t.hours(1, 8)
    t.do("record_test_run", lead, result="passed",
         cases="Works as described: passed\nWorks from a second place: passed")  # fmt: skip
    yield t.hours(0.5, 8)


def noticed(t: Teller) -> Story:
    """The representative tells the customer, and it closes (F11, F15)."""
    yield t.hours(0.5, 12)
    t.do("notify_and_close", t.rep, message="Your Request for Change is fulfilled and tested.")


def enhancement(t: Teller) -> Story:
    """An enhancement without a charge (F9, F10, F11)."""
    service = t.rng.choice(t.org.services)
    yield from triaged(t, False, service)
    if t.request.state != S.AWAITING_SCHEDULING:
        return
    yield from worked(t, charge=False)
    specialist = t.request.specialist
    t.do("forward_to_representative", specialist, basis="included",
         no_charge_reason="Within what the agreement includes.")  # fmt: skip
    yield from noticed(t)


def charged(t: Teller) -> Story:
    """An enhancement charged on the rates of the SLA (F10, F12, F13, F14, F15)."""
    service = t.rng.choice(t.org.services)
    yield from triaged(t, False, service)
    if t.request.state != S.AWAITING_SCHEDULING:
        return
    yield from worked(t, charge=True)
    yield from billed(t)


def billed(t: Teller) -> Story:
    """Billing case, billing, ASD update, notice (F12-F15)."""
    specialist = t.request.specialist
    t.do("prefill_charge", specialist)
    t.do("open_billing", specialist)
    yield t.hours(1, 24)
    t.do("initiate_billing", t.rep, avenue="change_order", starts_on=clock.today().isoformat(),
         finance_number=f"FIN-{t.rng.randint(10_000, 99_999)}")  # fmt: skip
    t.do("request_asd_update", t.rep, change="Quantity as fulfilled.", quantity="1",
         starts_on=clock.today().isoformat())  # fmt: skip
    yield t.hours(1, 16)
    t.do("apply_asd_update", t.org.people["asd"])
    t.do("settle", t.rep)
    yield from noticed(t)


def held(t: Teller) -> Story:
    """Waits for the customer's answer with its clock stopped (X1)."""
    yield from triaged(t, True, t.rng.choice(t.org.services))
    if t.request.state != S.PENDING:
        return
    day = add_working_days(clock.today(), 30, STANDARD)
    t.do("ask_customer", t.rep, question="Which of the two sites comes first?",
         review_on=day.isoformat())  # fmt: skip
    yield t.hours(200, 300)


def declined(t: Teller) -> Story:
    """Not something the organisation offers (X2)."""
    t.begin(t.org.current + t.org.others, None)
    yield t.hours(1, 20)
    t.do("decline", t.rep, outcome=t.rng.choice(["not_offered", "nothing_needed"]),
         reason="Talked it through with the contact: this is not ours to provide.")  # fmt: skip


def cancelled(t: Teller) -> Story:
    """Withdrawn by the agency on the way (X2)."""
    yield from triaged(t, False, t.rng.choice(t.org.services))
    yield t.hours(1, 30)
    t.do("cancel", t.rep, reason="Withdrawn by the agency: the budget went elsewhere.")


def fresh(t: Teller) -> Story:
    """Just in, nobody has looked at it yet."""
    t.begin(t.org.current + t.org.others, t.rng.choice([*t.org.services, None]))
    yield 1000


def tell_all(org: Organisation, count: int, seed: int) -> int:
    """Tell `count` stories that end today or before; returns how many were told."""
    rng = random.Random(seed)
    plan = _plan(rng, count)
    for number, (story, stop_at, start) in enumerate(plan):
        with clock.acting_at(start):
            teller = Teller(org, random.Random(seed * 1000 + number), stop_at)
        _tell(teller, story, start)
    return len(plan)


def _tell(teller: Teller, story: Callable[[Teller], Story], start: datetime) -> None:
    """Run one story from its start until it ends, reaches its state, or the present."""
    now = clock.now()
    moment = start
    steps = story(teller)
    while True:
        with clock.acting_at(moment):
            try:
                wait = next(steps)
            except StopIteration:
                return
        if teller.stop_at and teller.request.state == teller.stop_at:
            return
        moment = add_minutes(moment, max(1, int(wait * 60)), STANDARD)
        if moment >= now:
            return


def _plan(rng: random.Random, count: int) -> list[tuple[Any, str, datetime]]:
    """Which stories, where each stops, and when each starts; every state is there."""
    from config.demo.discovery_stories import DISCOVERY_STORIES

    now = clock.now()

    def ago(low: float, high: float) -> datetime:
        moment = now - timedelta(days=rng.uniform(low, high))
        return add_minutes(moment, 0, STANDARD)

    plan: list[tuple[Any, str, datetime]] = []
    for story, stop_at, copies, low, high in [
        (fresh, "", 6, 0.1, 6),
        (assistance, S.PENDING, 7, 0.5, 6),
        (assistance, S.ASSIGNED, 6, 1, 6),
        (held, "", 3, 3, 10),
        (enhancement, S.AWAITING_SCHEDULING, 6, 2, 8),
        (enhancement, S.SCHEDULED, 8, 1, 5),
        (enhancement, S.PLANNING, 4, 14, 24),
        (enhancement, S.IN_FULFILLMENT, 6, 18, 30),
        (enhancement, S.TESTING, 4, 26, 40),
        (charged, S.BILLING, 4, 30, 45),
        (enhancement, S.CUSTOMER_NOTICE, 4, 28, 40),
        *((story, stop, copies, low, high) for story, stop, copies, low, high in DISCOVERY_STORIES),
        (declined, "", 5, 10, 100),
        (cancelled, "", 4, 10, 100),
    ]:
        plan += [(story, str(stop_at), ago(low, high)) for _ in range(copies)]
    rest = max(0, count - len(plan))
    for _ in range(rest):
        story = rng.choices([assistance, enhancement, charged], [6, 3, 2])[0]
        plan.append((story, "", ago(45 if story is not assistance else 8, DAYS)))
    plan.sort(key=lambda row: row[2])
    return plan
