"""Rows that stay as they were read, until somebody asks for more than a column."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from requests_app.models import Request
from tests import walk
from tests.factories import Office
from workflow.drawn import read_drawn

pytestmark = pytest.mark.django_db


def read(office: Office) -> list:
    rows = Request.objects.order_by("pk").select_related("agency", "specialist", "service")
    return read_drawn("rows", rows=rows, pks=rows.values_list("pk"))["rows"]


def test_a_row_says_of_its_columns_what_its_instance_says(office: Office) -> None:
    request = walk.to_assigned(office)
    request.refresh_from_db()
    (row,) = read(office)
    for field in Request._meta.concrete_fields:
        assert getattr(row, field.attname) == getattr(request, field.attname), field.attname


def test_it_becomes_an_instance_with_what_was_read_beside_it(office: Office) -> None:
    request = walk.to_assigned(office)
    (row,) = read(office)
    with CaptureQueriesContext(connection) as seen:
        assert (row.agency, row.specialist) == (office.agency, office.specialist)
        assert row.get_absolute_url() == request.get_absolute_url()
        assert row.made is row.made
    assert len(seen) == 0


def test_other_facts_are_other_facts(office: Office) -> None:
    request = walk.to_assigned(office)
    before, again = read(office)[0].facts, read(office)[0].facts
    assert before == again
    Request.objects.filter(pk=request.pk).update(title="Another title")
    assert read(office)[0].facts != before
