"""`manage.py import_asd`: services, agencies, contacts and SLAs from CSV, all or nothing."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from asd.importing import NotImported, import_files


class Command(BaseCommand):
    help = (
        "Import services.csv, agencies.csv, contacts.csv and slas.csv from a folder or by name. "
        "Columns and templates: docs/import/. Nothing is written if any row does not do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, help="A folder, or the files.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be made, and make nothing."
        )

    def handle(self, *args: Any, paths: list[Path], dry_run: bool, **options: Any) -> None:
        try:
            report = import_files(paths, dry_run=dry_run)
        except NotImported as refused:
            told = "\n".join(refused.sentences)
            raise CommandError(f"Nothing was imported.\n{told}") from refused
        for line in [*report.lines, "", *report.summary()]:
            self.stdout.write(line)
        self.stdout.write("Nothing was written: a dry run." if dry_run else "Imported.")
