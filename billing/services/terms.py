"""How a change begins: with a trial or without, with what a promotion code takes off."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import SubscriptionStatus
from billing.errors import ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import PromotionState, Terms
from billing.models import PlanChange, Price, Subscription
from billing.selectors import trial_days_for
from common.errors import ValidationError

CODE_MAX = 80
CODE_ERRORS = ("promotion_code_", "coupon_")


def promotion_check(*, code: str | None, currency: str) -> PromotionState | None:
    """The promotion code that somebody typed; None for none. ValidationError on `promotion_code` says what is wrong."""
    typed = (code or "").strip()
    if not typed:
        return None
    found, usable = gateway.promotion_find(typed[:CODE_MAX])
    if found is None or len(typed) > CODE_MAX:
        raise ValidationError.of(
            "promotion_code", "invalid", _("There is no such code. Check how it is spelt.")
        )
    if not usable:
        raise ValidationError.of("promotion_code", "expired", _("This code is no longer valid."))
    if found.currency not in (None, currency):
        raise ValidationError.of("promotion_code", "invalid", _("This code is not for this plan."))
    return found


@contextmanager
def code_answered(promotion_id: str | None) -> Iterator[None]:
    """Around what asks Stripe for a price with a code: that this payer may not use it is an answer to who typed it. Stripe
    has codes for one customer, for first purchases, from a sum on; and the last one may have been used a moment ago.
    """
    try:
        yield
    except ProviderRefused as error:
        about_it = error.param.startswith("discounts") or error.provider_code.startswith(CODE_ERRORS)
        if not promotion_id or not about_it:
            raise
        raise ValidationError.of(
            "promotion_code",
            "not_applicable",
            _("You cannot use this code for that. Nothing was charged; go on without it."),
        ) from error


def promotion_refuse(promotion: PromotionState | None) -> None:
    """For a change that is paid later, or never: a code would be lost on it."""
    if promotion is not None:
        raise ValidationError.of(
            "promotion_code",
            "not_applicable",
            _("A code counts when you pay now. Nothing is paid for this now."),
        )


def trial_offered(*, account: Account, subscription: Subscription | None, target: Price) -> int | None:
    """How many days the account could use the target before it pays; None without a trial. One per account, ever."""
    if subscription is not None and subscription.stripe_subscription_id is not None:
        return None
    return trial_days_for(account.pk, target.version.plan)


def change_terms(
    *, subscription: Subscription | None, target: Price, trial_days: int | None, promotion_id: str | None
) -> Terms:
    """What Stripe is told beside the price. Asks Stripe for the discounts there are when another one comes."""
    if subscription is None or subscription.stripe_subscription_id is None:
        return Terms(trial_days=trial_days, promotion_id=promotion_id or None)
    keeps: tuple[str, ...] = ()
    if promotion_id:
        keeps = gateway.subscription_get(subscription.stripe_subscription_id).discount_ids
    return Terms(
        promotion_id=promotion_id or None, ends_trial=trial_ends_by(subscription, target), keeps=keeps
    )


def trial_ends_by(subscription: Subscription, target: Price) -> bool:
    """Going up in mid-trial ends the trial, unless the target has a trial too: then it goes on there."""
    return subscription.status == SubscriptionStatus.TRIALING and not target.version.plan.trial_days


def terms_of_change(change: PlanChange) -> Terms:
    assert change.to_price is not None, "terms are those of a target"
    return change_terms(
        subscription=change.subscription,
        target=change.to_price,
        trial_days=change.trial_days,
        promotion_id=change.stripe_promotion_id,
    )
