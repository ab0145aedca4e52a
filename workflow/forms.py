"""Forms of the account page."""

from datetime import date
from typing import Any

from django import forms
from django.utils.http import url_has_allowed_host_and_scheme

from workflow import clock
from workflow.choosing import PersonField
from workflow.leave_models import Leave
from workflow.models import ApiToken, SavedFilter, User

MOST_DAYS = 366
DATE = forms.DateInput(attrs={"type": "date"})


class AccountForm(forms.ModelForm):
    """Name, language, and who stands in while out of office."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language", "daily_digest", "deputy",
                  "away_from", "away_until"]  # fmt: skip
        field_classes = {"deputy": PersonField}
        widgets = {"away_from": DATE, "away_until": DATE}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        colleagues = User.objects.filter(is_active=True).exclude(pk=self.instance.pk)
        if self.instance.is_representative:
            colleagues = colleagues.filter(is_representative=True)
        self.fields["deputy"].queryset = colleagues.order_by("first_name", "last_name")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("away_from"), data.get("away_until")
        if start and end and end < start:
            self.add_error("away_until", "The end must not be before the start.")
        if end and end < clock.today() and "away_until" in self.changed_data:
            self.add_error("away_until", "Choose today or a later date.")
        return data


class LeaveForm(forms.ModelForm):
    """Days off; one day may be half."""

    class Meta:
        model = Leave
        fields = ["first_day", "last_day", "part", "note"]
        labels = {"part": "How much", "note": "Note (leads and administrators read it)"}
        widgets = {"first_day": DATE, "last_day": DATE}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.fields["last_day"].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first = data.get("first_day")
        last = data["last_day"] = data.get("last_day") or first
        if first and last:
            self._check(first, last, data.get("part", ""))
        return data

    def _check(self, first: date, last: date, part: str) -> None:
        if last < first:
            self.add_error("last_day", "The last day must not be before the first.")
        elif last < clock.today():
            self.add_error("last_day", "Choose today or a later day.")
        elif (last - first).days > MOST_DAYS:
            self.add_error("last_day", "At most a year at a time.")
        elif part != Leave.Part.WHOLE and last != first:
            self.add_error("part", "Half a day is one day: give the same day twice.")
        else:
            same = self.instance.user.leaves.filter(first_day__lte=last, last_day__gte=first)
            if both := same.first():
                self.add_error(
                    "first_day", f"There is leave already from {both.first_day:%d %b} to "
                    f"{both.last_day:%d %b}.",
                )  # fmt: skip


class TokenForm(forms.ModelForm):
    """A name by which the person recognises the token."""

    class Meta:
        model = ApiToken
        fields = ["name"]


class SavedFilterForm(forms.ModelForm):
    """A list's filter under a name."""

    class Meta:
        model = SavedFilter
        fields = ["page", "name", "query"]

    def clean_page(self) -> str:
        page = self.cleaned_data["page"]
        if not page.startswith("/") or not url_has_allowed_host_and_scheme(page, None):
            raise forms.ValidationError("Not a page of this program.")
        return page
