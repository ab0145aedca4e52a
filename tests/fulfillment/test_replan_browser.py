"""Planning a group anew in real Chromium: asked for, watched, looked at, applied (F2)."""

from typing import Any

import pytest

from fulfillment import capacity, tasks
from fulfillment.actions import placing
from fulfillment.models import Membership, Replan
from fulfillment.short_days import days_short
from requests_app.states import S
from tests import walk
from tests.browser import barriers, sign_in
from tests.factories import Office
from tests.fulfillment.test_replan import booked, crowded, day_hours, slot

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
    sign_in(page, office.lead)
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


def test_a_leave_that_makes_booked_days_impossible_is_planned_around_with_one_button(
    page: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lead enters the leave, reads which day holds too much, and presses one button."""
    settings.THROUGHLINE = {**settings.THROUGHLINE, "REPLAN_SECONDS": 2}
    asked: list[int] = []
    monkeypatch.setattr(tasks, "nudge", asked.append)
    office = Office()
    day = walk.next_working_day(5)
    full = booked(office, day, str(day_hours(office, day)))
    leave = Membership.objects.get(group=office.group, user=office.specialist)
    sign_in(page, office.lead)
    page.goto(f"/queues/{office.group.slug}/people/")
    form = page.locator(f'form[action$="/{leave.pk}/leave/"]')
    form.evaluate("e => e.closest('details') && (e.closest('details').open = true)")
    form.locator("[name$=first_day]").fill(day.isoformat())
    form.locator("[name$=last_day]").fill(day.isoformat())
    form.locator("button").click()
    page.get_by_text("more than the people there can do").first.wait_for()
    assert slot(full).first_day == day

    page.goto(f"/queues/{office.group.slug}/schedule/")
    page.get_by_text("Booked beyond what the people there can do").wait_for()
    page.get_by_role("button", name="Re-plan these days").click()
    page.locator("progress").wait_for()
    assert Replan.objects.get().for_days == [day.isoformat()]
    placing.make(asked[0])
    said = f"More is promised on {capacity.in_words(day)} than the group can do."
    page.get_by_text(said).wait_for()
    page.get_by_role("button", name="Apply the plan").click()
    page.get_by_text("The plan is applied").wait_for()
    page.goto(f"/queues/{office.group.slug}/schedule/")
    assert page.get_by_role("button", name="Re-plan these days").count() == 0
    assert days_short(office.group) == []
    assert slot(full).first_day != day
