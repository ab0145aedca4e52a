"""A schedule that grew as requests came in, so that planning it anew visibly helps (F2)."""

import random
from datetime import timedelta
from typing import Any

from asd.models import Service
from config.demo.organisation import Organisation
from config.demo.teller import NOT_STANDARD, Teller
from requests_app.intake import take_in
from requests_app.states import S
from workflow import clock
from workflow.worktime import STANDARD, add_minutes

GROUP = "network-services"
EARLIER = [
    ("Replace the cabling of the archive", 40), ("New labels for all racks", 24),
    ("Move the spare lines to the new floor", 40), ("Tidy up unused addresses", 32),
]  # fmt: skip
PRESSING = [
    ("Second line for the court house", 16, 6), ("Wireless access for the hearing room", 8, 8),
    ("Firewall rules for the new records system", 12, 9),
]  # fmt: skip


def crowd(org: Organisation, seed: int) -> None:
    """First the patient ones were booked; then came pressing ones, which got the days left over.

    The last one, which needs the first pressing one, still waits for a slot.
    """
    rng = random.Random(seed)
    service = Service.objects.filter(provider_group__slug=GROUP).order_by("pk")[0]
    start = clock.now() - timedelta(days=3)
    for n, (title, hours) in enumerate(EARLIER):
        _book(org, rng, service, add_minutes(start, 20 * n, STANDARD), title, hours, None)
    booked: list[Any] = []
    for n, (title, hours, days) in enumerate(PRESSING):
        moment = add_minutes(start, 300 + 20 * n, STANDARD)
        booked.append(_book(org, rng, service, moment, title, hours, days))
    moment = add_minutes(start, 500, STANDARD)
    last = _book(org, rng, service, moment, "Remote access for the court house", 8, 16, book=False)
    with clock.acting_at(add_minutes(moment, 10, STANDARD)):
        last.do("link", org.lead(last.request.provider_group), relation="needs",
                other=booked[0].request.reference)  # fmt: skip


def _book(
    org: Organisation,
    rng: random.Random,
    service: Any,
    moment: Any,
    title: str,
    hours: int,
    due_in: int | None,
    *,
    book: bool = True,
) -> Teller:
    """One enhancement from intake to a slot; `due_in` days make it pressing, none patient."""
    teller = Teller(org, rng)
    level = {"impact": 3, "urgency": 3} if due_in is None else {"impact": 1, "urgency": 1}
    with clock.acting_at(moment):
        due = clock.today() + timedelta(days=due_in) if due_in is not None else None
        _take_in(teller, service, title, due, level)
        lead = org.lead(teller.request.provider_group)
        teller.do("set_estimate", lead, hours=hours)
        if book and teller.request.state == S.AWAITING_SCHEDULING:
            teller.do("place", lead, hours=hours, charge_expected="no")
    return teller


def _take_in(teller: Teller, service: Any, title: str, due: Any, level: dict[str, int]) -> None:
    """Taken in for an agency whose agreement covers the service, and sent to scheduling."""
    agency = next(
        a
        for a in teller.org.current
        if any(c.service_id == service.pk for g in a.agreements.all() for c in g.covered.all())
    )
    teller.rep = agency.representative
    teller.request = take_in(
        by=teller.rep,
        agency=agency,
        contact=agency.contacts.all()[0],
        title=title,
        description=f"{title}, as discussed with the site.",
        service=service,
        needed_by=due,
        **level,
    )
    teller.do("triage", teller.rep, service=service.pk, service_known="yes", decision="",
              **NOT_STANDARD)  # fmt: skip
