"""The browser fixtures do what journeys rely on."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from tests.browser import barriers, complaint

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _bad(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<html><head><title>x</title></head><body><img src=/healthz></body></html>")


def _inline(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>x</title><script>window.ran = 1</script>")


urlpatterns = [
    path("bad", _bad),
    path("inline", _inline),
    path("", include("config.urls")),
]


def test_the_sign_in_page_opens_without_barriers(page: Any) -> None:
    assert page.goto("/login/").status == 200
    assert barriers(page) == []


@override_settings(ROOT_URLCONF=__name__)
def test_a_page_with_barriers_is_found(page: Any) -> None:
    page.goto("/bad")
    assert any(line.startswith("image-alt") for line in barriers(page))


@override_settings(ROOT_URLCONF=__name__)
def test_an_inline_script_is_stopped_and_would_fail_the_test(
    browser: Any, live_server: Any
) -> None:
    # not the fixture `page`, which fails on exactly this
    bare = browser.new_page(base_url=live_server.url)
    told: list[str] = []
    bare.on("console", lambda message: told.extend(complaint(message)))
    bare.goto("/inline")
    assert bare.evaluate("window.ran") is None
    bare.close()
    assert any("Content Security Policy" in line for line in told)
