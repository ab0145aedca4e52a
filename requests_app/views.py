"""The pages of requests: list, intake, the request itself, its one address for every action."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from asd.models import Agency
from requests_app import customer_page, pages
from requests_app.bulk import BulkForm, carry_out
from requests_app.filters import RequestFilter, with_current_customer
from requests_app.hanging import REQUEST
from requests_app.intake_forms import IntakeForm
from requests_app.models import Attachment, Request
from requests_app.onboarding import take_in_at_the_desk
from requests_app.pages import page_context, print_context, table
from requests_app.rows import listed
from requests_app.states import S
from workflow.acting import act, find_and_lock, lock
from workflow.actors import as_actor
from workflow.exports import csv_response
from workflow.machine import Refused
from workflow.paging import page_of
from workflow.registry import InvalidFacts, actions_of, find, offers, perform, sent_with
from workflow.templatetags.actions import fetched
from workflow.written import Written

PER_PAGE = 25
COLUMNS = [
    ("Reference", "reference"),
    ("Title", "title"),
    ("Agency", "agency.name"),
    ("Current customer", "customer_is_current"),
    ("Kind", "get_kind_display"),
    ("State", "get_state_display"),
    ("Priority", "get_priority_display"),
    ("Due", "due_at"),
    ("Service", "service.name"),
    ("Provider group", "provider_group.name"),
    ("Specialist", "specialist"),
    ("Representative", "representative"),
    ("Created", "created_at"),
    ("Closed", "closed_at"),
]
# long texts that no row of the list shows
NOT_LISTED = ("description", "resolution", "hold_reason", "agency__notes", "service__description")
View = Callable[..., HttpResponse]
NAMED = Written(
    lambda reference: (
        Request.objects.filter(reference=reference)
        .order_by()
        .select_for_update(of=("self",))
        .values_list("pk")
    ),
    planned=True,
)


def plain_text_only(view: View) -> View:
    """No person types NUL; PostgreSQL refuses it. What carries one is a bad request, not ours."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        given = [*kwargs.values()]
        for data in (request.GET, request.POST):
            given += [text for values in data.lists() for text in [values[0], *values[1]]]
        if any("\x00" in str(text) for text in given):
            raise BadRequest("The text contains a character that cannot be stored.")
        return view(request, *args, **kwargs)

    return checked


# /requests/


@login_required
@plain_text_only
@require_GET
def request_list(request: HttpRequest) -> HttpResponse:
    """What this person may see, narrowed, ordered, exported (D14, F1)."""
    visible = Request.objects.visible_to(request.user)
    filtered = RequestFilter(request.GET, queryset=visible, request=request)
    if request.GET.get("export") == "csv":
        rows = with_current_customer(filtered.qs.for_list().defer(*NOT_LISTED))
        return csv_response(rows.iterator(chunk_size=1000), COLUMNS, "requests.csv")
    context = {
        "filter": filtered,
        "page": page_of(listed(filtered.qs), request.GET.get("page"), PER_PAGE),
        "may_pick": not request.user.is_auditor,
        "sorted": filtered.form["sort"].value(),
        **filtered.beside(),
    }
    return render(request, "requests_app/list.html", context)


@login_required
@plain_text_only
@require_http_methods(["GET", "POST"])
def request_bulk(request: HttpRequest) -> HttpResponse:
    """The same for many: each row through the same door, each with its own answer (X5, X8).

    GET gives the fields alone, for the list that unfolds them.
    """
    if request.method == "GET":
        shown = {"bulk": BulkForm(user=request.user)}
        return render(request, "requests_app/_bulk_fields.html", shown)
    form = BulkForm(request.POST, user=request.user)
    context: dict[str, Any] = {"form": form, "back": _back(request, reverse("requests_list"))}
    asked = "ask" in request.POST and bool(form.chosen)  # the fields, where no script fetched them
    if asked or not form.is_valid():
        context |= {"bulk": form, "asked": asked}
        return render(request, "requests_app/bulk.html", context, status=200 if asked else 422)
    context["results"] = carry_out(form, request.user)
    context["done"] = sum(1 for result in context["results"] if result.done)
    return render(request, "requests_app/bulk.html", context)


# /requests/new/


def _may_take_in(request: HttpRequest) -> None:
    user = request.user
    if not (user.is_representative or user.is_superuser) or user.is_auditor:
        raise PermissionDenied("Only account representatives take in requests.")


