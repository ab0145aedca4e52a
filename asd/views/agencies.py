"""The pages of agencies: whom we serve, under which agreement, who speaks for them (D2, D14)."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from asd.actions import (
    adds_agencies,
    keeps_agency,
    mark_known_to_billing,
    save_agency,
    save_agreement,
    save_contact,
)
from asd.filters import AgencyFilter
from asd.forms import AgencyForm, AgreementForm, ContactForm, CoveredFormSet, RateFormSet
from asd.history import changes_of
from asd.models import Agency, Agreement, Contact, CoveredService, RateCardLine
from asd.views.pages import CHUNK, page_of
from workflow import clock
from workflow.exports import csv_response

COLUMNS = [
    ("Number", "code"),
    ("Agency", "name"),
    ("Current customer", lambda agency: "yes" if agency.has_sla else "no"),
    ("SLA", lambda agency: "; ".join(f"{a.reference} ({a.standing})" for a in agency.slas)),
    ("Representative", "representative"),
    ("Deputy", "deputy"),
    ("Known to billing", lambda agency: "yes" if agency.known_to_billing else "no"),
    ("Active", lambda agency: "yes" if agency.is_active else "no"),
]
SLAS = Prefetch(
    "agreements", Agreement.objects.filter(kind="sla").order_by("-starts_on"), to_attr="slas"
)


# /asd/agencies/


@login_required
@require_safe
def agency_list(request: HttpRequest) -> HttpResponse:
    """Whom we serve; current is computed from the agreements today (D14)."""
    agencies = Agency.objects.visible_to(request.user).with_current().order_by("name", "pk")
    agencies = agencies.select_related("representative", "deputy").prefetch_related(SLAS)
    filtered = AgencyFilter(request.GET, queryset=agencies)
    if request.GET.get("export") == "csv":
        return csv_response(filtered.qs.iterator(CHUNK), COLUMNS, "agencies.csv")
    context = {
        "filter": filtered,
        "page": page_of(request, filtered.qs),
        "may_add": adds_agencies(request.user),
    }
    return render(request, "asd/agencies.html", context)


def _agency(request: HttpRequest, code: str) -> Agency:
    if "\x00" in code:
        raise Http404
    agencies = Agency.objects.visible_to(request.user).with_current()
    return get_object_or_404(agencies.select_related("representative", "deputy"), code=code)


def _kept(request: HttpRequest, code: str) -> Agency:
    """The agency, for whoever keeps it."""
    agency = _agency(request, code)
    if not keeps_agency(agency, request.user):
        raise PermissionDenied("Its account representative keeps this agency.")
    return agency


@login_required
@require_safe
def agency_page(request: HttpRequest, code: str) -> HttpResponse:
    """One agency: contacts, agreements with their rates, services used, open requests."""
    agency = _agency(request, code)
    covered = CoveredService.objects.select_related("service").order_by("service__name")
    rates = RateCardLine.objects.select_related("service").order_by(
        "service__name", "unit", "-valid_from"
    )
    requests = agency.requests.visible_to(request.user).open().by_rule().for_list()
    uses = agency.services_used.select_related("service")
    context = {
        "agency": agency,
        "keeps": keeps_agency(agency, request.user),
        "may_know": _may_know(request, agency),
        "contacts": agency.contacts.with_mail_trouble().order_by("-is_active", "name"),
        "agreements": agency.agreements.prefetch_related(
            Prefetch("covered", covered), Prefetch("rates", rates)
        ),
        "uses": page_of(request, uses.order_by("service__name", "pk")),
        "requests": requests[:25],
        "today": clock.today(),
    }
    return render(request, "asd/agency.html", context)


def _may_know(request: HttpRequest, agency: Agency) -> bool:
    user = request.user
    return not agency.known_to_billing and (user.is_billing or user.is_superuser)


@login_required
@require_POST
def agency_known(request: HttpRequest, code: str) -> HttpResponse:
    """The billing office has a customer record for the agency (F13)."""
    agency = _agency(request, code)
    mark_known_to_billing(agency, by=request.user)
    messages.success(request, f"{agency} is known to billing.")
    return redirect(agency)


@login_required
@require_safe
def agency_history(request: HttpRequest, code: str) -> HttpResponse:
    """Who changed what about the agency, its contacts and agreements (X7)."""
    agency = _agency(request, code)
    return render(request, "asd/history.html", {"agency": agency, "rows": changes_of(agency)})


# /asd/agencies/<code>/edit/ and what hangs on it


def _tried(form: Any, save: Callable[[], Any]) -> Any:
    """Saved, or None with the reason on the form when somebody was faster with the same."""
    try:
        return save()
    except IntegrityError:
        form.add_error(None, "Somebody saved the same at this moment: look at it first.")
        return None


def _form_page(
    request: HttpRequest, agency: Agency | None, form: Any, title: str, **more: Any
) -> HttpResponse:
    """A form on a page of its own; wrong input comes back with errors beside the fields."""
    status = 422 if request.method == "POST" else 200
    context = {"agency": agency, "form": form, "title": title, **more}
    return render(request, "asd/form.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def agency_form(request: HttpRequest, code: str = "") -> HttpResponse:
    """An agency, new or changed (D4)."""
    if not code and not adds_agencies(request.user):
        raise PermissionDenied("Account representatives add agencies.")
    agency = _kept(request, code) if code else None
    fresh = Agency(representative=request.user if request.user.is_representative else None)
    form = AgencyForm(request.POST or None, instance=_agency(request, code) if code else fresh)
    if request.method == "POST" and form.is_valid():
        fresh = form.save(commit=False)
        if saved := _tried(form, lambda: save_agency(fresh, by=request.user)):
            messages.success(request, f"{saved} is saved.")
            return redirect(saved)
    title = f"Edit {agency}" if agency else "New agency"
    return _form_page(request, agency, form, title)


@login_required
@require_http_methods(["GET", "POST"])
def contact_form(request: HttpRequest, code: str, pk: int | None = None) -> HttpResponse:
    """A contact, new or changed."""
    agency = _kept(request, code)
    contact = get_object_or_404(Contact, pk=pk, agency=agency) if pk else Contact(agency=agency)
    title = f"Contact {contact}" if pk else "New contact"
    form = ContactForm(request.POST or None, instance=contact)
    if request.method == "POST" and form.is_valid():
        fresh = form.save(commit=False)
        if saved := _tried(form, lambda: save_contact(fresh, by=request.user)):
            messages.success(request, f"{saved} is saved.")
            return redirect(f"{agency.get_absolute_url()}#contacts")
    return _form_page(request, agency, form, title)


@login_required
@require_http_methods(["GET", "POST"])
def agreement_form(request: HttpRequest, code: str, pk: int | None = None) -> HttpResponse:
    """An SLA or one-off agreement with covered services and rates, all or nothing (D2)."""
    agency = _kept(request, code)
    agreement = (
        get_object_or_404(Agreement, pk=pk, agency=agency)
        if pk
        else Agreement(agency=agency, starts_on=clock.today())
    )
    title = f"Agreement {agreement.reference}" if pk else "New agreement"
    data = request.POST or None
    form = AgreementForm(data, instance=agreement)
    parts = [
        CoveredFormSet(data, instance=agreement, prefix="covered"),
        RateFormSet(data, instance=agreement, prefix="rates"),
    ]
    if request.method == "POST" and all([form.is_valid(), *[p.is_valid() for p in parts]]):
        fresh = form.save(commit=False)
        if saved := _tried(form, lambda: save_agreement(fresh, by=request.user, parts=parts)):
            messages.success(request, f"{saved.reference} is saved.")
            return redirect(f"{agency.get_absolute_url()}#agreements")
    return _form_page(request, agency, form, title, covered=parts[0], rates=parts[1], wide=True)
