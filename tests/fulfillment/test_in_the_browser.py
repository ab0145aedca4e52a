"""The schedule in real Chromium: dragging, the keyboard, undo, and no barriers (F2)."""

from datetime import timedelta
from typing import Any

import pytest

from fulfillment import slots
from fulfillment.actions.moving import version
from tests import walk
from tests.browser import barriers, sign_in
from tests.factories import Office

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def first_day(request: Any) -> Any:
    return slots.slices_of(request.schedule_entries.get())[0][0]


def test_a_card_is_dragged_moved_by_keys_and_put_back(page: Any) -> None:
    """F2: shown before it is done, told to a screen reader, undone by a button; no barriers."""
    office = Office()
    request, waiting = walk.to_scheduled(office), walk.to_awaiting(office)
    missed = walk.to_scheduled(office)
    missed.schedule_entries.update(first_day=first_day(missed) - timedelta(days=21))
    home, away = first_day(request), walk.next_working_day(5)
    page.set_viewport_size({"width": 1280, "height": 1500})
    sign_in(page, office.lead)
    schedule = f"/queues/{office.group.slug}/schedule/"
    page.goto(schedule)
    dialog, apply = page.locator("[data-move-dialog]"), page.locator("[data-move-apply]")

    # dragging shows what would happen; nothing has moved yet
    page.locator(f"[data-slot='{request.reference}']").drag_to(
        page.locator(f"[data-day='{away}'] .day-load")
    )
    apply.wait_for()
    assert "What would happen" in dialog.inner_text()
    page.wait_for_function("() => document.activeElement?.matches('[data-move-apply]')")
    assert first_day(request) == home
    assert barriers(page) == []

    # then it does
    dialog.locator("form[data-action=reschedule] [name=reason]").fill("Room is free")
    apply.click()
    page.locator(".moved").wait_for()
    assert first_day(request) == away
    assert barriers(page) == []

    # and one button takes it back
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("is back from").wait_for()
    assert first_day(request) == home

    # the keyboard: arrows choose and say, Escape leaves, Enter shows, the button does
    handle = page.locator(f"[data-move='{request.reference}']")
    handle.focus()
    live = page.locator("[data-move-live]")
    page.keyboard.press("ArrowRight")
    after = walk.next_working_day(4)
    page.locator(f"[data-day='{after}'].is-target").wait_for()
    page.wait_for_function(
        "text => document.querySelector('[data-move-live]').textContent.includes(text)",
        arg=f"{request.reference} to {after:%a} {after.day} {after:%b}",
    )
    page.keyboard.press("Escape")
    page.locator(".is-target").wait_for(state="detached")
    page.wait_for_function(
        "() => document.querySelector('[data-move-live]').textContent.includes('stays where it is')"
    )
    assert live.get_attribute("aria-live") == "assertive"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    chosen = page.locator(".is-target").get_attribute("data-day")
    page.keyboard.press("Enter")
    apply.wait_for()
    assert str(first_day(request)) == str(home) != chosen
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('[data-move-dialog]').open")
    back = f"() => document.activeElement?.matches(\"[data-move='{request.reference}']\")"
    page.wait_for_function(back)  # back where one was
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement?.matches('[data-move-apply]')")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator(".moved").wait_for()
    assert first_day(request) == after

    # what waits opens its form with the day on which it was dropped
    page.locator(f"[data-waiting='{waiting.reference}'] .slot-facts").first.drag_to(
        page.locator(f"[data-day='{away}'] .day-load")
    )
    form = page.locator(f"[data-waiting='{waiting.reference}'] .slot-form")
    page.wait_for_function("() => document.activeElement?.matches('.slot-form [name=hours]')")
    assert form.locator("[name=hours]").evaluate("e => e === document.activeElement")
    assert form.locator("[name=day]").input_value() == str(away)

    # a preview gone stale says so and keeps what was typed
    seen = version(request.schedule_entries.get())
    page.goto(f"{schedule}move/{request.reference}/?day={home}")
    assert page.locator("input[name=seen]").get_attribute("value") == seen
    walk.do(request, "reschedule", office.lead, day=str(walk.next_working_day(7)), hours="4")
    page.locator("form[data-action=reschedule] input[name=reason]").fill("Kept")
    apply.click()
    page.get_by_text("Somebody moved it meanwhile").wait_for()
    assert page.locator("form[data-action=reschedule] input[name=reason]").input_value() == "Kept"
    assert barriers(page) == []

    # at night, on a telephone
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(schedule)
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert barriers(page) == []
