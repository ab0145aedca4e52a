"""How dates, hours and money are said on pages, and how cells leave as CSV."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from requests_app.models import Request
from workflow import clock
from workflow.exports import cell, csv_response
from workflow.templatetags.throughline import hours, money, number, when

MONDAY = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday():
    with clock.acting_at(MONDAY):
        yield


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (date(2026, 11, 30), "today"),
        (datetime(2026, 11, 30, 20, 5, tzinfo=UTC), "today 14:05"),
        (date(2026, 12, 1), "Tue 1 Dec, tomorrow"),
        (date(2026, 12, 2), "Wed 2 Dec, in 2 working days"),
        (date(2026, 12, 7), "Mon 7 Dec, in 5 working days"),
        (date(2026, 11, 29), "Sun 29 Nov, yesterday"),
        (date(2026, 11, 28), "Sat 28 Nov, 1 working day ago"),
        (date(2026, 11, 25), "Wed 25 Nov, 1 working day ago"),
        (date(2027, 1, 4), "Mon 4 Jan 2027, in 23 working days"),
    ],
)
def test_when_says_the_date_and_the_working_days(value, said):
    """F1: Thanksgiving, the day after, Christmas and New Year are no working days."""
    assert when(value) == said


def test_when_counts_plain_days_where_a_weekend_has_no_working_day():
    with clock.acting_at(datetime(2026, 12, 4, 18, 0, tzinfo=UTC)):
        assert when(date(2026, 12, 6)) == "Sun 6 Dec, in 2 days"
    with clock.acting_at(datetime(2026, 12, 6, 18, 0, tzinfo=UTC)):
        assert when(date(2026, 12, 4)) == "Fri 4 Dec, 2 days ago"


def test_when_takes_the_local_day_of_a_moment():
    """Half past midnight UTC is still yesterday evening in the office."""
    assert when(datetime(2026, 12, 2, 0, 30, tzinfo=UTC)) == "Tue 1 Dec, tomorrow"


def test_hours_and_money_are_short_and_exact():
    assert hours(Decimal("3.50")) == "3.5 h"
    assert hours(Decimal("10.00")) == "10 h"
    assert hours(None) == ""
    assert money(Decimal("1250")) == "USD 1,250.00"
    assert money(Decimal("0.5"), "EUR") == "EUR 0.50"
    assert number(1234) == "1,234"
    assert number(Decimal("1234.5")) == "1,234.50"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ""),
        ({"due_at": None, "at_risk_at": None}, ""),
        ({"at_risk_at": datetime(2026, 11, 30, tzinfo=UTC)}, "risk"),
        ({"due_at": datetime(2026, 11, 29, tzinfo=UTC)}, "late"),
        ({"due_at": datetime(2026, 11, 29, tzinfo=UTC), "paused_since": MONDAY}, "paused"),
        ({"due_at": datetime(2026, 11, 29, tzinfo=UTC), "closed_at": MONDAY}, "done"),
    ],
)
def test_a_request_knows_how_it_stands(values, said):
    """F1, X1: nothing is late while its clock stands."""
    target = {
        "due_at": datetime(2026, 12, 31, tzinfo=UTC),
        "at_risk_at": datetime(2026, 12, 20, tzinfo=UTC),
    }
    assert Request(**{**target, **values}).standing == said


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", " =", "\n="]
)
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote(start):
    """TC07."""
    assert cell(f"{start}cmd|'/c calc'!A0") == f"'{start}cmd|'/c calc'!A0"


def test_numbers_stay_numbers_in_csv():
    """TC07: a negative amount is no formula."""
    assert cell(-5) == -5
    assert cell(Decimal("-5.50")) == Decimal("-5.50")
    assert cell(None) == ""
    assert cell(datetime(2026, 11, 30, 20, 5, tzinfo=UTC)) == "2026-11-30 14:05"


def test_csv_streams_rows_that_parse_back():
    rows = [{"name": 'Ann "A", Ltd\nTwo', "sum": -3}, {"name": "=1+1", "sum": 4}]
    response = csv_response(rows, [("Name", "name"), ("Sum", lambda row: row["sum"])], "x.csv")
    assert response.streaming
    assert response["Content-Disposition"] == 'attachment; filename="x.csv"'
    text = b"".join(response).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["Name", "Sum"],
        ['Ann "A", Ltd\nTwo', "-3"],
        ["'=1+1", "4"],
    ]
