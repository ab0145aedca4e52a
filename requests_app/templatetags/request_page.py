"""Tags of the request page."""

from datetime import date, datetime
from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from requests_app.line import Stop
from workflow import clock
from workflow.templatetags.throughline import dated

register = template.Library()


@register.simple_tag(takes_context=True)
def section(context: template.Context, part: Any) -> str:
    """A section that a stage app brings along, with its own context on top of the page's."""
    own = part.context(context["req"], context["user"])
    page: Any = context.template
    with context.push(**own):
        return str(page.engine.get_template(part.template).render(context))


ANSWERS = {
    True: mark_safe('<span class="chip chip-yes">Yes</span>'),  # noqa: S308 - words of ours
    False: mark_safe('<span class="chip chip-no">No</span>'),  # noqa: S308
    None: mark_safe('<span class="chip chip-open">Not known</span>'),  # noqa: S308
}


@register.filter
def answered(value: bool | None) -> SafeString:
    """Yes, no or not known, as a chip."""
    return ANSWERS[value if value is None else bool(value)]


@register.simple_tag
def stops(line: list[Stop], req: Any) -> SafeString:
    """The places of the process line: a dozen on every page, so they are put together here."""
    likely = ""
    forecast = getattr(req, "forecast", None)
    if forecast and forecast.is_known and not forecast.is_past:
        likely = f"likely {_day(forecast.p50_on)}"
    return format_html_join("", STOP, (_stop(stop, req.is_open, likely) for stop in line))


STOP = (
    '<li class="{} lane-{}"{}>{}<span class="visually-hidden">: {}</span> <small>{}{}</small></li>'
)
CURRENT = mark_safe(' aria-current="step"')  # noqa: S308 - words of ours


def _stop(stop: Stop, is_open: bool, likely: str) -> tuple[Any, ...]:
    """What is said of one place: where it stands, since when or from when on, how often."""
    mark = stop.mark if stop.mark in ("done", "here") else "ahead"
    said = {"done": "done", "here": "it is here", "ahead": "ahead"}[mark]
    note = {"next": "next", "maybe": "if charged"}.get(stop.mark, "")
    if mark != "ahead":
        note = ("since " if mark == "here" and is_open else "") + _day(stop.on)
    elif stop.state == "closed" and likely:
        note = likely
    times = f", {stop.visits} times" if stop.visits > 1 else ""
    current = CURRENT if mark == "here" else ""
    return mark, stop.lane, current, stop.label, said, note, times


def _day(value: date | None) -> str:
    """A day of this page's zone: "2 Dec"."""
    if isinstance(value, datetime):
        value = clock.local(value).date()
    return dated(value, "j M") if value else ""


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
