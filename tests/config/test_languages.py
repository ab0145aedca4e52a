"""What customers read exists in every language that is offered, with the same placeholders."""

import re
from pathlib import Path

import polib
import pytest
from django.utils import translation

from config.management.commands.messages import catalogue, languages, message_of
from config.messages import Message, for_customers
from notifications.rendering import render
from notifications.samples import SAMPLE
from notifications.texts import templates

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]")
SAME = {"Normal"}  # the same word in both languages


def entries(language: str) -> dict[Message, polib.POEntry]:
    return {message_of(entry): entry for entry in polib.pofile(str(catalogue(language)))}


def texts_of(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", languages())
def test_every_message_to_customers_is_translated(language: str) -> None:
    """If this fails: `manage.py messages`, then write the texts, then once more to compile."""
    kept = entries(language)
    missing = [m.text for m in for_customers() if m not in kept or not all(texts_of(kept[m]))]
    assert missing == []
    same = [m.text for m, e in kept.items() if m.text in texts_of(e) and m.text not in SAME]
    assert same == []


@pytest.mark.parametrize("language", languages())
def test_a_translation_has_the_placeholders_of_its_message(language: str) -> None:
    for message, entry in entries(language).items():
        wanted = sorted(set(PLACEHOLDER.findall(message.plural or message.text)))
        for text in texts_of(entry):
            assert sorted(set(PLACEHOLDER.findall(text))) == wanted, message.text


@pytest.mark.parametrize("language", languages())
def test_the_compiled_catalogue_is_fresh(language: str, tmp_path: Path) -> None:
    """If this fails: `manage.py messages`."""
    made = tmp_path / "django.mo"
    polib.pofile(str(catalogue(language))).save_as_mofile(str(made))
    assert made.read_bytes() == catalogue(language).with_suffix(".mo").read_bytes()


@pytest.mark.parametrize("template", templates())
def test_every_notice_is_written_in_spanish(template: str) -> None:
    """No sentence of the English text is left in the Spanish one, in text or HTML."""
    english, spanish = render(template, SAMPLE, "en"), render(template, SAMPLE, "es")
    facts = set(SAMPLE.values())
    assert spanish.subject != english.subject
    left = {line for line in spanish.text.splitlines() if len(line.split()) > 2}
    left &= set(english.text.splitlines())
    assert not {line for line in left if line not in facts and "·" not in line}
    assert 'lang="es"' in spanish.html
    assert "Open the request" not in spanish.html


def test_dates_are_written_as_the_language_writes_them() -> None:
    assert "jueves 3 de diciembre de 2026" in render("assigned", SAMPLE, "es").text
    assert "Thursday 3 December 2026" in render("assigned", SAMPLE, "en").text


def test_the_sources_are_looked_through() -> None:
    """The control of the tests above: they see templates, code, plurals and contexts."""
    found = for_customers()
    assert Message("Where your request is") in found
    assert Message("It waits for a specialist.") in found
    assert Message("in %d day", "in %d days") in found
    assert Message("l j F Y", context="format of a day") in found
    with translation.override("es"):
        assert translation.gettext("It waits for a specialist.") == "Espera a un especialista."
