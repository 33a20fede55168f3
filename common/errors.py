"""The tree of errors a caller can act on. Each has a stable code; docs/errors.md lists them all.

Raised by services; rendered once for the API (common.api) and once for pages (common.pages). `details` is what a
program may act on; it never holds secrets or another account's data.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class DomainError(Exception):
    """An outcome that the caller is told about, not a bug.

    code: stable, documented. status: HTTP. retryable: the same request may succeed later unchanged.
    page: the name of its error page where neither the code's nor the status's says enough.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    page: ClassVar[str] = ""
    default_message: ClassVar[Text] = _("Something went wrong on our side.")

    def __init__(self, message: Text | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        self.message = message or self.default_message
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(self.code)

    def headers(self) -> dict[str, str]:
        """Headers the HTTP answer carries besides; `Retry-After` for example."""
        return {}


class InternalError(DomainError):
    """A bug or a broken part; the log has the story under the request id."""


class MalformedRequest(DomainError):
    code, status = "malformed_request", 400
    default_message = _("The request could not be read.")


class NotAuthenticated(DomainError):
    code, status = "not_authenticated", 401
    default_message = _("Sign in, or send a token.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class InvalidCredentials(NotAuthenticated):
    code = "invalid_credentials"
    default_message = _("The e-mail address or the password is not right.")


class TokenExpired(NotAuthenticated):
    code = "token_expired"
    default_message = _("The token is expired or was withdrawn. Get a new one.")


class PaymentRequired(DomainError):
    """Base of what money would mend."""

    status = 402


class PermissionDenied(DomainError):
    code, status = "permission_denied", 403
    default_message = _("You may not do this.")


class NotFound(DomainError):
    code, status = "not_found", 404
    default_message = _("There is nothing here.")


class MethodNotAllowed(DomainError):
    code, status = "method_not_allowed", 405
    default_message = _("This address does not know that method.")


class PayloadTooLarge(DomainError):
    code, status = "payload_too_large", 413
    default_message = _("The body is too large.")


class UnsupportedMediaType(DomainError):
    code, status = "unsupported_media_type", 415
    default_message = _("Send JSON, with Content-Type: application/json.")


class Conflict(DomainError):
    """Base of what another state of things would allow."""

    status = 409


class IdempotencyKeyInProgress(Conflict):
    code, retryable = "idempotency_key_in_progress", True
    default_message = _("The first request with this key is still running. Ask again in a moment.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class ValidationError(DomainError):
    """`details.fields`: [{field, code, message}]."""

    code, status = "validation_error", 422
    default_message = _("Some fields are not right.")

    @classmethod
    def of(cls, field: str, code: str, message: Text) -> "ValidationError":
        return cls(details={"fields": [{"field": field, "code": code, "message": str(message)}]})


class IdempotencyKeyReused(DomainError):
    code, status = "idempotency_key_reused", 422
    default_message = _("This key was used with another request. Use a new key.")


class RateLimited(DomainError):
    """`details`: `limit` (its name), `retry_after_s`, where that is known. `rate_headers` say the same in the IETF's form."""

    code, status, retryable = "rate_limited", 429, True
    default_message = _("Too many requests. Wait, then go on.")

    def __init__(
        self,
        message: Text | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        rate_headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, details=details)
        self.rate_headers = dict(rate_headers or {})

    def headers(self) -> dict[str, str]:
        wait = self.details.get("retry_after_s")
        return self.rate_headers | ({} if wait is None else {"Retry-After": str(wait)})


class ServiceUnavailable(DomainError):
    code, status, retryable = "service_unavailable", 503, True
    default_message = _("This part is not available right now. Nothing was changed.")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}
