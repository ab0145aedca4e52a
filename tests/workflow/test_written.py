"""Statements whose text is written once: the same rows as the querysets, whatever the values."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, OuterRef
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from requests_app.models import CaseEntry, Request
from tests.factories import MembershipFactory, Office
from workflow.models import SavedFilter
from workflow.statements import AmongValues
from workflow.written import Written

NEWER = Written(
    lambda since, title: (
        Request.objects.filter(created_at__gt=since, title=title)
        .select_related("agency", "service")
        .order_by("pk")
    )
)


def test_it_makes_the_instances_that_the_queryset_makes(office: Office):
    since = timezone.now() - timedelta(days=1)
    made = [office.request(title="Desk") for _ in range(3)]
    office.request(title="Chair")
    for _ in range(2):  # written, then used again
        found = NEWER.instances(since=since, title="Desk")
        assert found == made
    with CaptureQueriesContext(connection) as seen:
        assert [row.agency.name for row in found] == [office.agency.name] * 3
        assert [row.service.name for row in found] == [office.service.name] * 3
    assert not seen.captured_queries
    whole = Request.objects.get(pk=made[0].pk)
    kept = {f.attname for f in Request._meta.concrete_fields}
    assert {n: getattr(found[0], n) for n in kept} == {n: getattr(whole, n) for n in kept}
    assert NEWER.instances(since=timezone.now(), title="Desk") == []
    assert len(NEWER.instances(since=since, title="Chair")) == 1


CHOSEN = Written(
    lambda keys, day: (
        Request.objects.filter(AmongValues("pk", keys), created_at__date__lte=day)
        .select_related("agency")
        .only("title", "state", "agency__name")
        .annotate(told=Exists(CaseEntry.objects.filter(case__request=OuterRef("pk"))))
        .order_by("pk")
    ),
    planned=True,
)


def test_a_row_is_read_as_it_is_and_made_when_it_is_wanted(office: Office):
    made = [office.request(title=f"Desk {n}") for n in range(3)]
    keys = [row.pk for row in made]
    for wanted in (keys[:2], keys, []):  # planned at the first, whatever the keys of the next
        rows = CHOSEN.as_read(keys=wanted, day=timezone.now().date())
        assert [row.title for row in rows] == [f"Desk {n}" for n in range(len(wanted))]
        assert [row.made for row in rows] == made[: len(wanted)]
    row = CHOSEN.as_read(keys=keys, day=timezone.now().date())[0]
    with CaptureQueriesContext(connection) as seen:
        assert (row.agency.name, row.told) == (office.agency.name, False)
    assert not seen.captured_queries
    Request.objects.filter(pk=made[0].pk).update(title="Chair")
    assert CHOSEN.as_read(keys=keys, day=timezone.now().date())[0].facts != row.facts


def test_only_plain_values_can_be_left_open():
    with pytest.raises(TypeError):
        NEWER.instances(since=timezone.now(), title=None)


def test_a_text_that_looks_like_a_statement_is_a_text(office: Office):
    """TD01."""
    office.request(title="Desk")
    for title in ("'; DROP TABLE requests_app_request; --", "%s", "stands in for value 1"):
        assert NEWER.instances(since=timezone.now() - timedelta(days=1), title=title) == []


def test_rights_are_read_anew_on_every_page(office: Office, client):
    """A place in a group given or taken, an account closed: the very next page knows."""
    person = office.specialist
    client.force_login(person)
    queue = f"/queues/{office.group.slug}/pending/"
    assert queue in client.get("/search/").content.decode()
    person.memberships.all().delete()
    assert queue not in client.get("/search/").content.decode()
    assert client.get(queue).status_code == 404
    MembershipFactory(user=person, group=office.group)
    assert queue in client.get("/search/").content.decode()
    get_user_model().objects.filter(pk=person.pk).update(is_active=False)
    assert client.get("/search/").status_code == 302


def test_the_frame_is_the_person_s_own(office: Office, client):
    """What is drawn once for one person is not shown to another (rights, name, token)."""
    for user, takes_in in ((office.rep, True), (office.billing, False), (office.rep, True)):
        client.force_login(user)
        page = client.get("/search/").content.decode()
        assert str(user) in page
        assert ('href="/requests/new/"' in page) is takes_in
        assert ('href="/mail/"' in page) is takes_in


def test_saved_filters_are_one_s_own_and_of_the_page(office: Office, client):
    SavedFilter.objects.create(user=office.rep, page="/requests/", name="Mine", query="q=a")
    SavedFilter.objects.create(user=office.rep, page="/billing/", name="Elsewhere", query="q=a")
    SavedFilter.objects.create(user=office.rep2, page="/requests/", name="Theirs", query="q=b")
    client.force_login(office.rep)
    page = client.get("/requests/")
    assert [(f.name, f.query) for f in page.context["saved_filters"]] == [("Mine", "q=a")]


def test_the_frame_costs_two_questions(office: Office, client):
    """Who it is, with their places; and what waits: nothing more before a page begins."""
    for user in (office.rep, office.specialist, office.auditor):
        client.force_login(user)
        client.get("/search/")
        with CaptureQueriesContext(connection) as seen:
            client.get("/search/")
        assert len(seen.captured_queries) <= 2, [q["sql"] for q in seen.captured_queries]
