"""What every change of plan shares: who asks for what, the intent's row, what is told, logged and counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing import metrics
from billing.enums import ChangeKind, ChangeStatus
from billing.errors import PaymentActionRequired, PaymentFailed, PaymentProviderUnavailable
from billing.gateways.client import MISSING_METHOD
from billing.gateways.values import PromotionState
from billing.models import PlanChange, Price, Subscription
from billing.services.quotes import Quote
from common.errors import DomainError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlanChangeResult:
    """`subscription` is the account's after the change; None after the end of a business plan."""

    change: PlanChange
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `arrived_at`: what was settled later is answered with that outcome when it is the same.

    `collects`: without a card on file the payer is there and gives one. `shown_minor`: the sum they were shown.
    """

    account: Account
    user: User | None
    target_plan: str | None
    interval: str | None
    quote: str | None
    idempotency_key: str | None
    request_id: str
    arrived_at: datetime
    operation: str = "change"
    keep: tuple[str, ...] = ()
    reason: str = ""
    collects: bool = False
    promotion: PromotionState | None = None
    shown_minor: int | None = None

    def having(self, promotion: PromotionState | None) -> "Asked":
        """The same with the promotion code that was found for it."""
        return replace(self, promotion=promotion)

    @property
    def scoped_key(self) -> str | None:
        """The caller's key is theirs alone and for this operation alone."""
        if self.idempotency_key is None:
            return None
        return f"{self.operation}:{self.user.pk if self.user else 0}:{self.idempotency_key}"


def change_open(
    *,
    asked: Asked,
    subscription: Subscription | None,
    target: Price | None,
    kind: ChangeKind,
    quote: Quote | None = None,
    trial_days: int | None = None,
) -> PlanChange:
    """The intent's row. The database refuses a second one in flight."""
    source = subscription.price if subscription else None
    return PlanChange.objects.create(
        account=asked.account,
        subscription=subscription,
        user=asked.user,
        from_price=source,
        to_price=target,
        kind=kind,
        status=ChangeStatus.PENDING,
        request_id=asked.request_id,
        idempotency_key=asked.scoped_key,
        quote_id=quote.id if quote else None,
        keep_ids=list(asked.keep),
        reason=asked.reason[:500],
        proration_at=quote.proration_at if quote else asked.arrived_at.replace(microsecond=0),
        due_minor=quote.due_minor if quote else asked.shown_minor,
        collects=asked.collects,
        trial_days=trial_days,
        promotion_code=asked.promotion.code if asked.promotion else quote.promotion_code if quote else "",
        stripe_promotion_id=asked.promotion.id if asked.promotion else quote.promotion_id if quote else "",
        currency=(target or source).currency if target or source else "",  # type: ignore[union-attr]
        requested_at=asked.arrived_at,
        last_tried_at=asked.arrived_at,
    )


def change_by_key(asked: Asked) -> PlanChange | None:
    """What the same request, sent before, has led to; a failure may be tried again."""
    if asked.scoped_key is None:
        return None
    keyed = PlanChange.objects.filter(account=asked.account, idempotency_key=asked.scoped_key)
    return keyed.exclude(status=ChangeStatus.FAILED).first()


def unknown_outcome(change: PlanChange) -> PaymentProviderUnavailable:
    """What is told while nobody knows: not that it failed."""
    return PaymentProviderUnavailable(
        _(
            "The payment service did not answer. We are finding out whether the change was made; look again in a minute."
        ),
        details={"plan_change": str(change.pk), "status": ChangeStatus.PENDING.value},
    )


DECLINES: dict[str, Callable[[], str]] = {
    "insufficient_funds": lambda: _("there is not enough money on the card"),
    "expired_card": lambda: _("the card has expired"),
    "incorrect_cvc": lambda: _("the security code is not right"),
    "incorrect_number": lambda: _("the card number is not right"),
    "processing_error": lambda: _("the bank had a technical problem; try again in a moment"),
    "card_velocity_exceeded": lambda: _("the card's limit is reached"),
    MISSING_METHOD: lambda: _("no card is on file"),
    "payment_intent_authentication_failure": lambda: _("it was not confirmed with the bank"),
    "authentication_required": lambda: _("the bank wants it confirmed"),
}


def decline_text(code: object) -> str:
    """A bank's reason in words."""
    return DECLINES.get(str(code), lambda: _("the bank gave no reason"))()


def card_refused(error: PaymentFailed) -> PaymentFailed:
    """A card that the bank did not let us keep: nothing was to be paid."""
    code = error.details.get("decline_code")
    reason = decline_text(code) if code in DECLINES else _("the bank refused it")
    message = _("The card was not added: %(reason)s. Nothing was charged; try another card.")
    return PaymentFailed(message % {"reason": reason}, details={**error.details, "reason": reason})


def worded(error: DomainError) -> DomainError:
    """A refused payment with the bank's reason in words and the way on."""
    if isinstance(error, PaymentActionRequired) and "reason" in error.details:
        return PaymentActionRequired(
            _("The payment was not confirmed. Nothing was changed and nothing charged; you can begin again."),
            details=error.details,
        )
    if not isinstance(error, PaymentFailed) or "reason" in error.details:
        return error
    code = error.details.get("decline_code")
    reason = decline_text(code)
    if code == MISSING_METHOD:
        message = _("No card is on file. Nothing was changed and nothing charged. Add a card and try again.")
    else:
        message = _(
            "The payment was refused: %(reason)s. Nothing was changed. Add or choose another card and try again."
        )
    return PaymentFailed(
        message % {"reason": reason},
        details={**error.details, "reason": reason, "payment_methods_url": "/v1/billing/payment-methods"},
    )


class observed:  # noqa: N801 - reads as a word where it is used
    """Logs and counts one attempt, whatever comes of it."""

    def __init__(self, asked: Asked) -> None:
        self.log = log.bind(
            account=asked.account.pk,
            user=asked.user.pk if asked.user else None,
            target_plan=asked.target_plan,
            interval=asked.interval,
            request_id=asked.request_id,
        )

    def __enter__(self) -> None:
        self.log.info("plan_change_requested")

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, DomainError):
            metrics.plan_change_failure_total.labels(error.code).inc()
            self.log.warning("plan_change_refused", code=error.code, details=_loggable(error))
        elif error is not None:
            metrics.plan_change_failure_total.labels("internal_error").inc()
            self.log.error("plan_change_crashed", error=type(error).__name__)
        else:
            self.log.info("plan_change_answered")


def _loggable(error: DomainError) -> dict[str, object]:
    hidden = ("preview", "quote", "remedies", "client_secret", "hosted_url")
    return {key: value for key, value in error.details.items() if key not in hidden}
