"""The public form `/new/`: ask, confirm by mail, and be led to the tracking page (X10)."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from requests_app import public_intake
from requests_app.public_forms import PublicIntakeForm, agencies_like, services_like
from requests_app.public_models import PublicForm
from requests_app.tracking import tracking_url
from requests_app.views import plain_text_only
from workflow.client import client_address

COOKIE = "confirm"
CONFIRM = "/new/confirm/"


def _private(response: HttpResponse, referrer: str = "same-origin") -> HttpResponse:
    """Nothing of this may lie in a cache, and no address goes on to another site.

    A page with a form tells our own site where it is, else browsers send no origin with the form.
    """
    response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = referrer
    return response


def _page(request: HttpRequest, name: str, status: int = 200, **context: Any) -> HttpResponse:
    context["LANGUAGE_CODE"] = get_language()  # else the frame takes it for a page of the staff
    return _private(render(request, f"intake/{name}.html", context, status=status))


# /new/


@plain_text_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; what is wrong stands beside its field and nothing typed is lost."""
    switch = PublicForm.current()
    if not switch.is_open:
        return _page(request, "closed", 404, note=switch.closed_note)
    if request.method != "POST":
        return _page(request, "new", form=PublicIntakeForm())
    if "find" in request.POST:
        kept = {name: request.POST.get(name, "") for name in PublicIntakeForm.base_fields}
        return _page(request, "new", form=PublicIntakeForm(initial=kept))
    form = PublicIntakeForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            public_intake.submit(address=client_address(request), **form.facts())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request, _("We have sent a message to %s.") % form.cleaned_data["email"]
            )
            return redirect("requests_public_sent")
    again = [f.name for f in request.FILES.getlist("files")]
    return _page(request, "new", 422, form=form, again=again)


@plain_text_only
@require_safe
def agencies(request: HttpRequest) -> HttpResponse:
    """The agencies that match what is typed, as a list to choose from."""
    form = PublicIntakeForm(initial=request.GET.dict())
    return _page(request, "_agencies", form=form, found=agencies_like(form.said("agency_search")))


@plain_text_only
@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """The services that match what is typed, as a list to choose from."""
    form = PublicIntakeForm(initial=request.GET.dict())
    found = services_like(form.said("service_search"))
    return _page(request, "_services", form=form, found=found)


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """Look into your mail: the same page whoever the address belongs to."""
    return _page(request, "sent")


# /new/confirm/


@require_safe
def confirm_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: its token moves into a cookie and out of the address at once."""
    response = redirect(CONFIRM)
    response.set_cookie(
        COOKIE,
        token[:100],
        max_age=3600,
        path=CONFIRM,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )
    return _private(response, "no-referrer")


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Asks once more: opening the link decides nothing, for mail scanners open links too."""
    token = request.COOKIES.get(COOKIE, "")
    if request.method == "POST":
        made = public_intake.confirm(token)
        if made is not None:
            return _private(redirect(tracking_url(made, made.contact)))
        return _page(request, "unknown", 404)
    intake = public_intake.find(token) if token else None
    if intake is None:
        return _page(request, "unknown", 404)
    return _page(request, "confirm", intake=intake)
