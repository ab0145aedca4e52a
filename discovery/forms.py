"""The facts that discovery's own actions ask for."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.postgres.search import TrigramSimilarity

from asd.models import Service
from discovery.models import (
    Determination,
    Discovery,
    Ending,
    Finding,
    Need,
    Proposal,
    ServiceLevel,
    TeamMember,
    Verdict,
)
from requests_app.files import check_upload
from requests_app.states import Kind
from workflow import clock
from workflow.registry import ActionForm

DATE = forms.DateInput(attrs={"type": "date"})
BLANK = [("", "---------")]


def area(rows: int = 3) -> forms.Textarea:
    """A text area of some rows."""
    return forms.Textarea(attrs={"rows": rows})


def yes_no(label: str, help_text: str = "", required: bool = True) -> forms.TypedChoiceField:
    """A question without a default: the answer must be given."""
    return forms.TypedChoiceField(
        choices=[("", "---------"), ("yes", "Yes"), ("no", "No")],
        coerce=lambda v: v == "yes",
        empty_value=None,
        label=label,
        help_text=help_text,
        required=required,
    )


class UploadField(forms.FileField):
    """One file, checked; the error says why."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        found = super().clean(data, initial)
        if found:
            check_upload(found)
        return found


class DocumentForm(ActionForm):
    """What is asked for and why it lies outside the agreements (D4)."""

    requested_service = forms.CharField(
        max_length=5000, widget=area(), label="Requested service",
        help_text="What the agency asks for, in the office's words.",
    )  # fmt: skip
    why_outside_scope = forms.CharField(
        max_length=5000, widget=area(2), label="Why it is outside the existing agreements"
    )
    new_customer = forms.BooleanField(required=False, label="A new customer")

    def prepare(self) -> None:
        discovery = self.subject.discovery
        for name in self.fields:
            self.fields[name].initial = getattr(discovery, name, None)
        if discovery and not discovery.requested_service:
            self.fields["requested_service"].initial = self.subject.title
            self.fields["new_customer"].initial = not self.subject.agency.is_current()


class TeamMemberForm(ActionForm):
    """Who joins the team (D5)."""

    user = forms.ModelChoiceField(None, label="Member")
    role = forms.ChoiceField(choices=TeamMember.Role.choices)

    def prepare(self) -> None:
        people = get_user_model().objects.filter(is_active=True, is_auditor=False)
        on_team = TeamMember.objects.filter(
            discovery=self.subject.discovery, left_at__isnull=True
        ).values("user")
        self.fields["user"].queryset = people.exclude(pk__in=on_team).order_by("first_name")


class RowForm(ActionForm):
    """A row of the current discovery, named by a hidden field."""

    relation = ""

    def prepare(self) -> None:
        discovery: Discovery | None = self.subject.discovery
        field = self.fields[self.row_name]
        field.queryset = (
            getattr(discovery, self.relation).all() if discovery else field.queryset.none()
        )

    @property
    def row_name(self) -> str:
        """The hidden field."""
        return next(n for n, f in self.fields.items() if isinstance(f.widget, forms.HiddenInput))


class RemoveMemberForm(RowForm):
    """Who leaves the team."""

    relation = "team"
    member = forms.ModelChoiceField(TeamMember.objects.none(), widget=forms.HiddenInput)


class FindingForm(ActionForm):
    """A dated finding (D6)."""

    kind = forms.ChoiceField(choices=Finding.Kind.choices)
    on = forms.DateField(label="Date", widget=DATE, initial=clock.today)
    text = forms.CharField(max_length=10_000, widget=area(4), label="What was found")
    participants = forms.CharField(max_length=300, required=False)
    hours = forms.DecimalField(
        required=False, min_value=Decimal(0), max_digits=6, decimal_places=2, label="Hours spent"
    )
    attachment = UploadField(required=False, label="File")

    def clean_on(self) -> Any:
        day = self.cleaned_data["on"]
        if day > clock.today():
            raise forms.ValidationError("A finding is dated today or earlier.")
        return day


