"""The tag that shows an action: its form in place, or disabled with the sentence that blocks it."""

from html import escape
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils.safestring import SafeString, mark_safe

from workflow.action_forms import ActionForm
from workflow.registry import Offer

register = template.Library()


@register.simple_tag(takes_context=True)
def action(context: template.Context, offer: Offer | str | None, **options: Any) -> str:
    """Render an offer: see `shown`."""
    if not isinstance(offer, Offer):
        return ""
    return _drawn(context, shown(context, offer, **options))


def _drawn(context: template.Context, facts: dict[str, Any]) -> SafeString:
    """Its form, folded or in place, or its blockers. A page has dozens: they are put together here,
    and only the fields of a form that is there are drawn by a template."""
    offer, label, small = facts["offer"], escape(str(facts["label"])), facts["compact"]
    size = " btn-sm" if small else ""
    if offer.blockers:
        why = "".join(f"<li>{escape(str(text))}</li>" for text in offer.blockers)
        uid = escape(facts["uid"])
        return mark_safe(  # noqa: S308 - what is not ours is escaped
            f'<div class="blocked-action"><button type="button" class="btn{size}" disabled '
            f'data-action="{offer.name}" aria-describedby="why-{uid}">{label}</button> '
            f'<ul class="blockers" id="why-{uid}">{why}</ul></div>'
        )
    inline = " d-inline" if small and not facts["folded"] else ""
    files = ' enctype="multipart/form-data"' if facts["multipart"] else ""
    expect = [("csrfmiddlewaretoken", context.get("csrf_token") or ""), ("expect", facts["state"])]
    form = (
        f'<form method="post" action="{escape(facts["url"])}" data-action="{offer.name}" '
        f'class="action{inline}"{files} novalidate>{_inputs(expect)}'
        f"{_inputs([('next', facts['next'])]) if facts['next'] else ''}"
        f"{_fetched(facts, label) or _fields(context, facts, label)}</form>"
    )
    if facts["folded"]:
        danger = " btn-outline-danger" if offer.action.danger else ""
        form = (
            f'<details class="action-fold"{" open" if facts["open"] else ""}>'
            f'<summary class="btn{size}{danger}">{label}</summary>{form}</details>'
        )
    return mark_safe(form)  # noqa: S308 - what is not ours is escaped


def _fields(context: template.Context, facts: dict[str, Any], label: str) -> str:
    """The fields of a form that is made, or the mere button of one that asks nothing."""
    if facts["form"] is not None:
        drawing: Any = context.template
        piece = drawing.engine.get_template("shared/_action_fields.html")
        return str(piece.render(context.new(facts)))
    kind = " btn-primary" if facts["primary"] else ""
    kind = " btn-danger" if facts["offer"].action.danger else kind
    size = " btn-sm" if facts["compact"] else ""
    button = f'<button type="submit" class="btn{size}{kind}">{label}</button>'
    return f"{_inputs(facts['hidden'])}{button}"


def _fetched(facts: dict[str, Any], label: str) -> str:
    """Fields that come when the form is unfolded; without script, the link to a page with them."""
    if not facts["fetched_from"]:
        return ""
    at = escape(facts["fetched_from"])
    return (
        f'{_inputs(facts["hidden"])}<div class="fetched" hx-get="{at}" '
        'hx-trigger="toggle from:closest details once" hx-swap="outerHTML">'
        f'<a href="{at}#form">{label}</a></div>'
    )


def _inputs(pairs: list[tuple[str, Any]]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(str(value))}">' for name, value in pairs
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
        "state": subject.state,
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
