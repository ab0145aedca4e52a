"""Addresses that are keys do not belong in logs: what opens a customer's page is left out."""

import logging
import re
from typing import Any

from gunicorn.glogging import Logger

KEYS = re.compile(r"/(track|unsubscribe|new/confirm)/(?!\s|$)[^\s/?\"']+")


def without_keys(text: str) -> str:
    """The text with the secret part of such addresses replaced."""
    return KEYS.sub(r"/\1/[left out]", text)


class WithoutKeys(logging.Filter):
    """For handlers: whatever message comes, its keys stay out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; drops none."""
        said = record.getMessage()
        clean = without_keys(said)
        if clean != said:
            record.msg, record.args = clean, ()
        return True


class AccessLog(Logger):
    """Gunicorn's log (--logger-class config.logs.AccessLog)."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        """What a line of the access log is made of: paths, request line and referrer cleaned."""
        found: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        return {k: without_keys(v) if isinstance(v, str) else v for k, v in found.items()}
