"""What people see when something behind the program fails."""

import sys

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

AGAIN_S = 10
AWAY = ("08", "53", "57P")
"""SQLSTATEs of a database that cannot be reached, has no room for us, or goes down."""

AWAY_SAID = "The database cannot be reached just now. Nothing was changed: please try again."


def is_away(error: BaseException | None) -> bool:
    """Whether it comes from a database that is not there now; says nothing about what was asked.

    A connection that is refused or breaks off has no SQLSTATE at all.
    """
    seen = 0
    while error is not None and seen < 10:
        talk = isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError
        if talk:
            told = error.__cause__
            code = getattr(told, "pgcode", None)
            if told is not None and (code is None or code.startswith(AWAY)):
                return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def failed(request: HttpRequest) -> HttpResponse:
    """The page for an error of ours; 503 with a sentence while the database is away (TB11, TB12).

    Needs no database itself.
    """
    away = is_away(sys.exc_info()[1])
    if request.path.startswith("/api/"):
        said = AWAY_SAID if away else "Something went wrong on our side."
        answer: HttpResponse = JsonResponse({"detail": said}, status=503 if away else 500)
    elif away:
        again = request.get_full_path() if request.method == "GET" else ""
        answer = HttpResponse(render_to_string("503_away.html", {"again": again}), status=503)
    else:
        answer = server_error(request)
    if away:
        answer["Retry-After"] = str(AGAIN_S)
        answer["Cache-Control"] = "no-store"
    return answer
