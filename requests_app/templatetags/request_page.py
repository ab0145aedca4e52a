"""Tags of the request page."""

from typing import Any

from django import template
from django.template.loader import get_template

register = template.Library()


def _template(name: str) -> Any:
    """Django's own template behind the engine's, which takes the page's context as it is."""
    return get_template(name).template  # type: ignore[attr-defined]


@register.simple_tag(takes_context=True)
def section(context: template.Context, part: Any) -> str:
    """A section that a stage app brings along, with its own context on top of the page's."""
    own = part.context(context["req"], context["user"])
    with context.push(**own):
        return _template(part.template).render(context)


@register.filter
def other_side(link: Any, req: Any) -> str:
    """How the other request belongs to this one, said from this one's side (X4)."""
    words = {
        "related": ("is related to", "is related to"),
        "duplicates": ("duplicates", "is duplicated by"),
        "split_from": ("was split from", "was split into"),
        "needs": ("needs first", "is needed first by"),
    }
    return words[link.relation][0 if link.source_id == req.pk else 1]


@register.filter
def age(text: str) -> str:
    """The first part of a span of time: "3 weeks"."""
    return text.split(",")[0]


@register.filter
def unknown_last(choices: Any) -> list[Any]:
    """Yes and no first, what is not known last: the order of a quick hand."""
    return sorted(choices, key=lambda choice: choice[0] == "")
