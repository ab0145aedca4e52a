"""What people do while a request is fulfilled; importing registers all of it."""

from fulfillment import sections
from fulfillment.actions import effects, plan, queue, schedule, testing

__all__ = ["effects", "plan", "queue", "schedule", "sections", "testing"]
