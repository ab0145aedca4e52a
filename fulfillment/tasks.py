"""What fulfillment does by the clock and in the background."""

import logging
import threading
from datetime import timedelta

from celery import shared_task

from fulfillment import forecasting, rolling
from fulfillment.actions import placing
from fulfillment.replan_models import Replan, ReplanState
from workflow import clock

log = logging.getLogger(__name__)
OVERDUE = timedelta(seconds=20)


@shared_task
def refresh_forecasts() -> int:
    """Forecast what changed since, or is a day old; bounded, the rest comes a minute later (F1).

    Running it twice at once writes the same numbers twice.
    """
    return forecasting.refresh()


@shared_task
def make_plan(pk: int) -> None:
    """Make one plan, if it is still wanted and nobody else makes it."""
    placing.make(pk)


@shared_task
def sweep_plans() -> int:
    """Fail what a dead worker left behind, and make what the broker lost; says how many (F2)."""
    placing.give_up_lost()
    waiting = Replan.objects.filter(
        state=ReplanState.QUEUED, asked_at__lt=clock.now() - OVERDUE
    ).order_by("pk")
    return sum(placing.make(pk) for pk in waiting.values_list("pk", flat=True)[:5])


def nudge(pk: int) -> None:
    """Tell a worker, without waiting: a broker that is down costs the person nothing, and the
    sweep makes what was lost on the way."""
    threading.Thread(target=_publish, args=[pk], name="plan", daemon=True).start()


def _publish(pk: int) -> None:
    try:
        make_plan.delay(pk)
    except Exception as error:  # noqa: BLE001 - whatever the broker raises, the sweep makes the plan
        log.warning("broker not reached, the sweep will make plan %s: %s", pk, error)


@shared_task
def roll_in() -> int:
    """Note which requests the 60-day window has reached; twice is once (F2)."""
    return rolling.roll_in()
