"""Metering by path, for views that cannot carry the decorator (a library's, say).

settings.METERED_PATHS is a list of PathRule. The first rule that matches counts; a request without a known caller is
refused, so that no path that is metered can be used uncounted.

With an Idempotency-Key such a path answers as the API's own views do: the first answer is kept and told again, and the
call counts once, also when it has to run again after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.settings import api_settings

from accounts.selectors import account_of
from common.api.views import CHANGING
from common.callers import caller_of
from common.errors import DomainError, NotAuthenticated
from common.idempotency import Call, run_once
from common.pages import render_error
from quotas.metering import Metering, metering
from quotas.serialize import quota_headers

FIRST_FAILURE_STATUS = 400


@dataclass(frozen=True, slots=True)
class PathRule:
    """Requests with one of `methods` whose path matches `pattern` from its start use `units` of `metric`."""

    pattern: str
    metric: str
    methods: tuple[str, ...] = ("POST",)
    units: int = 1

    def matches(self, request: HttpRequest) -> bool:
        return request.method in self.methods and re.match(self.pattern, request.path_info) is not None


class MeteringMiddleware:
    """Reserve before, settle after success, release after failure; `X-Quota-*` on the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.rules: list[PathRule] = list(getattr(settings, "METERED_PATHS", []))
        if not self.rules:
            raise MiddlewareNotUsed

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        rule = next((rule for rule in self.rules if rule.matches(request)), None)
        if rule is None:
            return self.get_response(request)
        return _answer(request, lambda: self._metered(request, rule))

    def _metered(self, request: HttpRequest, rule: PathRule) -> HttpResponseBase:
        _identify(request)
        call = _call_of(request)
        if call is None:
            return self._counted(request, rule, None)
        key = f"call-{call.id.hex}-{rule.metric}"
        # Refusals are kept too, as they are everywhere.
        return run_once(call, lambda: _answer(request, lambda: self._counted(request, rule, key)))

    def _counted(self, request: HttpRequest, rule: PathRule, key: str | None) -> HttpResponseBase:
        call: Metering
        with metering(
            account_id=account_of(request).id,
            metric=rule.metric,
            units=rule.units,
            credential_id=getattr(request, "credential_id", None),
            request_id=getattr(request, "request_id", ""),
            key=key,
        ) as call:
            response = self.get_response(request)
            if response.status_code >= FIRST_FAILURE_STATUS:
                call.fail()
        for name, value in quota_headers(call.bound if call.succeeded else None).items():
            response.headers[name] = value
        return response


def _answer(request: HttpRequest, produce: Callable[[], HttpResponseBase]) -> Any:
    """What is produced, or the error instead of it as the caller is told it."""
    try:
        return produce()
    except DomainError as error:
        return render_error(request, error)


def _call_of(request: HttpRequest) -> Call | None:
    """What the request and its repeats are known by, when it carries an Idempotency-Key and may change something.

    A view of the API behind the rule keeps answers under a name of its own: the two do not wait for each other.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method not in CHANGING:
        return None
    return Call.of(
        scope=f"metered:{caller_of(request)}",
        key=key,
        method=request.method,
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        body=request.body,
    )


def _identify(request: HttpRequest) -> None:
    """The caller by session, or by whatever the API's views go by."""
    if getattr(request, "user", None) is not None and request.user.is_authenticated:
        return
    for authenticator in api_settings.DEFAULT_AUTHENTICATION_CLASSES:
        found = authenticator().authenticate(Request(request))  # type: ignore[operator]
        if found is not None:
            request.user, request.auth = found  # type: ignore[attr-defined]
            return
    raise NotAuthenticated
