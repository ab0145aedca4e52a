"""What a Spanish-speaking customer reads is Spanish: every page, every button, every refusal.

Each page is drawn in both languages; what stands on both alike is a fact, or was forgotten.
"""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation

from requests_app import files
from requests_app.models import PublicForm, Request
from tests import walk
from tests.factories import Office
from tests.visiting import page_of, send, visit

WALKS: tuple[Callable[[Office], Request], ...] = (
    Office.request, walk.to_discovery, walk.to_pending, walk.to_scheduled, walk.passed,
    walk.to_billing, walk.to_customer_notice, walk.to_closed, walk.to_declined, walk.to_cancelled,
)  # fmt: skip
# Names, and words that people typed.
FACTS = ("Throughline", "English", "Agency ", "Service ", "Person Number", "Contact ", "A new line",
         "One line, one handset", "Done and tried out", "We do not offer this", "Withdrawn by",
         "REQ-", "Lo ")  # fmt: skip


def browser(language: str) -> Client:
    return Client(HTTP_ACCEPT_LANGUAGE=language)


def lines(answer: Any) -> set[str]:
    """Every text of a page of two words and more, and every text that a reader only hears."""
    page = BeautifulSoup(answer.content, "html.parser")
    heard = [e.get(name, "") for e in page.find_all(True) for name in ("aria-label", "placeholder")]
    found = {" ".join(text.split()) for text in [*page.stripped_strings, *heard]}
    return {text for text in found if " " in text}


def left(english: Any, spanish: Any) -> set[str]:
    """What both pages say in the same words, but for facts."""
    assert english.status_code == spanish.status_code
    assert "text/html" in spanish["Content-Type"]
    both = lines(english) & lines(spanish)
    assert lines(spanish) - both, "nothing at all is translated"
    return {text for text in both if not text.startswith(FACTS)}


@pytest.mark.parametrize("to", WALKS, ids=lambda to: to.__name__)
def test_the_customers_page_in_every_state(to: Callable[[Office], Request], office: Office) -> None:
    request = to(office)
    pages = {}
    for language in ("en", "es"):
        request.contact.language = language
        request.contact.save()
        client = visit(request, client=browser(language))
        pages[language] = [
            client.get(page_of(request)),
            client.get(f"{page_of(request)}rate/"),
            send(client, request, "answer"),
            send(client, request, "no_such_thing"),
        ]
    assert [left(*pair) for pair in zip(*pages.values(), strict=True)] == [set()] * 4


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("/new/", None), ("/new/", {"title": ""}), ("/new/sent/", None), ("/new/confirm/", None),
        ("/track/", None), ("/track/", {"email": "x"}), ("/track/", {"email": "x@example.com"}),
        ("/tracked/REQ-2026-000001/", None), ("/unsubscribe/none/", None), ("/nothing/", None),
        ("/new/agencies/?agency_search=%00", None), ("/new/services/?service_search=zzzz", None),
    ],
)  # fmt: skip
def test_a_page_without_an_account(
    address: str, sent: dict[str, str] | None, office: Office
) -> None:
    def ask(language: str) -> Any:
        client = browser(language)
        return client.get(address) if sent is None else client.post(address, sent)

    assert left(ask("en"), ask("es")) == set()


def test_the_closed_form_and_a_form_that_was_too_old(office: Office) -> None:
    strict = [
        Client(enforce_csrf_checks=True, HTTP_ACCEPT_LANGUAGE=code).post("/new/", {})
        for code in ("en", "es")
    ]
    assert [answer.status_code for answer in strict] == [403, 403]
    assert left(*strict) == set()
    PublicForm.objects.filter(pk=PublicForm.current().pk).update(is_open=False)
    assert left(*(browser(code).get("/new/") for code in ("en", "es"))) == set()


@pytest.mark.parametrize("address", ["/new/", "/track/", "/nothing/"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_page_says_which_language_it_is_in(address: str, language: str, office: Office) -> None:
    page = BeautifulSoup(browser(language).get(address).content, "html.parser")
    assert page.html["lang"] == language


@pytest.mark.parametrize(
    ("name", "content", "english", "spanish"),
    [
        ("a.exe", b"x", "a.exe: files of this type cannot be attached.",
         "a.exe: no se pueden adjuntar archivos de este tipo."),
        ("a.pdf", b"no PDF", "a.pdf: the content is not what the name says.",
         "a.pdf: el contenido no es lo que dice el nombre."),
        ("100%d.txt", b"much", "100%d.txt: larger than 0 MB.", "100%d.txt: ocupa más de 0 MB."),
    ],
)  # fmt: skip
def test_why_a_file_is_refused(
    name: str, content: bytes, english: str, spanish: str, office: Office, settings: Any
) -> None:
    """Beside the field, in the language of the page, whatever the file is called."""
    settings.THROUGHLINE = {**settings.THROUGHLINE}
    if "larger" in english:
        settings.THROUGHLINE["MAX_UPLOAD_MB"] = 0
    request = office.request()
    for language, said in (("en", english), ("es", spanish)):
        request.contact.language = language
        request.contact.save()
        client = visit(request, client=browser(language))
        answer = send(client, request, "answer", files=SimpleUploadedFile(name, content))
        assert answer.status_code == 422
        assert said in answer.content.decode()


def test_a_file_that_cannot_be_stored_or_is_empty(
    office: Office, settings: Any, tmp_path: Any
) -> None:
    request = office.request()
    (tmp_path / "media").write_text("a file stands where the folder should be")
    with translation.override("es"):
        with pytest.raises(ValidationError) as refused:
            files.store(request, SimpleUploadedFile("a.txt", b"x"), by=office.rep)
        assert refused.value.messages == ["a.txt: no se ha podido guardar. Inténtelo más tarde."]
        with pytest.raises(ValidationError) as refused:
            files.check_upload(SimpleUploadedFile("a.txt", b""))
        assert refused.value.messages == ["a.txt: el archivo está vacío."]
