"""Minutes and shares as the schedule shows them; the address of one's own calendar."""

from decimal import Decimal
from typing import Any

from django import template
from django.urls import reverse

from fulfillment.capacity import hours_in_words
from fulfillment.feeds import address_of

register = template.Library()


@register.filter
def minutes(value: int | None) -> str:
    """Minutes as hours: 210 is "3.5 h"."""
    return hours_in_words(int(value or 0))


@register.inclusion_tag("fulfillment/_calendar_address.html", takes_context=True)
def own_calendar(context: template.Context) -> dict[str, Any]:
    """The card of one's own calendar on the account page; nothing for who is in no group (F2)."""
    user = context["user"]
    return {
        "title": "Your work in your calendar",
        "text": "What is planned with you as specialist, as a calendar to subscribe to.",
        "hidden": not user.group_ids,
        "address": address_of(user, None) if user.group_ids else "",
        "action_url": reverse("fulfillment_own_calendar"),
        "csrf_token": context.get("csrf_token"),
    }


@register.filter
def percent(value: Decimal) -> str:
    """A share in per cent: 0.60 is "60 %"."""
    return f"{value * 100:.0f} %"