class NeedForm(ActionForm):
    """One thing the customer needs (D6, D7)."""

    description = forms.CharField(max_length=300, label="Need")
    source = forms.ChoiceField(choices=Need.Source.choices, initial=Need.Source.ADDED)
    quantity_before = forms.IntegerField(min_value=0, initial=0, label="Asked for")
    quantity_after = forms.IntegerField(min_value=0, initial=1, label="Needed")
    verdict = forms.ChoiceField(choices=[*BLANK, *Verdict.choices], required=False)
    why = forms.CharField(max_length=300, required=False, label="Why")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        return check_verdict(self, data)


def check_verdict(form: ActionForm, data: dict[str, Any]) -> dict[str, Any]:
    """A verdict must agree with the quantities, and removal needs a reason (D7)."""
    verdict, before = data.get("verdict"), data.get("quantity_before")
    after = data.get("quantity_after")
    if before is None or after is None:
        return data
    if verdict == Verdict.REMOVED and not data.get("why"):
        form.add_error("why", "Say why it is not needed.")
    if verdict == Verdict.MORE and after <= before:
        form.add_error("quantity_after", "More means a larger quantity than was asked for.")
    if verdict == Verdict.LESS and after >= before:
        form.add_error("quantity_after", "Less means a smaller quantity than was asked for.")
    return data


class JudgeNeedForm(RowForm):
    """The verdict on a need against the frozen original (D7)."""

    relation = "needs"
    need = forms.ModelChoiceField(Need.objects.none(), widget=forms.HiddenInput)
    verdict = forms.ChoiceField(choices=[*BLANK, *Verdict.choices])
    quantity_after = forms.IntegerField(min_value=0, label="Needed", initial=1)
    why = forms.CharField(max_length=300, required=False, label="Why")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        need = data.get("need")
        if need:
            check_verdict(self, {**data, "quantity_before": need.quantity_before})
        return data


class SplitNeedForm(RowForm):
    """A need that becomes a request of its own (D7, X4)."""

    relation = "needs"
    need = forms.ModelChoiceField(Need.objects.none(), widget=forms.HiddenInput)


class DetermineForm(ActionForm):
    """Whether more or less is needed than was asked (D7)."""

    determination = forms.ChoiceField(choices=[*BLANK, *Determination.choices])
    revised_scope = forms.CharField(
        max_length=10_000, required=False, widget=area(), label="Revised scope",
        help_text="What is to be done now. Not needed where it is as requested.",
    )  # fmt: skip

    def prepare(self) -> None:
        discovery = self.subject.discovery
        if discovery:
            self.fields["determination"].initial = discovery.determination or suggestion(discovery)
            self.fields["revised_scope"].initial = discovery.revised_scope

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("determination") not in ("", None, "as_requested") and not data.get(
            "revised_scope"
        ):
            self.add_error("revised_scope", "Say what the scope is now.")
        return data


def suggestion(discovery: Discovery) -> str:
    """What the verdicts add up to (D7)."""
    verdicts = set(discovery.needs.exclude(verdict="").values_list("verdict", flat=True))
    more, less = "more" in verdicts, bool(verdicts & {"less", "removed"})
    if not verdicts:
        return ""
    if verdicts == {"removed"}:
        return str(Determination.NOTHING)
    if more and less:
        return str(Determination.MIXED)
    if more or less:
        return str(Determination.MORE if more else Determination.LESS)
    return str(Determination.AS_REQUESTED)


