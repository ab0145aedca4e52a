"""Many organisations like the demo's one, side by side: agencies, groups, services, people."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db.models import Model, Q

from asd.models import (
    Agency,
    AgencyService,
    Agreement,
    Contact,
    CoveredService,
    RateCardLine,
    Service,
)
from fulfillment.capacity import Workforce
from fulfillment.models import Membership, ProviderGroup
from workflow import clock
from workflow.models import User

Entity = tuple[int, str]
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
    return str(getattr(row, "reference", row))


def build(count: int, requests: int) -> Worlds:
    """`count` worlds with weights falling by Zipf's law; world 0 is the demo's own."""
    weights = [1 / (n + 1) ** 0.8 for n in range(count)]
    total = sum(weights)
    worlds = Worlds(count, [w / total for w in weights])
    people, groups, services = _originals()
    _reach_back()
    for world in range(count):
        hands = max(1, round(requests * worlds.weights[world] / 3000))
        _World(worlds, world, hands, people, groups, services).make()
    return worlds


def _originals() -> tuple[list[User], list[ProviderGroup], list[Service]]:
    return (
        list(User.objects.order_by("pk")),
        list(ProviderGroup.objects.order_by("pk")),
        list(Service.objects.filter(origin_request__isnull=True).order_by("pk")),
    )


def _reach_back() -> None:
    """The demo's agreements and services are old enough for years of requests."""
    since = clock.today() - timedelta(days=HISTORY)
    Service.objects.filter(origin_request__isnull=True).update(live_on=since)
    Agreement.objects.filter(kind="sla").update(starts_on=since)
    RateCardLine.objects.update(valid_from=since)


class _World:
    """One organisation: made row by row from the demo's, with a number behind each name."""

    def __init__(
        self, worlds: Worlds, number: int, hands: int, people: list[User],
        groups: list[ProviderGroup], services: list[Service],
    ) -> None:  # fmt: skip
        self.worlds, self.number, self.hands = worlds, number, hands
        self.people, self.groups, self.services = people, groups, services
        self.new: dict[tuple[str, int], Any] = {}

    def make(self) -> None:
        """Everything, in the order in which rows point at each other."""
        self._staff()
        self._copy(ProviderGroup, self.groups, self._group)
        self._members()
        self._copy(Service, self.services, self._service)
        self._copy(Agency, Agency.objects.order_by("pk"), self._agency)
        self._copy(Contact, Contact.objects.filter(self._old("agency")), self._contact)
        self._copy(Agreement, Agreement.objects.filter(self._old("agency")), self._agreement)
        for model, parent in ((CoveredService, "agreement"), (RateCardLine, "agreement"),
                              (AgencyService, "agency")):  # fmt: skip
            self._copy(model, model.objects.filter(self._old(parent)), lambda row: None)

    def _old(self, parent: str) -> Any:
        model = {"agency": Agency, "agreement": Agreement}[parent]
        return Q(**{f"{parent}__in": [pk for label, pk in self.new if label == model._meta.label]})

    def _copy(self, model: type[Any], rows: Iterable[Any], change: Any) -> None:
        old = list(rows)
        if self.number == 0:
            for row in old:
                self.new[model._meta.label, row.pk] = row
                self.worlds.put(model, row.pk, 0, [row])
            return
        made, kept = [], []
        for row in old:
            values = {f.attname: getattr(row, f.attname) for f in model._meta.concrete_fields
                      if not f.primary_key}  # fmt: skip
            for f in model._meta.concrete_fields:
                if f.is_relation and values.get(f.attname):
                    there = self.new.get((f.related_model._meta.label, values[f.attname]))
                    if there is not None:
                        values[f.attname] = there.pk
                    elif f.related_model in (Service,):
                        break
            else:
                fresh = model(**values)
                change(fresh)
                made.append(fresh)
                kept.append(row)
        model.objects.bulk_create(made, batch_size=2000)
        for row, fresh in zip(kept, made, strict=True):
            self.new[model._meta.label, row.pk] = fresh
            self.worlds.put(model, row.pk, self.number, [fresh])

    def _staff(self) -> None:
        """People with their roles; whoever only works in a group comes as often as needed."""
        leads = set(Membership.objects.filter(is_lead=True).values_list("user", flat=True))
        members = set(Membership.objects.values_list("user", flat=True))
        nobody = make_password(None)
        for person in self.people:
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
        old = Membership.objects.filter(group__in=[g.pk for g in self.groups])
        there = set(Membership.objects.values_list("group", "user"))
        rows = []
        for row in old.order_by("pk"):
            group = self.new["fulfillment.ProviderGroup", row.group_id]
            for person, _ in self.worlds.rows["workflow.User", row.user_id][self.number]:
                if (group.pk, person) not in there:
                    rows.append(
                        Membership(
                            group=group,
                            user_id=person,
                            is_lead=row.is_lead,
                            hours_per_day=row.hours_per_day or Decimal(6),
                        )
                    )
        Membership.objects.bulk_create(rows)

    def _group(self, row: ProviderGroup) -> None:
        row.name, row.slug = f"{row.name} {self.number}", f"{row.slug}-{self.number}"

    def _service(self, row: Service) -> None:
        row.name, row.slug = f"{row.name} {self.number}", f"{row.slug}-{self.number}"

    def _agency(self, row: Agency) -> None:
        row.name, row.code = f"{row.name} {self.number}", f"{row.code}-{self.number}"

    def _contact(self, row: Contact) -> None:
        box, _, host = row.email.partition("@")
        row.email = f"{box}.{self.number}@{host}"

    def _agreement(self, row: Agreement) -> None:
        row.reference = f"{row.reference}-{self.number}"


def capacities(groups: Iterable[int], first: date, days: int) -> dict[int, dict[int, int]]:
    """Minutes each group can do on each working day ahead, by ordinal."""
    found = {}
    for group in ProviderGroup.objects.filter(pk__in=list(groups)):
        force = Workforce(group)
        span = force.working_days(first, first + timedelta(days=days - 1))
        found[group.pk] = {day.toordinal(): force.minutes(day) for day in span}
    return found
