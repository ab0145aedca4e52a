"""Addresses of the pages around the requests: own work, search, reports, hand-over."""

from django.urls import path

from requests_app import handover, home, reports, search

urlpatterns = [
    # /
    path("", home.home, name="home"),
    # /search/
    path("search/", search.search, name="requests_search"),
    # /account/hand-over/
    path("account/hand-over/", handover.hand_over, name="requests_handover"),
    # /reports/
    path("reports/", reports.index, name="requests_reports"),
    path("reports/count/", reports.count_again, name="requests_reports_count"),
    path("reports/<slug:name>/", reports.report, name="requests_report"),
]
