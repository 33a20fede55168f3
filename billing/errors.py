"""What billing refuses, and how the payment provider can fail. Codes are those of the API's contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, PaymentRequired, ServiceUnavailable, Text
from quotas.errors import WithRemedy
from quotas.remedies import PLANS_URL, Remedy, contact_remedy

CARD_URL = "/account/billing/card/"
ACCOUNT_URL = "/account/"
INVOICES_URL = "/account/billing/invoices/"
CANCEL_URL = "/account/billing/cancel/"

UPGRADE: Remedy = {"action": "upgrade", "url": PLANS_URL}
CHOOSE: Remedy = {"action": "choose_plan", "url": PLANS_URL}
SEE_PLAN: Remedy = {"action": "see_plan", "url": ACCOUNT_URL}
UNDO: Remedy = {"action": "undo", "url": ACCOUNT_URL}
RESUME: Remedy = {"action": "resume", "url": ACCOUNT_URL}
WAIT: Remedy = {"action": "wait", "url": ACCOUNT_URL}
CHANGE_CARD: Remedy = {"action": "change_card", "url": CARD_URL}
PAY: Remedy = {"action": "pay", "url": INVOICES_URL}


class HasInvoiceId(Protocol):
    stripe_invoice_id: str


def pay_remedy(unpaid: Sequence[HasInvoiceId]) -> Remedy:
    """Paying the oldest invoice, on its page; where none is known yet, the list of them all."""
    if not unpaid:
        return dict(PAY)
    invoice_id = unpaid[0].stripe_invoice_id
    return {"action": "pay", "url": f"{INVOICES_URL}{invoice_id}/", "invoice": invoice_id}


def confirm_remedies(url: str) -> list[Remedy]:
    """For a payment that its payer can confirm on that page of ours, or make with another card."""
    return [{"action": "confirm", "url": url}, dict(CHANGE_CARD)]


class PlanWanted(WithRemedy):
    remedy: ClassVar = UPGRADE


class CardWanted(WithRemedy):
    remedy: ClassVar = CHANGE_CARD


class NoLiveSubscription(PlanWanted, PaymentRequired):
    code = "no_active_subscription"
    default_message = _("There is no active subscription. Choose a plan to go on.")


class InvalidTargetPlan(WithRemedy):
    """`details.available`: the plans that the account could take; `details.intervals`: those of the plan asked for."""

    code, status = "invalid_target_plan", 422
    remedy: ClassVar = CHOOSE
    default_message = _("There is no such plan. Choose one of the plans on offer.")


class PlanChangeNotAllowed(WithRemedy, Conflict):
    """`details.reason`: audience, forbidden, change_scheduled, cancellation_scheduled, change_in_progress,
    changed_meanwhile, payment_overdue, free_plan, another_plan.
    """

    code = "plan_change_not_allowed"
    remedy: ClassVar = CHOOSE
    remedy_for: ClassVar = {
        "change_scheduled": UNDO,
        "cancellation_scheduled": RESUME,
        "change_in_progress": WAIT,
        "changed_meanwhile": SEE_PLAN,
        "another_plan": SEE_PLAN,
        "payment_overdue": PAY,
    }
    default_message = _("This change of plan is not possible.")


class DuplicatePlanChange(WithRemedy, Conflict):
    """`details.current` says what there is already, `details.plan_change` what is under way to it."""

    code = "duplicate_plan_change"
    remedy: ClassVar = SEE_PLAN
    default_message = _("You are on this plan already. Nothing was changed and nothing charged.")


class QuoteStale(WithRemedy, Conflict):
    """`details.preview` is a new preview with a new quote, to be shown and confirmed again.

    `details.reason`: expired, changed (the subscription or the plan's terms, since), amount_changed, used (and what
    came of it does not hold any more), for_another_change (`details.quoted` says for which).
    """

    code = "quote_stale"
    remedy: ClassVar = CHOOSE
    default_message = _("The price shown is no longer right. Nothing was changed; here is the new one.")
    message_for: ClassVar[Mapping[str, Text]] = {
        "expired": _("This quote has expired. Nothing was changed; here is a new one."),
        "changed": _(
            "Your subscription or the plan has changed since this quote. Nothing was changed now; here is a new one."
        ),
        "used": _(
            "This quote was used, and what came of it was changed since. Nothing was changed now; here is a new one."
        ),
    }

    def __init__(self, message: Text | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        reason = (details or {}).get("reason", "")
        super().__init__(message or self.message_for.get(reason), details=details)


class AlreadySubscribed(PlanWanted, Conflict):
    """`details.current`: the plan and its interval."""

    code = "already_subscribed"
    default_message = _("There is a subscription already. Change its plan instead.")


class NothingToUndo(WithRemedy, Conflict):
    code = "nothing_to_undo"
    remedy: ClassVar = SEE_PLAN
    default_message = _("No change is scheduled.")


@dataclass(frozen=True, slots=True)
class RefusedCharge:
    """What Stripe tells of a refused attempt: ids that may be empty, and of the card only brand and last digits."""

    charge_id: str = ""
    intent_id: str = ""
    card_brand: str = ""
    card_last4: str = ""
    reason_code: str = ""


class Refused(CardWanted, PaymentRequired):
    """Base of payments that did not go through. `charge` is for our records, not for the caller."""

    charge: RefusedCharge = RefusedCharge()


class RefundNotAllowed(WithRemedy, Conflict):
    """`details.reason`: not_paid, too_much (`details.refundable_minor`), refund_in_progress."""

    code = "refund_not_allowed"
    remedy: ClassVar = {"action": "see_invoices", "url": INVOICES_URL}
    default_message = _("This invoice cannot be refunded like that. Nothing was refunded.")


class WithdrawalNotAllowed(WithRemedy, Conflict):
    """`details.reason`: free_plan, business, too_late (`details.deadline`), already_withdrawn, change_in_progress."""

    code = "withdrawal_not_allowed"
    remedy: ClassVar = SEE_PLAN
    remedy_for: ClassVar = {
        "too_late": {"action": "cancel", "url": CANCEL_URL},
        "business": {"action": "cancel", "url": CANCEL_URL},
        "change_in_progress": WAIT,
    }
    default_message = _("There is no contract to withdraw from. Nothing was changed.")


class PaymentFailed(Refused):
    """The payment was refused and nothing was changed. `details.decline_code` is Stripe's reason."""

    code = "payment_failed"
    default_message = _("The payment was refused. Nothing was changed; try another card.")


