"""What stands where: counted along two indexes, and the same as counted one by one (F1, F3)."""

import random
from datetime import timedelta
from typing import Any

import pytest

from requests_app.glance import oldest_of, open_work, sum_of
from requests_app.led import late_in
from requests_app.models import Request
from requests_app.own_keys import OwnKeys
from requests_app.represented import represented
from requests_app.states import FULFILLMENT, OPEN, S
from tests import walk
from tests.factories import Office
from workflow import clock

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def scattered(office: Office, number: int = 60) -> None:
    """Requests of the group in every open state, late and early, marked and paused or not."""
    rng = random.Random(5)  # noqa: S311 - which rows, no secrets
    now = clock.now()
    first = walk.to_assigned(office)
    rows = []
    for n in range(number):
        due = now + rng.randrange(-5, 6) * HOUR
        row = Request.objects.get(pk=first.pk)
        row.pk, row.reference = None, f"X-{n}"
        row.state = rng.choice([str(s) for s in OPEN])
        row.due_at = rng.choice([due, due, due, None])
        row.at_risk_at = due - 2 * HOUR if row.due_at else None
        row.overdue = bool(row.due_at and due < now and rng.random() < 0.5)
        row.paused_since = now if rng.random() < 0.2 and not row.overdue else None
        row.priority = rng.randrange(1, 5)
        row.created_at = now - rng.randrange(1, 500) * HOUR
        row.representative = rng.choice([office.rep, None])
        rows.append(row)
    Request.objects.bulk_create(rows)


def plainly(rows: list[Request]) -> tuple[int, int, int]:
    """How many there are, how many are late and how many at risk."""
    stands = [row.standing for row in rows]
    return len(rows), stands.count("late"), stands.count("risk")


def test_every_number_is_the_same_as_counted_one_by_one(office: Office) -> None:
    scattered(office)
    found = open_work([office.group.pk])[office.group.pk]
    for state in map(str, OPEN):
        rows = list(Request.objects.filter(provider_group=office.group, state=state))
        said = tuple(sum_of(found, [state], what) for what in ("count", "late", "risk"))
        assert said == plainly(rows), state
        assert oldest_of(found, state) == min((r.created_at for r in rows), default=None)


def test_what_is_not_counted_to_its_end_is_a_lower_bound_and_says_so(office: Office) -> None:
    scattered(office)
    found = open_work([office.group.pk], 3)[office.group.pk]
    for state in map(str, OPEN):
        rows = list(Request.objects.filter(provider_group=office.group, state=state))
        for what, number in zip(("count", "late", "risk"), plainly(rows), strict=True):
            said = str(sum_of(found, [state], what, 3))
            assert int(said.rstrip("+")) <= number, (state, what)
            if not said.endswith("+") and said != "0":
                assert int(said) == number, (state, what)


def test_late_work_of_a_lead_comes_in_the_order_of_the_rule(office: Office) -> None:
    """Whether the beat has marked it or not."""
    scattered(office)
    late = [r for r in Request.objects.filter(state__in=FULFILLMENT).by_rule() if r.is_overdue]
    assert late
    assert [key[0] for key in late_in([office.group.pk])] == [r.pk for r in late]


def test_a_representative_gets_the_first_by_the_rule(office: Office) -> None:
    """Their own by person and by agency, each once, and what nobody represents in triage."""
    scattered(office)
    Request.objects.filter(reference="X-7").update(review_on=clock.today())
    found = represented([office.rep.pk], [office.agency.pk], [])
    every = Request.objects.open().filter(agency=office.agency).by_rule()
    turns = [S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE, S.BILLING, S.CUSTOMER_NOTICE]
    keys = {name: [key[0] for key in rows] for name, rows in found.items()}
    assert keys["represented"] == [r.pk for r in every.filter(state__in=turns)]
    assert keys["others"] == [r.pk for r in every.exclude(state__in=turns)]
    unassigned = every.filter(state=S.TRIAGE, representative=None)
    assert keys["nobodys_tasks"] == [r.pk for r in unassigned]
    assert keys["review"] == [Request.objects.get(reference="X-7").pk]
    assert represented([], [], []) == dict.fromkeys(found, [])


def test_of_an_agency_that_nobody_represents_what_somebody_represents_is_not_everybodys(
    office: Office,
) -> None:
    scattered(office)
    nobodys = represented([], [], [office.agency.pk])
    mine: Any = Request.objects.open().filter(agency=office.agency, representative=None)
    found = {key[0] for name in ("represented", "others") for key in nobodys[name]}
    assert found == set(mine.values_list("pk", flat=True))
    assert OwnKeys(office.rep).tasks
