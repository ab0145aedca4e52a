"""The shell in a real browser: keyboard, themes, the drawer without scripts, axe on every page."""

from typing import Any

import pytest
from django.test import Client

from tests.browser import barriers, too_pale
from tests.factories import Office
from tests.walk import passed, to_assigned, to_awaiting, to_discovery, to_scheduled

pytestmark = pytest.mark.browser


def sign_in(context: Any, address: str, user: Any) -> None:
    """Give the browser the session of a person."""
    client = Client()
    client.force_login(user)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": address}])


def test_a_person_signs_in_and_searches_by_keyboard(office: Office, page: Any):
    request = to_assigned(office)
    page.goto("/")
    page.get_by_label("Username").fill(office.specialist.username)
    page.get_by_label("Password").fill("throughline-test")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Act now").wait_for()
    page.keyboard.press("/")
    page.keyboard.type(request.reference)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{request.get_absolute_url()}")
    page.keyboard.press("Tab")


def test_the_theme_follows_the_system_until_the_person_chooses(
    office: Office, page: Any, live_server
):
    sign_in(page.context, live_server.url, office.rep)
    theme = "document.documentElement.dataset.bsTheme"
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    assert page.evaluate(theme) == "dark"
    page.locator("details.person summary").click()
    page.get_by_role("button", name="Light or dark").click()
    page.wait_for_function(f"() => {theme} === 'light'")
    page.goto("/requests/")
    assert page.evaluate(theme) == "light"


def test_the_rail_is_a_drawer_that_works_without_scripts(office: Office, browser: Any, live_server):
    context = browser.new_context(
        base_url=live_server.url, java_script_enabled=False, viewport={"width": 400, "height": 800}
    )
    sign_in(context, live_server.url, office.rep)
    page = context.new_page()
    page.goto("/")
    rail = page.get_by_role("navigation", name="Main")
    assert not rail.is_visible()
    page.locator("label.rail-button").click()
    rail.get_by_role("link", name="Reports").click()
    page.get_by_role("heading", name="Reports", exact=True).wait_for()
    context.close()


def test_the_skip_link_is_the_first_stop(office: Office, page: Any, live_server):
    sign_in(page.context, live_server.url, office.rep)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'content'")


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_and_nothing_overflows(office: Office, browser: Any, live_server, width):
    """WCAG 2.2 AA in light and dark, on every page of the rail and on requests in several states.

    The scheme changes colours alone, so in the second one contrast alone is looked at.
    """
    requests = [walk(office) for walk in (to_discovery, to_scheduled, passed, to_awaiting)]
    context = browser.new_context(
        base_url=live_server.url,
        color_scheme="light",
        viewport={"width": width, "height": 800},
    )
    sign_in(context, live_server.url, office.rep)
    page = context.new_page()
    page.goto("/")
    links = page.locator("nav.rail a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    extra = ["/account/", "/account/password/", "/account/hand-over/", "/search/?q=front",
             "/requests/new/", "/reports/charged/", "/nothing-here/"]  # fmt: skip
    wrong = {}
    for address in [*links, *extra, *(request.get_absolute_url() for request in requests)]:
        page.goto(address)
        faults = barriers(page) + [f"dark: {fault}" for fault in too_pale(page, "dark")]
        root = "document.documentElement"
        if page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
            faults.append("wider than the window")
        if faults:
            wrong[address] = faults
    context.close()
    assert not wrong


def test_what_was_typed_is_kept_on_leaving_and_forgotten_once_sent(
    office: Office, page: Any, live_server
):
    request = to_assigned(office)
    sign_in(page.context, live_server.url, office.specialist)
    page.goto(request.get_absolute_url())
    text = page.locator("form[data-action='comment'] textarea")
    text.fill("Called the front desk.")
    page.goto("/")
    page.goto(request.get_absolute_url())
    assert text.input_value() == "Called the front desk."
    text.locator("xpath=ancestor::form").get_by_role("button").last.click()
    page.get_by_text("Called the front desk.").first.wait_for()
    page.goto(request.get_absolute_url())
    assert text.input_value() == ""
