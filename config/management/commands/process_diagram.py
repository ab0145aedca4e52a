"""Print the process as a Mermaid state diagram, from the declarations."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.process_text import diagram, machines
from requests_app.models import Request


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="The smaller machines too.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["all"]:
            self.stdout.write(diagram(Request))
            return
        for model in machines():
            self.stdout.write(f"%% {model._meta.verbose_name}")
            self.stdout.write(diagram(model))
            self.stdout.write("")
