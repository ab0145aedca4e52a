"""One search box: a reference goes straight to its request, words find what one may see."""

import re
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import Q
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from requests_app.filters import with_current_customer
from requests_app.models import Request, RequestQuerySet
from requests_app.states import CLOSED_STATES
from requests_app.views import plain_text_only
from workflow.models import User
from workflow.paging import page_of

PER_PAGE = 25
LONGEST = 100
ALIKE = 0.5
REFERENCE = re.compile(r"(REQ|CASE|PRO|BIL)[\s-]*(\d{4})[\s-]*(\d{1,9})", re.IGNORECASE)
BELONGS_TO = {
    "REQ": "reference",
    "CASE": "case__reference",
    "PRO": "proposals__reference",
    "BIL": "billing_cases__reference",
}


def by_reference(user: User, text: str) -> Request | None:
    """The request that a spoken reference of any of its records leads to, if one may see it."""
    found = REFERENCE.fullmatch(text)
    if found is None:
        return None
    prefix, year, number = found[1].upper(), found[2], int(found[3])
    name = f"{prefix}-{year}-{number:06d}"
    return Request.objects.visible_to(user).filter(**{BELONGS_TO[prefix]: name}).first()


def by_words(user: User, text: str) -> RequestQuerySet:
    """By title, reference, agency or contact, also where a letter is wrong; the nearest first."""
    near = Greatest(
        TrigramWordSimilarity(text, "title"), TrigramWordSimilarity(text, "agency__name")
    )
    said = Q(title__icontains=text) | Q(reference__icontains=text)
    said |= Q(agency__name__icontains=text) | Q(contact__name__icontains=text)
    return (
        Request.objects.visible_to(user)
        .annotate(near=near)
        .filter(said | Q(near__gte=ALIKE))
        .order_by("-near", "-created_at", "-pk")
    )


@login_required
@plain_text_only
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """What the box at the top asks for."""
    text = " ".join(request.GET.get("q", "").split())
    cut, text = len(text) > LONGEST, text[:LONGEST].strip()
    user: Any = request.user
    direct = by_reference(user, text)
    if direct is not None:
        return redirect(direct)
    context = {"q": text, "cut": cut, "closed_states": CLOSED_STATES}
    if text:
        found = with_current_customer(by_words(user, text).for_list())
        context["page"] = page_of(found, request.GET.get("page"), PER_PAGE)
    return render(request, "search.html", context)
