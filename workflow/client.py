"""From which address somebody calls, for limits and for the record of an acceptance."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The caller's IP address, or "" where it is not known.

    `X-Forwarded-For` counts only as far as our own proxies wrote it (setting `PROXIES`: how many
    stand in front of us): what the caller wrote there before is not believed.
    """
    hops = [h.strip() for h in request.headers.get("X-Forwarded-For", "").split(",") if h.strip()]
    hops.append(request.META.get("REMOTE_ADDR", ""))
    proxies = min(settings.THROUGHLINE["PROXIES"], len(hops) - 1)
    try:
        return str(ipaddress.ip_address(hops[-1 - proxies]))
    except ValueError:
        return ""
