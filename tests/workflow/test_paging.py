"""Lists cost the same however long they are: nothing counts or pages past a thousand."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from workflow.models import User
from workflow.paging import MOST, page_of

pytestmark = pytest.mark.django_db


def people(count):
    User.objects.bulk_create([User(username=f"person-{n}") for n in range(count)])
    return User.objects.filter(username__startswith="person-").order_by("pk")


def test_a_short_list_is_counted_exactly():
    page = page_of(people(3), 1, 2)
    assert (page.paginator.counted, page.paginator.num_pages) == ("3", 2)
    assert not page.paginator.is_capped


def test_a_long_list_is_counted_up_to_a_thousand_only():
    rows = people(MOST + 1)
    with CaptureQueriesContext(connection) as queries:
        page = page_of(rows, 1, 25)
        assert page.paginator.counted == "1,000+"
    assert f"LIMIT {MOST + 1}" in queries[0]["sql"]
    assert "ORDER BY" not in queries[0]["sql"]


@pytest.mark.parametrize("asked", ["999999999", "last", "-3", ""])
def test_no_page_lies_deeper_than_the_cap(asked):
    page = page_of(people(MOST + 30), asked, 25)
    assert page.number <= MOST // 25
    assert page.end_index() <= MOST


def test_what_is_no_query_is_paged_too():
    assert page_of(list(range(30)), 2, 25).object_list == [25, 26, 27, 28, 29]
