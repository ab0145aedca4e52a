"""The API's common ground: plain input, once only, and how it says no."""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request as ApiRequest
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import exception_handler

from workflow import clock
from workflow.machine import Refused
from workflow.models import ApiCall
from workflow.registry import InvalidFacts

NUL = "\x00"


class Pages(PageNumberPagination):
    """Numbered pages; the caller may ask for up to 100 rows."""

    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = 100


class PlainInput:
    """Mixed into every view: a NUL byte in what is sent is a 400, never a crash of the database."""

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        sent = (dict(request.query_params.lists()), kwargs, _plain(request.data))
        if any(NUL in text for text in _texts(sent)):
            raise ValidationError({"detail": "NUL characters cannot be stored: leave them out."})


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _plain(data: Any) -> Any:
    """Parsed data as plain dicts and lists."""
    return dict(data.lists()) if hasattr(data, "lists") else data


def once(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Honour `Idempotency-Key` on a POST: the same call again gets the first answer, done once.

    The claim, the work and the answer are one transaction: a second call waits at the unique key
    until the first is through. Answers that changed nothing are not kept; the next try is new.
    """

    @wraps(handler)
    def wrapper(view: Any, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "").strip()
        if not key:
            return handler(view, request, *args, **kwargs)
        if len(key) > 120:
            raise ValidationError({"Idempotency-Key": ["At most 120 characters."]})
        return _answer_once(key, request, lambda: handler(view, request, *args, **kwargs))

    wrapper.honours_idempotency_key = True  # type: ignore[attr-defined]
    return wrapper


def _answer_once(key: str, request: ApiRequest, work: Callable[[], Response]) -> Response:
    claim = ApiCall(
        user=request.user,
        key=key,
        path=request.path[:300],
        fingerprint=_fingerprint(request),
        status=0,
        body={},
        at=clock.now(),
    )
    with transaction.atomic():
        ApiCall.objects.bulk_create([claim], ignore_conflicts=True)
        call = ApiCall.objects.get(user=request.user, key=key)
        if call.status:  # somebody's finished answer; an unfinished one is only ever our own
            return _answer_again(call, claim)
        answer = work()
        call.status = answer.status_code
        call.body = json.loads(json.dumps(answer.data, cls=JSONEncoder))
        call.save(update_fields=["status", "body"])
    return answer


def _answer_again(call: ApiCall, claim: ApiCall) -> Response:
    if (call.path, call.fingerprint) != (claim.path, claim.fingerprint):
        return Response(
            {
                "detail": "This Idempotency-Key was used for another call: choose a new one.",
                "code": "key_reused",
            },
            status.HTTP_422_UNPROCESSABLE_ENTITY,
        )
    return Response(call.body, call.status, headers={"Idempotent-Replay": "true"})


def _fingerprint(request: ApiRequest) -> str:
    """SHA-256 over what was sent, files included, whatever the order of the fields."""
    files = {
        name: [_digest_of_file(upload) for upload in many]
        for name, many in request.FILES.lists()  # type: ignore[attr-defined]
    }
    data = _plain(request.data)
    words = {k: v for k, v in data.items() if k not in files} if isinstance(data, dict) else data
    body = json.dumps([request.method, words, files], sort_keys=True, default=str)
    return hashlib.sha256(body.encode()).hexdigest()


def _digest_of_file(upload: Any) -> list[str]:
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    upload.seek(0)
    return [upload.name, digest.hexdigest()]


def answer_for(exc: Exception, context: dict[str, Any]) -> Response | None:
    """How the API says no: 409 with the process's sentence, 400 by field, 403, 404."""
    if isinstance(exc, Refused):
        return Response(
            {"detail": str(exc), "code": exc.code, "sentences": list(exc.sentences)},
            status.HTTP_409_CONFLICT,
        )
    if isinstance(exc, InvalidFacts):
        return Response(_by_field(exc.form), status.HTTP_400_BAD_REQUEST)
    if isinstance(exc, DjangoValidationError):
        exc = ValidationError(serializers.as_serializer_error(exc))
    if type(exc) is LookupError:  # not KeyError and IndexError: those are mistakes of ours
        return Response({"detail": "There is no such action."}, status.HTTP_404_NOT_FOUND)
    return exception_handler(exc, context)


def _by_field(form: forms.Form) -> dict[str, list[str]]:
    return {
        "non_field_errors" if name == "__all__" else name: [str(text) for text in errors]
        for name, errors in form.errors.items()
    }
