"""Minutes as the schedule shows them."""

from django import template

from fulfillment.capacity import hours_in_words

register = template.Library()


@register.filter
def minutes(value: int | None) -> str:
    """Minutes as hours: 210 is "3.5 h"."""
    return hours_in_words(int(value or 0))
