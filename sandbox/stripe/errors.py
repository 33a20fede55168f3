"""Stripe's error tree as it goes over the wire."""

from typing import Any

from werkzeug.exceptions import HTTPException

DOCS = "https://docs.stripe.com/error-codes/"


class StripeError(Exception):
    """An answer in Stripe's error shape.

    `keep` says that what was done before the error stands (a declined charge leaves its payment intent behind);
    `stored` that the answer belongs to the request's idempotency key.
    """

    keep = False
    stored = True

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "type": kind}
        if code:
            self.body |= {"code": code, "doc_url": DOCS + code.replace("_", "-")}
        if param:
            self.body["param"] = param
        self.body |= extra


class InvalidParams(StripeError):
    """Refused before anything ran: a later request with the same key is not bound by it."""

    stored = False


class CardError(StripeError):
    """402: the bank, or the payer, said no. What led to it stands."""

    keep = True

    def __init__(self, message: str, *, code: str, decline_code: str | None = None, **extra: Any) -> None:
        if decline_code:
            extra["decline_code"] = decline_code
        super().__init__(message, status=402, kind="card_error", code=code, **extra)


def missing(kind: str, object_id: str, param: str = "id") -> StripeError:
    word = kind.rsplit(".", maxsplit=1)[-1].replace("_", " ")
    word = {"subscription schedule": "subscription schedule", "payment method": "PaymentMethod"}.get(
        word, word
    )
    return StripeError(f"No such {word}: '{object_id}'", status=404, code="resource_missing", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    return StripeError(message, param=param, code=code)


def from_http(error: HTTPException, method: str, path: str) -> StripeError:
    """The router's 404 and 405 in Stripe's words."""
    if error.code in (404, 405):
        return InvalidParams(
            f"Unrecognized request URL ({method}: {path}). Please see https://docs.stripe.com or we can help at "
            "https://support.stripe.com/.",
            status=404,
        )
    return InvalidParams(error.description or "Bad request", status=error.code or 400)
