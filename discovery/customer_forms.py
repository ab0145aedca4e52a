"""What the customer's proposal page asks. Every label is for customers, in their language."""

# Forms are built at run time from querysets, which the stubs cannot follow.
# mypy: disable-error-code="attr-defined,union-attr"

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from asd.models import normalised
from discovery.current import latest
from discovery.forms import DATE, UploadField, area
from discovery.models import Proposal
from discovery.proposal_forms import check_purchase_order
from workflow.action_forms import ActionForm

NOW, LATER = "now", "later"


@dataclass(frozen=True)
class Origin:
    """From where a decision came: kept with it. Made by the page, never typed."""

    address: str = ""
    user_agent: str = ""
    language: str = "en"


class OriginField(forms.Field):
    """Takes what the page itself says, never what arrives as text."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Origin:
        if not isinstance(value, Origin):
            raise forms.ValidationError(_("Answer on the proposal's own page."))
        return value


class AboutProposal(ActionForm):
    """Which version it is about: the one that the page showed."""

    proposal = forms.ModelChoiceField(Proposal.objects.none(), widget=forms.HiddenInput)

    def prepare(self) -> None:
        self.fields["proposal"].queryset = self.subject.proposals.exclude(state="draft")
        if not self.is_bound:
            self.initial.setdefault("proposal", self.about())

    def about(self) -> Proposal | None:
        """The version that the form is about, as posted, or the last that was issued."""
        field = self.fields["proposal"]
        try:
            return field.clean(self.data.get("proposal")) if self.is_bound else self._last()
        except forms.ValidationError:
            return None

    def _last(self) -> Proposal | None:
        return self.initial.get("proposal") or latest(self.subject, "issued", "accepted")


class DecisionForm(AboutProposal):
    """Who decides, about which exact document."""

    sha256 = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)
    origin = OriginField()
    name = forms.CharField(max_length=120, label=_("Your full name"))
    title = forms.CharField(
        max_length=70, label=_("Your title"), help_text=_("Your position at the agency.")
    )

    def prepare(self) -> None:
        super().prepare()
        contact = getattr(self.actor, "contact", None)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["title"].widget.attrs["autocomplete"] = "organization-title"
        self.initial.setdefault("name", contact.name if contact else "")

    def clean_name(self) -> str:
        return self._words("name")

    def clean_title(self) -> str:
        return self._words("title")

    def _words(self, name: str) -> str:
        text = normalised(self.cleaned_data[name])
        if not text:
            raise forms.ValidationError(_("This field is required."))
        return text


class AcceptProposalForm(DecisionForm):
    """Name, title, authority and, where it costs something, the purchase order (D9)."""

    authority = forms.BooleanField(
        label=_("I may accept this proposal for my agency."),
        error_messages={"required": _("Confirm that you may accept it for your agency.")},
    )
    order = forms.ChoiceField(
        choices=[
            (NOW, _("I give it here")),
            (LATER, _("I send it later, on this page or to my representative")),
        ],
        initial=NOW,
        widget=forms.RadioSelect,
        label=_("The purchase order"),
        error_messages={"required": _("Say whether you give it now or later.")},
    )
    number = forms.CharField(max_length=60, required=False, label=_("Its number"))
    amount = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        required=False,
        label=_("Its amount"),
    )
    issued_on = forms.DateField(required=False, widget=DATE, label=_("Its date"))
    file = UploadField(
        required=False,
        label=_("The purchase order as a file"),
        help_text=_("You can send the file later too."),
    )
    ORDER = ("order", "number", "amount", "issued_on", "file")

    def prepare(self) -> None:
        super().prepare()
        proposal = self.about()
        if proposal is not None and (not proposal.is_charged or proposal.has_purchase_order):
            for name in self.ORDER:
                del self.fields[name]
        elif proposal is not None and not self.is_bound:
            self.initial.setdefault("amount", proposal.total)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        proposal = data.get("proposal")
        if data.get("order") == NOW and proposal is not None:
            check_purchase_order(self, data, proposal, ("number", "amount", "issued_on"))
        return data

    def purchase_order(self) -> list[forms.BoundField]:
        """The fields of the purchase order, where one is wanted."""
        return [self[name] for name in self.ORDER[1:] if name in self.fields]


class DeclineProposalForm(DecisionForm):
    """Who declines, and why (D9)."""

    reason = forms.CharField(max_length=2000, widget=area(3), label=_("Why"))


class AskChangesForm(AboutProposal):
    """What should be different (S1.7e)."""

    text = forms.CharField(max_length=5000, widget=area(4), label=_("What should be different"))


class GivePurchaseOrderForm(AboutProposal):
    """The purchase order that was promised with the acceptance (D9)."""

    number = forms.CharField(max_length=60, required=False, label=_("Its number"))
    amount = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        required=False,
        label=_("Its amount"),
    )
    issued_on = forms.DateField(required=False, widget=DATE, label=_("Its date"))
    file = UploadField(required=False, label=_("The purchase order as a file"))

    def prepare(self) -> None:
        super().prepare()
        proposal = self.about()
        given = proposal.purchase_orders.last() if proposal else None
        if given is not None and not self.is_bound:
            for name in ("number", "amount", "issued_on"):
                self.initial.setdefault(name, getattr(given, name))
        elif proposal is not None and not self.is_bound:
            self.initial.setdefault("amount", proposal.total)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        proposal = data.get("proposal")
        if proposal is not None:
            check_purchase_order(self, data, proposal, ("number", "amount", "issued_on", "file"))
        return data
