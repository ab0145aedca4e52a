"""What people do in discovery, with proposals and with parts; found by the registry."""

from discovery import sections
from discovery.actions import discovery, parts, proposals, undoing

__all__ = ["discovery", "parts", "proposals", "sections", "undoing"]
