"""The charge explainer: what each amount is based on, in words a customer can check (F13)."""

from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Prefetch
from django.utils.formats import date_format

from billing.models import BillingCase, BillingState, ChargeLine
from workflow.models import Event

OF_LINE = (
    "proposal_line__proposal",
    "proposal_line__part_rate__part",
    "rate_card_line__agreement__agency",
    "rate_card_line__service",
    "part_rate__part",
)
LINES = Prefetch("lines", ChargeLine.objects.select_related(*OF_LINE))
NEEDS = ("request__agency", "request__service", "purchase_order", "initiated_by")


@dataclass(frozen=True)
class Explained:
    """A charge line with the sentence of its basis and where to read it up."""

    line: ChargeLine
    source: str
    href: str

    @property
    def measured(self) -> str:
        """The quantity in words: "4.5 hours", "1 piece"."""
        amount, unit = self.line.quantity, self.line.unit
        plural = "" if amount == 1 or unit.endswith("s") else "s"
        return f"{amount.normalize():f} {unit}{plural}"


def explained(case: BillingCase) -> list[Explained]:
    """Every line of a case with its basis; fetch the case with `LINES`."""
    number = str(case.purchase_order) if case.purchase_order else ""
    return [Explained(line, *_source(line, number)) for line in case.lines.all()]


def _source(line: ChargeLine, purchase_order: str) -> tuple[str, str]:
    if line.proposal_line is not None:
        proposal = line.proposal_line.proposal
        ordered = f", purchase order {purchase_order}" if purchase_order else ""
        said = f"Proposal {proposal}, accepted{ordered}: {line.proposal_line.description}"
        return said, proposal.get_absolute_url()
    if line.rate_card_line is not None:
        rate = line.rate_card_line
        since = date_format(rate.valid_from, "j M Y")
        said = f"{rate.agreement.reference}, rate card: {rate.service}, version of {since}"
        return said, f"/asd/agencies/{rate.agreement.agency.code}/#agreements"
    return _part_source(line.part_rate)


def _part_source(rate: Any) -> tuple[str, str]:
    code = f", billing code {rate.billing_code}" if rate.billing_code else ", no billing code yet"
    return f"Parts list: {rate.part.number}, rate version {rate.version}{code}", "/parts/"


def checks(case: BillingCase) -> list[dict[str, Any]]:
    """What billing has to know before it starts; what is missing is somebody's task (F13)."""
    request = case.request
    lines = list(case.lines.all())
    uncoded = [x.part_rate for x in lines if x.part_rate and not x.part_rate.billing_code]
    service = request.service
    order = case.purchase_order
    found = [
        _check(
            "Customer known to billing",
            request.agency.known_to_billing,
            f"{request.agency} has a customer record.",
            "The billing office records the customer.",
        ),
        _check(
            "Service in the database",
            service is not None,
            f"{service}: {service.get_state_display().lower()}." if service else "",
            "Triage or the discovery sets the service.",
        ),
    ]
    if any(line.part_rate for line in lines):
        found.append(
            _check(
                "Parts have billing codes",
                not uncoded,
                "Every charged part has its code.",
                "The billing office gives codes to "
                + ", ".join(rate.part.number for rate in uncoded)
                + ".",
            )
        )
    if order is not None and order.amount is not None:
        found.append(
            _check(
                "Within the purchase order",
                case.total <= order.amount,
                f"{order.number}: {order.currency} {order.amount:,.2f}.",
                f"{order.number} is for {order.currency} {order.amount:,.2f} only: "
                "return it, or get a new order.",
                warns=True,
            )
        )
    return found


def _check(title: str, holds: bool, said: str, task: str, *, warns: bool = False) -> dict[str, Any]:
    return {"title": title, "holds": holds, "said": said if holds else task, "warns": warns}


def credits_of(cases: list[BillingCase]) -> dict[int, Event]:
    """Why and by whom the credited cases were credited."""
    credited = [case.pk for case in cases if case.state == BillingState.CREDITED]
    if not credited:
        return {}
    found = Event.objects.filter(
        subject_type=ContentType.objects.get_for_model(BillingCase),
        subject_id__in=credited,
        name="credit",
    )
    return {event.subject_id: event for event in found}
