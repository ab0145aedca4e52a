"""Readers of environment variables that fail loudly, with the variable's name."""

import os
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

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


def number(name: str, default: int) -> int:
    """A whole number, not negative."""
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [w.strip() for w in (os.environ.get(name) or default).split(",") if w.strip()]


def url(name: str, schemes: tuple[str, ...], default: str | None = None) -> SplitResult:
    """An address with one of these schemes and, where it names a port, a real one."""
    parts = urlsplit(text(name, default))
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in schemes or port == -1:
        # the address itself may hold a password and is not repeated
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} must be an address that begins with {wanted}.")
    return parts


def database(name: str) -> dict[str, object]:
    """A postgres:// address as Django wants it. PostgreSQL is the only engine."""
    parts = url(name, ("postgres", "postgresql"))
    if not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must name a database: postgres://host/database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),  # sslmode=require and the like
    }


def email(name: str, default: str | None) -> dict[str, object]:
    """smtp://user:password@host:port, or smtps:// and smtp+tls:// for encrypted ones."""
    ports = {"smtp": 25, "smtps": 465, "smtp+tls": 587}
    parts = url(name, tuple(ports), default)
    return {
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or ports[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
    }
