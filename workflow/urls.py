"""Sign-in and the person's own account."""

from django.contrib.auth import views as auth
from django.urls import path

from workflow import views

urlpatterns = [
    # /login/
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password-reset/", views.ForgottenPassword.as_view(), name="password_reset"),
    path("password-reset/done/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "password-reset/<uidb64>/<token>/",
        views.NewPassword.as_view(),
        name="password_reset_confirm",
    ),
    # /account/
    path("account/", views.account, name="workflow_account"),
    path("account/password/", views.password, name="workflow_password"),
    path("account/tokens/", views.token_create, name="workflow_token_create"),
    path("account/tokens/<int:pk>/revoke/", views.token_revoke, name="workflow_token_revoke"),
    path("account/leave/", views.leave_add, name="workflow_leave_add"),
    path("account/leave/<int:pk>/delete/", views.leave_delete, name="workflow_leave_delete"),
    # /filters/
    path("filters/", views.filter_save, name="workflow_filter_save"),
    path("filters/<int:pk>/delete/", views.filter_delete, name="workflow_filter_delete"),
]
