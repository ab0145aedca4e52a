"""What customers read, collected from the program itself: templates as the engine parses them and
calls of gettext as Python parses them. `manage.py messages` brings the catalogues up to date."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Engine, engines
from django.template.base import FilterExpression, Node, NodeList, Variable
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils import translation
from django.utils.functional import Promise

from workflow.registry import actions_of

ROOT = Path(settings.BASE_DIR)
# Every file that a customer can come to read, directly or by mail.
TEMPLATES = ("notifications", "tracking", "intake")
PAGES = ("400.html", "403_csrf.html", "404.html", "500.html", "503.html", "503_away.html")
PLACES = ("customer", "proposal-page")  # of actions that customers are offered
CODE = (
    "notifications/*.py",
    "requests_app/tracking*.py",
    "requests_app/public_forms.py",
    "requests_app/public_intake.py",
    "requests_app/public_views.py",
    "requests_app/customer_*.py",
    "requests_app/case_models.py",
    "requests_app/files.py",
    "requests_app/states.py",
    "fulfillment/forecast_models.py",
    "requests_app/mail_in/*.py",
    "discovery/customer_*.py",
    "discovery/actions/answers.py",
    "discovery/answer*.py",
    "workflow/templatetags/throughline.py",
    "config/middleware.py",
)
STAFF_ONLY = ("_log.html",)
CALLS = {"gettext", "gettext_lazy", "_", "__"}
PLURAL = {"ngettext", "ngettext_lazy"}
CONTEXT = {"pgettext", "pgettext_lazy"}


@dataclass(frozen=True)
class Message:
    """One text to be translated; `plural` and `context` are empty where there is none."""

    text: str
    plural: str = ""
    context: str = ""


def for_customers() -> dict[Message, str]:
    """Every message that customers read, with the first file that says it."""
    found: dict[Message, str] = {}
    for path, message in [*_in_templates(), *_in_code(), *_in_actions()]:
        found.setdefault(message, str(path.relative_to(ROOT)))
    return found


def _in_templates() -> Iterator[tuple[Path, Message]]:
    engine: Engine = engines["django"].engine  # type: ignore[attr-defined]
    root = ROOT / "templates"
    paths = [path for folder in TEMPLATES for path in sorted((root / folder).glob("*.*"))]
    for path in [*paths, *(root / name for name in PAGES)]:
        if path.name in STAFF_ONLY:
            continue
        compiled = engine.get_template(str(path.relative_to(root)))
        for message in _in_nodes(compiled.nodelist, set()):
            yield path, message


def _in_nodes(thing: Any, seen: set[int]) -> Iterator[Message]:
    """Whatever a parsed template holds, looked through for what it translates."""
    if isinstance(thing, BlockTranslateNode):
        singular, _ = thing.render_token_list(thing.singular)
        plural, _ = thing.render_token_list(thing.plural) if thing.plural else ("", [])
        yield Message(singular, plural, str(thing.message_context or "").strip("\"'"))
    elif isinstance(thing, TranslateNode):
        said = getattr(thing.filter_expression.var, "literal", None)
        if said is not None:  # else it is a variable, and its text comes from elsewhere
            yield Message(str(said), context=str(thing.message_context or "").strip("\"'"))
    elif isinstance(thing, Variable):
        if thing.translate and isinstance(thing.literal, str):
            yield Message(thing.literal)
    elif isinstance(thing, Promise):  # _("...") handed to a tag or an included template
        with translation.override(None):
            yield Message(str(thing))
    elif isinstance(thing, FilterExpression):
        yield from _in_nodes([thing.var, thing.filters], seen)
    elif isinstance(thing, dict):
        yield from _in_nodes(list(thing.values()), seen)
    if isinstance(thing, NodeList | list | tuple):
        for one in thing:
            yield from _in_nodes(one, seen)
    elif isinstance(thing, Node) and id(thing) not in seen:
        seen.add(id(thing))
        yield from _in_nodes([v for k, v in vars(thing).items() if k != "origin"], seen)


def _in_code() -> Iterator[tuple[Path, Message]]:
    for pattern in CODE:
        for path in sorted(ROOT.glob(pattern)):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield from ((path, message) for message in _in_call(node))


def _in_actions() -> Iterator[tuple[Path, Message]]:
    """What the buttons of customers say, and why one of them may be refused."""
    for made in actions_of("requests_app.request"):
        if made.place in PLACES:
            where = Path(made.run.__code__.co_filename)
            for text in (made.label, *(rule.sentence for rule in made.given)):
                yield where, Message(text)


def _in_call(call: ast.Call) -> Iterator[Message]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    said = [getattr(given, "value", None) for given in call.args]
    if name in CALLS and said and isinstance(said[0], str):
        yield Message(said[0])
    elif name in PLURAL and len(said) > 1:
        yield Message(str(said[0]), plural=str(said[1]))
    elif name in CONTEXT and len(said) > 1:
        yield Message(str(said[1]), context=str(said[0]))
