"""Many organisations like the demo's one, side by side: agencies, groups, services, people."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db.models import Model

from asd.models import (
    Agency,
    AgencyService,
    Agreement,
    Contact,
    CoveredService,
    RateCardLine,
    Service,
)
from fulfillment.models import Membership, ProviderGroup
from fulfillment.workforce import Workforce
from workflow import clock
from workflow.models import User

Entity = tuple[int, str]
CALLED = (User, Agency, Agreement, ProviderGroup, Service)
HISTORY = 8 * 365  # days that agreements and services reach back


@dataclass
class Worlds:
    """For every row of the demo's organisation, the rows that stand for it in each world."""

    count: int
    weights: list[float]
    rows: dict[tuple[str, int], list[list[Entity]]] = field(default_factory=dict)

    def put(self, model: type[Model], old: int, world: int, made: Iterable[Any]) -> None:
        """Say which rows stand for one of the demo's in a world; several share its work."""
        many = self.rows.setdefault((model._meta.label, old), [[] for _ in range(self.count)])
        many[world] += [(row.pk, _name(row)) for row in made]


def _name(row: Any) -> str:
    """By which texts of a history call it; of other rows they say nothing."""
    return str(getattr(row, "reference", row)) if isinstance(row, CALLED) else ""


def build(count: int, requests: int) -> Worlds:
    """`count` worlds with weights falling by Zipf's law; world 0 is the demo's own."""
    weights = [1 / (n + 1) ** 0.8 for n in range(count)]
    total = sum(weights)
    worlds = Worlds(count, [w / total for w in weights])
    _reach_back()
    old = _Originals()
    for world in range(count):
        hands = max(1, round(requests * worlds.weights[world] / 3000))
        _World(worlds, world, hands, old).make()
    return worlds


class _Originals:
    """The demo's organisation, read before anything is added to it."""

    def __init__(self) -> None:
        own = Service.objects.filter(origin_request__isnull=True)
        self.people = list(User.objects.order_by("pk"))
        self.members = list(Membership.objects.order_by("pk"))
        self.rows: list[tuple[type[Any], list[Any]]] = [
            (model, list(rows.order_by("pk")))
            for model, rows in (
                (ProviderGroup, ProviderGroup.objects.all()),
                (Service, own),
                (Agency, Agency.objects.all()),
                (Contact, Contact.objects.all()),
                (Agreement, Agreement.objects.all()),
                (CoveredService, CoveredService.objects.filter(service__in=own)),
                (RateCardLine, RateCardLine.objects.filter(service__in=own)),
                (AgencyService, AgencyService.objects.filter(service__in=own)),
            )
        ]


def _reach_back() -> None:
    """The demo's agreements and services are old enough for years of requests."""
    since = clock.today() - timedelta(days=HISTORY)
    Service.objects.filter(origin_request__isnull=True).update(live_on=since)
    Agreement.objects.filter(kind="sla").update(starts_on=since)
    RateCardLine.objects.update(valid_from=since)


class _World:
    """One organisation: made row by row from the demo's, with a number behind each name."""

    def __init__(self, worlds: Worlds, number: int, hands: int, old: _Originals) -> None:
        self.worlds, self.number, self.hands, self.old = worlds, number, hands, old
        self.new: dict[tuple[str, int], Any] = {}

    def make(self) -> None:
        """Everything, in the order in which rows point at each other."""
        self._staff()
        for model, rows in self.old.rows:
            fresh = rows if self.number == 0 else [self._like(model, row) for row in rows]
            if self.number:
                model.objects.bulk_create(fresh, batch_size=2000)
            for row, made in zip(rows, fresh, strict=True):
                self.new[model._meta.label, row.pk] = made
                self.worlds.put(model, row.pk, self.number, [made])
        self._members()

    def _like(self, model: type[Any], row: Any) -> Any:
        """The row for this world, pointing at this world's rows."""
        values = {}
        for f in model._meta.concrete_fields:
            value = getattr(row, f.attname)
            if f.primary_key or value is None:
                continue
            there = self.new.get((f.related_model._meta.label, value)) if f.is_relation else None
            values[f.attname] = there.pk if there else value
        fresh = model(**values)
        for name in ("name", "slug", "code", "reference"):
            if hasattr(fresh, name) and model is not Contact:
                joint = " " if name == "name" else "-"
                setattr(fresh, name, f"{getattr(fresh, name)}{joint}{self.number}")
        if model is Contact:
            box, _, host = fresh.email.partition("@")
            fresh.email = f"{box}.{self.number}@{host}"
        return fresh

    def _staff(self) -> None:
        """People with their roles; whoever only works in a group comes as often as needed."""
        leads = {m.user_id for m in self.old.members if m.is_lead}
        members = {m.user_id for m in self.old.members}
        nobody = make_password(None)
        for person in self.old.people:
            copies = self.hands if person.pk in members - leads else 1
            mine = [person] if self.number == 0 else []
            made = [
                User(
                    username=f"{person.username}-{self.number}-{n}",
                    password=nobody,
                    first_name=person.first_name,
                    last_name=f"{person.last_name} {self.number}.{n}",
                    email=f"{person.username}.{self.number}.{n}@throughline.example",
                    is_representative=person.is_representative,
                    is_billing=person.is_billing,
                    is_asd_manager=person.is_asd_manager,
                    is_auditor=person.is_auditor,
                )
                for n in range(copies - len(mine))
            ]
            User.objects.bulk_create(made)
            self.new["workflow.User", person.pk] = (mine + made)[0]
            self.worlds.put(User, person.pk, self.number, mine + made)

    def _members(self) -> None:
        there = {(m.group_id, m.user_id) for m in self.old.members}
        rows = []
        for row in self.old.members:
            group = self.new["fulfillment.ProviderGroup", row.group_id]
            for person, _ in self.worlds.rows["workflow.User", row.user_id][self.number]:
                if (group.pk, person) not in there:
                    fresh = Membership(group=group, user_id=person, is_lead=row.is_lead)
                    fresh.hours_per_day = row.hours_per_day
                    rows.append(fresh)
        Membership.objects.bulk_create(rows)


def capacities(groups: Iterable[int], first: date, days: int) -> dict[int, dict[int, int]]:
    """Minutes each group can do on each working day ahead, by ordinal."""
    found = {}
    for group in ProviderGroup.objects.filter(pk__in=list(groups)):
        force = Workforce(group)
        span = force.working_days(first, first + timedelta(days=days - 1))
        found[group.pk] = {day.toordinal(): force.minutes(day) for day in span}
    return found
