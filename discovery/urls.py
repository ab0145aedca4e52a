"""The addresses of discoveries, proposals and the parts list."""

from django.urls import path, re_path

from discovery import customer_views, views

REFERENCE = r"(?P<reference>[Pp][Rr][Oo]-\d{4}-\d{6,9})"

urlpatterns = [
    # /discovery/
    path("discovery/", views.discoveries, name="discovery_list"),
    # /proposals/
    path("proposals/", views.proposals, name="discovery_proposals"),
    re_path(rf"^proposals/{REFERENCE}/$", views.proposal_page, name="discovery_proposal"),
    re_path(rf"^proposals/{REFERENCE}\.pdf$", views.proposal_file, name="discovery_proposal_pdf"),
    # /tracked/<ref>/proposal/
    path(
        "tracked/<str:reference>/proposal/",
        customer_views.proposal,
        name="discovery_customer",
    ),
    path(
        "tracked/<str:reference>/proposal.pdf",
        customer_views.proposal_file,
        name="discovery_customer_pdf",
    ),
    # /parts/
    path("parts/", views.parts, name="discovery_parts"),
    path("parts/lines/", views.part_lines, name="discovery_part_lines"),
    path("parts/published/<int:number>.csv", views.published_list, name="discovery_published"),
]
