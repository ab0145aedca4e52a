"""The API's addresses, under /api/v1/: each app brings its own, here they are put together."""

from typing import Any

from django.urls import path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import SimpleRouter

from asd.api import AgencyViewSet, ServiceViewSet
from billing.api import BillingCaseViewSet
from discovery.api import ProposalViewSet
from fulfillment.api import pending, schedule, worklist
from requests_app.api import RequestViewSet
from requests_app.api_cases import CaseViewSet


class BearerToken(OpenApiAuthenticationExtension):
    """How the description of the API names our tokens."""

    target_class = "workflow.tokens.BearerTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


router = SimpleRouter()
router.register("requests", RequestViewSet, basename="api_request")
router.register("cases", CaseViewSet, basename="api_case")
router.register("proposals", ProposalViewSet, basename="api_proposal")
router.register("billing-cases", BillingCaseViewSet, basename="api_billing_case")
router.register("services", ServiceViewSet, basename="api_service")
router.register("agencies", AgencyViewSet, basename="api_agency")

urlpatterns = [
    *router.urls,
    path("queues/<slug:group>/pending/", pending, name="api_queue_pending"),
    path("queues/<slug:group>/schedule/", schedule, name="api_queue_schedule"),
    path("queues/<slug:group>/worklist/", worklist, name="api_queue_worklist"),
    path("schema/", SpectacularAPIView.as_view(), name="api_schema"),
]
