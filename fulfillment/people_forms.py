"""Forms of the page of a group's people."""

from decimal import Decimal
from typing import Any

import pghistory
from django import forms
from django.db import transaction

from fulfillment.models import Membership
from fulfillment.people import WEEKDAYS
from workflow.models import User
from workflow.upkeep import edited

HOURS: dict[str, Any] = {"min_value": 0, "max_value": 24, "max_digits": 4, "decimal_places": 2}


class HoursForm(forms.Form):
    """A member's hours on each weekday."""

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        kwargs.setdefault("prefix", f"hours-{member.pk}")
        super().__init__(*args, **kwargs)
        self.member = member
        for number, name in enumerate(WEEKDAYS):
            usual = member.hours_per_day if number < 5 else Decimal(0)
            self.fields[name.lower()] = forms.DecimalField(
                label=name, initial=member.week[number] if member.week else usual, **HOURS
            )

    def save(self, *, by: User) -> list[str]:
        """Keep them; says what they make impossible, in sentences."""
        week = [self.cleaned_data[name.lower()] for name in WEEKDAYS]
        plain = len(set(week[:5])) == 1 and not any(week[5:])
        with transaction.atomic(), pghistory.context(user=by.pk, name=str(by)):
            row = Membership.objects.select_for_update().get(pk=self.member.pk)
            row.week = None if plain else week
            row.hours_per_day = week[0] if plain else row.hours_per_day
            row.save(update_fields=["week", "hours_per_day"])
            return edited("group", self.member.group)
