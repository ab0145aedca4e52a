"""A notice as a mail: one template gives subject and text, and the HTML is laid out from them."""

import json
import logging
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.html import escape

from notifications import texts
from notifications.links import opened
from notifications.models import Notice, NoticeText

log = logging.getLogger(__name__)

DAYS = ("first_day", "last_day", "review_on", "valid_until")
MOMENTS = ("due_at",)
PERSONAL = ("link", "rate", "unsubscribe", "name")
MARK = secrets.token_hex(12)  # nobody can type it


@dataclass(frozen=True)
class Mail:
    """What one person reads."""

    subject: str
    text: str
    html: str


Kept = dict[tuple[object, ...], Mail]
"""Mails of one kind about one event, with marks where each recipient's own addresses go."""


def one_line(text: str) -> str:
    """Header values carry no line breaks and stay short."""
    return " ".join(text.split())[:180]


def render(
    template: str, context: dict[str, Any], language: str = "en", text: NoticeText | None = None
) -> Mail:
    """Render the office's own text where there is one, else `notifications/<template>.txt`.

    The file holds its subject, a line of dashes, its text.
    """
    facts = {"language": language, **context, **_dates(context)}
    with translation.override(language):
        facts |= {"DAY": texts.day_format()}
        subject, body = _own(text, facts) or _shipped(template, facts)
        subject, body = one_line(subject), body.strip()
        link = facts.get("link", "")
        layout = {
            **facts,
            "subject": subject,
            "paragraphs": [p for p in body.split("\n\n") if p.strip()],
            "link": link,
            "button": facts.get("button") or translation.gettext("Open the request"),
            "scale": translation.gettext("1 is very badly, 5 is very well."),
            "stop": translation.gettext("Do not write to me about this any more"),
        }
        html = render_to_string("notifications/base.html", layout)
    about = " · ".join(filter(None, [facts.get("reference"), facts.get("agency")]))
    stop = f"{layout['stop']}: {facts['unsubscribe']}" if facts.get("unsubscribe") else ""
    return Mail(subject, "\n\n".join(filter(None, [body, link, about, stop])) + "\n", html)


def _shipped(template: str, facts: dict[str, Any]) -> tuple[str, str]:
    subject, _, body = render_to_string(f"notifications/{template}.txt", facts).partition("\n---\n")
    return subject, body


def _own(text: NoticeText | None, facts: dict[str, Any]) -> tuple[str, str] | None:
    """The changed text; one that cannot be written is said so in admin, and the shipped one goes
    out instead."""
    if text is None:
        return None
    try:
        return texts.write(text, facts)
    except Exception as error:
        log.exception("the changed text of notice %s cannot be written", text)
        trouble = f"{type(error).__name__}: {error}"
        NoticeText.objects.filter(pk=text.pk).exclude(trouble=trouble).update(trouble=trouble)
        return None


def _dates(context: dict[str, Any]) -> dict[str, date | datetime | None]:
    """Dates came as plain JSON; templates say them in words and in the office's zone."""
    days = {name: _parsed(parse_date, context[name]) for name in DAYS if context.get(name)}
    moments = [name for name in MOMENTS if context.get(name)]
    return {**days, **{name: _parsed(parse_datetime, context[name]) for name in moments}}


def _parsed(parse: Any, text: Any) -> Any:
    try:
        return parse(str(text or ""))
    except ValueError:
        return None


def render_notice(
    notice: Notice, changed: texts.Texts | None = None, kept: Kept | None = None
) -> Mail:
    """The mail of a notice, in its recipient's language. `changed` are the office's own texts.

    With `kept`, what says the same to many is laid out once and made each one's own.
    """
    context = {**opened(notice.context), "name": notice.recipient_name}
    if changed is None:
        changed = texts.current()
    text = changed.get((notice.template, notice.language))
    if kept is None:
        return render(notice.template, context, notice.language, text)
    return _from_kept(kept, notice, context, text)


def _from_kept(
    kept: Kept, notice: Notice, context: dict[str, Any], text: NoticeText | None
) -> Mail:
    """Laid out once for the same facts; a subject that is personal is laid out for each."""
    own = {name: str(context[name]) for name in PERSONAL if context.get(name)}
    facts = {name: value for name, value in context.items() if name not in own}
    key = (notice.template, notice.language, text and text.pk, json.dumps(facts, default=str), *own)
    if key not in kept:
        marked = {**context, **{name: f"{MARK}{name}." for name in own}}
        kept[key] = render(notice.template, marked, notice.language, text)
    mail = kept[key]
    if MARK in mail.subject:
        return render(notice.template, context, notice.language, text)
    body, html = mail.text, mail.html
    for name, value in own.items():
        body = body.replace(f"{MARK}{name}.", value)
        html = html.replace(f"{MARK}{name}.", escape(value))
    return Mail(mail.subject, body, html)
