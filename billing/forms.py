"""The facts that charging and the ASD update ask for (F10-F14)."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Value

from asd.models import Service, ServiceState, ServiceUpdate, UpdateState
from billing.bases import Basis, fitting
from billing.guards import concerned, concerned_services, initiated_cases, is_live
from billing.models import CENT, Avenue, BillingCase, ChargeLine
from workflow import clock
from workflow.action_forms import ActionForm, ReasonForm
from workflow.among import Among

DATE = forms.DateInput(attrs={"type": "date"})
HIDDEN = forms.HiddenInput()
MISFIT = (
    "That is no basis for this request: choose a line of its accepted proposal, "
    "a rate of the agency's SLA for its service, or the rate of one of its parts."
)


class QuantityField(forms.DecimalField):
    """A quantity above zero, to hundredths."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=9, decimal_places=2, min_value=CENT, **kwargs)
        self.widget.attrs.update({"step": "any", "inputmode": "decimal"})


class EvidenceField(forms.CharField):
    """Where the quantity comes from."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=300,
            label="Evidence",
            help_text="Where the quantity comes from: hours worked, receipts, the agreement.",
            **kwargs,
        )


class AddLineForm(ActionForm):
    """One more charge. The rate comes from the basis; nobody types it (F13)."""

    basis = forms.ChoiceField(label="Basis", error_messages={"invalid_choice": MISFIT})
    quantity = QuantityField(label="Quantity")
    evidence = EvidenceField()
    description = forms.CharField(
        max_length=200,
        required=False,
        label="Description",
        help_text="What the customer reads; empty takes the words of the basis.",
    )

    def prepare(self) -> None:
        self.bases = fitting(self.subject)
        options = [(key, basis.label) for key, basis in self.bases.items()]
        self.fields["basis"].choices = [("", "Choose what the charge stands on"), *options]

    def clean_basis(self) -> Basis:
        return self.bases[self.cleaned_data["basis"]]


def draft_lines(request: Any) -> Any:
    """The lines that can still be changed."""
    return ChargeLine.objects.filter(
        case__request=request.pk, case__pass_number=Value(request.pass_number), case__state="draft"
    )


DRAFT_LINES = Among(draft_lines)


class LineField(forms.ModelChoiceField):
    """The charge line acted upon, hidden in its row."""

    def __init__(self) -> None:
        super().__init__(
            ChargeLine.objects.none(),
            widget=HIDDEN,
            error_messages={"invalid_choice": "This line is frozen or no longer there."},
        )


class EditLineForm(ActionForm):
    """Quantity, evidence and words of a line; its basis and rate stay."""

    says = ("quantity", "evidence", "description")
    among = {"line": DRAFT_LINES}
    line = LineField()
    quantity = QuantityField(label="Quantity")
    evidence = EvidenceField()
    description = forms.CharField(max_length=200, label="Description")


class RemoveLineForm(ActionForm):
    """Which line goes."""

    among = {"line": DRAFT_LINES}
    line = LineField()


class InitiateForm(ActionForm):
    """Which way the money goes, finance's number for it, and from when (F13)."""

    avenue = forms.ChoiceField(choices=[("", "Choose"), *Avenue.choices], label="Avenue")
    finance_number = forms.CharField(
        max_length=60, label="Finance number", help_text="What the finance system calls it."
    )
    starts_on = forms.DateField(widget=DATE, label="Billed from", initial=clock.today)

    def prefill(self) -> None:
        """The avenue that the records suggest comes first; the representative decides."""
        self.fields["avenue"].initial = likely_avenue(self.subject)


def likely_avenue(request: Any) -> str:
    """New service, project under a one-off agreement, or a change under the SLA."""
    if any(one.state != ServiceState.CANCELLED for one in request.proposed_services.all()):
        return Avenue.NEW_SERVICE
    return Avenue.CHANGE_ORDER if request.agency.is_current() else Avenue.MOU


