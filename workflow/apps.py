"""The machine: steps, guards, the one door, events, the registry of actions."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WorkflowConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "workflow"

    def ready(self) -> None:
        """Every app says in its `actions.py` what people can do there."""
        autodiscover_modules("actions")
