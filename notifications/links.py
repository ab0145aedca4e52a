"""Addresses that are keys: the outbox keeps which key is meant, and the mail carries it.

A context value `scheme:what` of a known scheme becomes an address when the mail is written.
"""

from collections.abc import Callable
from typing import Any

Opener = Callable[[str], str]

KEYS = {"link", "rate", "unsubscribe"}  # what may be one: never what a person typed
_openers: dict[str, Opener] = {}


def opener(scheme: str) -> Callable[[Opener], Opener]:
    """Register the function that makes an address of what stands behind `scheme:`."""

    def register(run: Opener) -> Opener:
        _openers[scheme] = run
        return run

    return register


def opened(context: dict[str, Any]) -> dict[str, Any]:
    """The context of a notice with its addresses in full. Never stored, never logged."""
    return {key: _open(key, value) for key, value in context.items()}


def _open(key: str, value: Any) -> Any:
    if key not in KEYS or not isinstance(value, str):
        return value
    scheme, _, rest = value.partition(":")
    return _openers[scheme](rest) if scheme in _openers else value
