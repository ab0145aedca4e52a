"""The facts that the request's own actions ask for."""

from copy import deepcopy
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from asd.models import Contact, Service
from requests_app.files import check_upload
from requests_app.models import Attachment, Link, Request, Watcher
from requests_app.states import Kind, Level, OutOf, S
from requests_app.triage import CHECKLIST
from workflow import clock
from workflow.action_forms import ActionForm, ReasonForm
from workflow.among import Among
from workflow.choosing import FewOnly, OneOf
from workflow.together import read_with
from workflow.worktime import add_working_days, hours_of
from workflow.written import Written

TEXT = forms.Textarea(attrs={"rows": 3})
ASK_REVIEW_DAYS = 10  # working days: after the last reminder
OFFERED = Among(lambda about: Service.objects.orderable())
YES_NO = [("", "Not known yet"), ("yes", "Yes"), ("no", "No")]
ANSWERS = {
    key: FewOnly(
        choices=YES_NO, coerce=lambda v: v == "yes", empty_value=None, required=False, label=text
    )
    for key, text in CHECKLIST
}


class MultipleFileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files, each checked; the error says which and why."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", MultipleFileInput())
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        many = data if isinstance(data, list | tuple) else [data] if data else []
        found = [super(FilesField, self).clean(one, initial) for one in many]
        for one in found:
            check_upload(one)
        return found


def orderable(pk: int) -> Any:
    """The service of this key, where it can be ordered."""
    return Service.objects.orderable().filter(pk=pk).select_related("provider_group")


ORDERABLE = Written(orderable)


class TriageForm(ActionForm):
    """What triage needs to know, and what the representative decides (D2)."""

    among = {"service": OFFERED}
    decides = "service"
    service = OneOf(
        Service.objects.none(),
        kind="offered",
        required=False,
        label="Existing service",
        empty_label="No existing service fits",
        help_text="The service this request relates to.",
    )
    service_known = forms.TypedChoiceField(
        choices=[("yes", "Decided"), ("", "Not known yet")],
        coerce=lambda v: v == "yes",
        empty_value=False,
        required=False,
        initial="yes",
        label="Is the service decided?",
    )
    decision = forms.ChoiceField(
        choices=[
            ("", "As recommended"),
            ("assistance", "Assistance: CRM Pending Queue"),
            ("enhancement", "Enhancement: awaiting scheduling"),
            ("discovery", "Discovery"),
            ("unknown", "Stay in triage"),
        ],
        required=False,
        label="Decision",
    )
    override_reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Why differently from the recommendation",
    )

    def prepare(self) -> None:
        self.fields["service"].by_key = self._orderable
        self.fields["service"].initial = self.subject.service_id
        before = self.subject.triage
        for key, field in ANSWERS.items():
            answer = before.checklist.get(key) if before else None
            self.fields[key] = deepcopy(field)
            self.fields[key].initial = {True: "yes", False: "no"}.get(answer, "")

    def _orderable(self, pk: int) -> list[Any]:
        """The service, if it can be ordered: read with the request, or asked for."""
        read = read_with(self.subject, "orderable", service_id=pk)
        return ORDERABLE.instances(pk=pk) if read is None else read

    @property
    def checklist_fields(self) -> list[forms.BoundField]:
        """The seven points, for the template."""
        return [self[key] for key, _ in CHECKLIST]

    def checklist(self) -> dict[str, bool | None]:
        """The answers as given."""
        return {key: self.cleaned_data.get(key) for key, _ in CHECKLIST}

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        data["checklist"] = {key: data.pop(key, None) for key, _ in CHECKLIST}
        return data


class DiscoverForm(ReasonForm):
    """Why it goes to discovery, and what is kept meanwhile (F17)."""

    keep_slot = forms.BooleanField(required=False, label="Keep its slot in the schedule")
    keep_specialist = forms.BooleanField(required=False, label="Keep its specialist")
    keep_parts = forms.BooleanField(required=False, initial=True, label="Keep open part lines")

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        placed = subject.state in (S.SCHEDULED, S.PLANNING, S.IN_FULFILLMENT, S.TESTING)
        slot: dict[str, str | None] = {} if placed else {"keep_slot": None}
        return slot if subject.specialist_id else {**slot, "keep_specialist": None}


