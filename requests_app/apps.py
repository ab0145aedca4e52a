"""The spine: the request, its process, its CRM case."""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "requests_app"

    def ready(self) -> None:
        """Mail services push inbound mail through anymail's signal."""
        from requests_app.mail_in import webhooks

        webhooks.listen()
