"""Check the event chains and the invariants over all data; exit 1 with sentences."""

from argparse import ArgumentParser
from itertools import islice
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError

from config.invariants import CHECKS, clocks_move, notices_move, orphan_files
from notifications.models import Notice
from requests_app.models import Attachment, Request
from workflow.models import Event

SHOWN = 50


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--live", action="store_true", help="Workers run: nothing may wait in the outbox (I3)."
        )
        parser.add_argument(
            "--remove-orphans", action="store_true", help="Delete files that no attachment has."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for model in (Request, Event, Notice, Attachment):
            self.stdout.write(f"{model._meta.verbose_name_plural}: {model._base_manager.count()}")
        checks = dict(CHECKS)
        if options["live"]:
            checks["I3 outbox"] = notices_move
            checks["clocks move"] = clocks_move
        wrong: list[str] = []
        for name, check in checks.items():
            found = list(islice(check(), SHOWN))
            self.stdout.write(f"{name}: {'ok' if not found else 'violated'}")
            wrong += found
        self._orphans(remove=options["remove_orphans"])
        if wrong:
            raise CommandError("\n".join(wrong[:SHOWN]))
        self.stdout.write(self.style.SUCCESS("All invariants hold."))

    def _orphans(self, *, remove: bool) -> None:
        """Left over from uploads that were undone: harmless, so they are named, not an error."""
        count = 0
        for path in orphan_files():
            count += 1
            if remove:
                default_storage.delete(path)
        if count:
            done = "removed" if remove else "remove them with --remove-orphans"
            self.stdout.write(f"files of no attachment: {count}; {done}")
