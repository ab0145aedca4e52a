"""The form by which a customer asks without an account (X10)."""

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from asd.models import Agency, Service, normalised
from requests_app.filters import near_names
from requests_app.forms import FilesField
from workflow import clock

OTHER, UNSURE = "other", "unsure"
SHOWN = 8
SIGNED = "throughline.public-form"


def agencies_like(text: str) -> list[Agency]:
    """At most eight agencies for what was typed; nobody reads the whole list out of a search."""
    text = normalised(text)[:100]
    if len(text) < 2:
        return []
    active = Agency.objects.filter(is_active=True)
    found = active.filter(Q(name__icontains=text) | Q(code__istartswith=text))[:SHOWN]
    return list(found) or list(near_names(active, text).order_by("-near")[:SHOWN])


def services_like(text: str) -> list[Service]:
    """At most eight services that can be asked for; without a word, the first ones by name."""
    text = normalised(text)[:100]
    offered = Service.objects.orderable()
    if not text:
        return list(offered[:SHOWN])
    found = offered.filter(Q(name__icontains=text) | Q(description__icontains=text))[:SHOWN]
    return list(found) or list(near_names(offered, text).order_by("-near")[:SHOWN])


def _chosen(queryset: Any, value: str) -> Any:
    """The row of a posted number, or None."""
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    return queryset.filter(pk=int(value)).first()


def _with_chosen(found: list[Any], chosen: Any) -> list[Any]:
    """What was chosen stays in sight, whatever is searched for afterwards."""
    return found if chosen is None or chosen in found else [chosen, *found]


class PublicIntakeForm(forms.Form):
    """Who asks, of which agency, and for what. Works without script: search, choose, send."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    started = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    website = forms.CharField(
        required=False,
        max_length=200,
        label=_("Leave this field empty"),
        widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}),
    )
    agency_search = forms.CharField(
        required=False,
        max_length=100,
        label=_("Find your agency"),
        help_text=_("Type a part of its name, or its number."),
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "organization"}),
    )
    agency = forms.CharField(required=False, max_length=20, label=_("Your agency"))
    agency_name = forms.CharField(required=False, max_length=200, label=_("Name of your agency"))
    agency_about = forms.CharField(
        required=False,
        max_length=500,
        label=_("What it does and where it is"),
        help_text=_("A line is enough, or the address of its website."),
    )
    name = forms.CharField(
        max_length=120,
        label=_("Your name"),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("Your work e-mail"),
        help_text=_("We send a link there. Your request counts once you have followed it."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    phone = forms.CharField(
        required=False,
        max_length=40,
        label=_("Telephone, if you like to be called"),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    language = forms.ChoiceField(choices=settings.LANGUAGES, label=_("Write to me in"))
    service_search = forms.CharField(
        required=False,
        max_length=100,
        label=_("Find a service"),
        help_text=_("A word is enough, such as telephone, network or server."),
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    service = forms.CharField(required=False, max_length=20, label=_("The service"))
    title = forms.CharField(
        max_length=160, label=_("What you need, in a few words"), help_text=_("As a title.")
    )
    description = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        label=_("Tell us more"),
        help_text=_("What it is for, for whom, where, how many. Leave out passwords."),
    )
    needed_by = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        label=_("When you need it"),
        help_text=_("If there is a date."),
    )
    files = FilesField(label=_("Files"))  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["needed_by"].widget.attrs["min"] = clock.today().isoformat()
        fields["files"].help_text = _(
            "Drawings, lists, pictures: up to %(each)s MB each, %(all)s MB together."
        ) % {"each": settings.THROUGHLINE["MAX_UPLOAD_MB"], "all": settings.THROUGHLINE["FORM_MB"]}
        if not self.is_bound:
            self.initial.setdefault("submission_key", uuid.uuid4())
            self.initial.setdefault("started", signing.dumps(clock.now().timestamp(), salt=SIGNED))
            self.initial.setdefault("language", translation.get_language() or "en")
        self.agency_chosen = _chosen(Agency.objects.filter(is_active=True), self.said("agency"))
        self.service_chosen = _chosen(Service.objects.orderable(), self.said("service"))

    def said(self, name: str) -> str:
        """What a field says at present, typed or preset."""
        return str(self[name].value() or "")

    @property
    def agencies(self) -> list[Agency]:
        """What the search offers now."""
        return _with_chosen(agencies_like(self.said("agency_search")), self.agency_chosen)

    @property
    def services(self) -> list[Service]:
        """What the search offers now."""
        return _with_chosen(services_like(self.said("service_search")), self.service_chosen)

    @property
    def other_agency(self) -> bool:
        """Whether the person says that the agency is not listed."""
        return self.said("agency") == OTHER

    @property
    def unsure(self) -> bool:
        """Whether the person does not know which service it is."""
        return self.said("service") == UNSURE

    def clean_submission_key(self) -> uuid.UUID:
        return self.cleaned_data["submission_key"] or uuid.uuid4()

    def clean_website(self) -> str:
        if self.cleaned_data["website"]:
            raise forms.ValidationError(
                _("Empty this field and send again: only programs fill it in.")
            )
        return ""

    def clean_title(self) -> str:
        return self._not_blank("title")

    def clean_name(self) -> str:
        return self._not_blank("name")

    def _not_blank(self, name: str) -> str:
        text = normalised(self.cleaned_data[name])
        if not text:
            raise forms.ValidationError(_("This field is required."))
        return text

    def clean_needed_by(self) -> Any:
        day = self.cleaned_data["needed_by"]
        if day is not None and day < clock.today():
            raise forms.ValidationError(_("Choose today or a later date."))
        return day

    def clean_files(self) -> list[Any]:
        files = self.cleaned_data["files"]
        limit = settings.THROUGHLINE["FORM_MB"]
        if sum(upload.size or 0 for upload in files) > limit * 1024 * 1024:
            raise forms.ValidationError(
                _("Together more than %(limit)s MB: choose fewer or smaller files.")
                % {"limit": limit}
            )
        return files

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.other_agency:
            if not normalised(data.get("agency_name", "")) and "agency_name" not in self.errors:
                self.add_error("agency_name", _("Tell us the name of your agency."))
        elif self.agency_chosen is None:
            self.add_error(
                "agency", _("Choose your agency in the list, or say that it is not listed.")
            )
        if not self.unsure and self.service_chosen is None:
            self.add_error("service", _("Choose a service, or say that you do not know."))
        if not self.errors and self._too_quick():
            raise forms.ValidationError(
                _("That was very quick. Please look it over once and send it again.")
            )
        return data

    def _too_quick(self) -> bool:
        """People need some seconds to fill this in; programs do not."""
        try:
            began = signing.loads(self.cleaned_data.get("started", ""), salt=SIGNED)
        except signing.BadSignature:
            again: Any = dict(self.data.items())
            again["started"] = signing.dumps(clock.now().timestamp(), salt=SIGNED)
            self.data = again
            return True
        return clock.now().timestamp() - float(began) < settings.THROUGHLINE["FORM_SECONDS"]

    def facts(self) -> dict[str, Any]:
        """The cleaned data as `submit` wants it."""
        data = self.cleaned_data
        words = ("name", "email", "phone", "language", "title", "description", "needed_by", "files")
        return {
            "key": data["submission_key"],
            "agency": None if self.other_agency else self.agency_chosen,
            "agency_name": data["agency_name"] if self.other_agency else "",
            "agency_about": data["agency_about"] if self.other_agency else "",
            "service": None if self.unsure else self.service_chosen,
            **{name: data[name] for name in words},
        }
