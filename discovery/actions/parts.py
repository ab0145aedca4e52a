"""Parts maintenance: requested, rated, coded, listed; then ordered and received (D11-D13)."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max

from discovery import part_forms
from discovery.actions.moving import move_on
from discovery.actions.proposals import new_draft_from
from discovery.current import part_lines_of, who_of
from discovery.models import Part, PartLine, PartRate, PartReceipt, PublishedList
from requests_app.models import Request
from requests_app.states import OPEN, S
from requests_app.who import billing_office, car, member, team
from workflow import clock
from workflow.actors import SYSTEM, Actor
from workflow.door import advance, record
from workflow.machine import Guard, guard
from workflow.registry import action

REQUEST = "requests_app.request"
ADDING = [
    S.DISCOVERY, S.PARTS_MAINTENANCE, S.AWAITING_SCHEDULING, S.SCHEDULED, S.PLANNING,
    S.IN_FULFILLMENT, S.TESTING,
]  # fmt: skip


def some_line(*states: str) -> Guard:
    """There is a part line in one of these states, so that the action has something to act on."""

    def test(request: Request) -> bool:
        return any(line.state in states for line in part_lines_of(request))

    return Guard(f"No part line is {' or '.join(states)}.", test, f"some_line:{'+'.join(states)}")


REQUESTED, RATED, CODED = some_line("requested"), some_line("rated"), some_line("coded")
ORDERED = some_line("ordered")
UNDONE = some_line("requested", "rated", "coded", "listed", "ordered")


@guard("No listed part is to be ordered.")
def some_to_order(request: Request) -> bool:
    return any(line.state == "listed" and line.to_order for line in part_lines_of(request))


@guard("No part line is waited for.")
def waits_for_parts(request: Request) -> bool:
    waited_for = [line for line in part_lines_of(request) if line.released_at is None]
    return any(not line.is_done for line in waited_for)


@action("add_part_line", "Add a part", model=REQUEST, at=ADDING, form=part_forms.AddPartForm,
        who=[car, member, team], place="parts", order=64)  # fmt: skip
def add_part_line(request: Request, *, by: Actor, **facts: Any) -> PartLine:
    """One line per part: already listed, to add, or to modify (D11, D12)."""
    line = PartLine(
        request=request, pass_number=request.pass_number, state_since=clock.now(), **facts
    )
    line.save(force_insert=True)
    record(line, "add_part_line", by=by, facts={"part": str(line)})
    return line


@action("confirm_part", "Listed rate stands", model=REQUEST, at=OPEN,
        form=part_forms.ConfirmForm, who=[billing_office],
        given=[REQUESTED], when=REQUESTED, place="parts", order=65)  # fmt: skip
def confirm_part(request: Request, *, by: Actor, line: PartLine) -> Request:
    """A part of the list whose rate version in force is used: straight through to listed (D12)."""
    rate = line.part.current_rate if line.part else None
    if rate is None or line.change != PartLine.Change.LISTED:
        raise ValidationError("This part has no listed rate that could stand: have it rated.")
    line.rate = rate
    line.save(update_fields=["rate"])
    _dearer(request, line, by)
    for step in ("rate_line", "code_line", "list_line"):
        advance(line, step, by=by)
    return move_on(request, by)


@action("rate_part", "Rate", model=REQUEST, at=OPEN, form=part_forms.RateForm,
        who=[billing_office], given=[REQUESTED], when=REQUESTED,
        place="parts", order=66)  # fmt: skip
def rate_part(
    request: Request, *, by: Actor, line: PartLine, rate: Any, basis: str, number: str,
    unit: str = "",
) -> PartLine:  # fmt: skip
    """The billing office computes and documents the rate: a new version of it (D12)."""
    if line.part is None:
        line.part = Part.objects.create(
            number=number.strip(), name=line.name, unit=unit.strip() or "piece"
        )
    Part.objects.select_for_update().get(pk=line.part.pk)
    version = (line.part.rates.aggregate(Max("version"))["version__max"] or 0) + 1
    line.rate = PartRate.objects.create(
        part=line.part,
        version=version,
        rate=rate,
        basis=basis,
        valid_from=clock.today(),
        documented_by=by.user,
    )
    line.save(update_fields=["part", "rate"])
    _dearer(request, line, by)
    return advance(line, "rate_line", by=by)


def _dearer(request: Request, line: PartLine, by: Actor) -> None:
    """A rate higher than proposed makes a new version that the customer must accept again (D12)."""
    offer = (
        request.proposals.filter(pass_number=request.pass_number)
        .filter(state__in=["draft", "issued", "accepted"])
        .order_by("version")
        .last()
    )
    if offer is None or line.rate is None:
        return
    priced = _priced(offer, line)
    before = line.proposed_rate if line.proposed_rate is not None else _highest(priced)
    if before is None or line.rate.rate <= before:
        return
    draft = offer if offer.state == "draft" else new_draft_from(request, by, void=True)
    for row in priced if draft == offer else _priced(draft, line):
        row.rate, row.part_rate = line.rate.rate, line.rate
        row.save(update_fields=["rate", "part_rate"])
    record(
        draft,
        "rate_higher_than_proposed",
        by=SYSTEM.caused_by(by),
        facts={"part": line.name, "proposed": before, "rate": line.rate.rate},
    )


def _priced(proposal: Any, line: PartLine) -> list[Any]:
    """The lines of a proposal that price this part: by its rate version, or by its name."""
    return [
        row
        for row in proposal.lines.filter(kind="part").select_related("part_rate")
        if (row.part_rate and row.part_rate.part_id == line.part_id)
        or line.name.lower() in row.description.lower()
    ]


def _highest(rows: list[Any]) -> Any:
    return max((row.rate for row in rows), default=None)


@action("code_part", "Give the billing code", model=REQUEST, at=OPEN,
        form=part_forms.CodeForm, who=[billing_office], given=[RATED], when=RATED,
        place="parts", order=67)  # fmt: skip
def code_part(request: Request, *, by: Actor, line: PartLine, billing_code: str) -> PartLine:
    """The rate gets its billing code (D12)."""
    assert line.rate is not None
    line.rate.billing_code = billing_code
    line.rate.save(update_fields=["billing_code"])
    return advance(line, "code_line", by=by)


@action("list_part", "Republish the list", model=REQUEST, at=OPEN, form=part_forms.ListForm,
        who=[billing_office], given=[CODED], when=CODED, place="parts", order=68)  # fmt: skip
def list_part(request: Request, *, by: Actor, line: PartLine) -> Request:
    """The parts list is republished with the part on it (D12)."""
    assert line.rate is not None
    line.rate.listed_at = clock.now()
    line.rate.save(update_fields=["listed_at"])
    advance(line, "list_line", by=by)
    publish(by)
    return move_on(request, by)


def publish(by: Actor) -> PublishedList:
    """Keep what the parts list says now, as a numbered publication (D12)."""
    PublishedList.objects.select_for_update().first()  # one publication after the other
    last = PublishedList.objects.aggregate(last=Max("number"))["last"] or 0
    rows = []
    for part in Part.objects.filter(is_active=True).prefetch_related("rates"):
        rate = part.current_rate
        if rate is not None:
            rows.append(
                {
                    "part": part.number,
                    "name": part.name,
                    "unit": part.unit,
                    "rate": str(rate.rate),
                    "currency": rate.currency,
                    "billing_code": rate.billing_code,
                    "version": rate.version,
                }
            )
    return PublishedList.objects.create(
        number=last + 1,
        published_at=clock.now(),
        published_by=by.user,
        rows=rows,
    )


@action("order_part", "Order", model=REQUEST, at=OPEN, form=part_forms.OrderForm,
        who=who_of(PartLine, "order"), given=[some_to_order], when=some_to_order,
        place="parts", order=69)  # fmt: skip
def order_part(request: Request, *, by: Actor, line: PartLine, **facts: Any) -> PartLine:
    """Ordered from a vendor; the schedule does not book before it is expected (D12)."""
    return advance(line, "order", by=by, **facts)


@action("receive_part", "Receive", model=REQUEST, at=OPEN, form=part_forms.ReceiveForm,
        who=who_of(PartLine, "receive_in_full"), given=[ORDERED], when=ORDERED,
        place="parts", order=70)  # fmt: skip
def receive_part(
    request: Request, *, by: Actor, line: PartLine, quantity: int, on: Any, note: str,
    over_delivery: bool = False,
) -> Request:  # fmt: skip
    """One delivery; the last one completes the line and may move the request (D12, D13)."""
    person: Any = by.user  # only people receive something
    PartReceipt.objects.create(line=line, quantity=quantity, on=on, note=note, by=person)
    line.quantity_received += quantity
    line.save(update_fields=["quantity_received"])
    facts = {"part": str(line), "received": quantity, "over_delivery": over_delivery}
    record(line, "receive_part", by=by, facts=facts)
    if line.outstanding == 0:
        advance(line, "receive_in_full", by=by)
    return move_on(request, by)


@action("cancel_part", "Cancel", model=REQUEST, at=OPEN, form=part_forms.CancelLineForm,
        who=who_of(PartLine, "cancel_line"), given=[UNDONE], when=UNDONE,
        place="parts", order=71, danger=True)  # fmt: skip
def cancel_part(request: Request, *, by: Actor, line: PartLine, reason: str) -> Request:
    """Not needed any more, or not to be had (D12)."""
    advance(line, "cancel_line", by=by, reason=reason)
    return move_on(request, by)


@action("substitute_part", "Substitute", model=REQUEST, at=OPEN,
        form=part_forms.SubstituteForm, who=who_of(PartLine, "substitute"), given=[UNDONE],
        when=UNDONE, place="parts", order=72)  # fmt: skip
def substitute_part(
    request: Request, *, by: Actor, line: PartLine, part: Part | None, name: str, quantity: int,
    reason: str,
) -> PartLine:  # fmt: skip
    """Another part on a line of its own; a dearer one makes a new proposal version (D12)."""
    advance(line, "substitute", by=by, reason=reason)
    made = PartLine(
        request=request,
        pass_number=request.pass_number,
        state_since=clock.now(),
        change=PartLine.Change.LISTED if part else PartLine.Change.ADD,
        part=part,
        name=part.name if part else name,
        quantity=quantity,
        site=line.site,
        needed_by=line.needed_by,
        to_order=line.to_order,
        proposed_rate=line.proposed_rate or (line.rate.rate if line.rate else None),
        substitute_for=line,
    )
    made.save(force_insert=True)
    record(made, "add_part_line", by=by, facts={"part": str(made), "instead_of": str(line)})
    return made


@action("release_parts", "Go on without open parts", model=REQUEST, at=[S.PARTS_MAINTENANCE],
        form=part_forms.ReleaseForm, who=[car], given=[waits_for_parts], when=waits_for_parts,
        place="parts", order=73)  # fmt: skip
def release_parts(request: Request, *, by: Actor, lines: Any, reason: str) -> Request:
    """The representative names what is outstanding, and the request need not wait for it (D13)."""
    names = []
    for line in lines:
        line.released_at, line.released_reason = clock.now(), reason[:300]
        line.save(update_fields=["released_at", "released_reason"])
        names.append(str(line))
    record(request, "release_parts", by=by, reason=reason, facts={"outstanding": names})
    return move_on(request, by)
