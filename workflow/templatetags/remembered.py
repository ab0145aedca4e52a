"""Pieces of a page that are drawn once for the same facts: rows and cards of the lists.

What is drawn is looked up by everything it shows, so a piece is never out of date: other facts
are another piece. A process keeps the last few thousand of them.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from threading import Lock
from typing import Any

from django import template
from django.db.models import Model
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from workflow import clock

register = template.Library()
MOST, MOST_CHARACTERS = 3000, 4_000_000
TOKEN = "csrf-token-of-this-page"  # noqa: S105 - a place holder, replaced by the page's own


class Kept:
    """The pieces used last, within a bound for their number and for their size."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[bytes, str] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> str | None:
        """The piece of this key, if it is still there."""
        digest = _digest(key)
        with self._lock:
            piece = self._pieces.get(digest)
            if piece is not None:
                self._pieces.move_to_end(digest)
            return piece

    def keep(self, key: Hashable, piece: str) -> str:
        """Keep a piece, and let go of those that were not used for longest."""
        with self._lock:
            self._size += len(piece) - len(self._pieces.pop(_digest(key), ""))
            self._pieces[_digest(key)] = piece
            while len(self._pieces) > MOST or self._size > MOST_CHARACTERS:
                self._size -= len(self._pieces.popitem(last=False)[1])
        return piece


def _digest(key: Hashable) -> bytes:
    return blake2b(repr(key).encode(), digest_size=20).digest()


def mark_of(*facts: Any) -> str:
    """A short mark of many facts, for what is looked up by them more than once."""
    return _digest(facts).hex()


kept = Kept()


@register.filter
def facts(row: Any) -> Hashable:
    """All that was read of a row, with what was read beside it (agency, service, forecast); of
    rows that know their facts, one or many, these."""
    return _facts(row, set())


def _facts(value: Any, seen: set[int]) -> Hashable:
    if isinstance(value, Model):
        if id(value) in seen:
            return None
        seen.add(id(value))
        own = (_facts(v, seen) for k, v in value.__dict__.items() if k[0] != "_")
        beside = (_facts(one, seen) for one in value._state.fields_cache.values())
        return (*own, *beside)
    if isinstance(value, list | tuple):
        return tuple(_facts(one, seen) for one in value)
    if isinstance(value, dict | set):
        return repr(value)
    return getattr(value, "facts", value)  # type: ignore[no-any-return]


@register.tag
def remembered(parser: template.base.Parser, token: template.base.Token) -> "Remembered":
    """`{% remembered row|facts may_edit %} ... {% endremembered %}`: name all that it depends on.

    The day and the language count of themselves; the token of forms is filled in afterwards.
    """
    _, *words = token.split_contents()
    nodes = parser.parse(("endremembered",))
    parser.delete_first_token()
    made = [parser.compile_filter(word) for word in words]
    return Remembered(nodes, made, f"{token.lineno} {token.contents}")


def once(key: Hashable, token: Any, draw: Callable[[], str]) -> SafeString:
    """The piece of this key with this page's token of forms; `draw` draws it with `TOKEN`."""
    whole = (key, get_language(), clock.today())
    piece = kept.get(whole)
    if piece is None:
        piece = kept.keep(whole, draw())
    if TOKEN in piece:
        piece = piece.replace(TOKEN, str(token or ""))
    return mark_safe(piece)  # noqa: S308 - drawn by a template, escaped there


class Remembered(template.Node):
    """Draws its piece, or takes the one that was drawn for the same facts."""

    def __init__(self, nodelist: template.NodeList, words: list[Any], place: str) -> None:
        self.nodelist, self.words, self.place = nodelist, words, place

    def render(self, context: template.Context) -> SafeString:
        values = tuple(word.resolve(context) for word in self.words)
        key = (self.origin.name, self.place, values)
        return once(key, context.get("csrf_token"), lambda: self._draw(context))

    def _draw(self, context: template.Context) -> str:
        with context.push(csrf_token=TOKEN):
            return self.nodelist.render(context)
