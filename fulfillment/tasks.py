"""What fulfillment does by the clock."""

from celery import shared_task

from fulfillment import forecasting


@shared_task
def refresh_forecasts() -> int:
    """Forecast what changed since, or is a day old; bounded, the rest comes a minute later (F1).

    Running it twice at once writes the same numbers twice.
    """
    return forecasting.refresh()