@login_required
@plain_text_only
@require_http_methods(["GET", "POST"])
def request_new(request: HttpRequest) -> HttpResponse:
    """Intake on behalf of an agency's contact, known or new (X10, D4)."""
    _may_take_in(request)
    if request.method == "GET":
        return render(
            request, "requests_app/new.html", {"form": IntakeForm.kept(request.GET, "agency")}
        )
    if "show_contacts" in request.POST:
        return render(request, "requests_app/new.html", {"form": IntakeForm.kept(request.POST)})
    form = IntakeForm(request.POST, request.FILES)
    req = _taken_in(request, form)
    if req is not None:
        messages.success(request, f"{req.reference} is taken in; the customer is told.")
        return redirect(req)
    again = [f.name for f in request.FILES.getlist("files")]
    return render(request, "requests_app/new.html", {"form": form, "again": again}, status=422)


def _taken_in(request: HttpRequest, form: IntakeForm) -> Request | None:
    """The request that the form makes, or made when it was sent before; None where it is wrong."""
    if form.is_valid():
        try:
            return take_in_at_the_desk(by=request.user, **form.facts())
        except ValidationError as error:
            form.add_error(None, error)
    key = form.cleaned_data.get("submission_key")
    before = Request.objects.visible_to(request.user).filter(submission_key=key)
    return before.first() if key else None


@login_required
@plain_text_only
@require_GET
def intake_contacts(request: HttpRequest) -> HttpResponse:
    """The contacts of the chosen agency, for the form that reloads them."""
    _may_take_in(request)
    form = IntakeForm.kept(request.GET, "agency")
    return render(request, "requests_app/_contacts.html", {"form": form})


@login_required
@plain_text_only
@require_GET
def intake_agencies(request: HttpRequest) -> HttpResponse:
    """The agencies whose name or number matches what is typed."""
    _may_take_in(request)
    text = request.GET.get("agency_search", "")[:100]
    form = IntakeForm.kept(request.GET, "agency")
    agencies = Agency.objects.filter(is_active=True)
    matching = Q(name__icontains=text) | Q(code__icontains=text)
    form.fields["agency"].queryset = agencies.filter(matching)
    return render(request, "requests_app/_agencies.html", {"form": form})


# /requests/<ref>/


def _found(request: HttpRequest, reference: str) -> Request:
    """The request, or 404 where it is not theirs to see."""
    req = pages.page_of(request.user, reference)
    if req is None:
        raise Http404
    return req


@login_required
@plain_text_only
@require_GET
def request_page(request: HttpRequest, reference: str) -> HttpResponse:
    """Everything about one request, and what can be done with it (D14)."""
    req = _found(request, reference)
    if request.GET.get("print"):
        return render(request, "requests_app/print.html", print_context(req, request.user))
    opened = _wanted_form(request)
    if opened and request.htmx:  # type: ignore[attr-defined]
        return _form_alone(request, req, *opened)
    if request.htmx and "changes" in request.GET:  # type: ignore[attr-defined]
        context = pages.history_context(req, request.GET)
        return render(request, "requests_app/_changes.html", context)
    context = page_context(req, request.user, request.GET, opened=opened)
    return render(request, "requests_app/page.html", context)


def _wanted_form(request: HttpRequest) -> tuple[str, dict[str, str]] | None:
    """The folded form that the address asks to see, and the row it is of: `?form=` and its id."""
    name = request.GET.get("form", "")
    made = next((a for a in actions_of(REQUEST) if a.name == name), None)
    if made is None:
        return None
    row = {key: request.GET[key] for key in made.form.row_fields() if key in request.GET}
    if not all(value.isdecimal() and len(value) < 19 for value in row.values()):
        raise Http404
    return name, row


def _form_alone(request: HttpRequest, req: Request, name: str, row: dict[str, str]) -> HttpResponse:
    """The fields of one form, fetched when it is unfolded; or why it is no choice any more."""
    offer = next(iter(offers(req, request.user, names={name})), None)
    if offer is None or offer.blockers:
        context = {"req": req, "sentences": offer.blockers if offer else []}
        return render(request, "requests_app/_no_form.html", context)
    context = fetched(offer, row, compact="small" in request.GET)
    return render(request, "shared/_action_fields.html", context)


@login_required
@plain_text_only
@require_GET
def customer_view(request: HttpRequest, reference: str) -> HttpResponse:
    """What the customer sees, to read only: no link of theirs is needed or used for it."""
    req = _found(request, reference)
    context = customer_page.page_context(req, None, number=request.GET.get("messages"))
    return render(request, "tracking/track.html", context)


