"""Readings: several querysets as one statement that is written and planned once."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from requests_app.models import Request
from tests import walk
from tests.factories import Office
from workflow import clock, prepared, statements
from workflow.models import User
from workflow.prepared import HowMany, Reading, read
from workflow.statements import AmongValues
from workflow.two_lists import page_of_two

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_group(request: Any) -> Any:
    """A reading of the requests of some groups since a moment."""
    name = f"test_{abs(hash(request.node.name))}"

    def sets(groups: Any, state: Any, since: Any, day: Any) -> dict[str, Any]:
        rows = Request.objects.filter(AmongValues("provider_group", groups), created_at__gte=since)
        rows = rows.select_related("agency", "specialist").order_by("pk")
        return {
            "rows": rows,
            "states": rows.order_by("state").values_list("state").annotate(n=Count("pk")),
            "number": User.objects.filter(pk=state).values_list(HowMany(rows, 2)),
            "late": rows.filter(needed_by__lt=day).values_list("pk", "needed_by", "created_at"),
            "none": rows.filter(pk__in=[]),
        }

    kinds = {"groups": list, "state": int, "since": datetime, "day": date}
    made = Reading(sets, kinds, name)
    yield made
    prepared._names.discard(made.name)
    known = statements._planned.get(connection.connection, set())
    if made.name in known:
        known.discard(made.name)
        with connection.cursor() as cursor:
            cursor.execute(f"DEALLOCATE {made.name}")


def test_a_reading_gives_what_its_querysets_give(office: Office, by_group: Any) -> None:
    """Instances with what they select along, tuples, counts up to a bound; for other values
    other rows; by one statement."""
    one, two, three = (walk.to_pending(office) for _ in range(3))
    mine = walk.to_assigned(office)
    tomorrow = clock.today() + timedelta(days=1)
    Request.objects.filter(pk=two.pk).update(needed_by=clock.today())
    group, person = office.group.pk, office.rep.pk
    long_ago = clock.now() - timedelta(days=1)
    found = by_group(groups=[group], state=person, since=long_ago, day=tomorrow)
    assert found["rows"] == [one, two, three, mine]
    assert found["states"] == [("assigned", 1), ("pending", 3)]
    assert found["number"] == [(2,)], "counted no further"
    two.refresh_from_db()
    assert found["late"] == [(two.pk, two.needed_by, two.created_at)]
    assert found["none"] == []
    with CaptureQueriesContext(connection) as seen:
        again = by_group(groups=[group, 0], state=0, since=long_ago, day=clock.today())
        assert again["rows"][3].specialist == office.specialist
        assert again["rows"][0].agency.name == office.agency.name
    assert len(seen) == 1, "prepared before, and what it selects along is there"
    assert (again["number"], again["late"]) == ([], [])
    assert by_group(groups=[], state=person, since=long_ago, day=tomorrow)["rows"] == []
    later = by_group(groups=[group], state=person, since=clock.now(), day=tomorrow)
    assert (later["rows"], later["number"]) == ([], [(0,)])


def test_behind_a_pool_the_text_is_sent_each_time(
    office: Office, by_group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool gives every statement another connection: nothing is prepared there."""
    request = walk.to_pending(office)
    values = {"groups": [office.group.pk], "state": 0, "since": request.created_at,
              "day": clock.today()}  # fmt: skip
    plain = by_group(**values)
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with CaptureQueriesContext(connection) as seen:
        assert by_group(**values) == plain
    assert seen.captured_queries[0]["sql"].startswith("SELECT")


def test_two_readings_of_one_name_are_a_mistake(by_group: Any) -> None:
    with pytest.raises(ValueError, match="already"):
        Reading(by_group.make, by_group.kinds, by_group.name.removeprefix("reading_"))


def test_what_is_known_to_be_empty_is_not_asked_for(office: Office) -> None:
    with CaptureQueriesContext(connection) as seen:
        assert read(rows=Request.objects.none(), more=Request.objects.filter(pk__in=[])) == {
            "rows": [],
            "more": [],
        }
    assert len(seen) == 0


@pytest.mark.parametrize(("number", "expected"), [("1", "012"), ("2", "345"), ("3", "67"),
                                                  ("x", "012"), ("99", "67")])  # fmt: skip
def test_a_page_of_two_lists_goes_from_one_into_the_other(
    office: Office, number: str, expected: str
) -> None:
    """Four of the first list, four of the other, three on a page."""
    made = [office.request(title=f"{n}") for n in range(8)]
    rows = Request.objects.order_by("pk")
    first = rows.filter(pk__in=[req.pk for req in made[:4]])
    rest = rows.filter(pk__in=[req.pk for req in made[4:]])
    page, _ = page_of_two(office.rep, number, first, rest, 3)
    assert "".join(req.title for req in page.object_list) == expected
    assert (page.paginator.count, page.paginator.num_pages) == (8, 3)
