"""What is written time and again is planned once for a connection; a failure spoils nothing."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from requests_app.models import Link, Request
from tests.factories import Office
from workflow import writing
from workflow.writing import Change, write


def link(office: Office, source: Request) -> Link:
    return Link(source=source, target=office.request(), relation=Link.Relation.RELATED)


def sent(*rows: Link) -> list[str]:
    """How each of these was written: as it is, planned, or as planned before."""
    words = []
    for row in rows:
        with CaptureQueriesContext(connection) as seen:
            write([Change(row)])
        words.append(seen[0]["sql"].split()[0])
        assert Link.objects.get(pk=row.pk).target == row.target
    return words


@pytest.fixture(autouse=True)
def nothing_written_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_times", type(writing._times)())
    monkeypatch.setattr(writing, "_planned", type(writing._planned)())


def test_what_is_written_time_and_again_is_planned(office: Office) -> None:
    source = office.request()
    rows = [link(office, source) for _ in range(writing.SELDOM + 2)]
    assert sent(*rows) == ["WITH"] * writing.SELDOM + ["PREPARE", "EXECUTE"]


def test_no_more_is_planned_than_a_connection_keeps(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST", 0)
    source = office.request()
    assert set(sent(*[link(office, source) for _ in range(writing.SELDOM + 2)])) == {"WITH"}


def test_after_a_failure_it_is_planned_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the plan was made or not before it failed."""
    monkeypatch.setattr(writing, "SELDOM", 0)
    source = office.request()
    first = link(office, source)
    first.save()
    twice = Link(source=source, target=first.target, relation=first.relation)
    with pytest.raises(IntegrityError), transaction.atomic():
        write([Change(twice)])
    assert sent(link(office, source), link(office, source)) == ["PREPARE", "EXECUTE"]


def test_a_text_with_a_percent_sign_is_kept_as_it_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SELDOM", 0)
    source = office.request()
    for text in ("50 % off, %s and %%", "100 %"):
        row = Link(source=source, external=text)
        write([Change(row)])
        assert Link.objects.get(pk=row.pk).external == text
