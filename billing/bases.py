"""What a charge can stand on: lines of the accepted proposal, rates of the SLA, rated parts (F10).

Everything here reads; each basis names its rate, so that nobody types one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils.formats import date_format

from asd.models import Agreement, RateCardLine
from billing.guards import concerned_services
from billing.models import ChargeLine
from requests_app.models import Request
from workflow import clock

B = ChargeLine.Basis
RELATION = {B.PROPOSAL: "proposal_line", B.RATE_CARD: "rate_card_line", B.PARTS_LIST: "part_rate"}
EVIDENCE = 300


@dataclass(frozen=True)
class Basis:
    """One thing a charge can stand on: its kind, its row, its rate."""

    kind: str
    row: Any
    description: str
    unit: str
    rate: Decimal
    currency: str
    at_most: Decimal | None = None

    @property
    def key(self) -> str:
        """How a form names it."""
        return f"{self.kind}:{self.row.pk}"

    @property
    def label(self) -> str:
        return (
            f"{B(self.kind).label}: {self.description}, "
            f"{self.currency} {self.rate:,.2f} per {self.unit}"
        )

    def line(self, quantity: Decimal, evidence: str, description: str = "") -> dict[str, Any]:
        """The fields of a charge line that stands on this."""
        return {
            "description": (description or self.description)[:200],
            "quantity": quantity,
            "unit": self.unit,
            "rate": self.rate,
            "basis": self.kind,
            RELATION[B(self.kind)]: self.row,
            "evidence": evidence[:EVIDENCE],
        }


def paid_proposal(request: Request) -> Any:
    """The accepted proposal of this pass where it charges and its purchase order is there."""
    proposal = request.accepted_proposal
    if proposal is None or not proposal.is_charged or not proposal.has_purchase_order:
        return None
    return proposal


def of_proposal(request: Request) -> list[Basis]:
    """The priced lines of the accepted proposal; no more can be charged than it says."""
    proposal = paid_proposal(request)
    if proposal is None:
        return []
    return [
        Basis(
            B.PROPOSAL,
            line,
            line.description,
            line.unit,
            line.rate,
            proposal.currency,
            at_most=line.quantity,
        )
        for line in proposal.lines.select_related("part_rate")
    ]


def rates_on(request: Request, day: date) -> Any:
    """The agency's SLA rates for the request's services on a day, the newest version first."""
    agreements = Agreement.objects.in_force(day).filter(agency=request.agency_id)
    services = [service.pk for service in concerned_services(request)]
    return (
        RateCardLine.objects.filter(
            Q(valid_until__isnull=True) | Q(valid_until__gte=day),
            agreement__in=agreements,
            service__in=services,
            valid_from__lte=day,
        )
        .select_related("agreement", "service")
        .order_by("-valid_from", "-pk")
    )


def _of_rate(line: RateCardLine) -> Basis:
    return Basis(B.RATE_CARD, line, line.service.name, line.unit, line.rate, line.currency)


def of_rate_card(request: Request, used: Iterable[RateCardLine] = ()) -> list[Basis]:
    """Rates of the SLA in force today, and those in force when its hours were worked."""
    found = {line.pk: line for line in [*rates_on(request, clock.today()), *used]}
    return [_of_rate(line) for line in found.values()]


def _rated_lines(request: Request) -> list[Any]:
    """The part lines of this pass that have a rate."""
    lines: Any = request.part_lines.rated().filter(pass_number=request.pass_number)
    return list(lines.select_related("rate__part"))


def of_parts(request: Request, lines: list[Any] | None = None) -> list[Basis]:
    """The rate versions of the request's parts."""
    rated = _rated_lines(request) if lines is None else lines
    rates: dict[Any, Any] = {x.rate_id: x.rate for x in rated}
    return [
        Basis(
            B.PARTS_LIST,
            rate,
            f"{rate.part.number} {rate.part.name}",
            rate.part.unit,
            rate.rate,
            rate.currency,
        )
        for rate in rates.values()
    ]


