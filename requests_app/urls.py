"""Addresses of requests."""

from django.urls import include, path

from requests_app import lookup_views, views

urlpatterns = [
    # /requests/
    path("requests/", views.request_list, name="requests_list"),
    path("requests/bulk/", views.request_bulk, name="requests_bulk"),
    path("requests/lookup/<slug:what>/", lookup_views.names, name="requests_lookup"),
    # /requests/new/
    path("requests/new/", views.request_new, name="requests_new"),
    path("requests/new/contacts/", views.intake_contacts, name="requests_new_contacts"),
    path("requests/new/agencies/", views.intake_agencies, name="requests_new_agencies"),
    # /requests/<ref>/
    path("requests/<str:reference>/", views.request_page, name="requests_page"),
    path(
        "requests/<str:reference>/actions/<str:name>/",
        views.request_action,
        name="requests_action",
    ),
    path("requests/<str:reference>/triage/", views.triage_preview, name="requests_triage"),
    path("requests/<str:reference>/files/<int:pk>/", views.request_file, name="requests_file"),
    path(
        "requests/<str:reference>/customer/",
        views.customer_view,
        name="requests_customer_view",
    ),
    # /new/
    path("", include("requests_app.public_urls")),
    # /mail/
    path("", include("requests_app.mail_urls")),
    # /track/<token>/
    path("", include("requests_app.tracking_urls")),
]
