"""Addresses of the Agency Services Database."""

from django.urls import path

from asd.views import agencies, services, updates

urlpatterns = [
    # /asd/services/
    path("asd/services/", services.service_list, name="asd_services"),
    path("asd/services/new/", services.service_form, name="asd_service_new"),
    path("asd/services/<slug:slug>/", services.service_page, name="asd_service"),
    path("asd/services/<slug:slug>/edit/", services.service_form, name="asd_service_edit"),
    path("asd/services/<slug:slug>/steps/<slug:step>/", services.service_step, name="asd_step"),
    # /asd/updates/
    path("asd/updates/", updates.update_list, name="asd_updates"),
    # /asd/agencies/
    path("asd/agencies/", agencies.agency_list, name="asd_agencies"),
    path("asd/agencies/new/", agencies.agency_form, name="asd_agency_new"),
    path("asd/agencies/<str:code>/", agencies.agency_page, name="asd_agency"),
    path("asd/agencies/<str:code>/edit/", agencies.agency_form, name="asd_agency_edit"),
    path("asd/agencies/<str:code>/history/", agencies.agency_history, name="asd_history"),
    path("asd/agencies/<str:code>/billing/", agencies.agency_known, name="asd_known"),
    path("asd/agencies/<str:code>/contacts/new/", agencies.contact_form, name="asd_contact_new"),
    path("asd/agencies/<str:code>/contacts/<int:pk>/", agencies.contact_form, name="asd_contact"),
    path(
        "asd/agencies/<str:code>/agreements/new/",
        agencies.agreement_form,
        name="asd_agreement_new",
    ),
    path(
        "asd/agencies/<str:code>/agreements/<int:pk>/",
        agencies.agreement_form,
        name="asd_agreement",
    ),
]
