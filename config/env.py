"""Readers of environment variables that fail loudly, with the variable's name."""

import os
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """A text; without a default it must be there."""
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}.")
    return value


def flag(name: str, default: bool) -> bool:
    """0 or 1, nothing else."""
    value = os.environ.get(name)
    if value in (None, ""):
        return default
    if value not in ("0", "1"):
        raise ImproperlyConfigured(f"{name} must be 0 or 1, not {value!r}.")
    return value == "1"


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [w.strip() for w in os.environ.get(name, default).split(",") if w.strip()]


def database(name: str) -> dict[str, object]:
    """A postgres:// address as Django wants it. PostgreSQL is the only engine."""
    url = urlsplit(text(name))
    if url.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(f"{name} must be a postgres:// address.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
    }


def email(name: str, default: str) -> dict[str, object]:
    """smtp://user:password@host:port, or smtps:// and smtp+tls:// for encrypted ones."""
    url = urlsplit(text(name, default))
    if url.scheme not in ("smtp", "smtps", "smtp+tls"):
        raise ImproperlyConfigured(f"{name} must be an smtp://, smtps:// or smtp+tls:// address.")
    return {
        "EMAIL_HOST": url.hostname or "localhost",
        "EMAIL_PORT": url.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[url.scheme],
        "EMAIL_HOST_USER": unquote(url.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
        "EMAIL_USE_SSL": url.scheme == "smtps",
        "EMAIL_USE_TLS": url.scheme == "smtp+tls",
    }
