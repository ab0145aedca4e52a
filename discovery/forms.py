"""The facts that discovery's own actions ask for."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.postgres.search import TrigramSimilarity
from django.db.models import Value

from asd.models import Service, normalised
from discovery.current import discovery_of, proposals_of
from discovery.models import (
    Determination,
    Discovery,
    Ending,
    Finding,
    Need,
    Proposal,
    ServiceLevel,
    Stage,
    TeamMember,
    Verdict,
)
from requests_app.files import check_upload
from requests_app.states import Kind
from workflow import clock
from workflow.action_forms import ActionForm, ReasonForm
from workflow.among import Among
from workflow.choosing import OneOf

DATE = forms.DateInput(attrs={"type": "date"})
BLANK = [("", "---------")]
OPEN_ONES = Discovery.objects.exclude(state__in=[Stage.COMPLETE, Stage.ABANDONED])


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


class DocumentationForm(ActionForm):
    """What is asked for and why it lies outside the agreements (D4)."""

    requested_service = forms.CharField(
        max_length=5000, widget=area(), label="Requested service",
        help_text="What the agency asks for, in the office's words.",
    )  # fmt: skip
    why_outside_scope = forms.CharField(
        max_length=5000, widget=area(2), label="Why it is outside the existing agreements"
    )
    new_customer = forms.BooleanField(required=False, label="A new customer")

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        if discovery is None:
            return
        for name in DocumentationForm.base_fields:
            self.initial.setdefault(name, getattr(discovery, name))
        if not discovery.requested_service:
            self.initial["requested_service"] = self.subject.title
            self.initial["new_customer"] = not self.subject.has_sla


class DocumentForm(DocumentationForm):
    """The same with the needs, as they were asked for (D4, D6)."""

    needs = forms.CharField(
        max_length=10_000, required=False, widget=area(), label="What is needed, one need a line",
        help_text="Client discovery judges each against what was asked for.",
    )  # fmt: skip

    def prefill(self) -> None:
        super().prefill()
        discovery = discovery_of(self.subject)
        if discovery is not None:
            wanted = "\n".join(need.description for need in discovery.needs.all())
            self.initial.setdefault("needs", wanted)

    def clean_needs(self) -> list[str]:
        lines = [line.strip(" -*•\t") for line in self.cleaned_data["needs"].splitlines()]
        found = [line for line in lines if line]
        if any(len(line) > 300 for line in found):
            raise forms.ValidationError("A need has at most 300 characters: use more lines.")
        return found


def _not_on_team(about: Any) -> Any:
    people = get_user_model().objects.filter(is_active=True, is_auditor=False)
    on_team = TeamMember.objects.filter(
        left_at__isnull=True, discovery__request=about.pk, discovery__in=OPEN_ONES
    ).values("user")
    return people.exclude(pk__in=on_team).order_by("first_name", "last_name", "username")


class TeamMemberForm(ActionForm):
    """Who joins the team (D5)."""

    user = OneOf(kind="person", label="Member")
    role = forms.ChoiceField(choices=TeamMember.Role.choices)
    among = {"user": Among(_not_on_team)}


def rows_of(model: Any, **such: Any) -> Among:
    """Such rows of the open discovery; rows of others do not exist for it."""
    return Among(
        lambda about: model.objects.filter(
            discovery__request=about.pk, discovery__in=OPEN_ONES, **such
        )
    )


class RemoveMemberForm(ActionForm):
    """Who leaves the team."""

    member = forms.ModelChoiceField(TeamMember.objects.none(), widget=forms.HiddenInput)
    among = {"member": rows_of(TeamMember, left_at=None)}


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


class EditFindingForm(FindingForm):
    """A finding that reads otherwise now (D6)."""

    says = ("kind", "on", "text", "participants", "hours")
    finding = forms.ModelChoiceField(Finding.objects.none(), widget=forms.HiddenInput)
    among = {"finding": rows_of(Finding)}


class NeedForm(ActionForm):
    """One thing the customer needs; what discovery found was not asked for before (D6, D7)."""

    description = forms.CharField(max_length=300, label="Need")
    source = forms.ChoiceField(choices=Need.Source.choices, initial=Need.Source.ADDED)
    quantity_before = forms.IntegerField(
        min_value=0, max_value=1_000_000, initial=0, label="Asked for"
    )
    quantity_after = forms.IntegerField(min_value=0, max_value=1_000_000, initial=1, label="Needed")
    verdict = forms.ChoiceField(
        choices=[*BLANK, *Verdict.choices], required=False, initial=Verdict.MORE
    )
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
        form.add_error("quantity_after", f"More means more than the {before} asked for.")
    if verdict == Verdict.LESS and after >= before:
        form.add_error("quantity_after", f"Less means less than the {before} asked for.")
    if verdict == Verdict.AS_REQUESTED and after != before:
        form.add_error("quantity_after", f"As requested means the {before} asked for.")
    return data


class JudgeNeedForm(ActionForm):
    """The verdict on a need against the frozen original (D7)."""

    says = ("verdict", "quantity_after", "why")
    need = forms.ModelChoiceField(Need.objects.none(), widget=forms.HiddenInput)
    among = {"need": rows_of(Need)}
    verdict = forms.ChoiceField(choices=[*BLANK, *Verdict.choices])
    quantity_after = forms.IntegerField(
        min_value=0, max_value=1_000_000, required=False, label="Needed",
        help_text="Empty: as many as were asked for.",
    )  # fmt: skip
    why = forms.CharField(max_length=300, required=False, label="Why")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        need = data.get("need")
        if need:
            if data.get("quantity_after") is None and "quantity_after" not in self.errors:
                data["quantity_after"] = need.quantity_before
            check_verdict(self, {**data, "quantity_before": need.quantity_before})
        return data


class RemoveNeedForm(ActionForm):
    """A need that was listed by mistake; one that was asked for is judged instead."""

    need = forms.ModelChoiceField(Need.objects.none(), widget=forms.HiddenInput)
    among = {"need": rows_of(Need, source=Need.Source.ADDED, split_to=None)}


class SplitNeedForm(ActionForm):
    """A need that becomes a request of its own (D7, X4)."""

    need = forms.ModelChoiceField(Need.objects.none(), widget=forms.HiddenInput)
    title = forms.CharField(
        max_length=160, required=False, help_text="Empty: the need's own words."
    )
    description = forms.CharField(max_length=20_000, required=False, widget=area())
    among = {"need": rows_of(Need, split_to=None)}


class DetermineForm(ActionForm):
    """Whether more or less is needed than was asked (D7)."""

    determination = forms.ChoiceField(choices=[*BLANK, *Determination.choices])
    revised_scope = forms.CharField(
        max_length=10_000, required=False, widget=area(), label="Revised scope",
        help_text="What is to be done now. Not needed where it is as requested.",
    )  # fmt: skip

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        if discovery is not None:
            told = discovery.determination or suggestion(discovery)
            self.initial.setdefault("determination", told)
            self.initial.setdefault("revised_scope", discovery.revised_scope)


def suggestion(discovery: Discovery) -> str:
    """What the verdicts add up to (D7)."""
    verdicts = {need.verdict for need in discovery.needs.all() if need.verdict}
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


def _groups(about: Any) -> Any:
    groups: Any = Discovery._meta.get_field("outcome_group").related_model
    return groups.objects.filter(is_active=True)


def _accepted(about: Any) -> Any:
    own = Proposal.objects.filter(request=about.pk, pass_number=Value(about.pass_number))
    return own.filter(state="accepted")


GROUPS = Among(_groups)


class OutcomeForm(ActionForm):
    """How the discovery ends, and what the request becomes (D3)."""

    ending = forms.ChoiceField(choices=[*BLANK, *Ending.choices], label="It ends with")
    kind = forms.ChoiceField(choices=[*BLANK, *Kind.choices], required=False)
    service = OneOf(Service.objects.none(), kind="service", required=False)
    provider_group = OneOf(kind="receiving", required=False)
    service_level = forms.ChoiceField(
        choices=[*BLANK, *ServiceLevel.choices], required=False, label="Service level"
    )
    estimate_hours = forms.DecimalField(
        required=False, min_value=Decimal("0.25"), max_digits=7, decimal_places=2,
        label="Estimate in hours",
    )  # fmt: skip
    earlier_proposal = forms.ModelChoiceField(Proposal.objects.none(), required=False)
    among = {
        "service": Among(lambda about: Service.objects.exclude(state__in=["retired", "cancelled"])),
        "provider_group": GROUPS,
        "earlier_proposal": Among(_accepted),
    }

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        if discovery is not None and not self.is_bound:
            self._fill(self.subject, discovery)

    def _fill(self, request: Any, discovery: Discovery) -> None:
        """What was stated before; else what the request and its findings suggest."""
        said = {
            "ending": discovery.ending,
            "kind": discovery.outcome_kind or request.kind or Kind.ENHANCEMENT,
            "service": discovery.outcome_service_id,
            "provider_group": discovery.outcome_group_id or request.provider_group_id,
            "service_level": discovery.service_level,
            "estimate_hours": discovery.estimate_hours or request.estimate_hours,
            "earlier_proposal": discovery.earlier_proposal_id,
        }
        for name, value in said.items():
            self.initial.setdefault(name, value)
        if not self.initial["service"]:
            new = request.proposed_services.exclude(state="cancelled").last()
            self.initial["service"] = new.pk if new else request.service_id

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        ending = data.get("ending")
        if ending == Ending.EARLIER_PROPOSAL and not data.get("earlier_proposal"):
            self.add_error("earlier_proposal", "Choose the accepted proposal that stands.")
        if ending and ending != Ending.EARLIER_PROPOSAL:
            data["earlier_proposal"] = None
        if ending and ending != Ending.NOTHING_NEEDED:
            self._require(data)
        service = data.get("service")
        if ending == Ending.EXISTING_SERVICE and service and service.state != "live":
            self.add_error("service", "Not live yet: choose an existing service.")
        return data

    def _require(self, data: dict[str, Any]) -> None:
        """What becomes the request's must be said, unless nothing is needed (D3)."""
        for name in ("kind", "service", "service_level", "estimate_hours"):
            if not data.get(name) and name not in self.errors:
                self.add_error(name, "Needed for this ending.")
        service = data.get("service")
        if service and not data.get("provider_group"):
            data["provider_group"] = service.provider_group
        if service and not data.get("provider_group") and "provider_group" not in self.errors:
            self.add_error("provider_group", "The service has no group yet: choose one.")


