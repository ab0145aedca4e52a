"""The floor's pages: a list, a detail, a search, a create and a step."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template import Context, Engine
from django.urls import path
from django.utils import timezone

from bench.floor.models import Audit, Child, Outbox, Row

LIST = Engine().from_string(
    "<!doctype html><title>List</title><table>{% for row in rows %}<tr>"
    "<td><a href='/row/{{ row.pk }}/'>{{ row.pk }}</a><td>{{ row.title }}"
    "<td>{{ row.agency }}<td>{{ row.state }}<td>{{ row.at }}"
    "{% endfor %}</table>"
)
DETAIL = Engine().from_string(
    "<!doctype html><title>{{ row.title }}</title><h1>{{ row.title }}</h1><p>{{ row.agency }}, "
    "{{ row.state }}, {{ row.at }}<ul>{% for child in children %}"
    "<li>{{ child.at }} {{ child.text }}{% endfor %}</ul>"
)


def _page(template: Any, **context: Any) -> HttpResponse:
    return HttpResponse(template.render(Context(context)))


@login_required
def listed(request: HttpRequest, team: int) -> HttpResponse:
    """One indexed query, 25 rows."""
    rows = Row.objects.filter(team=team, state="pending").defer("words")
    return _page(LIST, rows=rows.order_by("-at", "-pk")[:25])


@login_required
def found(request: HttpRequest) -> HttpResponse:
    """One GIN query, 25 rows."""
    rows = Row.objects.filter(words=request.GET["q"]).defer("words")
    return _page(LIST, rows=rows[:25])


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A row and its children."""
    row = get_object_or_404(Row.objects.defer("words"), pk=pk)
    return _page(DETAIL, row=row, children=Child.objects.filter(row=row).order_by("at")[:30])


class RowForm(forms.Form):
    """What a bare request asks for."""

    title = forms.CharField(max_length=160)
    agency = forms.CharField(max_length=200)


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """A form, a row, an audit row, an outbox row."""
    form = RowForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=422)
    now = timezone.now()
    with transaction.atomic():
        row = Row.objects.create(state="triage", at=now, words=None, **form.cleaned_data)
        Audit.objects.create(row=row, name="created", at=now)
        Outbox.objects.create(row=row, address="a@b.example", at=now)
    return HttpResponseRedirect(f"/row/{row.pk}/")


@login_required
def step(request: HttpRequest, pk: int) -> HttpResponse:
    """Locked, moved, audited, told."""
    now = timezone.now()
    with transaction.atomic():
        row = get_object_or_404(Row.objects.select_for_update().defer("words"), pk=pk)
        row.state = request.POST["state"]
        row.save(update_fields=["state"])
        Audit.objects.create(row=row, name="moved", at=now)
        Outbox.objects.create(row=row, address="a@b.example", at=now)
    return HttpResponseRedirect(f"/row/{row.pk}/")


urlpatterns = [
    path("list/<int:team>/", listed),
    path("search/", found),
    path("row/<int:pk>/", detail),
    path("create/", create),
    path("step/<int:pk>/", step),
]
