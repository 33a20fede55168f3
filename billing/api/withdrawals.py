"""Withdrawing from the contract: the HTTP edge."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsUser
from accounts.selectors import account_of
from billing import services
from billing.api import schemas
from billing.api.subscriptions import CHANGE_LIMITS, CHANGE_WAIT_S, asker
from billing.errors import PaymentProviderUnavailable, WithdrawalNotAllowed
from billing.models import Withdrawal
from billing.selectors import live_subscription, subscription_json
from common import clock
from common.api import ApiView
from common.money import Money
from common.openapi import raises
from quotas.serialize import instant


def withdrawal_json(withdrawal: Withdrawal) -> dict[str, Any]:
    subscription = withdrawal.subscription
    return {
        "id": str(withdrawal.pk),
        "plan": subscription.plan.code,
        "status": "done" if withdrawal.completed_at else "pending",
        "subscribed_at": instant(subscription.started_at),
        "withdrawn_at": instant(withdrawal.requested_at),
        "paid": Money(withdrawal.paid_minor, withdrawal.currency).as_json(),
        "refund": Money(withdrawal.refund_minor, withdrawal.currency).as_json(),
    }


class WithdrawView(ApiView):
    permission_classes = [IsUser]
    rate_limits = CHANGE_LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(WithdrawalNotAllowed, PaymentProviderUnavailable)
    @extend_schema(operation_id="billing_withdrawal_offer", responses=schemas.WithdrawalOfferShape)
    def get(self, request: Request) -> Response:
        """Until when a consumer may withdraw from the contract, and what would be paid back now."""
        offer = services.withdrawal_offer(account=account_of(request), now=clock.now())
        return Response(
            {
                "plan": offer.subscription.plan.code,
                "subscribed_at": instant(offer.subscription.started_at),
                "deadline": instant(offer.deadline),
                "paid": Money(offer.paid_minor, offer.currency).as_json(),
                "refund": Money(offer.refund_minor, offer.currency).as_json(),
            }
        )

    @raises(WithdrawalNotAllowed, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="billing_withdraw", request=schemas.EmptyRequest, responses=schemas.WithdrawalAnswer
    )
    def post(self, request: Request) -> Response:
        """Withdraw within 14 days of subscribing: the subscription ends, unused time is refunded, a receipt is
        mailed. `status` pending: it is declared, and carried out as soon as the payment service answers.
        """
        self.body(schemas.EmptyRequest)
        withdrawal = services.withdrawal_make(**asker(request))
        subscription = live_subscription(withdrawal.account_id)
        return Response(
            {
                "withdrawal": withdrawal_json(withdrawal),
                "subscription": subscription_json(subscription) if subscription else None,
            }
        )