class DeclineForm(ReasonForm):
    """How a request ends without fulfillment."""

    outcome = forms.ChoiceField(choices=[("", "---------"), *OutOf.choices], label="Reason code")
    duplicate_of = forms.CharField(
        required=False,
        max_length=20,
        label="Duplicate of",
        help_text="The reference of the other request, such as REQ-2026-000123.",
    )
    link = forms.CharField(
        required=False,
        max_length=200,
        label="Incident or problem record",
        help_text="Its number or address in the other process.",
    )
    field_order = ["outcome", "link", "duplicate_of", "reason"]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        reference = data.pop("duplicate_of", "").strip()
        data["other"] = None
        if data.get("outcome") == OutOf.DUPLICATE and reference:
            data["other"] = (
                Request.objects.filter(reference__iexact=reference)
                .exclude(pk=self.subject.pk)
                .first()
            )
            if data["other"] is None:
                self.add_error("duplicate_of", "There is no other request with this reference.")
            data["link"] = reference
        return data


class HoldForm(ReasonForm):
    """Until when, and what it waits for (X1)."""

    reason = forms.CharField(
        label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The customer reads it.",
    )  # fmt: skip
    review_on = forms.DateField(
        label="Look at it again on", widget=forms.DateInput(attrs={"type": "date"})
    )
    waiting_for = forms.ChoiceField(
        choices=Request.WaitingFor.choices, label="Waiting for", initial="other"
    )
    keep_slot = forms.BooleanField(
        required=False, initial=True, label="Keep its slot in the schedule"
    )

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        return {} if subject.state == S.SCHEDULED else {"keep_slot": None}


def _other_groups(about: Any) -> Any:
    groups: Any = Request._meta.get_field("provider_group").related_model
    return groups.objects.filter(is_active=True).exclude(pk=about.provider_group_id)


class TransferForm(ReasonForm):
    """To which group (X5)."""

    provider_group = OneOf(kind="receiving", label="Provider group")
    among = {"provider_group": Among(_other_groups)}
    field_order = ["provider_group", "reason"]


def _other_representatives(about: Any) -> Any:
    people = get_user_model().objects.filter(is_representative=True, is_active=True)
    return people.exclude(pk=about.representative_id)


class RepresentativeForm(ActionForm):
    """To whom (X5)."""

    representative = OneOf(kind="representative", label="Account representative")
    reason = forms.CharField(required=False, max_length=2000, widget=TEXT, label="Note")
    among = {"representative": Among(_other_representatives)}


class PriorityForm(ActionForm):
    """Impact and urgency; the priority follows (X8)."""

    impact = forms.TypedChoiceField(choices=Level.choices, coerce=int)
    urgency = forms.TypedChoiceField(choices=Level.choices, coerce=int)
    reason = forms.CharField(required=False, max_length=2000, widget=TEXT, label="Note")

    def prefill(self) -> None:
        self.fields["impact"].initial = self.subject.impact
        self.fields["urgency"].initial = self.subject.urgency


class EditForm(ActionForm):
    """The request's words; before and after are kept (X7)."""

    title = forms.CharField(max_length=160)
    description = forms.CharField(max_length=20_000, widget=forms.Textarea(attrs={"rows": 5}))
    needed_by = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    contact = OneOf(Contact.objects.none(), kind="contact")
    among = {
        "contact": Among(lambda about: Contact.objects.active().filter(agency=about.agency_id))
    }

    def prefill(self) -> None:
        request = self.subject
        self.fields["contact"].about = f"?of={request.agency_id}"
        for name in ("title", "description", "needed_by", "contact"):
            self.fields[name].initial = getattr(request, name)

    def clean_needed_by(self) -> Any:
        day = self.cleaned_data["needed_by"]
        if day and day != self.subject.needed_by and day < clock.today():
            raise forms.ValidationError("Choose today or a later date.")
        return day


class NoticeForm(ActionForm):
    """The closing message to the customer (F11, F15)."""

    message = forms.CharField(
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 6}),
        label="Message to the customer",
        help_text="Sent as it stands, with the reference and how to report that something is wrong.",
    )

    def prefill(self) -> None:
        request = self.subject
        what = request.service.name if request.service else request.title
        self.fields["message"].initial = (
            f"Your Request for Change {request.reference} ({request.title}) is fulfilled: "
            f"{what} has been tested and is ready for you to use."
        )


class CommentForm(ActionForm):
    """An update on the case (X6). Internal unless said otherwise."""

    text = forms.CharField(max_length=20_000, widget=TEXT, label="Update")
    public = forms.TypedChoiceField(
        choices=[("", "Internal: staff only"), ("yes", "Public: the customer reads this")],
        coerce=lambda v: v == "yes",
        empty_value=False,
        required=False,
        widget=forms.RadioSelect,
        label="Who reads it",
    )
    files = FilesField(label="Files")


