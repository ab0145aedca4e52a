"""The request pages in real Chromium: nothing typed ever runs, and everything works by hand."""

from pathlib import Path

import pytest
from django.conf import settings as conf

from asd.models import Service
from requests_app.models import Request
from tests.browser import barriers, press, sign_in
from tests.factories import AgencyFactory, ContactFactory, Office
from tests.walk import do, later

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCRIPT = "<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>"


def test_no_script_that_people_type_runs_on_any_page_of_a_request(page):
    """TC05, the basic part: list, page, history, print, intake and the answers of an action."""
    office = Office()
    agency = AgencyFactory(name=f"Agency {SCRIPT}", representative=office.rep)
    contact = ContactFactory(agency=agency, name=SCRIPT[:110])
    request = office.request(
        agency=agency, contact=contact, title=SCRIPT[:150], description=SCRIPT, service=None
    )
    do(request, "comment", office.rep, text=SCRIPT, public="yes")
    do(request, "hold", office.rep, reason=SCRIPT, review_on=later(3), waiting_for="other")
    sign_in(page, office.rep)
    address = request.get_absolute_url()
    for path in ("/requests/?scope=all", address, f"{address}?changes=1", f"{address}?print=1",
                 f"/requests/new/?agency={agency.pk}"):  # fmt: skip
        page.goto(path)
        assert "img src=x" in page.content() or "&lt;img" in page.content(), path
        assert page.title() != "ran", path
    page.goto(address)
    page.locator('form[data-action="comment"] textarea').fill(SCRIPT)
    press(page, page.locator('form[data-action="comment"] button'))
    assert page.title() != "ran"


def test_the_answers_of_triage_change_the_recommendation_while_they_are_given(page):
    office = Office()
    request = office.request()
    sign_in(page, office.rep)
    page.goto(request.get_absolute_url())
    assert "stays in triage" in page.locator(".triage-answer").inner_text()
    page.locator('input[name="solution"][value="no"]').check()
    page.get_by_text("Yes to the whole checklist makes it an assistance request.").wait_for()
    page.locator('form[data-action="triage"] button[type=submit]').click()
    page.get_by_text(f"{request.reference} is now: Awaiting scheduling.").wait_for()


def test_triage_looks_a_service_up_by_keyboard_where_there_are_many(page):
    """D2: a box instead of a list of thousands; names come while one types, Enter decides."""
    office = Office()
    Service.objects.bulk_create(
        Service(name=f"Desk telephone {i}", slug=f"desk-{i}", state="live",
                provider_group=office.group) for i in range(60)
    )  # fmt: skip
    request = office.request(service=None)
    sign_in(page, office.rep)
    page.goto(request.get_absolute_url())
    box = page.get_by_label("Existing service")
    box.focus()
    with page.expect_response(lambda r: "/requests/lookup/offered/" in r.url):
        page.keyboard.type("telephone 4")
    page.locator('#triage-service-names option[value="Desk telephone 42"]').wait_for(
        state="attached"
    )
    assert page.locator("#triage-service-names option").count() <= 12
    with page.expect_response(lambda r: "/triage/?" in r.url):
        page.keyboard.type("2")
        page.keyboard.press("Tab")
    page.get_by_text("does not cover Desk telephone 42").first.wait_for()
    assert barriers(page) == []
    box.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Triage: done.").or_(
        page.get_by_text(f"{request.reference} is now:")
    ).wait_for()
    request.refresh_from_db()
    assert request.service.slug == "desk-42"


def test_whether_the_customer_reads_it_is_said_on_the_button_and_by_the_colour(page):
    """X6: internal is the default; the public one looks and reads differently."""
    office = Office()
    request = office.request()
    sign_in(page, office.rep)
    page.goto(request.get_absolute_url())
    form = page.locator('form[data-action="comment"]')
    colour = "e => getComputedStyle(e).backgroundColor"
    internal = form.evaluate(colour)
    assert form.locator("button").inner_text() == "Add internal update"
    form.locator('input[value="yes"]').check()
    assert form.locator("button").inner_text() == "Send to the customer"
    assert form.evaluate(colour) != internal


def test_the_contacts_follow_the_chosen_agency(page):
    office = Office()
    other = ContactFactory(agency=AgencyFactory(name="Ferry Office"))
    sign_in(page, office.rep)
    page.goto("/requests/new/")
    page.fill("#agency-search", "ferry")
    page.locator("#id_agency option", has_text=office.agency.name).wait_for(state="detached")
    page.select_option("#id_agency", label="Ferry Office")
    page.locator("#id_contact option", has_text=other.name).wait_for(state="attached")
    page.select_option("#id_contact", label=other.name)
    page.fill("#id_title", "Wireless on the pier")
    page.fill("#id_description", "For passengers who wait.")
    page.locator("form.intake button.btn-primary").click()
    page.get_by_text("is taken in; the customer is told.").wait_for()
    assert Request.objects.get().contact == other


def test_intake_works_without_script(browser, live_server, settings):
    office = Office()
    settings.BASE_URL = live_server.url
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, office.rep)
    page.goto("/requests/new/")
    page.select_option("#id_agency", label=office.agency.name)
    page.fill("#id_title", "Wireless on the pier")
    page.fill("#id_description", "For passengers who wait.")
    press(page, page.get_by_role("button", name="Show the contacts of this agency"))
    page.select_option("#id_contact", label=office.contact.name)
    press(page, page.locator("form.intake button.btn-primary"))
    assert "is taken in; the customer is told." in page.content()
    context.close()
    assert Request.objects.get().title == "Wireless on the pier"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_pages_of_a_request(page, scheme):
    """WCAG 2.2 AA by axe-core, with everything unfolded."""
    office = Office()
    request, held = office.request(), office.request()
    do(request, "comment", office.rep, text="Called them.", public="")
    do(request, "comment", office.rep, text="Thank you.", public="yes")
    do(held, "hold", office.rep, reason="Vendor.", review_on=later(3), waiting_for="vendor")
    axe = (Path(conf.BASE_DIR) / "node_modules/axe-core/axe.min.js").read_text()
    page.emulate_media(color_scheme=scheme)
    sign_in(page, office.rep)
    for path in ("/requests/?state=triage", "/requests/new/", request.get_absolute_url(),
                 held.get_absolute_url(), f"{request.get_absolute_url()}?print=1"):  # fmt: skip
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        page.evaluate(axe)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == [], path


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_the_screen(page, width):
    office = Office()
    request = office.request(title="W" * 160, description="x" * 400)
    do(request, "comment", office.rep, text="y" * 400, public="")
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, office.rep)
    for path in ("/requests/", "/requests/new/", request.get_absolute_url()):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
