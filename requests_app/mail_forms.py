"""The facts that a representative gives about a message."""

from typing import Any

from django import forms

from asd.models import Agency, normalised
from requests_app.mail_in.apply import title_of
from requests_app.models import Request
from requests_app.onboarding import near_agencies, same_agency
from workflow.action_forms import ActionForm, ReasonForm
from workflow.choosing import OneOf

READERS = [
    ("", "Internal: staff only"),
    ("yes", "As the customer's message: they read it too"),
]


class AttachForm(ActionForm):
    """Which case, and who reads it there."""

    reference = forms.CharField(
        label="Request", max_length=20, help_text="Its reference, such as REQ-2026-000123."
    )
    public = forms.TypedChoiceField(
        choices=READERS,
        coerce=lambda v: v == "yes",
        empty_value=False,  # type: ignore[arg-type]
        required=False,
        widget=forms.RadioSelect,
        label="Who reads it",
    )

    def prepare(self) -> None:
        """The request it seems to be about; public where its sender belongs to that agency."""
        message = self.subject
        if message.request is not None:
            self.fields["reference"].initial = message.request.reference
            known = message.contact
            if known is not None and known.agency_id == message.request.agency_id:
                self.fields["public"].initial = "yes"

    def clean_reference(self) -> Request:
        text = self.cleaned_data["reference"].strip().upper()
        person: Any = self.actor.user
        found = Request.objects.visible_to(person).select_related("agency", "contact")
        request = found.filter(reference=text).first()
        if request is None:
            raise forms.ValidationError("There is no request with this reference.")
        return request


class MakeRequestForm(ActionForm):
    """Whose request it becomes."""

    agency = OneOf(
        Agency.objects.filter(is_active=True),
        kind="agency",
        required=False,
        label="Agency",
        empty_label="Choose the agency",
    )
    new_agency = forms.CharField(
        required=False,
        max_length=200,
        label="Or a new agency",
        help_text="Its name; it is kept as a prospective customer.",
    )
    name = forms.CharField(max_length=120, label="Contact")
    email = forms.EmailField(
        label="E-mail of the contact", help_text="What we tell about the request goes there."
    )
    title = forms.CharField(max_length=160, label="Title of the request")

    def prepare(self) -> None:
        """As the message has it; what it says about its sender is only a suggestion."""
        message = self.subject
        known = message.contact
        self.fields["agency"].initial = known.agency_id if known is not None else None
        self.fields["name"].initial = known.name if known is not None else message.from_name[:120]
        self.fields["email"].initial = message.from_address
        self.fields["title"].initial = title_of(message)

    def clean_title(self) -> str:
        title = normalised(self.cleaned_data["title"])
        if not title:
            raise forms.ValidationError("Give it a title.")
        return title

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        fresh = normalised(data.get("new_agency", ""))
        data["new_agency"] = fresh
        if not data.get("agency") and not fresh and not self.errors:
            self.add_error("agency", "Choose the agency, or name a new one.")
        if data.get("agency") and fresh:
            self.add_error("new_agency", "Either an agency we know or a new one, not both.")
        if fresh and not data.get("agency"):
            near = same_agency(fresh, "") or near_agencies(fresh, data.get("email", "")).first()
            if near is not None:
                self.add_error("new_agency", f"We know {near.name} ({near.code}): choose it above.")
        return data


class DiscardForm(ReasonForm):
    """Why it is of no use."""


class BlockForm(ReasonForm):
    """Why nothing more from there is of use."""

    def prepare(self) -> None:
        """The address is said, because it is about more than this message."""
        self.fields[
            "reason"
        ].help_text = f"Whatever comes from {self.subject.from_address} is set aside from now on."
