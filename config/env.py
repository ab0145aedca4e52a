"""Readers of environment variables that fail loudly, with the variable's name."""

import os
import re
from typing import Any
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


def database(name: str) -> dict[str, Any]:
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


MAIL_SERVICES = {  # the settings of anymail that user and password of the address stand for
    "brevo": ("BREVO_API_KEY",),
    "mailersend": ("MAILERSEND_API_TOKEN",),
    "mailgun": ("MAILGUN_API_KEY",),
    "mailjet": ("MAILJET_API_KEY", "MAILJET_SECRET_KEY"),
    "mandrill": ("MANDRILL_API_KEY",),
    "postmark": ("POSTMARK_SERVER_TOKEN",),
    "resend": ("RESEND_API_KEY",),
    "sendgrid": ("SENDGRID_API_KEY",),
    "sparkpost": ("SPARKPOST_API_KEY",),
}


def email(name: str, default: str | None) -> dict[str, object]:
    """smtp://user:password@host:port, or smtps:// and smtp+tls:// for encrypted ones.

    anymail+<service>://token@ for a mail service, such as anymail+postmark://token@.
    """
    ports = {"smtp": 25, "smtps": 465, "smtp+tls": 587}
    services = tuple(f"anymail+{service}" for service in MAIL_SERVICES)
    parts = url(name, (*ports, *services), default)
    if parts.scheme in services:
        return _mail_service(name, parts)
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or ports[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
    }


def _mail_service(name: str, parts: SplitResult) -> dict[str, object]:
    service = parts.scheme.removeprefix("anymail+")
    keys = MAIL_SERVICES[service]
    given = [unquote(parts.username or ""), unquote(parts.password or "")][: len(keys)]
    if not all(given):
        wanted = ":".join(key.rpartition("_")[2].lower() for key in keys)
        raise ImproperlyConfigured(f"{name} must be anymail+{service}://{wanted}@.")
    settings: dict[str, object] = {
        f"ANYMAIL_{key}": value for key, value in zip(keys, given, strict=True)
    }
    if service == "mailgun" and parts.hostname:
        settings["ANYMAIL_MAILGUN_SENDER_DOMAIN"] = parts.hostname
    return {"EMAIL_BACKEND": f"anymail.backends.{service}.EmailBackend", **settings}


def imap(name: str) -> dict[str, object]:
    """imaps://user:password@host/FOLDER (or imap+tls://, imap://); nothing where it is not set.

    `?processed=Folder` names where messages go once they are stored.
    """
    ports = {"imaps": 993, "imap+tls": 143, "imap": 143}
    if not os.environ.get(name):
        return {}
    parts = url(name, tuple(ports))
    if not parts.hostname or not parts.username or not parts.password:
        raise ImproperlyConfigured(f"{name} must name a user, a password and a host.")
    return {
        "security": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or ports[parts.scheme],
        "user": unquote(parts.username),
        "password": unquote(parts.password),
        "folder": unquote(parts.path.strip("/")) or "INBOX",
        "processed": dict(parse_qsl(parts.query)).get("processed", "Processed"),
    }


def mail_address(name: str, longest_local: int) -> str:
    """One address, such as requests@host, or nothing; short enough to sign before the @."""
    value = (os.environ.get(name) or "").strip()
    if not value:
        return ""
    local, _, host = value.rpartition("@")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", local) or not re.fullmatch(r"[A-Za-z0-9.-]+", host):
        raise ImproperlyConfigured(f"{name} must be one plain address such as requests@host.")
    if len(local) > longest_local:
        raise ImproperlyConfigured(f"{name} may have {longest_local} characters before the @.")
    return value


def webhook_secret(name: str) -> str:
    """user:password that a mail service gives with each call, or nothing."""
    value = os.environ.get(name) or ""
    user, colon, password = value.partition(":")
    if value and (not user or not colon or len(password) < 16):
        raise ImproperlyConfigured(
            f"{name} must be a user, a colon and a password of 16 or more letters."
        )
    return value
