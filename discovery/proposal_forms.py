"""The facts that proposals and purchase orders ask for."""

# Forms are built at run time from querysets, which the stubs cannot follow.
# mypy: disable-error-code="attr-defined,union-attr"

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from discovery.current import discovery_of, draft_of, latest
from discovery.forms import DATE, UploadField, area
from discovery.models import Part, Proposal, ProposalLine
from discovery.part_forms import LISTED
from workflow import clock
from workflow.action_forms import ActionForm, ReasonForm
from workflow.among import Among
from workflow.choosing import OneOf


def check_purchase_order(
    form: forms.Form, data: dict[str, Any], proposal: Proposal, needed: tuple[str, ...]
) -> None:
    """The rules of every purchase order, whoever types it in: errors go beside the fields (D9)."""
    for name in needed:
        if not data.get(name) and name not in form.errors:
            form.add_error(name, _("This is needed."))
    day, amount = data.get("issued_on"), data.get("amount")
    if day and day > clock.today():
        form.add_error("issued_on", _("A purchase order is dated today or earlier."))
    if amount is not None and amount < proposal.total:
        form.add_error(
            "amount",
            _("Less than the proposal's total of %(total)s %(currency)s.")
            % {"total": proposal.total, "currency": proposal.currency},
        )


class ProposalForm(ActionForm):
    """What is offered, on which terms, until when (D8)."""

    summary = forms.CharField(max_length=5000, widget=area(4), label="What we propose")
    assumptions = forms.CharField(
        max_length=5000, required=False, widget=area(2), label="Assumptions and exclusions"
    )
    terms = forms.CharField(max_length=5000, required=False, widget=area(2))
    valid_until = forms.DateField(widget=DATE, label="Valid until")
    new_service_name = forms.CharField(
        max_length=120, required=False, label="New service",
        help_text="Only where it is for a service that is not yet provided.",
    )  # fmt: skip

    def prefill(self) -> None:
        draft = draft_of(self.subject)
        if draft is not None:
            for name in self.fields:
                self.initial.setdefault(name, getattr(draft, name))
            return
        self.initial.setdefault("valid_until", clock.today() + timedelta(days=30))
        discovery = discovery_of(self.subject)
        if discovery is not None:
            scope = discovery.revised_scope or discovery.requested_service
            self.initial.setdefault("summary", scope)

    def clean_valid_until(self) -> Any:
        day = self.cleaned_data["valid_until"]
        if day < clock.today():
            raise forms.ValidationError("Choose today or a later date.")
        return day


class LineForm(ActionForm):
    """One line of the proposal (D8)."""

    kind = forms.ChoiceField(choices=ProposalLine.Kind.choices)
    part = OneOf(
        Part.objects.none(),
        kind="part",
        required=False,
        help_text="For a part: its listed rate is taken.",
    )
    description = forms.CharField(max_length=200, required=False)
    quantity = forms.DecimalField(
        min_value=Decimal("0.01"), max_digits=9, decimal_places=2, initial=1
    )
    unit = forms.CharField(max_length=30, required=False, initial="hour")
    rate = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=2, required=False, label="Rate per unit"
    )
    field_order = ["kind", "part", "description", "quantity", "unit", "rate"]
    among = {"part": LISTED}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        part = data.get("part")
        data["part_rate"] = None
        if data.get("kind") == ProposalLine.Kind.PART and part:
            rate = part.current_rate
            if rate is None:
                self.add_error("part", "This part has no listed rate yet: add it to the parts.")
                return data
            data.update(part_rate=rate, rate=rate.rate, unit=part.unit)
            data["description"] = data.get("description") or part.name
            return data
        for name in ("description", "rate"):
            if data.get(name) in (None, "") and name not in self.errors:
                self.add_error(name, "This field is required.")
        labour = data.get("kind") == ProposalLine.Kind.LABOUR
        data["unit"] = data.get("unit") or ("hour" if labour else "piece")
        return data


