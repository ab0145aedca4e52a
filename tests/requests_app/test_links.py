"""A link between requests is made and taken away; where a request came from stays (X4)."""

import pytest
from django.test import Client

from requests_app.models import Link, Request
from tests import walk
from tests.factories import Office
from workflow.registry import InvalidFacts, offers


@pytest.fixture
def linked(office: Office) -> Request:
    request, first = walk.to_pending(office), office.request()
    walk.do(request, "link", office.rep, relation="needs", other=first.reference)
    return request


def page_of(request: Request, office: Office) -> str:
    client = Client()
    client.force_login(office.rep)
    return client.get(request.get_absolute_url()).content.decode()


def test_a_link_made_by_mistake_is_taken_away_and_both_are_on_record(
    linked: Request, office: Office
) -> None:
    link = linked.links_out.get()
    assert 'data-action="unlink"' in page_of(linked, office)
    walk.do(linked, "unlink", office.rep, link=str(link.pk))
    assert not linked.links_out.exists()
    event = linked.events.latest("number")
    assert event.name == "unlink"
    assert event.facts == {"relation": "needs", "other": link.target.reference}
    assert 'data-action="unlink"' not in page_of(linked, office)


def test_the_request_at_the_other_end_shows_it_and_does_not_take_it_away(
    linked: Request, office: Office
) -> None:
    link = linked.links_out.get()
    page = page_of(link.target, office)
    assert "is needed first by" in page
    assert 'data-action="unlink"' not in page
    with pytest.raises(InvalidFacts):
        walk.do(link.target, "unlink", office.rep, link=str(link.pk))


def test_where_a_request_was_split_from_stays(office: Office) -> None:
    whole = office.request()
    walk.do(whole, "split", office.rep, title="The other half", description="As said.")
    part = Link.objects.get(relation=Link.Relation.SPLIT_FROM).source
    assert 'data-action="unlink"' not in page_of(part, office)
    with pytest.raises(InvalidFacts):
        walk.do(part, "unlink", office.rep, link=str(part.links_out.get().pk))


def test_who_only_reads_takes_nothing_away(linked: Request, office: Office) -> None:
    assert "unlink" not in [offer.name for offer in offers(linked, office.auditor)]
