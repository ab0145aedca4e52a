"""What other apps bring along to the customer's page of a request.

The spine knows no proposals: whoever has something for the customer registers it here, in its
`actions` package, and the tracking page shows it. What waits for the customer is `urgent`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests_app.case_models import TrackingToken
    from requests_app.models import Request

# Called with the request and whoever looks (None in the preview for staff).
Content = Callable[["Request", "TrackingToken | None"], "dict[str, Any] | None"]


@dataclass(frozen=True)
class CustomerSection:
    """A part of the customer's page: on top while it waits for them, else below."""

    name: str
    template: str
    content: Content
    order: int
    urgent: bool


@dataclass(frozen=True)
class Shown:
    """A section with what it shows to this visitor."""

    name: str
    template: str
    content: dict[str, Any]
    urgent: bool


_sections: list[CustomerSection] = []


def customer_section(
    name: str, *, template: str, order: int = 50, urgent: bool = False
) -> Callable[[Content], Content]:
    """Register a section. The function returns what its template shows, or None to show nothing.

    The template is included with the content as `section` beside the page's own context (`req`,
    `visitor`, `preview`).
    """

    def register(content: Content) -> Content:
        _sections.append(CustomerSection(name, template, content, order, urgent))
        _sections.sort(key=lambda s: s.order)
        return content

    return register


def sections_for(request: "Request", visitor: "TrackingToken | None") -> list[Shown]:
    """The sections that have something to show, in page order."""
    found = ((s, s.content(request, visitor)) for s in _sections)
    return [Shown(s.name, s.template, c, s.urgent) for s, c in found if c is not None]
