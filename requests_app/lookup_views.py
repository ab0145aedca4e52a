"""What a box that looks a name up is told while somebody types."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.views.decorators.http import require_GET

from requests_app.lookup import KINDS, SHOWN, label, matching
from requests_app.views import plain_text_only


@login_required
@plain_text_only
@require_GET
def names(request: HttpRequest, what: str) -> HttpResponse:
    """Names that fit what has been typed so far, for the box's list."""
    if what not in KINDS:
        raise Http404
    box = request.htmx.trigger_name or what  # type: ignore[attr-defined]
    rows = matching(what, request.user, request.GET.get(box, ""))
    if what == "contact":
        rows = rows.filter(agency=_number(request.GET.get("of", "")))
    options = ((label(what, row),) for row in rows[:SHOWN])
    return HttpResponse(format_html_join("", '<option value="{}">', options))


def _number(text: str) -> int:
    """A key as it stands in an address; one that nothing has where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
