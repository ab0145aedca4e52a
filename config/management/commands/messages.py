"""Bring the catalogues of translations up to date with what customers read, and compile them.

The compiled .mo files are kept with the sources: the program, its tests and its images then start
from a checkout without a build step or gettext's tools, and a test says when one is stale.
"""

from pathlib import Path
from typing import Any

import polib
from django.conf import settings
from django.core.management.base import BaseCommand

from config.messages import Message, for_customers


def catalogue(language: str) -> Path:
    """The .po file of a language."""
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


def message_of(entry: polib.POEntry) -> Message:
    return Message(entry.msgid, entry.msgid_plural, entry.msgctxt or "")


def languages() -> list[str]:
    """Every language but the one the sources are written in."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        for language in languages():
            path = catalogue(language)
            path.parent.mkdir(parents=True, exist_ok=True)
            before = polib.pofile(str(path)) if path.exists() else polib.POFile()
            said = {message_of(entry): entry for entry in before}
            after = polib.POFile(wrapwidth=98)
            after.metadata = before.metadata or {
                "Language": language,
                "MIME-Version": "1.0",
                "Content-Type": "text/plain; charset=UTF-8",
                "Content-Transfer-Encoding": "8bit",
                "Plural-Forms": "nplurals=2; plural=(n != 1);",
            }
            for message, where in for_customers().items():
                after.append(said.get(message) or _fresh(message))
                after[-1].occurrences = [(where, "")]
            after.save(str(path))
            after.save_as_mofile(str(path.with_suffix(".mo")))
            left = len(after.untranslated_entries())
            self.stdout.write(f"{language}: {len(after)} messages, {left} not translated yet.")


def _fresh(message: Message) -> polib.POEntry:
    entry = polib.POEntry(msgid=message.text)
    if message.plural:
        entry.msgid_plural = message.plural
        entry.msgstr_plural = {0: "", 1: ""}
    entry.msgctxt = message.context or None
    return entry
