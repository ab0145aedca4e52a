"""What is said to people: the outbox, its templates and their delivery."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "notifications"

    def ready(self) -> None:
        """Mail services tell of returned mails through anymail's signal."""
        from notifications import services

        services.connect()
