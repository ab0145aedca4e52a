"""The person's own account: name, language, absence, API tokens, saved filters."""

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordResetConfirmView, PasswordResetView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST

from workflow import clock
from workflow.forms import AccountForm, LeaveForm, SavedFilterForm, TokenForm
from workflow.leave import add_leave, take_back
from workflow.leave_models import Leave
from workflow.models import ApiToken, SavedFilter, User


def make_token(user: User, name: str) -> str:
    """A new API token; the text is given out once, only its hash is kept."""
    text = secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, name=name, digest=hashlib.sha256(text.encode()).hexdigest())
    return text


def speak(response: HttpResponse, user: User) -> HttpResponse:
    """Pages come in the language of the account, on this device."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        user.language,
        max_age=365 * 86400,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


class SignIn(LoginView):
    """Sign-in; whoever is in already goes on to their work."""

    redirect_authenticated_user = True

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}

    def form_valid(self, form: Any) -> HttpResponse:
        return speak(super().form_valid(form), form.get_user())


class ForgottenPassword(PasswordResetView):
    """The same answer for known and unknown addresses; links name BASE_URL, never the Host."""

    @property
    def extra_email_context(self) -> dict[str, str]:  # type: ignore[override]
        return {"base_url": settings.BASE_URL}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}


class NewPassword(SuccessMessageMixin, PasswordResetConfirmView):
    """Chosen through the link of the mail."""

    success_url = reverse_lazy("login")
    success_message = "Your password is changed. Sign in with it."

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}


@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Who I am here, and who stands in for me."""
    form = AccountForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return speak(redirect("workflow_account"), request.user)
    request.user.refresh_from_db()
    return _account_page(request, form, status=422 if form.is_bound else 200)


def roles_of(user: User) -> list[str]:
    """The person's roles in plain words."""
    flags = ("is_representative", "is_billing", "is_asd_manager", "is_auditor")
    named = [str(User._meta.get_field(flag).verbose_name) for flag in flags if getattr(user, flag)]
    return named + (["administrator"] if user.is_superuser else [])


def _account_page(
    request: HttpRequest, form: AccountForm, fresh: str = "", status: int = 200, leave: Any = None
) -> HttpResponse:
    context = {
        "leaves": request.user.leaves.filter(last_day__gte=clock.today()),
        "leave_form": leave or LeaveForm(prefix="leave"),
        "form": form,
        "roles": roles_of(request.user),
        "groups": request.user.memberships.select_related("group"),
        "tokens": request.user.api_tokens.all(),
        "token_form": TokenForm(label_suffix=""),
        "fresh_token": fresh,
    }
    return render(request, "account/account.html", context, status=status)


@login_required
def password(request: HttpRequest) -> HttpResponse:
    """A new password; other sessions end."""
    form = PasswordChangeForm(request.user, request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        update_session_auth_hash(request, form.save())
        messages.success(request, "Your password is changed.")
        return redirect("workflow_account")
    status = 422 if form.is_bound else 200
    return render(request, "account/password.html", {"form": form}, status=status)


@login_required
@require_POST
def leave_add(request: HttpRequest) -> HttpResponse:
    """My days off: my hours are taken out of the schedules of my groups (F1)."""
    mine = Leave(user=request.user)
    form = LeaveForm(request.POST, instance=mine, prefix="leave")
    if not form.is_valid():
        return _account_page(request, AccountForm(instance=request.user), status=422, leave=form)
    said = add_leave(form.save(commit=False), by=request.user)
    messages.success(request, "Your leave is entered.")
    for sentence in said:
        messages.warning(request, sentence)
    return redirect("workflow_account")


@login_required
@require_POST
def leave_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """I am there after all."""
    take_back(get_object_or_404(Leave, pk=pk, user=request.user), by=request.user)
    messages.success(request, "The leave is taken back.")
    return redirect("workflow_account")


@login_required
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make an API token and show it this once."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give the token a name of at most 80 characters.")
        return redirect("workflow_account")
    fresh = make_token(request.user, form.cleaned_data["name"])
    return _account_page(request, AccountForm(instance=request.user), fresh)


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a token back."""
    get_object_or_404(ApiToken, pk=pk, user=request.user).delete()
    messages.success(request, "The token is revoked.")
    return redirect("workflow_account")


@login_required
@require_POST
def filter_save(request: HttpRequest) -> HttpResponse:
    """Keep a list's filter under a name; the same name again replaces it."""
    form = SavedFilterForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give the filter a name of at most 60 characters.")
        back = "" if "page" in form.errors else form.cleaned_data["page"]
        return redirect(back or "/")
    data = form.cleaned_data
    SavedFilter.objects.update_or_create(
        user=request.user, page=data["page"], name=data["name"], defaults={"query": data["query"]}
    )
    return redirect(f"{data['page']}?{data['query']}")


@login_required
@require_POST
def filter_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a saved filter."""
    saved = get_object_or_404(SavedFilter, pk=pk, user=request.user)
    saved.delete()
    return redirect(saved.page)
