"""A notice as a mail: one template gives subject and text, and the HTML is laid out from them."""

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation

from notifications.models import Notice


@dataclass(frozen=True)
class Mail:
    """What one person reads."""

    subject: str
    text: str
    html: str


def one_line(text: str) -> str:
    """Header values carry no line breaks and stay short."""
    return " ".join(text.split())[:180]


def render(template: str, context: dict[str, Any], language: str = "en") -> Mail:
    """Render `notifications/<template>.txt`: its subject, a line of dashes, its text."""
    facts = {"language": language, **context}
    with translation.override(language):
        source = render_to_string(f"notifications/{template}.txt", facts)
        subject, _, body = source.partition("\n---\n")
        subject, body = one_line(subject), body.strip()
        link = facts.get("link", "")
        layout = {
            **facts,
            "subject": subject,
            "paragraphs": [p for p in body.split("\n\n") if p.strip()],
            "link": link,
            "button": translation.gettext("Open the request"),
        }
        html = render_to_string("notifications/base.html", layout)
    text = f"{body}\n\n{link}\n\n{facts.get('reference', '')} · {facts.get('agency', '')}\n"
    return Mail(subject, text, html)


def render_notice(notice: Notice) -> Mail:
    """The mail of a notice, in its recipient's language."""
    context = {**notice.context, "name": notice.recipient_name}
    return render(notice.template, context, notice.language)
