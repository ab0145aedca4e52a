"""What people do in discovery, with proposals and with parts; found by the registry."""

from discovery import sections
from discovery.actions import corrections, discovery, parts, proposals, undoing

__all__ = ["corrections", "discovery", "parts", "proposals", "sections", "undoing"]
