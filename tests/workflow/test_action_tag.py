"""How an action is shown: its form in place, small in a row, or disabled with its sentence."""

import pytest
from bs4 import BeautifulSoup, Tag
from django.template import Context, Template

from requests_app.models import Request
from tests.factories import Office
from tests.walk import do, to_in_fulfillment, to_planning
from workflow.registry import InvalidFacts, offers, perform


def fresh(request: Request) -> Request:
    return Request.objects.get(pk=request.pk)


def shown(request: Request, user, tag: str, form=None) -> Tag:
    """What `{% action … %}` makes of the person's offers."""
    found = {offer.name: offer for offer in offers(fresh(request), user)}
    if form is not None:
        found[form[0]].form = form[1]
    items = list(request.plan_items.all())
    html = Template("{% load actions %}" + tag).render(
        Context({"offers": found, "csrf_token": "token", "items": items})
    )
    return BeautifulSoup(html, "html.parser")


def rows_of(name: str) -> str:
    """One small button a plan item."""
    one = f"{{% action offers.{name} item=i.pk compact=True %}}"
    return "{% for i in items %}" + one + "{% endfor %}"


def test_an_action_is_a_form_with_its_fields_and_the_state_that_was_seen(office: Office):
    request = to_planning(office)
    page = shown(request, office.specialist, "{% action offers.add_plan_item primary=True %}")
    form = page.find("form", attrs={"data-action": "add_plan_item"})
    assert form["action"] == f"{request.get_absolute_url()}actions/add_plan_item/"
    assert form["method"] == "post"
    assert form.find("input", attrs={"name": "expect"})["value"] == "planning"
    assert form.find("input", attrs={"name": "csrfmiddlewaretoken"})["value"] == "token"
    for field in form.find_all(["input", "select", "textarea"]):
        if field.get("type") != "hidden":
            assert form.find("label", attrs={"for": field["id"]}), field
    assert "btn-primary" in form.find("button")["class"]


def test_a_blocked_action_is_disabled_and_says_why(office: Office):
    """The sentence is text that anybody can read, not a tooltip."""
    request = to_planning(office)
    page = shown(request, office.specialist, "{% action offers.start_work %}")
    button = page.find("button", attrs={"data-action": "start_work"})
    assert button.has_attr("disabled")
    assert page.find("form") is None
    assert page.find(id=button["aria-describedby"]).get_text(strip=True)


def test_an_action_that_is_not_offered_shows_nothing(office: Office):
    request = to_planning(office)
    assert not shown(request, office.stranger, "{% action offers.add_plan_item %}").find(True)


def test_a_row_button_carries_its_row_in_a_hidden_field(office: Office):
    request = to_in_fulfillment(office)
    tag = rows_of("finish_plan_item")
    form = shown(request, office.specialist, tag).find("form")
    assert form.find("input", attrs={"name": "item"})["value"] == str(request.plan_items.get().pk)
    assert "btn-sm" in form.find("button")["class"]


def test_rows_with_the_same_form_have_no_id_twice(office: Office):
    request = to_in_fulfillment(office)
    do(request, "add_plan_item", office.specialist, title="Second", estimate_hours="1")
    tag = rows_of("cancel_plan_item")
    page = shown(request, office.specialist, tag)
    ids = [one["id"] for one in page.find_all(id=True)]
    assert len(page.find_all("form")) == 2
    assert len(ids) == len(set(ids))
    assert all(page.find(id=label["for"]) for label in page.find_all("label"))


def test_errors_stand_beside_the_field_of_the_row_they_belong_to(office: Office):
    request = to_in_fulfillment(office)
    do(request, "add_plan_item", office.specialist, title="Second", estimate_hours="1")
    item = request.plan_items.last()
    data = {"item": item.pk, "reason": ""}
    with pytest.raises(InvalidFacts) as refused:
        perform(fresh(request), "cancel_plan_item", by=office.specialist, data=data)
    tag = rows_of("cancel_plan_item")
    page = shown(request, office.specialist, tag, ("cancel_plan_item", refused.value.form))
    wrong = page.find_all(attrs={"class": "field-error"})
    assert len(wrong) == 1
    form = wrong[0].find_parent("form")
    assert form.find("input", attrs={"name": "item"})["value"] == str(item.pk)
    assert wrong[0].find_parent("details").has_attr("open")
