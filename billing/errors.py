"""What billing refuses, and how the payment provider can fail. Codes are those of the API's contract."""

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, DomainError, PaymentRequired, ServiceUnavailable, Text


class NoLiveSubscription(PaymentRequired):
    code = "no_active_subscription"
    default_message = _("There is no active subscription. Choose a plan to go on.")


class InvalidTargetPlan(DomainError):
    """`details.available`: the codes that may be asked for."""

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


class AlreadySubscribed(Conflict):
    code = "already_subscribed"
    default_message = _("There is a subscription already. Change its plan instead.")


class NothingToUndo(Conflict):
    code = "nothing_to_undo"
    default_message = _("No change is scheduled.")


class PaymentFailed(PaymentRequired):
    """The payment was refused and nothing was changed. `details.decline_code` is Stripe's reason."""

    code = "payment_failed"
    default_message = _("The payment was refused. Your plan is as it was; try another card.")


class PaymentActionRequired(PaymentRequired):
    """The payer's bank wants a confirmation; nothing was changed."""

    code = "payment_action_required"
    default_message = _("Your bank asks you to confirm this payment. Your plan is as it was until then.")


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


class CatalogInvalid(Exception):
    """The catalogue file contradicts itself; `problems` says where and how."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))
