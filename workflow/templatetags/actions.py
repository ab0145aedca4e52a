"""The tag that shows an action: its form in place, or disabled with the sentence that blocks it."""

from typing import Any

from django import template

from workflow.registry import ActionForm, Offer

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
    next: str = "",
    **row: Any,
) -> dict[str, Any]:
    """Render an offer. `row` sets hidden fields, such as `item=item.pk`.

    `compact` is for rows of a table, `primary` for the one way forward, `folded` hides the form
    behind its button until it is wanted, `next` is the page to come back to. An offer that is
    absent renders nothing.
    """
    if not isinstance(offer, Offer):
        return {"offer": None}
    uid = "-".join([offer.name, *(str(value) for value in row.values())])
    form = _form_of(offer, row, uid)
    visible = form.visible_fields()
    return {
        "offer": offer,
        "form": form,
        "hidden": _hidden(form),
        "visible": visible,
        "compact": compact,
        "primary": primary,
        "folded": (folded or compact) and bool(visible),
        "open": form.is_bound and bool(form.errors),
        "label": label or offer.label,
        "req": form.subject,
        "url": f"{form.subject.get_absolute_url()}actions/{offer.name}/",
        "uid": uid,
        "csrf_token": context.get("csrf_token"),
        "next": next or context.get("action_next", ""),
    }


def _form_of(offer: Offer, row: dict[str, Any], uid: str) -> ActionForm:
    """The form of this row: what was typed stays with the row it was typed into."""
    form = offer.form
    if not row:
        return form
    mine = form.is_bound and all(str(form.data.get(k, "")) == str(v) for k, v in row.items())
    if not mine:
        form = offer.action.bind(form.subject, form.actor, initial=row)
    form.auto_id = f"{uid}-%s"
    return form


def _hidden(form: ActionForm) -> list[tuple[str, Any]]:
    """Hidden fields as pairs: many rows may carry the same form, so they get no id."""
    pairs = []
    for field in form.hidden_fields():
        value = field.field.widget.format_value(field.value())
        values = value if isinstance(value, list) else [value]
        pairs += [(field.html_name, one) for one in values if one not in (None, "")]
    return pairs
