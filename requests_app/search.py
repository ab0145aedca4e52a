"""One search box: a reference goes straight to its request, words find what one may see."""

import re
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import IntegerField, Q, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from asd.models import Agency, Contact
from requests_app.models import Request, RequestQuerySet
from requests_app.querysets import said, stretch_begin, words_of
from requests_app.rows import read
from requests_app.views import plain_text_only
from workflow.models import User

SHOWN = 25
LATELY = 2  # whole stretches of time before this one, in which the newest are looked for first
LONGEST = 100
NAMES = 40  # agencies and contacts whose names are taken for what was meant
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


def by_words(user: User, text: str) -> list[int]:
    """The newest with every word in the title, the reference, the agency's or the contact's name:
    the keys of those shown, and of one more.

    A word that many have is looked for in what was created lately; what is older is read only
    where that was not enough.
    """
    words = words_of(text)
    if not words:
        return []
    names = list(zip(("agency__in", "contact__in"), _named(words), strict=True))
    rows = Request.objects.visible_to(user).order_by("-created_at", "-pk")

    def meant(word: str, since: datetime | None = None) -> Q:
        when = {"created_at__gte": since} if since else {}
        condition = Q(said(word, since))
        for column, found in names:
            if found.get(word):
                condition |= Q(**{column: found[word]}, **when)
        return condition

    since = stretch_begin(LATELY)
    newest = _first(rows.filter(*(meant(word, since) for word in words)))
    return newest if len(newest) > SHOWN else _first(rows.filter(*map(meant, words)))


def _named(words: list[str]) -> list[dict[str, list[int]]]:
    """By word, the agencies and the contacts whose names have it; those with the most of the
    words come first."""
    any_word = Q()
    for word in words:
        any_word |= Q(name__icontains=word)
    named: tuple[Any, Any] = (Agency, Contact)
    agencies, contacts = (
        model.objects.filter(any_word)
        .order_by("name")
        .values_list(Value(number, output_field=IntegerField()), "pk", "name")[:1000]
        for number, model in enumerate(named)
    )
    found = list(agencies.union(contacts, all=True))
    return [_near([row[1:] for row in found if row[0] == number], words) for number in (0, 1)]


def _near(found: list[Any], words: list[str]) -> dict[str, list[int]]:
    found.sort(key=lambda row: row[1])
    counted = sorted(found, key=lambda row: -sum(w.casefold() in row[1].casefold() for w in words))
    near = counted[:NAMES]
    return {w: [pk for pk, name in near if w.casefold() in name.casefold()] for w in words}


def alike(user: User, text: str) -> RequestQuerySet:
    """Open requests with titles like the text, where a letter is wrong; the nearest first."""
    return (
        Request.objects.visible_to(user)
        .open()
        .filter(title__trigram_word_similar=text)
        .annotate(near=TrigramWordSimilarity(text, "title"))
        .order_by("-near", "-pk")
    )


def _first(rows: RequestQuerySet) -> list[int]:
    """The keys of those shown, and of one more."""
    return list(rows.values_list("pk", flat=True)[: SHOWN + 1])


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
    context: dict[str, Any] = {"q": text, "cut": cut}
    if text:
        keys = by_words(user, text)
        if not keys and words_of(text):
            keys = _first(alike(user, text))[:SHOWN]
            context["alike"] = bool(keys)
        context |= {"found": read(keys[:SHOWN]), "more": len(keys) > SHOWN}
    return render(request, "search.html", context)
