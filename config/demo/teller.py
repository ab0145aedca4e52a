"""Telling one story: who acts, what moment it is, where it stops."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils.datastructures import MultiValueDict

from config.demo.organisation import Organisation
from requests_app.intake import take_in
from requests_app.models import Request
from requests_app.triage import CHECKLIST
from workflow import clock
from workflow.actors import Actor, customer
from workflow.models import User
from workflow.registry import InvalidFacts, perform
from workflow.worktime import STANDARD, add_working_days

Story = Iterator[float]
YES = {key: "yes" for key, _ in CHECKLIST}
NOT_STANDARD = {**YES, "solution": "no", "pre_approved": "no"}
WISHES = [
    (
        "{service} for {count} new colleagues",
        "{count} people start soon and need {service} by then.",
    ),
    ("Move {service} to the new floor", "We are moving; {service} moves along, {count} places."),
    ("More of {service}", "What we have is not enough any more: please add {count}."),
    ("Change of {service}", "Please change {service} for {count} people as described by phone."),
    ("{service} for the field offices", "Our {count} field offices need {service} as we have it."),
    ("Review of {service}", "Please look at our {service} and set it up for {count} more users."),
]
SAID = {
    5: "Quick, and somebody called back to see that it works.",
    4: "Works as asked.",
    3: "It works, but we had to ask twice when it would be done.",
    2: "It took much longer than we were told.",
    1: "We still had to sort out half of it ourselves.",
}
PAPER = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


@dataclass
class Teller:
    """One request on its way."""

    org: Organisation
    rng: random.Random
    stop_at: str = ""
    request: Request = field(init=False)
    rep: User = field(init=False)

    def begin(self, agencies: list[Any], service: Any, title: str = "", text: str = "") -> None:
        """The request comes in."""
        agency = self.rng.choice(agencies)
        contact = self.rng.choice(list(agency.contacts.all()))
        wish, words = (title, text) if title else self.rng.choice(WISHES)
        count = self.rng.randint(2, 30)
        covered = [c.service for a in agency.agreements.all() for c in a.covered.all()]
        if service is not None and covered and service not in covered:
            service = self.rng.choice(covered)
        what = service.name if service else "a service of our own"
        self.rep = agency.representative
        self.request = take_in(
            by=self.rep,
            agency=agency,
            contact=contact,
            title=wish.format(service=what, count=count),
            description=words.format(service=what, count=count),
            service=service,
            impact=self.rng.choice([1, 2, 2, 2, 3]),
            urgency=self.rng.choice([1, 2, 2, 3, 3]),
            needed_by=clock.today() + timedelta(days=self.rng.randint(10, 90))
            if self.rng.random() < 0.5
            else None,
        )

    def do(self, name: str, by: User | Actor, /, **data: Any) -> Any:
        """One action, as typed into its form."""
        files = {k: v for k, v in data.items() if isinstance(v, ContentFile)}
        typed = MultiValueDict(
            {k: [str(v)] for k, v in data.items() if k not in files and v is not None}
        )
        result = perform(self.request, name, by=by, data=typed, files=MultiValueDict(
            {k: [v] for k, v in files.items()}
        ))  # fmt: skip
        self.request.refresh_from_db()
        return result

    def heard(self) -> Story:
        """Half of the customers say how it went; by dice of their own, so that all else stays."""
        dice, contact = random.Random(self.request.pk), self.request.contact
        if self.request.is_open or dice.random() < 0.5:
            return
        yield dice.uniform(1, 16)
        (score,) = dice.choices(list(SAID), [40, 33, 12, 9, 6])
        said = SAID[score] if dice.random() < 0.4 else ""
        self.do("rate", customer(contact.name, contact), score=score, comment=said)

    def paper(self, name: str) -> ContentFile:
        """A file that plainly is a stand-in."""
        return ContentFile(PAPER, name=name)

    def hours(self, low: float, high: float) -> float:
        """Working hours until the next step: mostly short, sometimes long."""
        return low + (high - low) * self.rng.betavariate(1.3, 3)

    def schedule(self, hours: float, charge: bool) -> None:
        """Booked by the lead on the first day with room, some days ahead."""
        lead = self.org.lead(self.request.provider_group)
        day = add_working_days(clock.today(), self.rng.randint(1, 8), STANDARD)
        for _ in range(40):
            try:
                self.do("schedule", lead, day=day.isoformat(), hours=hours,
                        charge_expected="yes" if charge else "no")  # fmt: skip
            except InvalidFacts:
                day = add_working_days(day, 1, STANDARD)
            else:
                return
