"""A customer's way without an account: the form, the mail, the proposal accepted on a phone."""

from pathlib import Path
from typing import Any

import pytest

from notifications.delivery import sweep
from requests_app.models import Request
from requests_app.states import S
from tests.browser import barriers
from tests.conftest import Sink
from tests.discovery.steps import drafted, outcome
from tests.factories import Office
from tests.journeys.desks import a_pdf
from tests.walk import do
from workflow import clock

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


# Milliseconds until the server takes a form that it had drawn when its page had arrived.
TOO_QUICK = """() => Math.max(0, 3500 - performance.now()
  + performance.getEntriesByType("navigation")[0].responseEnd)"""


def link_in(sink: Sink, address: str, words: str, path: str) -> str:
    """The address in the newest mail with these words."""
    while sweep():
        pass
    mail = [m for m in sink.to(address) if words in str(m["Subject"])][-1]
    text = mail.get_payload()[0].get_payload(decode=True).decode()
    return next(word for word in text.split() if path in word)


def ask(page: Any, town: Office) -> None:
    """The form at /new/, with the agency found by typing."""
    page.goto("/new/")
    page.fill("[name=agency_search]", town.agency.name)
    page.check(f"[name=agency][value='{town.agency.pk}']")
    page.fill("[name=name]", "Casey Contact")
    page.fill("[name=email]", town.contact.email)
    page.check("[name=service][value=unsure]")
    page.fill("[name=title]", "A queue display")
    page.fill("[name=description]", "People wait and do not know when it is their turn.")
    assert barriers(page) == []
    page.wait_for_timeout(page.evaluate(TOO_QUICK))  # nobody types faster
    page.click("text=Send the request")
    page.wait_for_url("**/new/sent/")
    assert barriers(page) == []


def through_discovery(town: Office, request: Request) -> None:
    """Staff triage it into discovery and propose; everything but the customer's word is there."""
    do(request, "send_to_discovery", town.rep, reason="No service of ours covers it.")
    do(request, "document", town.rep, requested_service="A display",
       why_outside_scope="No service covers it.", new_customer="")  # fmt: skip
    do(request, "add_team_member", town.rep, user=town.specialist.pk, role="technical")
    do(request, "start_client_discovery", town.rep)
    do(request, "add_finding", town.specialist, kind="note", on=clock.today().isoformat(),
       text="One display is enough.")  # fmt: skip
    need = request.discovery.needs.get()
    do(request, "judge_need", town.specialist, need=need.pk, verdict="as_requested")
    do(request, "determine", town.specialist, determination="as_requested",
       revised_scope="One display.")  # fmt: skip
    do(request, "finalise_discovery", town.specialist)
    drafted(request, town.rep)
    outcome(request, town)
    do(request, "parts_question", town.rep, parts_required="no")
    do(request, "issue_proposal", town.rep)


def test_from_the_form_to_an_accepted_proposal(
    page: Any, transactional_db: None, smtp_sink: Sink, tmp_path: Path
) -> None:
    """X10, D9, D13: /new/, confirmed by mail, triage, discovery, accepted on a phone, advanced."""
    town = Office()
    page.set_viewport_size({"width": 400, "height": 850})
    ask(page, town)
    page.goto(link_in(smtp_sink, town.contact.email, "Please confirm", "/new/confirm/"))
    assert not Request.objects.exists()
    assert barriers(page) == []
    page.click("text=Yes, this is my request")
    page.wait_for_url("**/tracked/REQ-*/")
    request = Request.objects.get()
    assert (request.state, request.contact) == (S.TRIAGE, town.contact)
    through_discovery(town, request)
    page.goto(link_in(smtp_sink, town.contact.email, "Our proposal", "/track/"))
    page.wait_for_url("**/proposal/")
    assert barriers(page) == []
    form = page.locator("form[data-action=accept_proposal]")
    form.locator("[name=title]").fill("Director")
    form.locator("[name=number]").fill("PO-9")
    form.locator("[name=issued_on]").fill(clock.today().isoformat())
    form.locator("[name=file]").set_input_files(str(a_pdf(tmp_path, "order.pdf")))
    form.locator("[name=authority]").check()
    form.locator("button[type=submit]").click()
    page.wait_for_selector("text=Accepted by")
    request.refresh_from_db()
    assert request.state == S.AWAITING_SCHEDULING
    assert request.accepted_proposal.has_purchase_order