class CreditForm(ReasonForm):
    """Why the whole charge is credited; which one, where earlier passes were charged too."""

    case = forms.ModelChoiceField(
        BillingCase.objects.none(), required=False, widget=HIDDEN, label="Billing case"
    )

    among = {"case": Among(lambda about: initiated_cases(about.pk))}

    def clean_case(self) -> BillingCase:
        return self.cleaned_data["case"] or self.fields["case"].queryset.first()


class AskUpdateForm(ActionForm):
    """What has to change in the Agency Services Database (F14)."""

    service = forms.ModelChoiceField(Service.objects.none(), required=False, label="Service")
    change = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="What changes",
        help_text="For the ASD manager: what the agency uses from now on.",
    )
    starts_on = forms.DateField(widget=DATE, label="From", initial=clock.today)
    quantity = forms.IntegerField(
        min_value=0,
        max_value=1_000_000,
        initial=1,
        label="Quantity",
        help_text="How many the agency uses from then on; 0 ends its use.",
    )

    among = {"service": Among(concerned)}

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        return {"service": None} if len(concerned_services(subject)) < 2 else {}

    def prefill(self) -> None:
        self.services = concerned_services(self.subject)
        field: Any = self.fields.get("service")
        if field is not None:
            field.initial = self.services[0].pk
            field.empty_label = f"{self.services[0]} (as requested)"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        live = [service for service in self.services if is_live(service)]
        service = data.get("service") or (live or self.services or [None])[0]
        if service is not None and not is_live(service):
            self.add_error("service", f"{service} is not live yet.")
        return {**data, "service": service}


class UpdateField(forms.ModelChoiceField):
    """The ASD update acted upon; without one, the one that waits."""

    def __init__(self) -> None:
        super().__init__(
            ServiceUpdate.objects.none(),
            required=False,
            widget=HIDDEN,
            error_messages={"invalid_choice": "This update is settled already."},
        )


def _requested(about: Any) -> Any:
    own = ServiceUpdate.objects.filter(request=about.pk, pass_number=Value(about.pass_number))
    return own.filter(state=UpdateState.REQUESTED)


class ApplyUpdateForm(ActionForm):
    """Which update is applied."""

    update = UpdateField()

    among = {"update": Among(_requested)}

    def clean_update(self) -> ServiceUpdate:
        return self.cleaned_data["update"] or self.fields["update"].queryset.first()


class SendBackUpdateForm(ApplyUpdateForm):
    """Why the update cannot be made as asked."""

    reason = forms.CharField(
        label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class ServiceVerbForm(ActionForm):
    """Which of the services that the request proposed; with one, there is nothing to choose."""

    shaped_by_subject = True
    states: tuple[str, ...] = ()
    service = forms.ModelChoiceField(Service.objects.none(), required=False, label="Service")

    def prepare(self) -> None:
        found = self.subject.proposed_services.filter(state__in=self.states)
        self.fields["service"].queryset = found
        if len(found) < 2:
            self.fields["service"].widget = forms.HiddenInput()
        else:
            self.fields["service"].required = True

    def clean_service(self) -> Service:
        return self.cleaned_data["service"] or self.fields["service"].queryset.first()


class DevelopForm(ServiceVerbForm):
    """A proposed service begins to be made."""

    states = (ServiceState.PROPOSED,)


class GoLiveForm(ServiceVerbForm):
    """Since when the service is live."""

    states = (ServiceState.PROPOSED, ServiceState.IN_DEVELOPMENT)
    live_on = forms.DateField(widget=DATE, label="Live since", initial=clock.today)


class CancelServiceForm(ServiceVerbForm):
    """Why the draft is not made."""

    states = (ServiceState.PROPOSED, ServiceState.IN_DEVELOPMENT)
    reason = forms.CharField(
        label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class RetireServiceForm(CancelServiceForm):
    """Why it is no longer offered."""

    states = (ServiceState.LIVE,)


def quantity_left(request: Any, basis: Basis, but: ChargeLine | None = None) -> Decimal | None:
    """How much of a proposal's line is not charged yet; None where there is no limit."""
    if basis.at_most is None:
        return None
    others = draft_lines(request).filter(proposal_line=basis.row)
    if but is not None:
        others = others.exclude(pk=but.pk)
    return basis.at_most - sum((line.quantity for line in others), Decimal(0))
