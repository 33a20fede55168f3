"""What a browser may do: calls with the publishable key, and what they are told.

As at Stripe, an intent is reached only with its client secret, and what is of no concern to the payer (the customer,
metadata, charges) is left out of the answer.
"""

import re
from typing import Any

from werkzeug.wrappers import Response

from sandbox.stripe.errors import InvalidParams, StripeError
from sandbox.stripe.params import Params
from sandbox.stripe.store import Object, Tx

ALLOWED = (
    ("POST", re.compile(r"/v1/payment_methods$")),
    ("GET", re.compile(r"/v1/(payment|setup)_intents/[^/]+$")),
    ("POST", re.compile(r"/v1/(payment|setup)_intents/[^/]+/confirm$")),
)

# The fields of Stripe.js' own objects.
SHOWN = {
    "payment_intent": {
        "amount",
        "amount_details",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "capture_method",
        "client_secret",
        "confirmation_method",
        "created",
        "currency",
        "description",
        "last_payment_error",
        "livemode",
        "next_action",
        "payment_method",
        "payment_method_types",
        "processing",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "status",
    },
    "setup_intent": {
        "automatic_payment_methods",
        "cancellation_reason",
        "client_secret",
        "created",
        "description",
        "last_setup_error",
        "livemode",
        "next_action",
        "payment_method",
        "payment_method_types",
        "status",
        "usage",
    },
    "payment_method": {
        "allow_redisplay",
        "billing_details",
        "card",
        "created",
        "livemode",
        "type",
    },
}
PRIVATE_OF_CARD = {"fingerprint", "generated_from"}


def refuse_unless_allowed(method: str, path: str) -> None:
    if not any(method == verb and pattern.match(path) for verb, pattern in ALLOWED):
        raise InvalidParams(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list "
            "of your API keys at https://dashboard.stripe.com/account/apikeys.",
            status=403,
            code="secret_key_required",
        )


def prove(tx: Tx, intent_id: str | None, given: Params) -> Params:
    """The parameters without the client secret, which must be the intent's."""
    if intent_id is None:
        return given
    kind = "setup_intent" if intent_id.startswith("seti_") else "payment_intent"
    intent = tx.peek(kind, intent_id)
    if intent is None or given.get("client_secret") != intent["client_secret"]:
        raise StripeError(
            f"The client_secret provided does not match any associated {kind.replace('_', ' ')} on this account.",
            status=404,
            code="resource_missing",
            param="client_secret",
        )
    return {name: value for name, value in given.items() if name != "client_secret"}


def reduced(obj: Any) -> Any:
    """What the payer's browser is told of an object."""
    if not isinstance(obj, dict) or obj.get("object") not in SHOWN:
        return obj
    shown: Object = {
        name: obj[name] for name in ("id", "object", *sorted(SHOWN[obj["object"]])) if name in obj
    }
    for name in ("last_payment_error", "last_setup_error"):
        if shown.get(name):
            shown[name] = reduced_error(shown[name])
    if "card" in shown:
        shown["card"] = {name: value for name, value in shown["card"].items() if name not in PRIVATE_OF_CARD}
    return shown


def reduced_error(error: Object) -> Object:
    return {name: reduced(value) for name, value in error.items() if name != "charge"}


# Other origins -------------------------------------------------------------------------------------------------------

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Request-Id, Idempotent-Replayed",
    "Access-Control-Max-Age": "300",
}


def preflight() -> Response:
    """Any page may ask; what it gets to see is bound to a key, not to cookies."""
    response = Response(status=204)
    response.headers.update(CORS)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = (
        "Authorization, Content-Type, Idempotency-Key, Stripe-Version"
    )
    return response
