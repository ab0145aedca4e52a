"""The tag that shows an action: its form in place, or disabled with the sentence that blocks it."""

from typing import Any

from django import template

from workflow.registry import Offer

register = template.Library()


@register.inclusion_tag("shared/_action.html", takes_context=True)
def action(
    context: template.Context,
    offer: Offer | str | None,
    *,
    compact: bool = False,
    primary: bool = False,
    folded: bool = False,
    label: str = "",
    **row: Any,
) -> dict[str, Any]:
    """Render an offer. `row` sets hidden fields, such as `item=item.pk`.

    `compact` is for rows of a table, `primary` for the one way forward, `folded` hides the form
    behind its button until it is wanted. An offer that is absent renders nothing.
    """
    if not isinstance(offer, Offer):
        return {"offer": None}
    form = offer.form
    mine = not row or all(str(form.data.get(k, v)) == str(v) for k, v in row.items())
    if row and not (form.is_bound and mine):
        form = offer.action.bind(form.subject, form.actor, initial=row)
    visible = form.visible_fields()
    wrong = form.is_bound and bool(form.errors)
    return {
        "offer": offer,
        "form": form,
        "visible": visible,
        "compact": compact,
        "primary": primary,
        "folded": (folded or (compact and bool(visible))) and bool(visible),
        "open": wrong,
        "label": label or offer.label,
        "req": form.subject,
        "uid": "-".join([offer.name, *(str(v) for v in row.values())]),
        "csrf_token": context.get("csrf_token"),
        "next": row.get("next", "") or context.get("action_next", ""),
    }
