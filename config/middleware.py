"""What every answer to a signed-in person gets."""

from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from psycopg2.errors import QueryCanceled

TOO_MUCH = gettext_lazy(
    "This asks for more than can be found in reasonable time. Narrow it, and try once more."
)


class PrivatePages:
    """Nothing a signed-in person sees may lie in a cache (a shared desk, a back button)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store, private"
        return response


class BoundedCost:
    """What the database gave up after its time is answered by a sentence, not by a crash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503: the same may do at a quieter time."""
        if not isinstance(error, OperationalError) or not isinstance(
            error.__cause__, QueryCanceled
        ):
            return None
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": TOO_MUCH, "code": "too_much"}, status=503)
        return render(request, "503.html", {"sentence": TOO_MUCH}, status=503)
