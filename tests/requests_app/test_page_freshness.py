"""What is drawn once is never out of date: the request page after anything about it changed."""

from datetime import timedelta

from django.contrib.auth import get_user_model

from requests_app.models import Attachment, Request
from tests.factories import Office, UserFactory
from tests.requests_app.test_list import as_user
from tests.walk import do, to_discovery, to_in_fulfillment, to_pending
from workflow import clock


def test_who_may_see_a_request_that_was_read_is_who_finds_it(office: Office):
    """One answer, asked in two ways: as a list, and of a request at hand."""
    made = [office.request(service=None), to_pending(office), to_discovery(office)]
    people = [office.rep, office.rep2, office.lead, office.specialist, office.billing, office.asd]
    people += [office.auditor, office.stranger, UserFactory(admin=True), UserFactory()]
    people += [UserFactory(is_representative=True, is_active=False)]
    for person in people:
        seen = set(Request.objects.visible_to(person).values_list("pk", flat=True))
        answers = {req.pk for req in made if Request.objects.shows(person, req)}
        assert answers == seen, person
        for req in made if person.is_active else []:
            answer = as_user(person).get(req.get_absolute_url()).status_code
            assert answer == (200 if req.pk in seen else 404), person


def test_the_page_says_what_is_so_now(office: Office):
    request = to_in_fulfillment(office)
    client = as_user(office.lead)

    def page() -> str:
        return client.get(request.get_absolute_url()).content.decode()

    def has(text: str) -> bool:
        first, again = page(), page()
        assert (text in first) is (text in again)
        return text in first

    assert not has("Zelda Newname")
    get_user_model().objects.filter(pk=office.specialist.pk).update(
        first_name="Zelda", last_name="Newname"
    )
    assert has("Zelda Newname")
    assert not has("It arrives on Monday")
    do(request, "comment", office.specialist, text="It arrives on Monday", public="")
    assert has("It arrives on Monday")
    assert not has("Overdue since")
    Request.objects.filter(pk=request.pk).update(due_at=clock.now() - timedelta(days=4))
    assert has("Overdue since")
    do(request, "change_priority", office.rep, impact="1", urgency="1")
    assert has("Change priority")
    type(request.agency).objects.filter(pk=request.agency_id).update(name="Office & Rivers")
    assert has("Office &amp; Rivers")
    assert not Attachment.objects.filter(case__request=request).exists()


def test_a_button_drawn_for_one_person_carries_no_token_of_theirs(office: Office):
    """Forms are drawn once for the same words; the token is each page's own."""
    request = to_in_fulfillment(office)
    tokens = set()
    for person in (office.lead, office.specialist, office.lead):
        answer = as_user(person).get(request.get_absolute_url())
        page = answer.content.decode()
        found = {
            part.split('"')[0] for part in page.split('name="csrfmiddlewaretoken" value="')[1:]
        }
        assert len(found) == 1
        tokens |= found
    assert len(tokens) == 3
