"""Forecasts of open requests: written beside the process, shown in words, compared at the end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import translation

from fulfillment import forecast_history, forecasting
from fulfillment.forecast import DONE
from fulfillment.models import Forecast, ForecastTold
from fulfillment.tasks import refresh_forecasts
from requests_app import report_counting
from requests_app.models import Request
from requests_app.report_tables import REPORTS, Figures
from requests_app.states import S
from tests.factories import Office
from tests.walk import do, later, to_assigned, to_awaiting, to_pending, to_scheduled
from workflow import clock


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    forecasting._kept.clear()
    yield
    forecasting._kept.clear()


def finished(office: Office, count: int = 14, days: int = 3) -> None:
    """So many assistance requests that each took some days, one after the other."""
    now = clock.now()
    for n in range(count):
        begin = now - timedelta(days=4 * (count - n) + 6)
        with clock.acting_at(begin):
            request = to_assigned(office)
        with clock.acting_at(begin + timedelta(days=days, hours=n % 5)):
            do(request, "fulfill", office.specialist, resolution="Done and tried out.")


def forecast(request: Request) -> Forecast:
    return Forecast.objects.get(request=request)


def test_without_history_it_says_so_instead_of_a_date(office: Office, client: Client) -> None:
    request = to_pending(office)
    assert refresh_forecasts() == 1
    found = forecast(request)
    assert not found.is_known
    assert "cannot be said yet" in found.in_words()
    assert not ForecastTold.objects.exists()
    client.force_login(office.rep)
    assert "No forecast yet" in client.get(f"/requests/{request.reference}/").content.decode()


def test_with_history_there_is_a_range_and_it_is_told_once(office: Office) -> None:
    finished(office)
    request = to_assigned(office)
    forecasting.refresh()
    found = forecast(request)
    assert found.p50_on is not None
    assert found.p85_on is not None
    assert clock.today() <= found.p50_on <= found.p85_on <= clock.today() + timedelta(days=8)
    assert (found.whose, found.sample) == ("group", 14)
    assert found.in_words().startswith(("Likely by", "Almost certainly by"))
    assert forecasting.refresh() == 0
    assert ForecastTold.objects.filter(request=request).count() == 1


def test_a_change_makes_it_stale_and_the_move_says_why(office: Office) -> None:
    finished(office)
    request = to_assigned(office)
    forecasting.refresh()
    before = forecast(request)
    do(request, "hold", office.specialist, reason="A vendor must deliver.", review_on=later(40),
       waiting_for="vendor")  # fmt: skip
    assert list(forecasting.stale()) == [request]
    forecasting.refresh()
    after = forecast(request)
    assert after.p50_on is not None
    assert after.p50_on >= clock.today() + timedelta(days=39)
    assert (after.moved_because, after.previous_p85_on) == ("held", before.p85_on)
    assert "put on hold" in after.moved_in_words()
    assert after.moved_in_words().startswith("Later than we said before")
    assert ForecastTold.objects.filter(request=request).count() == 1  # the same day, told anew


def test_a_slot_bounds_it(office: Office) -> None:
    finished(office)
    request = to_scheduled(office)
    forecasting.refresh()
    slot = request.schedule_entries.active().get().first_day
    found = forecast(request).p50_on
    assert found is None or found >= slot


def test_a_day_later_it_is_reckoned_anew(office: Office) -> None:
    finished(office)
    request = to_assigned(office)
    forecasting.refresh()
    Forecast.objects.update(computed_at=clock.now() - timedelta(days=1, hours=1))
    assert list(forecasting.stale()) == [request]


def test_promise_and_outcome_are_compared(office: Office) -> None:
    finished(office)
    request = to_assigned(office)
    forecasting.refresh()
    do(request, "fulfill", office.specialist, resolution="Done.")
    forecasting.refresh()
    told = ForecastTold.objects.get(request=request)
    assert told.ended_on == clock.today()
    assert not Forecast.objects.filter(request=request).exists()
    day = clock.today()
    ForecastTold.objects.update(
        told_on=day - timedelta(days=5),
        p50_on=day - timedelta(days=4),
        p85_on=day - timedelta(days=1),
        ended_on=day - timedelta(days=2),
    )
    report_counting.count()
    for who, total in ((office.rep, [1, 0, 0, 1, 100]), (office.stranger, [0, 0, 0, 0, 0])):
        assert REPORTS["forecasts"].read(Figures(who, 12)).total == total


def test_history_is_read_with_holds_loops_and_passes(office: Office) -> None:
    start = clock.now() - timedelta(days=20)
    with clock.acting_at(start):
        request = to_assigned(office)
    with clock.acting_at(start + timedelta(days=1)):
        do(request, "unassign", office.specialist, reason="Too much at once.")
    with clock.acting_at(start + timedelta(days=2)):
        do(request, "hold", office.rep, reason="Budget.", review_on=later(3), waiting_for="budget")
    with clock.acting_at(start + timedelta(days=5)):
        do(request, "resume", office.rep)
        do(request, "take", office.specialist)
    with clock.acting_at(start + timedelta(days=6)):
        do(request, "fulfill", office.specialist, resolution="Done.")
    with clock.acting_at(start + timedelta(days=8)):
        do(request, "reopen", office.rep, reason="Not yet.")
    visits = forecast_history.read(Request.objects.filter(pk=request.pk))
    history = visits.history()
    names = [forecast_history.STEPS[s] for s in history.step]
    assert names == [
        "triage", "pending", "assigned", "pending", "on hold", "pending", "assigned", "triage",
    ]  # fmt: skip
    assert visits.whose == [request.pk, request.pk]
    assert history.then[6] == DONE
    assert history.end[6] - history.start[6] == pytest.approx(1.0, abs=0.01)
    assert history.end[4] - history.start[4] == pytest.approx(3.0, abs=0.01)
    assert np.isinf(history.end[7])
    assert forecast_history.STEPS[history.back[4]] == "pending"
    assert [history.group[n] == 0 for n in (0, 1)] == [True, False]


def test_cancelled_requests_count_as_cut_off_not_as_done(office: Office) -> None:
    request = to_awaiting(office)
    do(request, "cancel", office.rep, reason="Withdrawn.")
    history = forecast_history.read(Request.objects.all()).history()
    assert DONE not in history.then
    assert np.isfinite(history.end).all()


def test_queries_do_not_grow_with_requests(
    office: Office, django_assert_max_num_queries: Any
) -> None:
    finished(office, 12)
    for _ in range(4):
        to_pending(office)
    with django_assert_max_num_queries(14):
        assert forecasting.refresh() == 4


def test_the_customer_reads_it_in_plain_words(office: Office, client: Client) -> None:
    from requests_app.tracking import tracking_url

    request = to_assigned(office)
    Forecast.objects.create(
        request=request, computed_at=clock.now(), sample=40,
        p50_on=clock.today() + timedelta(days=3), p85_on=clock.today() + timedelta(days=9),
        previous_p50_on=clock.today(), previous_p85_on=clock.today() + timedelta(days=4),
        moved_because="grew", moved_at=clock.now(),
    )  # fmt: skip
    address = tracking_url(request, request.contact)
    page = client.get(address[address.index("/track") :], follow=True).content.decode()
    assert "almost certainly by" in page
    assert "because the queue grew" in page
    client.force_login(office.rep)
    staff = client.get(f"/requests/{request.reference}/").content.decode()
    assert "Likely done by" in staff
    assert "From 40 finished requests" in staff
    told = client.get(f"/api/v1/requests/{request.reference}/").json()["forecast"]
    assert told["p85_on"] == (clock.today() + timedelta(days=9)).isoformat()


def test_dates_in_words() -> None:
    day = clock.today().replace(month=12, day=14)
    found = Forecast(p50_on=day, p85_on=day.replace(year=day.year + 1, month=1, day=9))
    if day >= clock.today():
        assert found.in_words() == (
            f"Likely by 14 December; almost certainly by 9 January {day.year + 1}."
        )
    late = Forecast(p50_on=clock.today() - timedelta(days=9), p85_on=clock.today() - timedelta(1))
    assert "longer than we expected" in late.in_words()
    with translation.override("es"):
        assert late.in_words()


def test_the_backtest_of_the_database_says_when_there_is_too_little(office: Office) -> None:
    from django.core.management import CommandError

    with pytest.raises(CommandError, match="no requests"):
        call_command("backtest_forecast")
    to_pending(office)
    with pytest.raises(CommandError, match="Too little history"):
        call_command("backtest_forecast")
    assert Request.objects.get().state == S.PENDING
