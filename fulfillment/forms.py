"""The facts that fulfillment asks for."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from fulfillment import capacity
from fulfillment.work_models import QUARTER, ChargeDecision, PlanItem, TestRun, TimeEntry
from requests_app.files import check_upload
from requests_app.models import Request
from requests_app.states import FULFILLMENT, S
from workflow import clock
from workflow.action_forms import ActionForm
from workflow.among import Among
from workflow.choosing import OneOf

DATE = forms.DateInput(attrs={"type": "date"})
RESULTS = {
    "passed": "passed",
    "pass": "passed",
    "ok": "passed",
    "failed": "failed",
    "fail": "failed",
    "blocked": "blocked",
    "n/a": "n/a",
    "na": "n/a",
}


def members_of(group_id: int | None) -> QuerySet[Any]:
    """The active members of a group, each with the requests in hand (F5)."""
    in_hand = (
        Request.objects.filter(specialist=OuterRef("pk"), state__in=[str(s) for s in FULFILLMENT])
        .order_by()
        .values("specialist")
        .annotate(number=Count("*"))  # read off the index alone
        .values("number")
    )
    return (
        get_user_model()
        .objects.filter(memberships__group=group_id, is_active=True)
        .annotate(in_hand=Coalesce(Subquery(in_hand), 0))
        .order_by("in_hand", "first_name", "last_name", "username")
    )


MEMBERS = Among(lambda about: members_of(about.provider_group_id))


def load_label(person: Any) -> str:
    """A name with what the person has in hand, so that work goes where there is room (F5)."""
    away = ""
    if person.is_away:
        until = person.away_until
        away = f", away until {capacity.in_words(until)}" if until else ", away"
    return f"{person} ({person.in_hand} in hand{away})"


class SpecialistField(OneOf):
    """A member of the request's group, with load."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(get_user_model().objects.none(), kind="specialist", **kwargs)

    def label_from_instance(self, obj: Any) -> str:
        return load_label(obj) if hasattr(obj, "in_hand") else str(obj)


class AssignForm(ActionForm):
    """Who gets it (F5)."""

    specialist = SpecialistField(
        label="Specialist", help_text="Members of the group, least in hand first."
    )
    among = {"specialist": MEMBERS}


def _colleagues(about: Any) -> QuerySet[Any]:
    return members_of(about.provider_group_id).exclude(pk=about.specialist_id)


class HandToColleagueForm(ActionForm):
    """Who has it from now on, and why (F5, X5)."""

    specialist = SpecialistField(
        label="Colleague", help_text="Members of the group, least in hand first."
    )
    reason = forms.CharField(label="Reason", max_length=2000)
    among = {"specialist": Among(_colleagues)}


class FulfillForm(ActionForm):
    """What was done; the customer reads it (F8)."""

    resolution = forms.CharField(
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Resolution",
        help_text="What was done. It goes to the customer as it stands, and the case is closed.",
    )


class HoursField(forms.DecimalField):
    """Hours, in quarters of an hour on the page, any hundredth accepted."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 6)
        kwargs.setdefault("decimal_places", 2)
        super().__init__(**kwargs)
        self.widget.attrs.update({"step": "any", "inputmode": "decimal"})


class PullForm(ActionForm):
    """Who draws up the plan: oneself, or whom the lead chooses (F6)."""

    specialist = SpecialistField(required=False, label="Specialist", empty_label="Myself")
    among = {"specialist": MEMBERS}

    def prepare(self) -> None:
        request, person = self.subject, self.actor.person
        if person is not None and not (person.is_superuser or request.is_lead(person)):
            people = members_of(request.provider_group_id).filter(pk=person.pk)
            self.fields["specialist"].queryset = people
        if person is not None and request.is_member(person):
            self.fields["specialist"].initial = person.pk


def _items(*states: str) -> Among:
    """The pieces of the current plan in these states."""
    return Among(
        lambda about: PlanItem.objects.filter(
            request=about.pk, pass_number=Value(about.pass_number), state__in=states
        )
    )


class ItemForm(ActionForm):
    """Names a piece of the current plan; hidden where it stands in that piece's row."""

    item = forms.ModelChoiceField(
        PlanItem.objects.none(),
        widget=forms.HiddenInput,
        error_messages={
            "invalid_choice": "This piece of the plan is not there any more, or not in this state.",
            "required": "Name the piece of the plan.",
        },
    )
    among = {"item": _items("open", "done", "cancelled")}


class AnyItemForm(ItemForm):
    """Any piece of the plan."""


class OpenItemForm(ItemForm):
    """A piece that is open."""

    among = {"item": _items("open")}


class SuggestedItemForm(OpenItemForm):
    """The piece whose estimate follows what similar work took (F6)."""


class SettledItemForm(ItemForm):
    """A piece that is done or dropped."""

    among = {"item": _items("done", "cancelled")}


class CancelItemForm(OpenItemForm):
    """Why a piece is not needed (F9)."""

    reason = forms.CharField(max_length=300, label="Why is it not needed?")


class PlanItemForm(ActionForm):
    """A piece of the plan (F6). The estimate may follow, but work waits for it."""

    title = forms.CharField(max_length=200, label="What is to be done")
    estimate_hours = HoursField(required=False, min_value=QUARTER, label="Estimate, hours")
    assignee = SpecialistField(required=False, label="By", empty_label="Whoever has the request")
    test_criterion = forms.CharField(
        required=False,
        max_length=300,
        label="How it will be tested",
        help_text="Becomes a case of the test run.",
    )

    among = {"assignee": MEMBERS}

    def prefill(self) -> None:
        field = self.fields["assignee"]
        field.widget.choices = _names(self.subject, field)


