"""Addresses of the Agency Services Database."""

from django.urls import path

from asd import agency_views, views

urlpatterns = [
    # /asd/services/
    path("asd/services/", views.service_list, name="asd_services"),
    path("asd/services/new/", views.service_form, name="asd_service_new"),
    path("asd/services/<slug:slug>/", views.service_page, name="asd_service"),
    path("asd/services/<slug:slug>/edit/", views.service_form, name="asd_service_edit"),
    path("asd/services/<slug:slug>/steps/<slug:step>/", views.service_step, name="asd_step"),
    # /asd/updates/
    path("asd/updates/", views.update_list, name="asd_updates"),
    # /asd/agencies/
    path("asd/agencies/", agency_views.agency_list, name="asd_agencies"),
    path("asd/agencies/new/", agency_views.agency_form, name="asd_agency_new"),
    path("asd/agencies/<str:code>/", agency_views.agency_page, name="asd_agency"),
    path("asd/agencies/<str:code>/edit/", agency_views.agency_form, name="asd_agency_edit"),
    path("asd/agencies/<str:code>/history/", agency_views.agency_history, name="asd_history"),
    path("asd/agencies/<str:code>/billing/", agency_views.agency_known, name="asd_known"),
    path(
        "asd/agencies/<str:code>/contacts/new/", agency_views.contact_form, name="asd_contact_new"
    ),
    path(
        "asd/agencies/<str:code>/contacts/<int:pk>/", agency_views.contact_form, name="asd_contact"
    ),
    path(
        "asd/agencies/<str:code>/agreements/new/",
        agency_views.agreement_form,
        name="asd_agreement_new",
    ),
    path(
        "asd/agencies/<str:code>/agreements/<int:pk>/",
        agency_views.agreement_form,
        name="asd_agreement",
    ),
]
