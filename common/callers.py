"""Who calls, as one word: the scope of idempotency keys and of rate limits."""

import ipaddress
from typing import Any

from django.conf import settings

IPV6_HOUSEHOLD = 64
UNKNOWN = "unknown"


def caller_of(request: Any) -> str:
    """`credential:<id>` when `request.auth` says so by its `caller`, `user:<id>`, or `ip:<address>` for strangers."""
    own = getattr(getattr(request, "auth", None), "caller", None)
    if own:
        return str(own)
    user = getattr(request, "user", None)
    return f"user:{user.pk}" if user is not None and user.is_authenticated else f"ip:{client_ip(request)}"


def client_ip(request: Any) -> str:
    """The caller's address; a whole /64 for IPv6, which is what one household gets.

    Behind PROXY_COUNT proxies it is what the outermost of them saw: the entry of X-Forwarded-For that many from the
    right. Entries further left are whatever the caller wrote.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.PROXY_COUNT:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address = forwarded[-min(settings.PROXY_COUNT, len(forwarded))] or address
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_HOUSEHOLD), strict=False).network_address)
    return str(parsed)