class OutcomeForm(ActionForm):
    """How the discovery ends, and what the request becomes (D3)."""

    ending = forms.ChoiceField(choices=[*BLANK, *Ending.choices], label="It ends with")
    kind = forms.ChoiceField(choices=[*BLANK, *Kind.choices], required=False)
    service = forms.ModelChoiceField(Service.objects.none(), required=False)
    provider_group = forms.ModelChoiceField(None, required=False)
    service_level = forms.ChoiceField(
        choices=[*BLANK, *ServiceLevel.choices], required=False, label="Service level"
    )
    estimate_hours = forms.DecimalField(
        required=False, min_value=Decimal("0.25"), max_digits=7, decimal_places=2,
        label="Estimate in hours",
    )  # fmt: skip
    earlier_proposal = forms.ModelChoiceField(Proposal.objects.none(), required=False)

    def prepare(self) -> None:
        request, discovery = self.subject, self.subject.discovery
        groups = Discovery._meta.get_field("outcome_group").related_model.objects
        services = Service.objects.orderable() | Service.objects.filter(
            origin_request=request.pk
        ).exclude(state__in=["cancelled", "retired"])
        self.fields["service"].queryset = services
        self.fields["provider_group"].queryset = groups.filter(is_active=True)
        self.fields["earlier_proposal"].queryset = request.proposals.filter(state="accepted")
        if discovery is None:
            return
        self.initial.setdefault("ending", discovery.ending)
        self.initial.setdefault("kind", discovery.outcome_kind)
        new = request.proposed_services.exclude(state="cancelled").last()
        self.initial.setdefault("service", discovery.outcome_service_id or (new and new.pk))
        self.initial.setdefault("provider_group", discovery.outcome_group_id)
        self.initial.setdefault("service_level", discovery.service_level)
        self.initial.setdefault("estimate_hours", discovery.estimate_hours)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        ending = data.get("ending")
        if ending == Ending.EARLIER_PROPOSAL and not data.get("earlier_proposal"):
            self.add_error("earlier_proposal", "Choose the accepted proposal that stands.")
        if ending and ending != Ending.NOTHING_NEEDED:
            for name in ("kind", "service", "service_level", "estimate_hours"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, "Needed for this ending.")
            service = data.get("service")
            if service and not data.get("provider_group"):
                data["provider_group"] = service.provider_group
            if service and not data.get("provider_group"):
                self.add_error("provider_group", "The service has no group yet: choose one.")
        return data


class PartsQuestionForm(ActionForm):
    """Whether new parts and equipment are required (D11)."""

    parts_required = yes_no("Are new parts or equipment required?")
    note = forms.CharField(max_length=2000, required=False, widget=area(2))


class InitiateServiceForm(ActionForm):
    """A service that is not yet provided (D10)."""

    name = forms.CharField(max_length=120, label="Name of the new service")
    description = forms.CharField(max_length=5000, required=False, widget=area())
    provider_group = forms.ModelChoiceField(None, label="Provider group")

    def prepare(self) -> None:
        groups = Discovery._meta.get_field("outcome_group").related_model.objects
        self.fields["provider_group"].queryset = groups.filter(is_active=True)
        proposal = self.subject.proposals.order_by("version").last()
        if proposal is not None:
            self.fields["name"].initial = proposal.new_service_name

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        kept = Service.objects.exclude(state__in=["retired", "cancelled"])
        if kept.filter(name__iexact=name).exists():
            raise forms.ValidationError(f"The catalogue has {name} already: choose that service.")
        near = (
            kept.annotate(likeness=TrigramSimilarity("name", name))
            .filter(likeness__gt=0.7)
            .order_by("-likeness")
            .first()
        )
        if near is not None:
            raise forms.ValidationError(
                f"The catalogue has {near.name} already. Use it, or choose a more distinct name."
            )
        return name


class ReviseRequestForm(ActionForm):
    """The request's words after less was found to be needed; the original is kept (D7)."""

    title = forms.CharField(max_length=160)
    description = forms.CharField(max_length=20_000, widget=area(5))

    def prepare(self) -> None:
        self.fields["title"].initial = self.subject.title
        discovery = self.subject.discovery
        scope = discovery.revised_scope if discovery else ""
        self.fields["description"].initial = scope or self.subject.description
