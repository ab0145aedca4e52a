"""`manage.py send_pending`: send what is due now, without a worker."""

from typing import Any

from django.core.management.base import BaseCommand

from notifications.delivery import sweep


class Command(BaseCommand):
    help = "Send the notices that are due."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while sent := sweep():
            total += sent
        self.stdout.write(f"{total} notices tried.")
