"""What customers are asked on their page. Every label is for them, in their language."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from asd.models import Contact
from requests_app.forms import FilesField
from requests_app.models import Rating, Watcher
from workflow.action_forms import ActionForm

MOST_FILES = 10


class AnswerForm(ActionForm):
    """Words, files or both (X6)."""

    text = forms.CharField(
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("Your message"),
    )
    files = FilesField(label=_("Files"))  # type: ignore[assignment]

    def clean_files(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["files"]
        if len(files) > MOST_FILES:
            raise ValidationError(
                ngettext("At most %d file at a time.", "At most %d files at a time.", MOST_FILES)
                % MOST_FILES
            )
        return files

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("text") and not data.get("files") and not self.errors:
            self.add_error("text", _("Write a message or choose a file."))
        return data


class WhyForm(ActionForm):
    """A reason in the customer's words."""

    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 3}), label=_("Why")
    )


class FollowerForm(ActionForm):
    """A colleague by e-mail address: a contact of the same agency that we know already (X9)."""

    email = forms.EmailField(label=_("Colleague's e-mail address"))

    def clean_email(self) -> Contact:
        address = self.cleaned_data["email"]
        known = Contact.objects.active().filter(agency=self.subject.agency_id)
        contact = known.filter(email__iexact=address).first()
        if contact is None:
            raise ValidationError(
                _(
                    "We know no colleague of your agency with this address. Ask your account "
                    "representative to add them as a contact first."
                )
            )
        if contact.pk == self.subject.contact_id:
            raise ValidationError(_("This is the address of whoever asked: they are told anyway."))
        return contact


class UnfollowForm(ActionForm):
    """Which colleague is no longer told."""

    watcher = forms.ModelChoiceField(Watcher.objects.none(), widget=forms.HiddenInput)

    def prepare(self) -> None:
        field: Any = self.fields["watcher"]
        field.queryset = Watcher.objects.filter(request=self.subject, contact__isnull=False)


class RatingForm(ActionForm):
    """How it went: one question, and room for words."""

    score = forms.TypedChoiceField(
        choices=Rating.SCORES, coerce=int, widget=forms.RadioSelect, label=_("How did it go?")
    )
    comment = forms.CharField(
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=_("What should we know? (you may leave this empty)"),
    )


class LostLinkForm(forms.Form):
    """To which address a new link goes, if it is one on record."""

    email = forms.EmailField(label=_("Your e-mail address"))
    reference = forms.CharField(
        max_length=20,
        required=False,
        label=_("Reference of the request"),
        help_text=_("Such as REQ-2026-000123. Empty: a link for each of your requests."),
    )
