"""Texts of notices that an office has changed: placeholders, and nothing that can be run.

A changed text is words and placeholders such as {{ title }}. A paragraph whose placeholder has
nothing to say is left out, so no conditions are needed; dates are written out in the language.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.timezone import localtime
from django.utils.translation import pgettext

from notifications.models import NoticeText

PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
TAG = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
QUOTED = re.compile(r'"[^"]*"')
# a word of a tag that stands for a fact: no name given, no filter
WORD = re.compile(r"(?<![|:.\w])([a-z_]+)(?![\w=.])")
KEYWORDS = set(
    [
        "load",
        "i18n",
        "humanize",
        "throughline",
        "autoescape",
        "endautoescape",
        "off",
        "blocktranslate",
        "endblocktranslate",
        "translate",
        "trimmed",
        "with",
        "as",
        "asvar",
        "count",
        "plural",
        "if",
        "elif",
        "else",
        "endif",
        "for",
        "endfor",
        "in",
        "empty",
        "and",
        "or",
        "not",
        "is",
        "include",
        "language",
    ]
)
EVERYWHERE = {"reference", "title", "agency", "name"}
Texts = Mapping[tuple[str, str], NoticeText]


def _folder() -> Path:
    return Path(settings.BASE_DIR) / "templates" / "notifications"


def templates() -> list[str]:
    """The names of all shipped notices."""
    return sorted(file.stem for file in _folder().glob("*.txt"))


@cache
def placeholders(template: str) -> list[str]:
    """What a notice knows: what its shipped text uses, and what every notice has."""
    if template not in templates():
        return []
    source = (_folder() / f"{template}.txt").read_text()
    bound = set(re.findall(r"([a-z_]+)=", source))
    words = {word for tag in TAG.findall(source) for word in WORD.findall(QUOTED.sub("", tag))}
    return sorted((words | EVERYWHERE) - KEYWORDS - bound)


def check(text: str, template: str) -> None:
    """Raises ValidationError unless the text consists of words and known placeholders."""
    known = placeholders(template)
    unknown = [name for name in PLACEHOLDER.findall(text) if name not in known]
    may = ", ".join(f"{{{{ {name} }}}}" for name in known)
    if unknown:
        wrong = ", ".join(f"{{{{ {name} }}}}" for name in dict.fromkeys(unknown))
        raise ValidationError(f"This notice does not know {wrong}. It knows {may}.")
    left = PLACEHOLDER.sub("", text)
    if any(sign in left for sign in ("{{", "}}", "{%", "%}", "{#")):
        raise ValidationError(f"Only plain placeholders work here: {may}.")


def current() -> Texts:
    """All changed texts, by template and language."""
    return {(text.template, text.language): text for text in NoticeText.objects.all()}


def write(text: NoticeText, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and body with the facts put in; raises KeyError for a fact that no notice knows."""
    for name in PLACEHOLDER.findall(text.subject + text.body):
        if name not in placeholders(text.template):
            raise KeyError(name)

    def said(match: re.Match[str]) -> str:
        return _in_words(facts.get(match.group(1)))

    paragraphs = [p for p in re.split(r"\n\s*\n", text.body.replace("\r\n", "\n")) if p.strip()]
    told = [
        PLACEHOLDER.sub(said, paragraph)
        for paragraph in paragraphs
        if all(_in_words(facts.get(name)) for name in PLACEHOLDER.findall(paragraph))
    ]
    return PLACEHOLDER.sub(said, text.subject), "\n\n".join(told)


def _in_words(value: Any) -> str:
    if isinstance(value, datetime):
        value = localtime(value).date()
    if isinstance(value, date):
        return formats.date_format(value, day_format())
    return "" if value is None else str(value)


def day_format() -> str:
    """How a day is written out in the current language."""
    return pgettext("format of a day", "l j F Y")
