"""Metering and gating as seen from a view: one line.

    @metered("messages")
    def post(self, request): ...

Works on functions and on methods, of Django and of DRF. The view finds the call as `request.metering`, and in its
`bound` how much is left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.selectors import account_of
from common import clock
from common.openapi import raises
from quotas.errors import (
    FeatureNotInPlan,
    InsufficientCredits,
    InvalidQuotaState,
    NoActiveSubscription,
    QuotaExceeded,
)
from quotas.metering import metering
from quotas.remedies import feature_details
from quotas.selectors import has_feature
from quotas.serialize import quota_headers
from quotas.services import DEFAULT_TTL_S

View = TypeVar("View", bound=Callable[..., Any])
Units = int | Callable[[Any], int]
FIRST_FAILURE_STATUS = 400
# What a metered call may be refused with; the API's description names them for each metered view.
METERING_ERRORS = (
    QuotaExceeded,
    NoActiveSubscription,
    InsufficientCredits,
    FeatureNotInPlan,
    InvalidQuotaState,
)


def metered(metric: str, units: Units = 1, *, ttl_s: int = DEFAULT_TTL_S) -> Callable[[View], View]:
    """Count `units` of `metric` for each successful call; refuse before the view runs when there is no room.

    `units` may be a function of the request. A call that raises or answers 400 and up counts nothing. `ttl_s`: the
    longest the view may take before its units are given to others. With an Idempotency-Key a call is counted once,
    also when its view has to run again after a crash.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            request = _request_among(args)
            with metering(
                account_id=account_of(request).id,
                metric=metric,
                units=units(request) if callable(units) else units,
                ttl_s=ttl_s,
                credential_id=getattr(request, "credential_id", None),
                request_id=getattr(request, "request_id", ""),
                key=_key(request, metric),
            ) as call:
                request.metering = call
                response = view(*args, **kwargs)
                if response.status_code >= FIRST_FAILURE_STATUS:
                    call.fail()
            for name, value in quota_headers(call.bound if call.succeeded else None).items():
                response.headers[name] = value
            return response

        return raises(*METERING_ERRORS)(wrapper)  # type: ignore[return-value]

    return decorate


def requires_feature(feature: str) -> Callable[[View], View]:
    """Answer 403 `feature_not_in_plan`, naming the plans that have it, to accounts without the feature."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            account_id = account_of(_request_among(args)).id
            if not has_feature(account_id=account_id, feature=feature, at=clock.now()):
                raise FeatureNotInPlan(details={"feature": feature, **feature_details(account_id, feature)})
            return view(*args, **kwargs)

        return raises(FeatureNotInPlan)(wrapper)  # type: ignore[return-value]

    return decorate


def _key(request: Any, metric: str) -> str | None:
    """The meter's key of a call that carries an Idempotency-Key: run again after a crash, it is counted once."""
    call_id = getattr(request, "call_id", None)
    return f"call-{call_id.hex}-{metric}" if call_id else None


def _request_among(args: tuple[Any, ...]) -> Any:
    """The request of a function view (first argument) or of a method (second)."""
    for argument in args[:2]:
        if isinstance(argument, HttpRequest | Request):
            return argument
    raise TypeError("metered and requires_feature decorate views: a request must come first")
