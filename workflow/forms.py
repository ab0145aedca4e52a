"""Forms of the account page."""

from typing import Any

from django import forms
from django.utils.http import url_has_allowed_host_and_scheme

from workflow import clock
from workflow.models import ApiToken, SavedFilter, User

DATE = forms.DateInput(attrs={"type": "date"})


class AccountForm(forms.ModelForm):
    """Name, language, and who stands in while out of office."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language", "deputy", "away_from",
                  "away_until"]  # fmt: skip
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
