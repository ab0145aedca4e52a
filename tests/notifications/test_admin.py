"""The administration: every list and every page opens, what the process writes is only read."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse

from notifications.models import Notice, NoticeText
from requests_app.clock_models import TargetDefault
from requests_app.notice_section import notices_of
from requests_app.public_models import PublicForm
from tests import walk
from tests.factories import Office, UserFactory
from workflow.leave_models import Leave
from workflow.models import Calendar, SavedFilter, User

OURS = ("notifications", "workflow", "requests_app")
LOOKED_AT = [m for m in admin.site._registry if m._meta.app_label in OURS]
EDITED = {User, Calendar, SavedFilter, NoticeText, Leave, PublicForm, TargetDefault}


@pytest.fixture
def client(office: Office) -> Client:
    made = Client()
    made.force_login(UserFactory(admin=True))
    return made


@pytest.mark.parametrize("model", LOOKED_AT, ids=lambda m: m._meta.label_lower)
def test_list_search_and_page_of_each_model_open(
    model: Any, office: Office, client: Client
) -> None:
    request = walk.to_closed(office)
    walk.do(request, "link", office.rep, relation="related", other=office.request().reference)
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    for query in ("", "?q=REQ-2026-000001", "?q=%27%22%3B"):
        answer = client.get(reverse(f"{base}_changelist") + query)
        assert answer.status_code == 200, query
        assert "unsafe" not in answer["Content-Security-Policy"]
    row = model._default_manager.first()
    if row is not None:
        assert client.get(reverse(f"{base}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize(
    "model", [m for m in LOOKED_AT if m not in EDITED], ids=lambda m: m._meta.label_lower
)
def test_what_the_process_writes_is_not_added_here(model: Any, client: Client) -> None:
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert client.get(reverse(f"{base}_add")).status_code == 403


def test_a_posted_form_moves_no_request(office: Office, client: Client) -> None:
    request = walk.to_pending(office)
    address = reverse("admin:requests_app_request_change", args=[request.pk])
    assert client.post(address, {"state": "closed", "title": "Other"}).status_code == 403
    assert client.post(address.replace("change", "delete"), {"post": "yes"}).status_code == 403
    request.refresh_from_db()
    assert (request.state, request.title) == ("pending", "A new line for the front desk")


def test_the_list_of_requests_costs_the_same_for_many(
    office: Office, client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        walk.to_pending(office)
    with django_assert_max_num_queries(16):
        client.get(reverse("admin:requests_app_request_changelist"))


def test_a_request_links_to_its_own_page_where_steps_are_taken(
    office: Office, client: Client
) -> None:
    request = office.request()
    page = client.get(reverse("admin:requests_app_request_change", args=[request.pk]))
    assert request.get_absolute_url() in page.content.decode()
    assert "Throughline administration" in page.content.decode()
    assert "take_in (" in page.content.decode()


def test_a_mail_is_looked_at_where_nothing_can_run(office: Office, client: Client) -> None:
    """TC05: on an address of its own, sandboxed; the rest of the admin stays strict."""
    request = office.request(title="<script>alert(1)</script>")
    notice = notices_of(request).get()
    answer = client.get(reverse("admin:notifications_notice_preview", args=[notice.pk]))
    assert answer["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    )
    assert "<script>" not in answer.content.decode()
    assert "&lt;script&gt;" in answer.content.decode()


def test_a_mail_that_cannot_be_written_says_so(office: Office, client: Client) -> None:
    notice = notices_of(office.request()).get()
    Notice.objects.update(template="no_such_template")
    answer = client.get(reverse("admin:notifications_notice_preview", args=[notice.pk]))
    assert answer.status_code == 200
    assert "cannot be written" in answer.content.decode()


def test_failed_notices_are_sent_again_from_the_list(office: Office, client: Client) -> None:
    office.request()
    Notice.objects.update(state=Notice.State.FAILED, attempts=9)
    data = {"action": "send_again", "_selected_action": [str(n.pk) for n in Notice.objects.all()]}
    client.post(reverse("admin:notifications_notice_changelist"), data)
    assert set(Notice.objects.values_list("state", "attempts")) == {("queued", 0)}


def test_staff_who_only_look_cannot_send_again(office: Office) -> None:
    office.request()
    Notice.objects.update(state=Notice.State.FAILED)
    person = UserFactory(is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_notice"))
    client = Client()
    client.force_login(person)
    address = reverse("admin:notifications_notice_changelist")
    assert client.get(address).status_code == 200
    data = {"action": "send_again", "_selected_action": [str(n.pk) for n in Notice.objects.all()]}
    client.post(address, data)
    assert set(Notice.objects.values_list("state", flat=True)) == {Notice.State.FAILED}


def test_every_model_of_these_apps_is_here_or_has_its_reason() -> None:
    """Inlines and answers kept for a repeated call need no list of their own."""
    without = {
        m._meta.label
        for m in apps.get_models()
        if m._meta.app_label in OURS and m not in admin.site._registry
    }
    assert without == {
        "notifications.NoticeTextEvent",
        "requests_app.CaseEntry",
        "requests_app.InboundRaw",
        "requests_app.LinkAsked",
        "requests_app.PendingFile",
        "requests_app.PublicFormEvent",
        "requests_app.Question",
        "requests_app.QuestionReminder",
        "requests_app.Rating",
        "requests_app.TargetDefaultEvent",
        "requests_app.TriageDecision",
        "workflow.ApiCall",
        "workflow.BrowserSession",
        "workflow.CalendarEvent",
        "workflow.CalendarException",
        "workflow.CalendarExceptionEvent",
        "workflow.LeaveEvent",
        "workflow.UserEvent",
        "workflow.WorkingHours",
        "workflow.WorkingHoursEvent",
    }


def test_the_checks_of_the_admin_are_content() -> None:
    """What `manage.py` says on every start; tests alone do not ask."""
    assert run_checks(tags=["admin"]) == []
