"""What people do in discovery, with proposals and with parts; found by the registry."""

from discovery import customer_sections, sections
from discovery.actions import answers, corrections, discovery, parts, proposals, undoing

__all__ = [
    "answers",
    "corrections",
    "customer_sections",
    "discovery",
    "parts",
    "proposals",
    "sections",
    "undoing",
]
