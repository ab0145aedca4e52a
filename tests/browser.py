"""A real browser for tests: the system's Chromium, a page on the live server, axe-core."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from config.servers import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN_AXE = """async only => {
  const found = await axe.run(document, {runOnly: only, resultTypes: ["violations"]});
  return found.violations.map(v =>
    v.id + ": " + v.help + " at " + v.nodes.map(n => n.target.join(" ")).join(", "));
}"""
AT_REST = """() => Promise.all(document.getAnimations()
  .filter(a => a.effect.getComputedTiming().endTime !== Infinity)
  .map(a => a.finished.catch(() => null)))"""


def barriers(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA on this page, one sentence each."""
    page.evaluate(AT_REST)  # halfway through a change of colour nothing has its contrast
    page.evaluate(AXE.read_text())  # evaluated from outside, so the page's own policy stays strict
    return list(page.evaluate(RUN_AXE, {"type": "tag", "values": WCAG}))


def too_pale(page: Any, scheme: str) -> list[str]:
    """What has too little contrast in this colour scheme, on a page that was tested in another."""
    page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme; }", scheme)
    page.evaluate(AT_REST)
    return list(page.evaluate(RUN_AXE, {"type": "rule", "values": ["color-contrast"]}))


def sign_in(page: Any, user: Any) -> None:
    """Give the page's browser the session of a person; the form of it has a test of its own."""
    client = Client()
    client.force_login(user)
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": settings.BASE_URL}])


def press(page: Any, button: Any) -> None:
    """Press what sends a form, and wait for the answer: the next look is at the new page."""
    with page.expect_navigation():
        button.click()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of the system, never one that is downloaded."""
    if not Path(CHROMIUM).exists():
        pytest.fail(f"The browser tests need Chromium at {CHROMIUM}: apt-get install chromium.")
    from playwright.sync_api import sync_playwright

    # Playwright runs a loop in this thread, which Django takes for asynchronous code
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser: Any, live_server: Any, settings: Any) -> Iterator[Any]:
    """A page on the live server; an error on its console fails the test."""
    settings.BASE_URL = live_server.url
    context = browser.new_context(base_url=live_server.url, locale="en-US")
    made = context.new_page()
    made.set_default_timeout(10_000)
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda message: errors.extend(complaint(message)))
    yield made
    context.close()
    assert not errors, errors


def complaint(message: Any) -> list[str]:
    """An error of the page or its policy. A refusal with its own status is not one."""
    return [message.text] if message.type == "error" and "status of 4" not in message.text else []
