"""Make a token for the API: it is printed once, and only its hash is kept."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflow.models import ApiToken, User
from workflow.tokens import digest_of_token


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="The account that acts.")
        parser.add_argument("--name", default="command line", help="What the token is for.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active account {options['user']}.")
        text = secrets.token_urlsafe(32)
        ApiToken.objects.create(user=user, name=options["name"][:80], digest=digest_of_token(text))
        self.stdout.write(text)
