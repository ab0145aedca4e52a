"""The addresses of the public form; no account is needed."""

from django.urls import path

from requests_app import public_views

urlpatterns = [
    # /new/
    path("new/", public_views.new, name="requests_public"),
    path("new/agencies/", public_views.agencies, name="requests_public_agencies"),
    path("new/services/", public_views.services, name="requests_public_services"),
    path("new/sent/", public_views.sent, name="requests_public_sent"),
    path("new/confirm/", public_views.confirm, name="requests_public_confirm"),
    path("new/confirm/<str:token>/", public_views.confirm_link, name="requests_public_link"),
]
