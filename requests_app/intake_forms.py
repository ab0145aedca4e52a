"""The form of a representative who takes in a request on behalf of an agency's contact (X10)."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms

from asd.models import Agency, Contact, Service, normalised
from requests_app.forms import ORDERABLE, FilesField, orderable
from requests_app.onboarding import CODE_LENGTH, near_agencies, same_agency
from requests_app.pages import contacts_of
from requests_app.states import Level
from workflow import clock
from workflow.among import Among
from workflow.choosing import FewOnly, OneOf, choose_among, is_key
from workflow.prepared import reading
from workflow.written import Written

EXISTING, NEW = "existing", "new"
ACTIVE = Written(lambda pk: Agency.objects.filter(is_active=True, pk=pk))
CONTACTS = Among(lambda about: contacts_of(about.pk))
CONTACT = Written(lambda agency, pk: contacts_of(agency).filter(pk=pk))


@reading(agency=int, contact=int, service=int)
def chosen_in_form(agency: int, contact: int, service: int) -> dict[str, Any]:
    """Who asks and what for, by the keys that were sent; each only where it can be chosen."""
    return {
        "agency": Agency.objects.filter(is_active=True, pk=agency).order_by(),
        "contact": contacts_of(agency).filter(pk=contact).order_by(),
        "service": orderable(service).order_by(),
    }


def _of_key(rows: list[Any], pk: int) -> list[Any]:
    return [row for row in rows if row.pk == pk]


class IntakeForm(forms.Form):
    """Who asks, what for, until when. Works without script: agency first, then its contacts."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    customer = forms.ChoiceField(
        choices=[(EXISTING, "An agency we know"), (NEW, "A new agency")],
        widget=forms.RadioSelect,
        initial=EXISTING,
        required=False,
        label="Who asks",
    )
    agency = OneOf(
        Agency.objects.filter(is_active=True),
        kind="agency",
        required=False,
        empty_label="Choose the agency",
        label="Agency",
    )
    contact = OneOf(
        Contact.objects.none(),
        kind="contact",
        required=False,
        empty_label="Choose the contact",
        label="Contact",
    )
    new_agency = forms.CharField(required=False, max_length=200, label="Name of the new agency")
    new_code = forms.CharField(
        required=False,
        max_length=CODE_LENGTH,
        label="Agency number",
        help_text="If it has one already; otherwise a short code is made from the name.",
    )
    not_a_duplicate = forms.BooleanField(
        required=False, label="It is none of these: create the new agency"
    )
    contact_name = forms.CharField(required=False, max_length=120, label="Name")
    contact_email = forms.EmailField(
        required=False,
        label="E-mail",
    )
    contact_phone = forms.CharField(required=False, max_length=40, label="Telephone")
    service = OneOf(
        Service.objects.orderable(),
        kind="offered",
        required=False,
        empty_label="Not sure, or a new service",
        label="Service",
        help_text="Triage can change it. Leave it open where nothing we offer fits.",
    )
    title = forms.CharField(max_length=160, label="Title", help_text="In a few words.")
    description = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        label="What is needed",
        help_text="In the customer's words: what for, for whom, where, how many.",
    )
    needed_by = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}), label="Needed by"
    )
    impact = FewOnly(choices=Level.choices, coerce=int, initial=Level.MEDIUM, label="Impact")
    urgency = FewOnly(choices=Level.choices, coerce=int, initial=Level.MEDIUM, label="Urgency")
    files = FilesField(label="Files")  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.near: list[Agency] = []
        fields: dict[str, Any] = self.fields
        fields["service"].by_key = ORDERABLE.instances
        fields["agency"].by_key = ACTIVE.instances
        sent = self._sent()
        if sent:
            fields["agency"].by_key, fields["service"].by_key = sent["agency"], sent["service"]
        fields["needed_by"].widget.attrs["min"] = clock.today().isoformat()
        if not self.is_bound:
            fields["submission_key"].initial = uuid.uuid4()
        chosen = self.chosen_agency()
        if chosen is not None:
            choose_among(fields["contact"], CONTACTS, chosen)
            fields["contact"].by_key = sent.get("contact") or partial(
                CONTACT.instances, agency=chosen.pk
            )
            fields["contact"].about = f"?of={chosen.pk}"
        else:
            fields["contact"].empty_label = "Choose the agency first"

    def _sent(self) -> dict[str, Callable[..., list[Any]]]:
        """The rows of the keys that were sent, by one statement; none where the agency is sent by
        its name: then it is known only later whose contacts can be chosen."""
        if not self.is_bound or not is_key(self["agency"].value()):
            return {}
        keys = {name: self[name].value() for name in ("agency", "contact", "service")}
        wanted = {name: int(key) if is_key(key) else 0 for name, key in keys.items()}
        found = chosen_in_form(**wanted)
        return {name: partial(_of_key, rows) for name, rows in found.items()}

    @classmethod
    def kept(cls, data: Any, *names: str) -> "IntakeForm":
        """The form with what was chosen or typed so far, none of it judged yet."""
        fields = {n: cls.base_fields[n] for n in names or cls.base_fields if n in data}
        said = {n: field.widget.value_from_datadict(data, {}, n) for n, field in fields.items()}
        return cls(initial=said)

    def chosen_agency(self) -> Agency | None:
        """The agency as posted or preset, if there is one."""
        field: Any = self.fields["agency"]
        return field.row_of(self["agency"].value())

    @property
    def is_new(self) -> bool:
        """Whether the person says that the agency is new."""
        return (self["customer"].value() or EXISTING) == NEW

    def clean_title(self) -> str:
        title = normalised(self.cleaned_data["title"])
        if not title:
            raise forms.ValidationError("Give it a title.")
        return title

    def clean_needed_by(self) -> Any:
        day = self.cleaned_data["needed_by"]
        if day is not None and day < clock.today():
            raise forms.ValidationError("Choose today or a later date.")
        return day

    def clean_submission_key(self) -> uuid.UUID:
        return self.cleaned_data["submission_key"] or uuid.uuid4()

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.is_new:
            self._check_new_agency(data)
        elif not data.get("agency") and "agency" not in self.errors:
            self.add_error("agency", "Choose the agency, or say that it is a new one.")
        if self.is_new or data.get("contact_name") or data.get("contact_email"):
            self._check_new_contact(data)
        elif not data.get("contact") and "contact" not in self.errors:
            self.add_error("contact", "Choose the contact, or write down a new one.")
        return data

    def _check_new_agency(self, data: dict[str, Any]) -> None:
        """The same name or code exists: refused. Similar ones: shown, and asked first."""
        name, code = data.get("new_agency", ""), data.get("new_code", "")
        if not normalised(name):
            if "new_agency" not in self.errors:
                self.add_error("new_agency", "Name the new agency.")
            return
        same = same_agency(name, code)
        if same is not None:
            self.near = [same]
            self.add_error(
                "new_agency",
                f"{same.name} ({same.code}) exists already: choose it as an agency we know.",
            )
            return
        self.near = list(near_agencies(name, data.get("contact_email", "")))
        if self.near and not data.get("not_a_duplicate"):
            self.add_error(
                "not_a_duplicate", "There are agencies like it. Is it one of these? If not, say so."
            )

    def _check_new_contact(self, data: dict[str, Any]) -> None:
        if not normalised(data.get("contact_name", "")) and "contact_name" not in self.errors:
            self.add_error("contact_name", "Name the contact.")
        if not data.get("contact_email") and "contact_email" not in self.errors:
            self.add_error(
                "contact_email", "Give an e-mail address: what we tell the customer goes there."
            )
            return
        agency = None if self.is_new else data.get("agency")
        known = agency and Contact.objects.filter(
            agency=agency, email__iexact=data.get("contact_email", "")
        )
        if known and known.exists():
            self.add_error(
                "contact_email", "A contact of this agency has this address: choose it above."
            )

    def facts(self) -> dict[str, Any]:
        """The cleaned data as `take_in_at_the_desk` wants it."""
        data = self.cleaned_data
        fresh = self.is_new or data["contact_name"] or data["contact_email"]
        words = ("title", "description", "service", "needed_by", "impact", "urgency", "files")
        return {
            "submission_key": data["submission_key"],
            "agency": None if self.is_new else data["agency"],
            "new_agency": {"name": data["new_agency"], "code": data["new_code"]}
            if self.is_new
            else None,
            "contact": None if fresh else data["contact"],
            "new_contact": {
                "name": data["contact_name"],
                "email": data["contact_email"],
                "phone": data["contact_phone"],
            }
            if fresh
            else None,
            **{name: data[name] for name in words},
        }
