"""Whether the program is up, whether it is ready, and a few figures for a monitor."""

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse

from notifications.models import Notice
from requests_app.models import Request


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


def _broker_up() -> bool:
    try:
        redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=1).ping()
    except (redis.RedisError, OSError):
        return False
    return True


def readyz(request: HttpRequest) -> JsonResponse:
    """Database reachable and migrated. A broker that is down degrades, it does not stop work."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return JsonResponse({"ready": False, "database": "not reachable"}, status=503)
    ready = not pending
    body = {
        "ready": ready,
        "database": "ok" if ready else f"{len(pending)} migrations to apply",
        "broker": "ok" if _broker_up() else "down: notices wait",
    }
    return JsonResponse(body, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Counts of notices and open requests by state, in Prometheus' text format; loopback only."""
    # a proxy on the same machine speaks from loopback too, for the whole world
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if forwarded or request.META.get("REMOTE_ADDR") not in ("127.0.0.1", "::1"):
        return HttpResponse(status=404)
    lines = ["# TYPE throughline_notices gauge"]
    for state, count in Notice.objects.values_list("state").annotate(n=Count("pk")).order_by():
        lines.append(f'throughline_notices{{state="{state}"}} {count}')
    lines.append("# TYPE throughline_open_requests gauge")
    states = Request.objects.open().values_list("state").annotate(n=Count("pk")).order_by()
    lines += [f'throughline_open_requests{{state="{state}"}} {count}' for state, count in states]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")
