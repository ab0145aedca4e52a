"""`manage.py archive`: old closed requests leave the working lists, by policy or by hand."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from requests_app import archive


class Command(BaseCommand):
    help = "Archive requests that have been closed for long; nothing of them is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=int,
            metavar="DAYS",
            help="closed for at least so many days; default: ARCHIVE_DAYS",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["older_than"]
        if days is None:
            days = settings.THROUGHLINE["ARCHIVE_DAYS"]
            if not days:
                raise CommandError("ARCHIVE_DAYS is 0: nothing is archived. Say --older-than DAYS.")
        try:
            count = archive.due(days).count()
        except archive.TooEarly as sentence:
            raise CommandError(str(sentence)) from None
        what = f"{count} requests closed for {days} days or more"
        if options["dry_run"]:
            self.stdout.write(f"{what} would be archived.")
            return
        self.stdout.write(f"{what} to archive.")
        done = archive.run(days, tell=self._tell)
        self.stdout.write(self.style.SUCCESS(f"{done} requests archived."))

    def _tell(self, done: int) -> None:
        if done % 1000 == 0:
            self.stdout.write(f"{done} ...")
            self.stdout.flush()