class PartsQuestionForm(ActionForm):
    """Whether new parts and equipment are required (D11)."""

    parts_required = yes_no("Are new parts or equipment required?")
    note = forms.CharField(max_length=2000, required=False, widget=area(2))

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        if discovery is not None and discovery.parts_required is not None:
            self.initial.setdefault("parts_required", "yes" if discovery.parts_required else "no")
            self.initial.setdefault("note", discovery.parts_note)


class FinaliseForm(ActionForm):
    """Who at the customer confirmed the needs (D7)."""

    confirmed_by = forms.CharField(
        max_length=200, required=False, label="Confirmed by",
        help_text="Who of the customer confirmed the needs as they stand, and how.",
    )  # fmt: skip


class NothingNeededForm(ReasonForm):
    """What the customer is told where nothing is needed (D7)."""

    reason = forms.CharField(label="What the customer is told", max_length=2000, widget=area(2))

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        if discovery is not None:
            self.initial.setdefault("reason", discovery.revised_scope)


class InitiateServiceForm(ActionForm):
    """A service that is not yet provided (D10)."""

    name = forms.CharField(max_length=120, label="Name of the new service")
    description = forms.CharField(max_length=5000, required=False, widget=area())
    provider_group = OneOf(kind="receiving", label="Provider group")
    unlike_others = forms.BooleanField(
        required=False, label="It is none of the services with a similar name"
    )
    among = {"provider_group": GROUPS}

    def prefill(self) -> None:
        named = [p.new_service_name for p in proposals_of(self.subject) if p.new_service_name]
        if named:
            self.initial.setdefault("name", named[-1])
        self.initial.setdefault("provider_group", self.subject.provider_group_id)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        sure = data.pop("unlike_others", False)
        if data.get("name"):
            data["name"] = normalised(data["name"])
            self._refuse_duplicates(data["name"], sure)
        return data

    def _refuse_duplicates(self, name: str, sure: bool) -> None:
        """One service has one entry; near matches are shown before a new one is made (D10)."""
        kept = Service.objects.exclude(state__in=["retired", "cancelled"])
        same = kept.filter(name__iexact=name).first()
        if same is not None:
            self.add_error(
                "name",
                f"The catalogue has {same.name} already ({same.get_state_display().lower()}): "
                "choose that service in the outcome.",
            )
            return
        near = kept.annotate(likeness=TrigramSimilarity("name", name)).filter(likeness__gt=0.7)
        names = [service.name for service in near.order_by("-likeness")[:5]]
        if names and not sure:
            self.add_error(
                "name",
                f"Similar in the catalogue: {', '.join(names)}. "
                "Choose one of these in the outcome, or tick that it is none of them.",
            )


class ReviseRequestForm(ActionForm):
    """The request's words after the needs were judged; the original is kept (D7)."""

    title = forms.CharField(max_length=160)
    description = forms.CharField(max_length=20_000, widget=area(5))

    def prefill(self) -> None:
        discovery = discovery_of(self.subject)
        scope = discovery.revised_scope if discovery else ""
        self.initial.setdefault("title", self.subject.title)
        self.initial.setdefault("description", scope or self.subject.description)
