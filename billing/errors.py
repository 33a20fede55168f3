"""What billing refuses, and how the payment provider can fail. Codes are those of the API's contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, DomainError, PaymentRequired, ServiceUnavailable, Text
from quotas.remedies import PLANS_URL

CARD_URL = "/account/billing/card/"


class WithRemedy(DomainError):
    """Base of what another plan or another card would mend: `details.remedies` says where."""

    remedy: ClassVar[dict[str, str]]

    def __init__(self, message: Text | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details={"remedies": [dict(self.remedy)]} | dict(details or {}))


class PlanWanted(WithRemedy):
    remedy: ClassVar = {"action": "upgrade", "url": PLANS_URL}


class CardWanted(WithRemedy):
    remedy: ClassVar = {"action": "change_card", "url": CARD_URL}


class NoLiveSubscription(PlanWanted, PaymentRequired):
    code = "no_active_subscription"
    default_message = _("There is no active subscription. Choose a plan to go on.")


class InvalidTargetPlan(DomainError):
    """`details.available`: the plans that the account could take; `details.intervals`: those of the plan asked for."""

    code, status = "invalid_target_plan", 422
    default_message = _("There is no such plan. Choose one of the plans on offer.")


class PlanChangeNotAllowed(Conflict):
    """`details.reason`: audience, forbidden, change_scheduled, change_in_progress, payment_overdue, free_plan."""

    code = "plan_change_not_allowed"
    default_message = _("This change of plan is not possible.")


class DuplicatePlanChange(Conflict):
    """`details.current` or `details.in_progress` says what there is already."""

    code = "duplicate_plan_change"
    default_message = _("You are on this plan already. Nothing was changed and nothing charged.")


class QuoteStale(Conflict):
    """`details.preview` is a new preview with a new quote, to be shown and confirmed again."""

    code = "quote_stale"
    default_message = _("The price shown is no longer right. Nothing was changed; here is the new one.")


class AlreadySubscribed(PlanWanted, Conflict):
    """`details.current`: the plan and its interval."""

    code = "already_subscribed"
    default_message = _("There is a subscription already. Change its plan instead.")


class NothingToUndo(PlanWanted, Conflict):
    code = "nothing_to_undo"
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


class RefundNotAllowed(Conflict):
    """`details.reason`: not_paid, too_much (`details.refundable_minor`), refund_in_progress."""

    code = "refund_not_allowed"
    default_message = _("This invoice cannot be refunded like that. Nothing was refunded.")


class WithdrawalNotAllowed(PlanWanted, Conflict):
    """`details.reason`: free_plan, business, too_late (`details.deadline`), already_withdrawn, change_in_progress."""

    code = "withdrawal_not_allowed"
    default_message = _("There is no contract to withdraw from. Nothing was changed.")


class PaymentFailed(Refused):
    """The payment was refused and nothing was changed. `details.decline_code` is Stripe's reason."""

    code = "payment_failed"
    default_message = _("The payment was refused. Nothing was changed; try another card.")


class PaymentActionRequired(Refused):
    """The payer's bank wants a confirmation; nothing was changed or charged yet.

    Where it can be given, `details.client_secret` is for the payer's browser and `details.confirm_url` a page.
    """

    code = "payment_action_required"
    default_message = _(
        "The bank wants you to confirm this payment, which cannot be done here yet. "
        "Nothing was changed and nothing charged. Use another card."
    )


class PaymentProviderUnavailable(ServiceUnavailable):
    """Stripe did not answer, or not in a way that can be relied on.

    `outcome_known` False: the call may have taken effect; whoever made it keeps its intent open until Stripe,
    asked again, shows what happened. True: it certainly had no effect.
    """

    code = "payment_provider_unavailable"
    default_message = _("The payment service does not answer at the moment.")

    outcome_known: ClassVar[bool] = False


class ProviderRefused(PaymentProviderUnavailable):
    """Stripe refused the call itself (a wrong parameter, key or state): a fault on our side, without effect."""

    outcome_known = True

    def __init__(self, message: Text | None = None, *, provider_code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.provider_code = provider_code
        self.param = param


class OverageCapReached(DomainError):
    """`details`: `cap`, `spent` and `amount` (money), `period_end`."""

    code, status = "overage_cap_reached", 402
    default_message = _(
        "This would go over the limit you have set for overage in this period. Raise it to go on."
    )


class OverageChargeFailed(CardWanted, PaymentRequired):
    """Stripe certainly did not take the charge, or an overage invoice was not paid. Nothing was used."""

    code = "overage_charge_failed"
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
