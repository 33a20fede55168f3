"""What metering tells a caller. `details` follow docs/errors.md; the decision behind each is attached."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, DomainError, PaymentRequired, ServiceUnavailable, Text
from quotas.remedies import API_DOCS_URL, PLANS_URL, Remedy

if TYPE_CHECKING:
    from quotas.values import Decision


class WithRemedy(DomainError):
    """Base of refusals that say what to do next: `details.remedies`, each `{action, url}` with a page of this site.

    `remedy` stands where whoever raises knows nothing better; `remedy_for` has others, by `details.reason`.
    """

    remedy: ClassVar[Remedy]
    remedy_for: ClassVar[Mapping[str, Remedy]] = {}

    def __init__(self, message: Text | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        given = dict(details or {})
        remedy = self.remedy_for.get(str(given.get("reason")), self.remedy)
        super().__init__(message, details={"remedies": [dict(remedy)]} | given)


class MeteringRefused(WithRemedy):
    """Base: the meter said no, and nothing was counted. The decision knows the remedies best, where there is one."""

    remedy: ClassVar = {"action": "upgrade", "url": PLANS_URL}

    def __init__(
        self,
        message: Text | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        decision: "Decision | None" = None,
    ) -> None:
        super().__init__(message, details=details)
        self.decision = decision
        self.quota_headers: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        wait = self.details.get("retry_after_s")
        return self.quota_headers | ({} if wait is None else {"Retry-After": str(wait)})


class QuotaExceeded(MeteringRefused):
    code, status, retryable = "quota_exceeded", 429, True
    default_message = _("You have reached the limit of your plan.")


class NoActiveSubscription(MeteringRefused, PaymentRequired):
    code, status = "no_active_subscription", 402
    default_message = _("There is no active subscription. Choose a plan to go on.")


class InsufficientCredits(MeteringRefused, PaymentRequired):
    """`details.credits`: `balance_units` that can be spent, and `needed_units`."""

    code, status = "insufficient_credits", 402
    default_message = _("There are not enough credits. Take a larger plan, or wait for the next period's.")


class FeatureNotInPlan(MeteringRefused):
    code, status = "feature_not_in_plan", 403
    default_message = _("Your plan does not have this.")


class InvalidQuotaState(MeteringRefused):
    code, status = "invalid_quota_state", 500
    remedy: ClassVar = {"action": "wait", "url": None}
    default_message = _("A counter is not right. Nothing was counted, and we have been told.")


class UnknownMetric(MeteringRefused):
    code, status = "unknown_metric", 422
    remedy: ClassVar = {"action": "read", "url": API_DOCS_URL}
    default_message = _("There is no such metric.")


class ReservationClosed(MeteringRefused, Conflict):
    code, status = "reservation_closed", 409
    remedy: ClassVar = {"action": "reserve", "url": API_DOCS_URL}
    default_message = _("The reservation is settled, released or expired already.")


class MeterUnavailable(ServiceUnavailable):
    """The database did not answer. With the same key the request may be sent again: it counts once."""

    default_message = _("The meter is not available right now. Try again in a moment.")
