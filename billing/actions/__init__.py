"""What people do when a request is charged and the ASD follows; importing registers all of it."""

from billing import sections
from billing.actions import cases, charges, effects, services, updates

__all__ = ["cases", "charges", "effects", "sections", "services", "updates"]
