"""The SDK's client, set up once per process: pinned version, bounded waits, retries, and our errors for its errors."""

import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import stripe
import structlog
from django.conf import settings

from billing.errors import (
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    ProviderRefused,
    RefusedCharge,
)
from billing.gateways.effects import effect_noted

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 12.0
MAX_RETRIES = 3
RATE_LIMITED = 429
LONGEST_PAUSE_S = 5.0
# The longest a call can take, retries and pauses included: after this no call is under way any more.
LONGEST_CALL_S = (MAX_RETRIES + 1) * (CONNECT_TIMEOUT_S + READ_TIMEOUT_S) + MAX_RETRIES * LONGEST_PAUSE_S
PAGE = 100
"""How many objects a list call asks for at once: the most that Stripe gives."""

ACTION_CODES = (
    "authentication_required",
    "subscription_payment_intent_requires_action",
    "invoice_payment_intent_requires_action",
)
MISSING_METHOD = "payment_method_missing"
MISSING_OBJECT = "resource_missing"
NOTHING_COMES = "invoice_upcoming_none"
# A request that is wrong whatever was entered.
OUR_FAULTS = frozenset({"parameter_unknown", "parameter_missing", "idempotency_key_in_use"})

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)


class PatientHttpClient(stripe.RequestsClient):
    """The SDK does not try again when told that it asks too often; the same idempotency key makes that safe. Each attempt
    is noted for whoever watches what can have had an effect.
    """

    def request(  # type: ignore[override]  # as the SDK's own client overrides it
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            answer = super().request(method, url, headers, post_data)
        except stripe.APIConnectionError as error:
            effect_noted(method, url, error=error)
            raise
        effect_noted(method, url, status=answer[1])
        return answer

    def _should_retry(
        self,
        response: tuple[Any, int, Mapping[str, str] | None] | None,
        api_connection_error: stripe.APIConnectionError | None,
        num_retries: int,
        max_network_retries: int | None,
    ) -> bool:
        if response is not None and response[1] == RATE_LIMITED:
            return num_retries < (max_network_retries or 0)
        return bool(super()._should_retry(response, api_connection_error, num_retries, max_network_retries))

    def _sleep_time_seconds(self, num_retries: int) -> float:
        """Doubling, each pause with a quarter of chance more or less: the SDK's own first pause is always the same,
        so that all who were cut off together would come back together.
        """
        pause = min(stripe.HTTPClient.INITIAL_DELAY * 2 ** (num_retries - 1), stripe.HTTPClient.MAX_DELAY)
        return min(pause * random.uniform(0.75, 1.25), LONGEST_PAUSE_S)  # noqa: S311 - spreads load, guards nothing


@functools.cache
def _client(api_key: str, base: str, version: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        api_key,
        stripe_version=version,
        base_addresses={"api": base} if base else None,
        max_network_retries=MAX_RETRIES,
        http_client=PatientHttpClient(timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)),
    )


def api() -> Any:
    """The client's v1 services, by the settings of now. Raises ProviderRefused when there is no key."""
    if not settings.STRIPE_SECRET_KEY:
        raise ProviderRefused(provider_code="no_api_key")
    return _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_API_VERSION).v1


@contextmanager
def translated(call: str, *, inputs: Sequence[str] = ()) -> Iterator[None]:
    """Turns the SDK's errors into ours; logs them without what the payer entered. `inputs`: see takes_input."""
    try:
        yield
    except stripe.CardError as error:
        raise _card_error(error) from error
    except stripe.InvalidRequestError as error:
        raise _refusal(call, error, inputs) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        _log(call, error)
        raise ProviderRefused(provider_code=error.code or "not_authenticated") from error
    except stripe.StripeError as error:
        # Lost connections, 5xx, 429 and conflicts after all retries: what happened there is not known.
        _log(call, error)
        raise PaymentProviderUnavailable from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # An answer of another shape than the API's: the effect may be there all the same.
        log.exception("payment_provider_answer_unreadable", call=call)
        raise PaymentProviderUnavailable from error


def gateway_call(function: Callable[P, R]) -> Callable[P, R]:
    """Marks a method of the gateway as one call (or one read) at Stripe."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with translated(function.__name__, inputs=getattr(function, "inputs", ())):
            return function(*args, **kwargs)

    return call


def takes_input(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks, below gateway_call, the parameters that hold what a person typed or their browser sent. That Stripe refuses
    one of those is an answer to them, not an error of the provider's or ours, and is logged as that.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.inputs = names  # type: ignore[attr-defined]
        return function

    return mark


def none_when_missing(function: Callable[P, R]) -> Callable[P, R | None]:
    """For reads: Stripe's "no such object" is an answer."""

    @functools.wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except stripe.InvalidRequestError as error:
            if error.code == MISSING_OBJECT:
                return None
            raise

    return read


def none_when_nothing_comes(function: Callable[P, R]) -> Callable[P, R | None]:
    """For previews: that there will be no invoice is an answer."""

    @functools.wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except stripe.InvalidRequestError as error:
            if error.code == NOTHING_COMES:
                return None
            raise

    return read


def _log(call: str, error: stripe.StripeError) -> None:
    log.error(
        "payment_provider_error",
        call=call,
        error_type=type(error).__name__,
        http_status=error.http_status,
        provider_code=error.code,
        provider_request_id=error.request_id,
    )


def _card_error(error: stripe.CardError) -> PaymentFailed | PaymentActionRequired:
    details: dict[str, Any] = {"provider_code": error.code}
    body = error.error
    decline_code = getattr(body, "decline_code", None) if body is not None else None
    found: PaymentFailed | PaymentActionRequired
    if error.code in ACTION_CODES or decline_code == "authentication_required":
        found = PaymentActionRequired(details=details)
    else:
        details["decline_code"] = decline_code or error.code
        found = PaymentFailed(details=details)
    found.charge = _charge_of(error, str(decline_code or error.code or "card_declined"))
    return found


def _charge_of(error: stripe.CardError, reason_code: str) -> RefusedCharge:
    """What the error says of the attempt; Stripe leaves out what it does not apply to."""
    answer: Any = error.json_body or {}
    body = answer.get("error") or {}
    intent = body.get("payment_intent") or {}
    method = body.get("payment_method") or intent.get("payment_method") or {}
    card = (method.get("card") or {}) if isinstance(method, dict) else {}
    return RefusedCharge(
        charge_id=body.get("charge") or "",
        intent_id=intent.get("id") or "",
        card_brand=card.get("brand") or "",
        card_last4=card.get("last4") or "",
        reason_code=reason_code,
    )


def _refusal(
    call: str, error: stripe.InvalidRequestError, inputs: Sequence[str]
) -> PaymentFailed | ProviderRefused:
    if error.code == MISSING_OBJECT and "no attached payment" in (error.user_message or "").lower():
        return PaymentFailed(details={"decline_code": MISSING_METHOD})
    if _is_about(error, inputs):
        log.info("payment_input_refused", call=call, param=error.param, provider_code=error.code)
    else:
        _log(call, error)
    return ProviderRefused(provider_code=error.code or "invalid_request", param=error.param or "")


def _is_about(error: stripe.InvalidRequestError, inputs: Sequence[str]) -> bool:
    """Whether Stripe refuses what was entered: it names the parameter, or none where the state of the thing is meant."""
    if not inputs or error.code in OUR_FAULTS:
        return False
    return not error.param or error.param.partition("[")[0] in inputs


def keyed(key: str) -> dict[str, Any]:
    """The options of a write: Stripe does what it is asked under one key once."""
    return {"idempotency_key": key}
