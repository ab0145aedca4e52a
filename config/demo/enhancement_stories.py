"""Stories of requests that need no discovery, step by step as people take them."""

from datetime import timedelta
from typing import Any

from config.demo.teller import NOT_STANDARD, YES, Story, Teller
from requests_app.states import S
from workflow import clock
from workflow.models import User
from workflow.worktime import STANDARD, add_working_days, minutes_between


def triaged(t: Teller, standard: bool, service: Any) -> Story:
    """From intake to a queue."""
    t.begin(t.org.current, service)
    yield t.hours(0.3, 10)
    answers = YES if standard else NOT_STANDARD
    t.do("triage", t.rep, service=t.request.service_id, service_known="yes", decision="", **answers)
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
        yield t.hours(0.3, 4)
        t.do("triage", t.rep, service=t.request.service_id, service_known="yes", decision="",
             **YES)  # fmt: skip
        yield t.hours(0.5, 4)
        t.do("take", specialist)
        yield t.hours(0.5, 8)
        t.do("fulfill", specialist, resolution="The permission of the last place is put right.")
    yield from t.heard()


def worked(t: Teller, charge: bool) -> Story:
    """An enhancement from awaiting scheduling to a passing test (F6, F9)."""
    group = t.request.provider_group
    specialist = t.rng.choice(t.org.specialists(group))
    effort = t.rng.choice([4, 6, 8, 12, 16, 20])
    t.schedule(effort, charge)
    if t.request.state != S.SCHEDULED:
        return
    entry = t.request.schedule_entries.active().get()
    morning = clock.now() + timedelta(days=(entry.first_day - clock.today()).days)
    yield max(1.0, minutes_between(clock.now(), morning, STANDARD) / 60)
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
             findings="Not from the second place: the permission is missing.")  # fmt: skip
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
    yield from t.heard()


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
