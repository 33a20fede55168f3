"""Credits, their ledger, overage and its cap: the same for people and, by key, for organisations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from accounts.permissions import IsUser
from accounts.selectors import account_of, person_of
from billing.api.schemas import MoneyShape
from billing.enums import ChargeStatus
from billing.errors import NoLiveSubscription
from billing.selectors.credits import (
    charge_json,
    credits_json,
    entry_json,
    overage_charges,
    overage_standing,
    standing_json,
)
from billing.services import spend_cap_set
from billing.services.spend_caps import MAX_CAP
from common import clock
from common.api import ApiSerializer, ApiView, StrictChoiceField, StrictIntegerField, listed, paginate
from common.openapi import raises
from common.openapi_parts import PAGE
from quotas.enums import EntryKind, GrantSource
from quotas.wallet_selectors import ledger_of, wallet_status

LIMITS = ("global", "user")


class GrantShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    source = serializers.ChoiceField(choices=GrantSource.choices)  # type: ignore[assignment]
    units = serializers.IntegerField()
    remaining_units = serializers.IntegerField()
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class OverageShape(serializers.Serializer[Any]):
    """Of the running period. `projected`: at its end, when it goes on like this. `cap` null: no limit is set."""

    minor_per_credit = serializers.IntegerField()
    spent = MoneyShape()
    projected = MoneyShape()
    cap = MoneyShape(allow_null=True)
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()


class CreditsShape(serializers.Serializer[Any]):
    balance_units = serializers.IntegerField()
    grants = GrantShape(many=True, help_text="Those with credits left, in the order they are spent in.")
    overage = OverageShape(allow_null=True, help_text="Null where the plan sells none.")


class TransactionsQuery(ApiSerializer):
    type = StrictChoiceField(choices=EntryKind.choices, required=False)


class TransactionShape(serializers.Serializer[Any]):
    """`units` is signed, `balance_units` what was left after it. `overage_units`: used past the credits."""

    id = serializers.CharField()
    type = serializers.ChoiceField(choices=EntryKind.choices)
    units = serializers.IntegerField()
    overage_units = serializers.IntegerField()
    balance_units = serializers.IntegerField()
    grant = serializers.CharField(allow_null=True)
    metric = serializers.CharField(allow_null=True)
    request_id = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()


class ChargeShape(serializers.Serializer[Any]):
    """`pending`: Stripe has not confirmed it yet. `work`: what it was for."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ChargeStatus.choices)
    metric = serializers.CharField()
    units = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    work = serializers.CharField()
    invoice = serializers.CharField(allow_null=True)
    error_code = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    reversed_at = serializers.DateTimeField(allow_null=True)
    reversal_reason = serializers.CharField(allow_null=True)
    request_id = serializers.CharField(allow_null=True)


class OverageChargeData(serializers.Serializer[Any]):
    """`pending`: the payment service has not confirmed it yet. `reversed`: taken back."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ChargeStatus.choices)
    units = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class CapRequest(ApiSerializer):
    cap_minor = StrictIntegerField(
        min_value=0,
        max_value=MAX_CAP,
        allow_null=True,
        help_text="The most that overage may cost in a period, in minor units of the plan's currency; null for no limit.",
    )


def credits_answer(account: Account, now: datetime) -> Response:
    standing = overage_standing(account.pk, now=now)
    return Response(credits_json(wallet_status(account_id=account.pk, at=now), standing))


def transactions_answer(account: Account, kind: str | None, request: Request) -> Response:
    rows, cursor = paginate(ledger_of(account.pk, kind), request, order=("-id",))
    return listed([entry_json(row) for row in rows], cursor)


def charges_answer(account: Account, request: Request) -> Response:
    rows, cursor = paginate(overage_charges(account.pk), request, order=("-requested_at", "-id"))
    return listed([charge_json(row) for row in rows], cursor)


def cap_answer(account: Account, now: datetime) -> Response:
    standing = overage_standing(account.pk, now=now)
    if standing is None:
        raise NoLiveSubscription
    return Response(standing_json(standing))


class CreditsView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS

    @extend_schema(operation_id="billing_credits", responses=CreditsShape)
    def get(self, request: Request) -> Response:
        """What can be spent, until when, and what overage costs so far."""
        return credits_answer(account_of(request), clock.now())


class TransactionsView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS

    @extend_schema(
        operation_id="billing_credit_transactions",
        parameters=[TransactionsQuery, *PAGE],
        responses=TransactionShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """The ledger, newest first."""
        kind = self.query(TransactionsQuery).get("type")
        return transactions_answer(account_of(request), kind, request)


class ChargesView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS

    @extend_schema(operation_id="billing_overage", parameters=PAGE, responses=ChargeShape(many=True))
    def get(self, request: Request) -> Response:
        """Every charge past the credits, newest first, those that failed or were taken back too."""
        return charges_answer(account_of(request), request)


class CapView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    errors = (NoLiveSubscription,)

    @extend_schema(operation_id="billing_spend_cap", responses=OverageShape)
    def get(self, request: Request) -> Response:
        """The running period's overage, and the limit set for it."""
        return cap_answer(account_of(request), clock.now())

    @extend_schema(operation_id="billing_spend_cap_set", request=CapRequest, responses=OverageShape)
    @raises(NoLiveSubscription)
    def put(self, request: Request) -> Response:
        """Stop overage at an amount. It holds from the next charge on; what was charged stays."""
        account, now = account_of(request), clock.now()
        spend_cap_set(account=account, actor=person_of(request), now=now, **self.body(CapRequest))
        return cap_answer(account, now)
