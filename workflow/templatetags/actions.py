"""The tag that shows an action: its form in place, or disabled with the sentence that blocks it."""

from typing import Any
from urllib.parse import urlencode

from django import template

from workflow.registry import ActionForm, Offer
from workflow.templatetags.remembered import TOKEN, once

register = template.Library()


@register.simple_tag(takes_context=True)
def action(context: template.Context, offer: Offer | str | None, **options: Any) -> str:
    """Render an offer: see `shown`. What has no form yet is drawn once for the same words."""
    if not isinstance(offer, Offer):
        return ""
    facts = shown(context, offer, **options)
    drawing: Any = context.template
    piece = drawing.engine.get_template("shared/_action.html")
    if facts.get("form") is not None:
        return str(piece.render(context.new({**facts, "csrf_token": context.get("csrf_token")})))
    key = [(name, value) for name, value in facts.items() if name not in ("offer", "req")]
    words = (offer.name, offer.blockers, offer.action.danger, offer.subject.state)
    return once(
        ("action", words, key),
        context.get("csrf_token"),
        lambda: piece.render(context.new({**facts, "csrf_token": TOKEN})),
    )


def shown(
    context: template.Context,
    offer: Offer,
    *,
    compact: bool = False,
    primary: bool = False,
    folded: bool = False,
    label: str = "",
    next: str = "",
    **row: Any,
) -> dict[str, Any]:
    """What is drawn of an offer. `row` sets hidden fields, such as `item=item.pk`.

    `compact` is for rows of a table, `primary` for the one way forward, `folded` hides the form
    behind its button until it is wanted, `next` is the page to come back to. An offer that is
    absent renders nothing. On a page whose context has `forms_at` (its own address), the fields
    of a folded form are fetched from there when it is opened.
    """
    uid = "-".join([offer.name, *(str(value) for value in row.values())])
    said = {
        "offer": offer,
        "compact": compact,
        "primary": primary,
        "label": label or offer.label,
        "uid": uid,
    }
    if offer.blockers:
        return said
    subject: Any = offer.subject
    fold = (folded or compact) and offer.asks
    wanted = context.get("opened") == (offer.name, {k: str(v) for k, v in row.items()})
    form = None
    if not _is_plain(offer) and (wanted or _came_back(offer, row) or not fold or not _at(context)):
        form = _form_of(offer, row, uid)
    return {
        **said,
        "form": form,
        "hidden": _hidden(form) if form else _named(offer, row),
        "visible": form.visible_fields() if form else [],
        "multipart": form.is_multipart() if form else offer.action.form.takes_files(),
        "folded": fold,
        "open": wanted or (form is not None and form.is_bound and bool(form.errors)),
        "fetched_from": _address(context, offer, row, compact) if fold and form is None else "",
        "req": subject,
        "url": f"{subject.get_absolute_url()}actions/{offer.name}/",
        "next": next or context.get("action_next", ""),
    }


def _at(context: template.Context) -> str:
    """Where forms are fetched from; empty on pages that show them at once."""
    return str(context.get("forms_at", ""))


def _is_plain(offer: Offer) -> bool:
    """Whether it is a mere button, for which no form need be made."""
    made = offer.action.form
    return not made.shaped_by_subject and not made.asks() and not offer.came_back


def _came_back(offer: Offer, row: dict[str, Any]) -> bool:
    """Whether what was typed into this very row came back with errors."""
    return offer.came_back and all(
        str(offer.form.data.get(name, "")) == str(value) for name, value in row.items()
    )


def _address(context: template.Context, offer: Offer, row: dict[str, Any], compact: bool) -> str:
    small = {"small": "1"} if compact else {}
    return f"{_at(context)}?{urlencode({'form': offer.name, **row, **small})}"


def _named(offer: Offer, row: dict[str, Any]) -> list[tuple[str, Any]]:
    """The hidden fields of a form that is not made yet."""
    return [(name, row[name]) for name in offer.action.form.row_fields() if name in row]


def _form_of(offer: Offer, row: dict[str, Any], uid: str) -> ActionForm:
    """The form of this row: what was typed stays with the row it was typed into."""
    if not row:
        return offer.form
    form = offer.form if _came_back(offer, row) else None
    if form is None:
        form = offer.action.bind(offer.subject, offer.actor, initial=row)
    form.auto_id = f"{uid}-%s"
    return form


def fetched(offer: Offer, row: dict[str, Any], compact: bool = False) -> dict[str, Any]:
    """What the fields of one folded form show, fetched when it is opened."""
    form = _form_of(offer, row, "-".join([offer.name, *(str(value) for value in row.values())]))
    return {
        "offer": offer,
        "form": form,
        "hidden": [pair for pair in _hidden(form) if pair[0] not in row],
        "visible": form.visible_fields(),
        "compact": compact,
        "label": offer.label,
    }


def _hidden(form: ActionForm) -> list[tuple[str, Any]]:
    """Hidden fields as pairs: many rows may carry the same form, so they get no id."""
    pairs = []
    for field in form.hidden_fields():
        value = field.field.widget.format_value(field.value())
        values = value if isinstance(value, list) else [value]
        pairs += [(field.html_name, one) for one in values if one not in (None, "")]
    return pairs