def fitting(request: Request) -> dict[str, Basis]:
    """Everything a charge of this request can stand on, by key."""
    used = [rate for rate, _ in worked(request) if rate is not None]
    found = [*of_proposal(request), *of_rate_card(request, used), *of_parts(request)]
    return {basis.key: basis for basis in found}


def worked(request: Request) -> list[tuple[RateCardLine | None, list[Any]]]:
    """The pass's time entries, by the hourly rate that was in force on the day of each."""
    grouped: dict[int | None, tuple[RateCardLine | None, list[Any]]] = {}
    entries = list(
        request.time_entries.filter(pass_number=request.pass_number)
        .select_related("user")
        .order_by("on", "pk")
    )
    rates = _hourly_rates(request) if entries else []
    for entry in entries:
        rate = next((rate for rate in rates if _counts_on(rate, entry.on)), None)
        grouped.setdefault(rate.pk if rate else None, (rate, []))[1].append(entry)
    return list(grouped.values())


def _hourly_rates(request: Request) -> list[RateCardLine]:
    """Every version of the agency's hourly rates for the request's services, the newest first."""
    services = [service.pk for service in concerned_services(request)]
    own = RateCardLine.objects.filter(
        agreement__agency=request.agency_id, service__in=services, unit="hour"
    )
    return list(own.select_related("agreement", "service").order_by("-valid_from", "-pk"))


def _counts_on(rate: RateCardLine, day: date) -> bool:
    """As `rates_on` says it of many."""
    begun = rate.valid_from <= day
    lasts = rate.valid_until is None or rate.valid_until >= day
    return begun and lasts and rate.agreement.counts_on(day)


def prefilled(request: Request) -> Iterator[tuple[Basis, Decimal, str]]:
    """What the charge would be: basis, quantity and where the quantity comes from (F10)."""
    proposal = paid_proposal(request)
    offered: set[int] = set()
    if proposal is not None:
        order = proposal.purchase_orders.last()
        for number, basis in enumerate(of_proposal(request), start=1):
            if basis.rate <= 0:
                continue
            if basis.row.part_rate is not None:
                offered.add(basis.row.part_rate.part_id)
            said = f"As accepted: line {number} of {proposal}, purchase order {order}."
            yield basis, basis.row.quantity, said
    else:
        yield from _hours(request)
    yield from _parts(request, offered)


def _hours(request: Request) -> Iterator[tuple[Basis, Decimal, str]]:
    for rate, entries in worked(request):
        if rate is not None and rate.rate > 0:
            total = sum((entry.hours for entry in entries), Decimal(0))
            yield _of_rate(rate), total, hours_said(total, entries)


def hours_said(total: Decimal, entries: list[Any]) -> str:
    """The hours in words: "12.50 h: 3 time entries by Ada and Ben, 2 Dec to 5 Dec 2026"."""
    names = list(dict.fromkeys(str(entry.user) for entry in entries))
    who = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    first, last = entries[0].on, entries[-1].on
    when = date_format(last, "j M Y")
    if first != last:
        when = f"{date_format(first, 'j M Y')} to {when}"
    count = f"{len(entries)} time {'entry' if len(entries) == 1 else 'entries'}"
    return f"{total} h: {count} by {who}, {when}."


def _parts(request: Request, offered: set[int]) -> Iterator[tuple[Basis, Decimal, str]]:
    """Parts at their rate version, unless the proposal's own lines charge for them."""
    lines = _rated_lines(request)
    by_key = {basis.row.pk: basis for basis in of_parts(request, lines)}
    for line in lines:
        if line.rate.part_id in offered or line.rate.rate <= 0:
            continue
        said = f"{line.quantity} × {line.name}: part line {line.pk}, {line.get_state_display()}"
        if line.order_number:
            said += f", order {line.order_number}"
        yield by_key[line.rate_id], Decimal(line.quantity), f"{said}."
