"""Write docs/process.md from its template, the declarations and the docstrings."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.process_numbers import ROOT, table
from config.process_text import diagram, machines, step_table
from requests_app.models import Request

PAGE = ROOT / "docs" / "process.md"
TEMPLATE = ROOT / "docs" / "process.template.md"


def page() -> str:
    """The whole page."""
    small = [
        f"### {model._meta.verbose_name.capitalize()} (`{model.__module__}`)\n\n"
        f"{_block(diagram(model))}\n\n{step_table(model)}"
        for model in machines()
        if model is not Request
    ]
    parts = {
        "numbers": table(),
        "diagram": _block(diagram(Request)),
        "machine": step_table(Request),
        "small": "\n\n".join(small),
    }
    text = TEMPLATE.read_text()
    for name, part in parts.items():
        text = text.replace("{{ " + name + " }}", part)
    return text


def _block(mermaid: str) -> str:
    return f"```mermaid\n{mermaid}\n```"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Exit 1 if the page is stale.")

    def handle(self, *args: Any, **options: Any) -> None:
        fresh = page()
        if not options["check"]:
            PAGE.write_text(fresh)
            self.stdout.write(f"Wrote {PAGE.relative_to(ROOT)}.")
        elif not PAGE.exists() or PAGE.read_text() != fresh:
            raise CommandError("docs/process.md is stale: run manage.py process_docs.")
