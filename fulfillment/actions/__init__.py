"""What people do while a request is fulfilled; importing registers all of it."""

from fulfillment import sections, short_days
from fulfillment.actions import colleague, effects, moving, placing, plan, queue, schedule, testing

__all__ = [
    "colleague",
    "effects",
    "moving",
    "placing",
    "plan",
    "queue",
    "schedule",
    "sections",
    "short_days",
    "testing",
]
