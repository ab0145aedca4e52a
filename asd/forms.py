"""What people type about agencies, contacts, agreements and services."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.forms.models import BaseInlineFormSet, inlineformset_factory

from asd.models import (
    Agency,
    Agreement,
    Contact,
    CoveredService,
    RateCardLine,
    Service,
    normalised,
)
from workflow import clock
from workflow.choosing import GroupField, PersonField, ServiceField

DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
CODE = RegexValidator(r"^[\w.-]+$", "Letters, digits, dots and dashes only, such as 090 or DEQ-2.")
CURRENCY = RegexValidator(r"^[A-Z]{3}$", "Three capital letters, such as USD.")
LINES = {"rows": 3}


def plain(text: str) -> str:
    """Names are kept with single spaces and composed letters."""
    return normalised(text)


class AgencyForm(forms.ModelForm):
    """A customer organisation, and who represents it."""

    class Meta:
        model = Agency
        fields = ["name", "code", "representative", "deputy", "is_active", "notes"]
        field_classes = {"representative": PersonField, "deputy": PersonField}
        widgets = {"notes": forms.Textarea(attrs=LINES)}
        labels = {"code": "Agency number", "is_active": "Active"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["code"].validators.append(CODE)

    def clean_code(self) -> str:
        code = self.cleaned_data["code"].strip()
        if code.lower() == "new":
            raise forms.ValidationError("Choose another number: this word is a page.")
        return code

    def clean_name(self) -> str:
        name = plain(self.cleaned_data["name"])
        same = Agency.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).first()
        if same is not None:
            raise forms.ValidationError(f"There is an agency of this name already: {same.code}.")
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("deputy") and data.get("deputy") == data.get("representative"):
            self.add_error("deputy", "The deputy is somebody else than the representative.")
        return data


class ContactForm(forms.ModelForm):
    """A person at an agency."""

    class Meta:
        model = Contact
        fields = ["name", "email", "phone", "language", "is_signatory", "is_active"]
        labels = {"is_signatory": "May accept proposals for the agency", "is_active": "Active"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)

    def clean_name(self) -> str:
        return plain(self.cleaned_data["name"])

    def clean_email(self) -> str:
        """One address is one contact of an agency."""
        email = self.cleaned_data["email"]
        others = Contact.objects.filter(agency=self.instance.agency_id, email__iexact=email)
        if email and others.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Another contact of this agency has this address.")
        return email


class AgreementForm(forms.ModelForm):
    """An SLA or a one-off agreement: its reference and its days."""

    class Meta:
        model = Agreement
        fields = [
            "kind",
            "reference",
            "starts_on",
            "ends_on",
            "suspended_from",
            "suspended_until",
            "notes",
        ]
        widgets = {
            "starts_on": DATE,
            "ends_on": DATE,
            "suspended_from": DATE,
            "suspended_until": DATE,
            "notes": forms.Textarea(attrs=LINES),
        }
        labels = {"starts_on": "In force from", "ends_on": "Until (empty: open end)"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)

    def clean_reference(self) -> str:
        return plain(self.cleaned_data["reference"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("starts_on"), data.get("ends_on")
        if start and end and end < start:
            self.add_error("ends_on", "The end must not be before the start.")
        begins, ends = data.get("suspended_from"), data.get("suspended_until")
        if ends and not begins:
            self.add_error("suspended_from", "Since when is it suspended?")
        if begins and ends and ends < begins:
            self.add_error("suspended_until", "The end must not be before the start.")
        return data


class CoveredForm(forms.ModelForm):
    """A covered service with its limit and targets."""

    class Meta:
        model = CoveredService
        fields = ["service", "limit", "response_hours", "assistance_hours", "enhancement_hours"]
        field_classes = {"service": ServiceField}


class RateForm(forms.ModelForm):
    """A version of a rate."""

    class Meta:
        model = RateCardLine
        fields = ["service", "unit", "rate", "currency", "valid_from", "valid_until"]
        field_classes = {"service": ServiceField}
        widgets = {"valid_from": DATE, "valid_until": DATE}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].validators.append(CURRENCY)
        self.fields["valid_from"].initial = clock.today()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("valid_from"), data.get("valid_until")
        if start and end and end < start:
            self.add_error("valid_until", "The end must not be before the start.")
        return data


class KeepsUsed(BaseInlineFormSet):
    """Rows that a charge stands on are ended, never deleted: the charge names them."""

    def clean(self) -> None:
        super().clean()
        for form in self.deleted_forms:
            if form.instance.pk and is_used(form.instance):
                raise forms.ValidationError("A charge stands on this rate: give it an end instead.")

    def get_deletion_widget(self) -> forms.Widget:
        return forms.CheckboxInput(attrs={"class": "form-check-input"})


def is_used(row: Any) -> bool:
    """Whether any row elsewhere points at this one."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row}).exists()
        for relation in row._meta.get_fields(include_hidden=True)
        if relation.one_to_many and not relation.related_model._meta.label.endswith("Event")
    )


CoveredFormSet = inlineformset_factory(
    Agreement,
    CoveredService,
    form=CoveredForm,
    formset=KeepsUsed,
    extra=3,
    can_delete_extra=False,
)
RateFormSet = inlineformset_factory(
    Agreement,
    RateCardLine,
    form=RateForm,
    formset=KeepsUsed,
    extra=3,
    can_delete_extra=False,
)


class ServiceForm(forms.ModelForm):
    """What a service is called, what it is, who provides it. Its state moves by steps only."""

    class Meta:
        model = Service
        fields = ["name", "description", "provider_group", "owner"]
        field_classes = {"provider_group": GroupField, "owner": PersonField}
        widgets = {"description": forms.Textarea(attrs=LINES)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        people = self.fields["owner"].queryset.filter(is_active=True)
        self.fields["owner"].queryset = people.order_by("first_name", "last_name")

    def clean_name(self) -> str:
        """One name is one service, as long as it is offered or being made (D10)."""
        name = plain(self.cleaned_data["name"])
        same = Service.objects.filter(name__iexact=name).exclude(pk=self.instance.pk)
        if same.exclude(state__in=["retired", "cancelled"]).exists():
            raise forms.ValidationError("There is a service of this name already.")
        return name


class StepForm(forms.Form):
    """A step of a service that asks nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)


class StepReasonForm(StepForm):
    """A step of a service that asks why."""

    reason = forms.CharField(
        label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class GoLiveForm(StepForm):
    """Since when the service is live."""

    live_on = forms.DateField(widget=DATE, label="Live since", initial=clock.today)


STEP_FORMS: dict[str, tuple[str, type[StepForm]]] = {
    "develop": ("Start developing it", StepForm),
    "go_live": ("Take it live", GoLiveForm),
    "retire": ("Retire it", StepReasonForm),
    "cancel_service": ("Cancel the draft", StepReasonForm),
}
