"""A mail server hands a message over: `manage.py receive_mail < message.eml`."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error

from requests_app.mail_in.processing import process
from requests_app.mail_in.store import store

TRY_AGAIN = 75  # what mail servers read as: keep it and come back


class Command(BaseCommand):
    help = "Store the message on standard input, then read it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", default="", help="whom the mail server delivered it to")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            message = store(sys.stdin.buffer.read(), source="pipe", envelope_to=options["to"])
        except Error as error:
            self.stderr.write(f"not stored: {error}")
            sys.exit(TRY_AGAIN)
        state = process(message.pk) or message.state
        self.stdout.write(f"message {message.pk}: {state}")