class AskForm(ActionForm):
    """A question to the customer: the request waits for the answer (X1, X6)."""

    question = forms.CharField(
        max_length=5000,
        widget=TEXT,
        label="Question to the customer",
        help_text="The request waits, its clock stops, and the customer is reminded.",
    )
    review_on = forms.DateField(
        label="Look at it again on", widget=forms.DateInput(attrs={"type": "date"})
    )

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        if not subject.is_on_hold:
            return {}
        return {"review_on": None, "question": "Joins the question that waits already."}

    def prefill(self) -> None:
        if self.subject.is_on_hold:
            return
        calendar = self.subject.provider_group.calendar if self.subject.provider_group else None
        self.fields["review_on"].initial = lambda: add_working_days(
            clock.today(), ASK_REVIEW_DAYS, hours_of(calendar)
        )


class UploadForm(ActionForm):
    """Files for the case."""

    files = FilesField(label="Files", required=True)
    public = forms.BooleanField(required=False, label="The customer may read them")


def _own_files(about: Any) -> Any:
    kept = Attachment.objects.kept().filter(case__request=about.pk)
    return kept.filter(purpose=Attachment.Purpose.FILE)


class WithdrawFileForm(ReasonForm):
    """Take a file off the case; a trace stays."""

    attachment = forms.ModelChoiceField(Attachment.objects.none(), widget=forms.HiddenInput)
    among = {"attachment": Among(_own_files)}


def _other_contacts(about: Any) -> Any:
    contacts = Contact.objects.active().filter(agency=about.agency_id).exclude(pk=about.contact_id)
    return contacts.exclude(watcher__request=about.pk)


def _other_staff(about: Any) -> Any:
    staff = get_user_model().objects.filter(is_active=True)
    return staff.exclude(watching__request=about.pk).order_by("pk")


class AddWatcherForm(ActionForm):
    """Who else is told (X9)."""

    contact = OneOf(Contact.objects.none(), kind="contact", required=False)
    user = OneOf(kind="person", required=False, label="Staff")
    among = {"contact": Among(_other_contacts), "user": Among(_other_staff)}

    def prefill(self) -> None:
        self.fields["contact"].about = f"?of={self.subject.agency_id}"

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if bool(data.get("contact")) == bool(data.get("user")):
            raise forms.ValidationError("Choose a contact or a member of staff.")
        return data


def _watchers(about: Any) -> Any:
    return Watcher.objects.filter(request=about.pk).select_related("contact", "user")


class RemoveWatcherForm(ActionForm):
    """Who is no longer told (X9)."""

    watcher = forms.ModelChoiceField(Watcher.objects.none(), widget=forms.HiddenInput)
    among = {"watcher": Among(_watchers)}


class LinkForm(ActionForm):
    """How another request belongs to this one (X4)."""

    relation = forms.ChoiceField(choices=Link.Relation.choices)
    other = forms.CharField(max_length=20, label="Reference", help_text="Such as REQ-2026-000123.")

    def clean_other(self) -> Request:
        text = self.cleaned_data["other"].strip()
        found = Request.objects.filter(reference__iexact=text).exclude(pk=self.subject.pk).first()
        person = self.actor.person
        if found is None or (
            person and not Request.objects.visible_to(person).filter(pk=found.pk).exists()
        ):
            raise forms.ValidationError("There is no other request with this reference.")
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        other = data.get("other")
        if data.get("relation") == Link.Relation.NEEDS and other and _needs(other, self.subject):
            self.add_error(
                "other", f"{other} needs {self.subject} first: they cannot wait for each other."
            )
        return data


def _removable(about: Any) -> Any:
    return Link.objects.filter(source=about.pk).exclude(relation=Link.STAYS)


class UnlinkForm(ActionForm):
    """Which link of the request no longer stands (X4). Where a request came from stays."""

    link = forms.ModelChoiceField(Link.objects.none(), widget=forms.HiddenInput)
    among = {"link": Among(_removable)}


def _needs(request: Request, other: Request) -> bool:
    """Whether a request needs another first, directly or by what it needs."""
    seen: set[int] = set()
    ahead = {request.pk}
    while ahead:
        seen |= ahead
        links = Link.objects.filter(relation=Link.Relation.NEEDS, source__in=ahead)
        ahead = set(links.exclude(target=None).values_list("target", flat=True)) - seen
    return other.pk in seen


class SplitForm(ActionForm):
    """A part of the request becomes one of its own (X4)."""

    title = forms.CharField(max_length=160)
    description = forms.CharField(max_length=20_000, widget=forms.Textarea(attrs={"rows": 4}))
    service = OneOf(Service.objects.none(), kind="offered", required=False)
    among = {"service": OFFERED}


class ReturnForm(ReasonForm):
    """Why triage must decide again (F16)."""

    why = forms.ChoiceField(
        choices=[
            ("wrong_kind", f"Wrong kind ({Kind.ASSISTANCE.label} or {Kind.ENHANCEMENT.label})"),
            ("wrong_group", "Wrong group"),
            ("not_a_request", "Not a request"),
        ],
        label="What is wrong",
    )
    field_order = ["why", "reason"]