class PaymentActionRequired(Refused):
    """The payer has to confirm the payment, for their bank or by giving a card. Until then nothing is changed.

    `details`: `plan_change`, `client_secret` and `publishable_key` for Stripe's script, `confirm_url` (our page),
    `hosted_url` (Stripe's), `status` of the payment, `amount`, `expires_at`. Without a `client_secret` the payment
    can no longer be confirmed; `reason` says why.
    """

    code = "payment_action_required"
    default_message = _(
        "This payment waits to be confirmed. Nothing is changed or charged until you confirm it."
    )


class PaymentProviderUnavailable(ServiceUnavailable):
    """Stripe did not answer, or not in a way that can be relied on.

    `outcome_known` False: the call may have taken effect; whoever made it keeps its intent open until Stripe,
    asked again, shows what happened. True: it certainly had no effect.
    """

    code = "payment_provider_unavailable"
    default_message = _("The payment service does not answer at the moment.")

    outcome_known: ClassVar[bool] = False


class OveragePending(PaymentProviderUnavailable):
    """Whether a charge was taken is not known yet. `details`: `overage_charge`, and `reversed`, True or False where
    the request had no key and is taken back; with a key, the same request sent again learns what came of it.
    """

    default_message = _("The charge is not confirmed yet. Send the same request with the same key again.")


class ProviderRefused(PaymentProviderUnavailable):
    """Stripe refused the call itself (a wrong parameter, key or state): a fault on our side, without effect."""

    outcome_known = True

    def __init__(self, message: Text | None = None, *, provider_code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.provider_code = provider_code
        self.param = param


class OverageCapReached(WithRemedy):
    """`details`: `cap`, `spent` and `amount` (money), `period_end`."""

    code, status = "overage_cap_reached", 402
    remedy: ClassVar = {"action": "raise_cap", "url": settings.CREDITS_URL}
    default_message = _(
        "This would go over the limit you have set for overage in this period. Raise it to go on."
    )


class OverageChargeFailed(CardWanted, PaymentRequired):
    """Stripe certainly did not take the charge, or an overage invoice was not paid. Nothing was used.

    `details.reason` unpaid: that invoice comes first. amount_too_large: `most` is what could be charged now.
    """

    code = "overage_charge_failed"
    remedy_for: ClassVar = {"unpaid": PAY, "amount_too_large": contact_remedy()}
    default_message = _("The overage could not be charged. Nothing was used. Check the card on file.")


class QueueUnavailable(ServiceUnavailable):
    """`details.reversed`: whether what was taken for the work has been given back already; else it is being."""

    code = "queue_unavailable"
    default_message = _("The work could not be queued. What was charged for it is taken back.")


class CatalogInvalid(Exception):
    """The catalogue file contradicts itself; `problems` says where and how."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class OverdueRulesInvalid(CatalogInvalid):
    """The file of overdue rules contradicts itself."""
