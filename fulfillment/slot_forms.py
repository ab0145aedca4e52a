"""The facts that booking, moving and swapping a slot ask for (F2)."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms

from fulfillment import capacity, replan, slots
from fulfillment.forms import DATE, HoursField
from fulfillment.work_models import QUARTER
from requests_app.models import Link, Request
from requests_app.states import Level, S
from workflow import clock
from workflow.action_forms import ActionForm
from workflow.together import read_with

NO_HOURS = "Give the hours: at least a quarter of an hour."


def parse_split(text: str) -> list[capacity.Slice]:
    """One day a line with its hours, "2026-12-01 4", as slices. Raises ValidationError."""
    found: dict[date, int] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        day_text, _, hours_text = line.strip().partition(" ")
        try:
            day = date.fromisoformat(day_text)
            hours = Decimal(hours_text.replace("h", "").strip())
            fits_a_day = QUARTER <= hours <= 24
        except (ValueError, InvalidOperation):
            said = (
                f"\u201c{line.strip()[:40]}\u201d is not a day and its hours, such as 2026-12-01 4."
            )
            raise forms.ValidationError(said) from None
        if not fits_a_day:
            raise forms.ValidationError(f"Between a quarter of an hour and 24 h on {day_text}.")
        if day in found:
            raise forms.ValidationError(f"{capacity.in_words(day)} is there twice.")
        found[day] = int(hours * 60)
    return sorted(found.items())


class SlotForm(ActionForm):
    """From which day, and how many hours. The calendar and the load are asked when booking."""

    day = forms.DateField(label="First day", widget=DATE)
    hours = HoursField(
        label="Hours to book", min_value=QUARTER, error_messages={"min_value": NO_HOURS}
    )
    per_day = HoursField(
        label="At most so many hours a day",
        required=False,
        min_value=QUARTER,
        error_messages={"min_value": NO_HOURS},
    )
    split = forms.CharField(
        label="Or exactly these days",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "2026-12-01 4"}),
        help_text="One day a line with its hours. Then first day and hours above do not count.",
    )

    def clean_split(self) -> list[capacity.Slice]:
        return parse_split(self.cleaned_data["split"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (self["split"].value() or "").strip():
            for name in ("day", "hours", "per_day"):
                self.errors.pop(name, None)
        if data.get("split"):
            data["day"] = data["split"][0][0]
            data["hours"] = Decimal(sum(part for _, part in data["split"])) / 60
            data["per_day"] = None
        return data

    def slot_defaults(self) -> None:
        """The days of the slot it has; else the first ones with room, after what it needs first."""
        request = self.subject
        after, said = (None, "") if self.is_bound else self._after_needs()
        entry = next((one for one in request.schedule_entries.all() if one.is_active), None)
        if entry is not None:
            self.fields["day"].initial = entry.first_day
            self.fields["hours"].initial = entry.hours
            self.fields["per_day"].initial = entry.hours_per_day
        else:
            self.fields["hours"].initial = request.estimate_hours
            self.fields["day"].initial = lambda: self._next_free(after)  # asked when it is drawn
        if said:
            self.fields["day"].help_text = said
        self.fields["day"].widget = forms.DateInput(
            attrs={
                "type": "date",
                "min": clock.today().isoformat(),
                "max": capacity.window_end().isoformat(),
            }
        )

    def _after_needs(self) -> tuple[date | None, str]:
        """The first day after all it needs first, and what is to be said of that (X4)."""
        links = read_with(self.subject, "related")
        if links is not None and all(link.relation != Link.Relation.NEEDS for link in links):
            return None, ""
        after, unknown = replan.after_needs(self.subject)
        return after, unknown or (
            f"What it needs first is planned until {capacity.in_words(after - replan.DAY)}."
            if after
            else ""
        )

    def _next_free(self, after: date | None) -> Any:
        request = self.subject
        if request.provider_group is None or self.is_bound:
            return None
        first = max(slots.not_before(request), after or date.min)
        days = [day for day in capacity.days_for(request) if day.day >= first]
        minutes = int((request.estimate_hours or 1) * 60)
        return next(iter(capacity.nearest(days, minutes, 1)), None)


class ScheduleForm(SlotForm):
    """The lead validates priority and estimate, and places it (F2)."""

    charge_expected = forms.TypedChoiceField(
        choices=[("", "Choose"), ("no", "No"), ("yes", "Yes, and its basis is known")],
        coerce=lambda v: v == "yes",
        empty_value=None,
        label="Is a charge expected?",
    )
    estimate_hours = HoursField(required=False, min_value=QUARTER, label="Estimate in all, hours")
    impact = forms.TypedChoiceField(
        choices=Level.choices, coerce=int, required=False, empty_value=None
    )
    urgency = forms.TypedChoiceField(
        choices=Level.choices, coerce=int, required=False, empty_value=None
    )

    def prepare(self) -> None:
        request = self.subject
        self.slot_defaults()
        for name in ("impact", "urgency", "estimate_hours"):
            self.fields[name].initial = getattr(request, name)
        if any(entry.is_active for entry in request.schedule_entries.all()):
            kept = "It keeps its slot: confirm it, or choose another day."
            self.fields["day"].help_text = f"{kept} {self.fields['day'].help_text}".strip()
        expected = {True: "yes", False: "no"}.get(request.charge_expected)  # type: ignore[arg-type]
        self.fields["charge_expected"].initial = expected or ""


class RescheduleForm(SlotForm):
    """Another day, or other hours (F2). `seen` is the version of the slot that a page showed."""

    reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Reason",
        help_text="The customer is told the new date.",
    )
    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def prepare(self) -> None:
        self.slot_defaults()


class SwapForm(ActionForm):
    """Which other request of the schedule takes its place (F2)."""

    other = forms.CharField(
        label="With which request",
        max_length=20,
        help_text="The reference of another request on this schedule.",
    )
    reason = forms.CharField(required=False, max_length=2000, label="Reason")

    def clean_other(self) -> str:
        reference = self.cleaned_data["other"].strip().upper()
        mine = self.subject
        there = Request.objects.filter(
            reference=reference, provider_group=mine.provider_group, state=S.SCHEDULED
        )
        if reference == mine.reference or not there.exists():
            raise forms.ValidationError(f"{reference} is no other request on this schedule.")
        return reference


class UndoForm(ActionForm):
    """Which move; without a number the last one."""

    event = forms.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput
    )


class EarliestForm(ActionForm):
    """From when on it may be begun (F2)."""

    earliest_on = forms.DateField(
        label="Not before",
        widget=DATE,
        required=False,
        help_text="Empty: as soon as there is room.",
    )
    reason = forms.CharField(required=False, max_length=2000, label="Reason")

    def prefill(self) -> None:
        self.fields["earliest_on"].initial = self.subject.earliest_on

    def clean_earliest_on(self) -> Any:
        day = self.cleaned_data["earliest_on"]
        if day is None:
            return None
        if day < clock.today():
            raise forms.ValidationError(f"{capacity.in_words(day)} is in the past.")
        entry = self.subject.schedule_entries.active().exclude(state="suspended").first()
        if entry is not None and entry.first_day < day:
            said = f"It is booked for {capacity.in_words(entry.first_day)} already: move it first."
            raise forms.ValidationError(said)
        return day


class PlaceForm(ActionForm):
    """How many hours; the days are found when it is booked (F2)."""

    hours = HoursField(
        label="Hours to book", min_value=QUARTER, error_messages={"min_value": NO_HOURS}
    )
    charge_expected = forms.TypedChoiceField(
        choices=[("", "Choose"), ("no", "No"), ("yes", "Yes, and its basis is known")],
        coerce=lambda v: v == "yes",
        empty_value=None,
        label="Is a charge expected?",
        help_text="It gets the days on which it is finished soonest; nobody else is moved.",
    )

    def prefill(self) -> None:
        self.fields["hours"].initial = self.subject.estimate_hours
        expected = {True: "yes", False: "no"}.get(self.subject.charge_expected)
        self.fields["charge_expected"].initial = expected or ""


class EstimateForm(ActionForm):
    """What it will take, before it has a slot (F2)."""

    hours = HoursField(
        label="Estimate in all, hours",
        min_value=QUARTER,
        max_value=9999,
        error_messages={"min_value": NO_HOURS},
        help_text="With an estimate it can be planned automatically.",
    )

    def prefill(self) -> None:
        self.fields["hours"].initial = self.subject.estimate_hours
