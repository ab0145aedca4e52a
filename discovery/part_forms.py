"""The facts that parts maintenance asks for."""

# Forms are built at run time from querysets, which the stubs cannot follow.
# mypy: disable-error-code="attr-defined,union-attr"

from typing import Any

from django import forms

from discovery.forms import DATE, area
from discovery.models import Part, PartLine
from requests_app.lookup import ROWS
from workflow import clock
from workflow.action_forms import ActionForm, ReasonForm
from workflow.among import Among
from workflow.choosing import OneOf

ROWS["part"] = lambda: Part.objects.filter(is_active=True)


def _lines(*states: str) -> Among:
    """The part lines in these states."""
    return Among(lambda about: PartLine.objects.filter(request=about.pk, state__in=states))


LISTED = Among(lambda about: Part.objects.filter(is_active=True))
NOT_DONE = _lines("requested", "rated", "coded", "listed", "ordered")


class AddPartForm(ActionForm):
    """A part that the request needs (D11, D12)."""

    change = forms.ChoiceField(choices=PartLine.Change.choices, label="The part is")
    part = OneOf(Part.objects.none(), kind="part", required=False, label="Listed part")
    name = forms.CharField(max_length=120, required=False, label="Name of the new part")
    quantity = forms.IntegerField(min_value=1, max_value=100_000, initial=1)
    site = forms.CharField(max_length=120, required=False)
    needed_by = forms.DateField(required=False, widget=DATE)
    to_order = forms.BooleanField(required=False, label="It has to be ordered")
    proposed_rate = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=2, required=False,
        help_text="What the proposal says; a higher rate makes a new version of it.",
    )  # fmt: skip

    among = {"part": LISTED}

    def clean_needed_by(self) -> Any:
        day = self.cleaned_data["needed_by"]
        if day and day < clock.today():
            raise forms.ValidationError("Choose today or a later date.")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        part = data.get("part")
        if data.get("change") == PartLine.Change.ADD:
            data["part"] = None
            if not data.get("name"):
                self.add_error("name", "Name the new part.")
        elif part is None:
            if "part" not in self.errors:
                self.add_error("part", "Choose the part of the list.")
        else:
            data["name"] = part.name
        return data


class LineRow(ActionForm):
    """A part line of the request, named by a hidden field; `among` says in which states."""

    line = forms.ModelChoiceField(PartLine.objects.none(), widget=forms.HiddenInput)


class ConfirmForm(LineRow):
    """A listed part whose rate stands."""

    among = {"line": _lines("requested")}


class RateForm(LineRow):
    """The computed rate with how it came about (D12)."""

    among = {"line": _lines("requested")}
    rate = forms.DecimalField(min_value=0, max_digits=12, decimal_places=2)
    basis = forms.CharField(max_length=2000, widget=area(2), label="How it was computed")
    number = forms.CharField(
        max_length=40, required=False, label="Part number", help_text="For a new part."
    )
    unit = forms.CharField(
        max_length=30, required=False, label="Unit", help_text="For a new part; piece if empty."
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        line = data.get("line")
        if line is not None and line.part_id is None:
            number = (data.get("number") or "").strip()
            if not number:
                self.add_error("number", "Give the new part its number.")
            elif Part.objects.filter(number__iexact=number).exists():
                self.add_error("number", "This number is on the parts list already.")
        return data


class CodeForm(LineRow):
    """The billing code (D12)."""

    among = {"line": _lines("rated")}
    billing_code = forms.CharField(max_length=40)


class ListForm(LineRow):
    """Republish the parts list with it (D12)."""

    among = {"line": _lines("coded")}


class OrderForm(LineRow):
    """What was ordered where (D12)."""

    among = {"line": _lines("listed")}
    order_number = forms.CharField(max_length=60)
    vendor = forms.CharField(max_length=120)
    expected_on = forms.DateField(widget=DATE, required=False, label="Expected on")

    def clean_expected_on(self) -> Any:
        day = self.cleaned_data["expected_on"]
        if day and day < clock.today():
            raise forms.ValidationError("Choose today or a later date.")
        return day


class ReceiveForm(LineRow):
    """One delivery; several make it complete (D12)."""

    among = {"line": _lines("ordered")}
    quantity = forms.IntegerField(min_value=1, max_value=100_000, label="Pieces received")
    on = forms.DateField(widget=DATE, initial=clock.today, label="Received on")
    note = forms.CharField(max_length=200, required=False)
    over_delivery = forms.BooleanField(
        required=False, label="More than was ordered came, and is kept"
    )

    def clean_on(self) -> Any:
        day = self.cleaned_data["on"]
        if day > clock.today():
            raise forms.ValidationError("A delivery is dated today or earlier.")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        line, quantity = data.get("line"), data.get("quantity")
        more = bool(line and quantity and quantity > line.outstanding)
        if more and not data.get("over_delivery"):
            self.add_error(
                "quantity",
                f"Only {line.outstanding} are outstanding: "
                "send the rest back, or tick that more came and is kept.",
            )
        data["over_delivery"] = more
        return data


class CancelLineForm(LineRow, ReasonForm):
    """A part that is not needed or not to be had."""

    among = {"line": NOT_DONE}


class SubstituteForm(LineRow, ReasonForm):
    """Another part in its place (D12)."""

    among = {"line": NOT_DONE, "part": LISTED}
    line = forms.ModelChoiceField(PartLine.objects.none(), label="Instead of")
    part = OneOf(Part.objects.none(), kind="part", required=False, label="Substitute from the list")
    name = forms.CharField(max_length=120, required=False, label="Or the name of a new part")
    quantity = forms.IntegerField(min_value=1, max_value=100_000)
    reason = forms.CharField(
        label="Reason", max_length=2000, widget=area(2),
        help_text="If price or function differ from what was accepted, "
        "the customer must accept a new version of the proposal.",
    )  # fmt: skip
    field_order = ["line", "part", "name", "quantity", "reason"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("part") and not data.get("name") and "part" not in self.errors:
            self.add_error("part", "Choose the substitute, or name a new part.")
        return data


class ReleaseForm(ReasonForm):
    """Which open lines the schedule need not wait for (D13)."""

    lines = forms.ModelMultipleChoiceField(
        PartLine.objects.none(), widget=forms.CheckboxSelectMultiple, label="Release"
    )
    field_order = ["lines", "reason"]
    among = {"lines": Among(lambda about: PartLine.objects.filter(request=about.pk).waiting())}