@login_required
@plain_text_only
@require_POST
def request_action(request: HttpRequest, reference: str, name: str) -> HttpResponse:
    """The one address of every action: try it, say how it went (409 refused, 422 bad facts)."""
    expect = request.POST.get("expect", "")
    try:
        with act():
            req = _locked(request, reference, name)
            before = req.state
            result = perform(
                req, name, by=request.user, data=request.POST, files=request.FILES, expect=expect
            )
            req = lock(req)
    except LookupError as error:
        raise Http404 from error
    except InvalidFacts as error:
        return _again(request, reference, bound=(name, error.form), status=422)
    except Refused as refusal:
        return _again(request, reference, name, refusal=str(refusal), status=409)
    return _onward(request, req, before, name, result)


def _locked(request: HttpRequest, reference: str, name: str) -> Request:
    """The request, locked, with what this step needs; or 404 where it is not theirs to see."""
    sent = sent_with(REQUEST, name, request.POST)
    req = find_and_lock(Request, NAMED, name, sent=sent, reference=reference.upper())
    if req is None or not Request.objects.shows(request.user, req):
        raise Http404
    return req


def _again(
    request: HttpRequest, reference: str, name: str = "", status: int = 422, **shown: Any
) -> HttpResponse:
    """The request page as it is now, with what was typed still in the form."""
    req = _found(request, reference)
    if "refusal" in shown:
        shown |= _kept(request, req, name)
    context = page_context(req, request.user, request.GET, **shown)
    return render(request, "requests_app/page.html", context, status=status)


def _kept(request: HttpRequest, req: Request, name: str) -> dict[str, Any]:
    """What was typed: in its form where that still exists, else as text to copy (TA10)."""
    made = find(req, name)
    still = offers(req, request.user, names={name})
    if made is not None and still and not still[0].blockers:
        form = made.bind(req, as_actor(request.user), request.POST, request.FILES)
        return {"bound": (name, form)}
    fields = next(a.form.base_fields for a in actions_of(REQUEST) if a.name == name)
    typed = [
        (str(field.label or key.replace("_", " ").capitalize()), request.POST.get(key, ""))
        for key, field in fields.items()
        if not field.widget.is_hidden
    ]
    return {"kept": [(label, text) for label, text in typed if text.strip()]}


def _onward(
    request: HttpRequest, req: Request, before: str, name: str, result: Any
) -> HttpResponse:
    """Say what happened and go where the person came from, or to the request."""
    if not Request.objects.shows(request.user, req):
        messages.success(request, f"{req.reference}: done. It is not yours to see any more.")
        return redirect("requests_list")
    messages.success(request, _done(before, req, name, result))
    return redirect(_back(request, req.get_absolute_url()))


def _done(before: str, now: Request, name: str, result: Any) -> str:
    label = next(a.label for a in actions_of(REQUEST) if a.name == name)
    if isinstance(result, Request) and result.pk != now.pk:
        return f"{label}: {result.reference} was made."
    if now.state != before:
        return f"{now.reference} is now: {now.get_state_display()}."
    return f"{label}: done."


def _back(request: HttpRequest, otherwise: str) -> str:
    """A page of ours that the form named, or the usual one."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else otherwise


@login_required
@plain_text_only
@require_GET
def triage_preview(request: HttpRequest, reference: str) -> HttpResponse:
    """The truth table for the answers as they stand, while they are being given (D2)."""
    req = _found(request, reference)
    if req.state != S.TRIAGE:
        return HttpResponse(status=204)  # decided while a last answer was still on its way
    offer = next(iter(offers(req, request.user, names={"triage"})), None)
    if offer is None:
        raise Http404
    form = offer.action.bind(req, as_actor(request.user), request.GET)
    return render(request, "requests_app/_triage_table.html", {"req": req, **table(req, form)})


# /requests/<ref>/files/


@login_required
@plain_text_only
@require_GET
def request_file(request: HttpRequest, reference: str, pk: int) -> FileResponse:
    """A file of the case: always a download, never run, never kept in a cache (TD05)."""
    kept = Attachment.objects.visible_to(request.user).kept()
    attachment = get_object_or_404(kept, pk=pk, case__request__reference=reference.upper())
    try:
        content = attachment.file.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(
        content,
        as_attachment=True,
        filename=attachment.name,
        content_type=attachment.content_type,
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store, private"
    return response
