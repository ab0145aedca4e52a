"""Planning a group anew in real Chromium: asked for, watched, looked at, applied (F2)."""

from typing import Any

import pytest

from fulfillment import tasks
from fulfillment.actions import placing
from fulfillment.models import Replan
from requests_app.states import S
from tests.browser import barriers
from tests.factories import Office
from tests.fulfillment.test_replan import crowded, slot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_lead_plans_the_group_anew(
    page: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page moves on by itself from waiting to the difference; nothing is booked before Apply.

    The worker's part is done here, between two looks of the page.
    """
    settings.THROUGHLINE = {**settings.THROUGHLINE, "REPLAN_SECONDS": 2}
    asked: list[int] = []
    monkeypatch.setattr(tasks, "nudge", asked.append)
    office = Office()
    low, urgent = crowded(office)
    before = slot(low).first_day
    page.goto("/login/")
    page.fill("input[name=username]", office.lead.username)
    page.fill("input[name=password]", "throughline-test")
    page.click("main button[type=submit]")
    page.wait_for_url("**/")
    page.goto(f"/queues/{office.group.slug}/schedule/")
    page.locator('form[data-action="ask_for_plan"] button').click()
    page.locator("progress").wait_for()
    page.get_by_text("Waiting for a worker").wait_for()
    assert barriers(page) == []
    assert asked == [Replan.objects.get().pk]
    placing.make(asked[0])
    page.get_by_text(f"It makes room for {urgent.reference}.").wait_for()
    assert barriers(page) == []
    assert slot(low).first_day == before
    page.locator(f'select[name="charge_{urgent.pk}"]').select_option("no")
    page.get_by_role("button", name="Apply the plan").click()
    page.get_by_text("The plan is applied: 2 requests have other days now").wait_for()
    urgent.refresh_from_db()
    assert urgent.state == S.SCHEDULED
    assert slot(low).first_day > before