def _draft_lines(about: Any) -> Any:
    return ProposalLine.objects.filter(proposal__request=about.pk, proposal__state="draft")


class RemoveLineForm(ActionForm):
    """A line of the draft."""

    line = forms.ModelChoiceField(ProposalLine.objects.none(), widget=forms.HiddenInput)
    among = {"line": Among(_draft_lines)}


def _not_after_today(day: Any) -> Any:
    if day and day > clock.today():
        raise forms.ValidationError("Choose today or an earlier date.")
    return day


class AcceptForm(ActionForm):
    """Who accepted, with the evidence (D9)."""

    answered_by = forms.CharField(max_length=120, label="Accepted by (name)")
    title = forms.CharField(max_length=70, required=False, label="Title or position")
    given_on = forms.DateField(required=False, widget=DATE, label="Given on")
    note = forms.CharField(
        max_length=2000, required=False, widget=area(2), label="How it was given",
        help_text="For example: signed paper, mail of 3 December.",
    )  # fmt: skip
    evidence = UploadField(required=False, label="Evidence, such as the scan")

    def prepare(self) -> None:
        self.initial.setdefault("given_on", clock.today())
        contacts = self.subject.agency.contacts.filter(is_signatory=True, is_active=True)
        signatories = [contact.name for contact in contacts]
        if signatories:
            self.initial.setdefault("answered_by", signatories[0])
            may = f"May sign for the agency: {', '.join(signatories)}."
            self.fields["answered_by"].help_text = may

    def clean_given_on(self) -> Any:
        return _not_after_today(self.cleaned_data["given_on"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("note") and not data.get("evidence"):
            self.add_error("note", "Say how the acceptance was given, or attach the evidence.")
        return data


class AnswerNoForm(ReasonForm):
    """Who declined, and why (D9)."""

    answered_by = forms.CharField(max_length=120, label="Declined by (name)")
    title = forms.CharField(max_length=70, required=False, label="Title or position")
    given_on = forms.DateField(required=False, widget=DATE, label="Given on")
    evidence = UploadField(required=False, label="Evidence, such as the scan")
    field_order = ["answered_by", "title", "given_on", "reason", "evidence"]

    def prefill(self) -> None:
        self.initial.setdefault("given_on", clock.today())

    def clean_given_on(self) -> Any:
        return _not_after_today(self.cleaned_data["given_on"])


def _unanswered(about: Any) -> Any:
    return Proposal.objects.filter(request=about.pk, state__in=["issued", "accepted"])


class PurchaseOrderForm(ActionForm):
    """The customer's PO, or why none is needed (D9)."""

    proposal = forms.ModelChoiceField(Proposal.objects.none(), required=False)
    number = forms.CharField(max_length=60, required=False, label="PO number")
    amount = forms.DecimalField(
        min_value=Decimal("0.01"), max_digits=12, decimal_places=2, required=False
    )
    issued_on = forms.DateField(required=False, widget=DATE, label="Date of the PO")
    file = UploadField(required=False, label="PO file")
    not_needed_because = forms.CharField(
        max_length=1000, required=False, widget=area(2), label="No PO needed, because",
        help_text="Only where the proposal's total is zero.",
    )  # fmt: skip

    among = {"proposal": Among(_unanswered)}

    def prefill(self) -> None:
        self.fields["proposal"].initial = latest(self.subject, "issued", "accepted")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        proposal = data.get("proposal") or self.fields["proposal"].initial
        if proposal is None:
            raise forms.ValidationError("Issue the proposal first: the purchase order answers it.")
        data["proposal"] = proposal
        if data.get("not_needed_because"):
            if proposal.is_charged:
                self.add_error(
                    "not_needed_because",
                    f"The proposal comes to {proposal.total} {proposal.currency}: a PO is needed.",
                )
            return data
        check_purchase_order(self, data, proposal, ("number", "amount", "file"))
        return data
