"""Rate limits: django-ratelimit's counting, in our form.

Limits are named in settings.RATE_LIMITS: a rate ("300/60": 300 in each window of 60 s) and what is counted by. Windows
are fixed and begin at another moment for each key. Without Redis requests pass uncounted, which is logged and counted
(docs/adr/0013): limits guard against excess; exact quotas are kept elsewhere, in PostgreSQL.

django-ratelimit alone answers 403 without Retry-After, and lets everybody or nobody in when Redis is down.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_ratelimit.core import get_usage
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from common.breaker import Breaker
from common.callers import caller_of, client_ip
from common.errors import RateLimited
from common.metrics import rate_limit_refusals_total, rate_limit_unavailable_total

logger = structlog.get_logger(__name__)

Key = Callable[[Any], str]

_keys: dict[str, Key] = {}
_redis = Breaker(pause_s=2.0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one limit says: `remaining` of `quota` in this window of `window_s`, anew in `reset_s` seconds."""

    name: str
    quota: int
    window_s: int
    used: int
    reset_s: int

    @property
    def remaining(self) -> int:
        return max(self.quota - self.used, 0)

    @property
    def exceeded(self) -> bool:
        return self.used > self.quota


def register_key(name: str, function: Key) -> None:
    """Let limits count by `function(request)`; apps register theirs in AppConfig.ready()."""
    _keys[name] = function


def registered_keys() -> frozenset[str]:
    return frozenset(_keys)


def check(request: Any, names: Iterable[str]) -> list[Usage]:
    """Count this request against each limit in turn. RateLimited at the first that is exceeded."""
    usages: list[Usage] = []
    for name in names:
        usage = _count(request, name)
        if usage is None:
            continue
        usages.append(usage)
        if usage.exceeded:
            rate_limit_refusals_total.labels(name).inc()
            raise RateLimited(
                details={"limit": name, "retry_after_s": usage.reset_s}, rate_headers=headers(usages)
            )
    # For the middleware: an answer to a bug is made where nobody knows of the limits.
    getattr(request, "_request", request).rate_limit_headers = headers(usages)
    return usages


def headers(usages: Iterable[Usage]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11)."""
    listed = list(usages)
    if not listed:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{u.name}";q={u.quota};w={u.window_s}' for u in listed),
        "RateLimit": ", ".join(f'"{u.name}";r={u.remaining};t={u.reset_s}' for u in listed),
    }


def ratelimited(
    *names: str,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """For Django views, what `rate_limits` is for API views."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            usages = check(request, names)
            response = view(request, *args, **kwargs)
            for header, value in headers(usages).items():
                response[header] = value
            return response

        return limited

    return decorate


def _count(request: Any, name: str) -> Usage | None:
    """Count one more. None when nobody can tell, because Redis does not answer."""
    rate, key = settings.RATE_LIMITS[name]
    value = _keys[key](request)
    found = None if _redis.is_open else _ask(request, name, rate, value)
    if found is None:
        rate_limit_unavailable_total.inc()
        return None
    return Usage(
        name=name,
        quota=found["limit"],
        window_s=_window_s(rate),
        used=found["count"],
        # The window ends with the second that it names, so a whole second more is the first sure moment. What is left
        # may be less than nothing: the clock is read once to choose the window and again after Redis has counted.
        reset_s=max(found["time_left"], 0) + 1,
    )


def _ask(request: Any, name: str, rate: str, value: str) -> dict[str, int] | None:
    try:
        return get_usage(request, group=name, key=lambda _group, _request: value, rate=rate, increment=True)
    except (ConnectionInterrupted, RedisError, OSError) as error:
        _redis.trip()
        logger.warning("rate_limits_unavailable", error=type(error).__name__)
        return None


def _window_s(rate: str) -> int:
    return int(rate.split("/")[1])


def _ip_and_email(request: Any) -> str:
    """Who tries to sign in as whom. The address is hashed: keys of a cache are no place for it."""
    email = request.data.get("email", "")
    known = email.strip().lower() if isinstance(email, str) else ""
    return f"{client_ip(request)}:{hashlib.sha256(known.encode()).hexdigest()}"


register_key("everyone", lambda _request: "everyone")
register_key("caller", caller_of)
register_key("ip", client_ip)
register_key("ip_email", _ip_and_email)
