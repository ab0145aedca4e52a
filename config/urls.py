"""Every address of the program. Each app writes its own in full."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config.health import healthz, metrics, readyz

handler500 = "config.trouble.failed"

admin.site.site_header = "Throughline administration"
admin.site.site_title = "Throughline"
admin.site.index_title = "Administration"

urlpatterns = [
    path("", include("workflow.urls")),
    path("", include("requests_app.shell_urls")),
    path("", include("requests_app.urls")),
    path("", include("discovery.urls")),
    path("", include("fulfillment.urls")),
    path("", include("billing.urls")),
    path("", include("asd.urls")),
    path("api/v1/", include("config.api")),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
if settings.WEBHOOK_SECRET:
    # mail services push inbound mail here; each call carries the secret
    urlpatterns.append(path("anymail/", include("anymail.urls")))
