"""The same action for many requests: each on its own, each with its own answer."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from requests_app.models import Request
from requests_app.states import Level
from workflow.choosing import OneOf
from workflow.machine import Refused
from workflow.models import User
from workflow.registry import InvalidFacts, perform

MANY = 100


class BulkForm(forms.Form):
    """What to do with the selected requests, and the facts of it."""

    do = forms.ChoiceField(
        choices=[
            ("claim", "Claim"),
            ("reassign_representative", "Reassign representative"),
            ("change_priority", "Change priority"),
        ],
        label="With the selected",
    )
    requests = forms.MultipleChoiceField(
        widget=forms.MultipleHiddenInput,
        error_messages={"required": "Select at least one request."},
    )
    representative = OneOf(
        kind="representative",
        required=False,
        empty_label="Representative",
        label="Representative",
    )
    impact = forms.ChoiceField(
        choices=[("", "Impact"), *Level.choices], required=False, label="Impact"
    )
    urgency = forms.ChoiceField(
        choices=[("", "Urgency"), *Level.choices], required=False, label="Urgency"
    )
    reason = forms.CharField(required=False, max_length=2000, label="Note")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "bulk-%s")
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.user = user
        fields: dict[str, Any] = self.fields
        fields["representative"].queryset = get_user_model().objects.filter(
            is_representative=True, is_active=True
        )
        if self.is_bound:
            chosen = self._selected()[:MANY]
            visible = Request.objects.visible_to(user).filter(reference__in=chosen)
            fields["requests"].choices = [
                (r, r) for r in visible.values_list("reference", flat=True)
            ]

    def _selected(self) -> list[str]:
        """The references as posted."""
        posted: Any = self.data
        return list(posted.getlist("requests"))

    @property
    def chosen(self) -> list[str]:
        """The references of those selected that this person may see."""
        fields: dict[str, Any] = self.fields
        return [reference for reference, _ in fields["requests"].choices] if self.is_bound else []

    def clean_requests(self) -> list[str]:
        chosen = self.cleaned_data["requests"]
        if len(self._selected()) > MANY:
            raise forms.ValidationError(f"Select at most {MANY} requests.")
        return list(dict.fromkeys(chosen))


@dataclass(frozen=True)
class Result:
    """How it went for one request."""

    request: Request
    done: bool
    sentence: str


def carry_out(form: BulkForm, user: User) -> list[Result]:
    """Every selected request through its own door; one refusal stops none of the others."""
    facts = {name: str(form.data.get(name, "")) for name in ("impact", "urgency", "reason")}
    colleague = form.cleaned_data["representative"]
    facts["representative"] = str(colleague.pk) if colleague else ""
    rows = Request.objects.visible_to(user).filter(reference__in=form.cleaned_data["requests"])
    return [_one(row, form.cleaned_data["do"], user, facts) for row in rows.for_list()]


def _one(request: Request, name: str, user: User, facts: dict[str, str]) -> Result:
    try:
        perform(request, name, by=user, data=facts)
    except PermissionDenied:
        return Result(request, False, "You may not do this with it.")
    except Refused as refusal:
        return Result(request, False, str(refusal))
    except InvalidFacts as error:
        wrong = [str(text) for many in error.form.errors.values() for text in many]
        return Result(request, False, " ".join(wrong))
    return Result(request, True, "Done.")
