"""A customer's life on a phone without JavaScript, and the same pages in the dark: no barriers."""

import os
from pathlib import Path
from typing import Any

import pytest

from requests_app.models import Rating, Request
from requests_app.states import S
from requests_app.tracking import tracking_url
from tests import walk
from tests.browser import barriers, complaint, press
from tests.factories import ContactFactory, Office

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"width": 400, "height": 800}
SHOTS = os.environ.get("SHOTS", "")


def shot(page: Any, name: str) -> None:
    """A picture to look at, where somebody asks for it (SHOTS=folder)."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_customers_life_on_a_phone_without_javascript(
    browser: Any, live_server: Any, settings: Any
) -> None:
    """F8, F15, X1, X3, X6, X9: read, answer with a file, let follow, reopen, rate."""
    settings.BASE_URL = live_server.url
    office = Office()
    colleague = ContactFactory(agency=office.agency, name="Bob Reed")
    request = walk.to_assigned(office, title="Telephones for the front desk")
    walk.do(request, "comment", office.specialist, text="We ordered the cable.", public="yes")
    walk.do(request, "ask_customer", office.specialist, question="Which floor?",
            review_on=walk.later(20))  # fmt: skip
    context = browser.new_context(
        base_url=live_server.url, viewport=PHONE, java_script_enabled=False, locale="en-US"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(tracking_url(request, office.contact))
    assert page.url == f"{live_server.url}/tracked/{request.reference}/"
    shot(page, "phone-question")
    page.get_by_label("Your message").fill("The second.")
    page.get_by_label("Files").set_input_files(
        {"name": "plan.exe", "mimeType": "application/pdf", "buffer": b"MZ"}
    )
    press(page, page.get_by_role("button", name="Send the answer"))
    assert "plan.exe" in page.inner_text("main")
    assert page.get_by_label("Your message").input_value() == "The second."
    shot(page, "phone-refused")
    page.get_by_label("Files").set_input_files(
        {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 plan"}
    )
    press(page, page.get_by_role("button", name="Send the answer"))
    assert "Your message has arrived" in page.inner_text("main")
    request.refresh_from_db()
    assert not request.is_on_hold
    page.get_by_label("Colleague's e-mail address").fill(colleague.email)
    press(page, page.get_by_role("button", name="Let them follow"))
    assert "Bob Reed" in page.inner_text("main")
    shot(page, "phone-open")
    walk.do(request, "fulfill", office.specialist, resolution="Set up on the second floor.")
    page.goto(f"{tracking_url(request, office.contact)}rate/4/")
    shot(page, "phone-rate")
    press(page, page.get_by_role("button", name="Send"))
    assert Rating.objects.get().score == 4
    shot(page, "phone-closed")
    page.locator("#reopen_as_customer summary").click()
    page.locator("#reopen_as_customer").get_by_label("Why").fill("It hums.")
    press(page, page.locator("[data-action=reopen_as_customer]"))
    assert Request.objects.get().state == S.TRIAGE
    page.goto("/track/no-such-link/")
    assert page.url == f"{live_server.url}/track/"
    shot(page, "phone-lost")
    context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_barriers_and_nothing_sticks_out(
    browser: Any, live_server: Any, settings: Any, scheme: str
) -> None:
    """WCAG 2.2 AA at 400 and 1280 px; no script, no complaint of the page's own policy."""
    settings.BASE_URL = live_server.url
    office = Office()
    request = walk.to_assigned(office, title="Telephones for the front desk")
    walk.do(request, "comment", office.specialist, text="We ordered the cable.", public="yes")
    walk.do(request, "ask_customer", office.specialist, question="Which floor?",
            review_on=walk.later(20))  # fmt: skip
    context = browser.new_context(base_url=live_server.url, color_scheme=scheme, locale="en-US")
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.extend(complaint(message)))
    asked: list[str] = []
    page.on("request", lambda made: asked.append(made.url))
    page.goto(tracking_url(request, office.contact))
    looked_at = 0
    for name, address in [("open", f"/tracked/{request.reference}/"), ("lost", "/track/")]:
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(address)
            shot(page, f"{scheme}-{width}-{name}")
            assert barriers(page) == [], f"{name} at {width}"
            assert fits(page), f"{name} at {width}"
            looked_at += 1
    walk.do(request, "resume", office.rep)
    walk.do(request, "fulfill", office.specialist, resolution="Set up.")
    page.goto(f"/tracked/{request.reference}/")
    page.set_viewport_size({"width": 400, "height": 900})
    shot(page, f"{scheme}-400-closed")
    assert barriers(page) == []
    assert looked_at == 4
    assert errors == []
    assert {url.startswith(live_server.url) for url in asked} == {True}, "nothing of third parties"
    context.close()
