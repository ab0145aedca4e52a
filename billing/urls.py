"""Addresses of billing."""

from django.urls import path

from billing import views

urlpatterns = [
    # /billing/
    path("billing/", views.case_list, name="billing_list"),
    path("billing/export/", views.case_export, name="billing_export"),
    # /billing/<ref>/
    path("billing/<str:reference>/", views.case_page, name="billing_case"),
    path("billing/<str:reference>.<slug:kind>", views.case_file, name="billing_file"),
]