def _names(request: Any, field: Any) -> list[tuple[Any, str]]:
    """The choices, read once per request object: a plan shows the same list on every row."""
    kept = request.__dict__.setdefault("_member_choices", {})
    if field.empty_label not in kept:
        kept[field.empty_label] = [(str(value), text) for value, text in field.choices]
    return kept[field.empty_label]


class EditPlanItemForm(PlanItemForm, ItemForm):
    """Change a piece; another estimate needs its reason once work has begun (F6, X7)."""

    says = ("title", "estimate_hours", "assignee", "test_criterion")
    among = {**PlanItemForm.among, **ItemForm.among}
    reason = forms.CharField(required=False, max_length=300, label="Why")
    field_order = ["item", "title", "estimate_hours", "assignee", "test_criterion", "reason"]

    @classmethod
    def otherwise(cls, subject: Any) -> dict[str, str | None]:
        return {"reason": None} if subject.state == S.PLANNING else {}


class TimeForm(ActionForm):
    """Hours worked (F6, F7): by the person who logs them, not in the future."""

    hours = HoursField(min_value=Decimal("0.05"), max_value=24, max_digits=5, label="Hours")
    on = forms.DateField(label="On", widget=DATE, required=False, initial=clock.today)
    item = forms.ModelChoiceField(
        PlanItem.objects.none(),
        required=False,
        label="Piece of the plan",
        empty_label="The request as a whole",
    )
    note = forms.CharField(required=False, max_length=300, label="What was done")
    among = {"item": _items("open", "done")}

    def clean_on(self) -> Any:
        day = self.cleaned_data["on"] or clock.today()
        if day > clock.today():
            raise forms.ValidationError("Log hours on the day they were worked, not ahead.")
        if day < self.subject.created_at.astimezone().date():
            raise forms.ValidationError("That is before the request was taken in.")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        hours, day, person = data.get("hours"), data.get("on"), self.actor.person
        if hours and day and person:
            before = TimeEntry.objects.filter(user=person, on=day).aggregate(s=Sum("hours"))["s"]
            if before and before + hours > 24:
                text = f"A day has 24 hours: {before:.2f} are logged on that day already."
                self.add_error("hours", text)
        return data


class TestRunForm(ActionForm):
    """What was tested and how it came out (F9)."""

    __test__ = False

    result = forms.ChoiceField(
        choices=TestRun.Result.choices, widget=forms.RadioSelect, label="Result"
    )
    cases = forms.CharField(
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Cases, one a line",
        help_text="What was tried, a colon, and how it came out: passed, failed, blocked or n/a.",
    )
    findings = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Findings",
        help_text="Needed where the test failed: what must be put right.",
    )
    evidence = forms.FileField(required=False, label="Evidence")

    def prefill(self) -> None:
        now = ("done", self.subject.pass_number)
        tested = [i for i in self.subject.plan_items.all() if (i.state, i.pass_number) == now]
        lines = [item.test_criterion for item in tested if item.test_criterion]
        self.fields["cases"].initial = "\n".join(f"{line}: " for line in lines)

    def clean_evidence(self) -> Any:
        upload = self.cleaned_data["evidence"]
        if upload:
            check_upload(upload)
        return upload

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        result = data.get("result")
        if result and "cases" in data:
            data["cases"] = [_case(line, result) for line in _lines(data["cases"])]
            if not data["cases"]:
                self.add_error("cases", "Name at least one case.")
            self._agree(result, data)
        return data

    def _agree(self, result: str, data: dict[str, Any]) -> None:
        """The result of the run follows from its cases, and a failure says what is wrong."""
        bad = [
            c["criterion"] for c in data.get("cases", []) if c["result"] in ("failed", "blocked")
        ]
        if result == "passed" and bad:
            self.add_error("result", f"Not passed while a case is not: {bad[0]}.")
        if result == "failed" and not data.get("findings", "").strip():
            self.add_error("findings", "Say what must be put right.")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip(" :\t")]


def _case(line: str, overall: str) -> dict[str, str]:
    """A line as criterion and result; without a result it has that of the run."""
    criterion, colon, said = line.rpartition(":")
    result = RESULTS.get(said.strip().lower().rstrip(".")) if colon else None
    if result:
        return {"criterion": criterion.strip(), "result": result}
    return {"criterion": line.rstrip(": "), "result": overall}


class NoChargeForm(ActionForm):
    """Why nothing is charged: a decision of equal weight (F10)."""

    basis = forms.ChoiceField(
        choices=[("", "Choose"), *[c for c in ChargeDecision.Basis.choices if c[0] != "charged"]],
        label="Basis",
    )
    no_charge_reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), label="Why nothing is charged"
    )


class BulkAssignForm(forms.Form):
    """Several requests of the queue to one specialist; each goes through its own guards (F5)."""

    specialist = SpecialistField(label="Assign to", empty_label="Choose a specialist")

    def __init__(
        self, *args: Any, group: Any, members: list[Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["specialist"]
        if members is None:
            field.queryset = members_of(group.pk)
        else:
            field.draw(members)
