"""An organisation's plan and credits by key: the same as for people."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import services
from billing.api import schemas, wallet
from billing.api.subscriptions import CHANGE_WAIT_S, CHOOSING, PAYING, change_answer
from billing.errors import (
    NoLiveSubscription,
    NothingToUndo,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    QuoteStale,
)
from billing.selectors import live_subscription, subscription_json
from common import clock
from common.openapi import raises
from common.openapi_parts import PAGE
from common.request_id import current_request_id
from enterprise.api.base import B2bView
from enterprise.enums import Scope

CHANGE_LIMITS = (*B2bView.rate_limits, "plan_change")


class SubscriptionView(B2bView):
    scopes = {"get": Scope.BILLING_WRITE}

    @raises(NoLiveSubscription)
    @extend_schema(operation_id="b2b_subscription", responses=schemas.SubscriptionShape)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The running subscription, with what is scheduled for it."""
        subscription = live_subscription(self.account.pk)
        if subscription is None:
            raise NoLiveSubscription
        return Response(subscription_json(subscription))


class PlanChangePreviewView(B2bView):
    scopes = {"post": Scope.BILLING_WRITE}
    rate_limits = CHANGE_LIMITS
    idempotent = False  # it changes nothing, and an old quote would be no use

    @raises(*CHOOSING, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="b2b_plan_change_preview",
        request=schemas.PlanChangePreviewRequest,
        responses=schemas.PreviewShape,
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """What a change would cost now and later, and the credits it gives; with a quote to confirm it by."""
        data = self.body(schemas.PlanChangePreviewRequest)
        preview = services.plan_change_preview(
            account=self.account,
            user=None,
            target_plan=data["target_plan"],
            interval=data.get("interval"),
            now=clock.now(),
        )
        return Response(preview.as_json())


class PlanChangeView(B2bView):
    scopes = {"post": Scope.BILLING_WRITE, "delete": Scope.BILLING_WRITE}
    rate_limits = CHANGE_LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(*CHOOSING, QuoteStale, *PAYING)
    @extend_schema(
        operation_id="b2b_plan_change", request=schemas.PlanChangeRequest, responses=schemas.PlanChangeAnswer
    )
    def post(self, request: Request) -> Response:
        """Change the plan: an upgrade now and paid for, its credits at once; a downgrade at the period's end."""
        asked = self._asker() | {"idempotency_key": self._key(request)}  # before the body is read
        data = self.body(schemas.PlanChangeRequest)
        result = services.plan_change_request(
            target_plan=data["target_plan"],
            interval=data.get("interval"),
            quote=data.get("quote"),
            keep=data.get("keep", ()),
            **asked,
        )
        return change_answer(result)

    @raises(NothingToUndo, PlanChangeNotAllowed, PaymentProviderUnavailable)
    @extend_schema(operation_id="b2b_plan_change_undo", request=None, responses=schemas.PlanChangeAnswer)
    def delete(self, request: Request) -> Response:  # noqa: ARG002
        """Take back what is scheduled."""
        return change_answer(services.plan_change_undo(**self._asker()))

    def _asker(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "user": None,
            "request_id": current_request_id(),
            "now": clock.now(),
        }

    def _key(self, request: Request) -> str | None:
        """The Idempotency-Key, told apart from that of the organisation's other API keys."""
        key: str | None = request.idempotency_key  # type: ignore[attr-defined]
        return None if key is None else f"{self.credential.pk}:{key}"


class CreditsView(B2bView):
    scopes = {"get": Scope.USAGE_READ}

    @extend_schema(operation_id="b2b_credits", responses=wallet.CreditsShape)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """What can be spent, until when, and what overage costs so far."""
        return wallet.credits_answer(self.account, clock.now())


class TransactionsView(B2bView):
    scopes = {"get": Scope.USAGE_READ}

    @extend_schema(
        operation_id="b2b_credit_transactions",
        parameters=[wallet.TransactionsQuery, *PAGE],
        responses=wallet.TransactionShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """The ledger, newest first."""
        kind = self.query(wallet.TransactionsQuery).get("type")
        return wallet.transactions_answer(self.account, kind, request)


class ChargesView(B2bView):
    scopes = {"get": Scope.USAGE_READ}

    @extend_schema(operation_id="b2b_overage", parameters=PAGE, responses=wallet.ChargeShape(many=True))
    def get(self, request: Request) -> Response:
        """Every charge past the credits, newest first, those that failed or were taken back too."""
        return wallet.charges_answer(self.account, request)


class CapView(B2bView):
    scopes = {"get": Scope.USAGE_READ, "put": Scope.BILLING_WRITE}
    errors = (NoLiveSubscription,)

    @extend_schema(operation_id="b2b_spend_cap", responses=wallet.OverageShape)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The running period's overage, and the limit set for it."""
        return wallet.cap_answer(self.account, clock.now())

    @extend_schema(operation_id="b2b_spend_cap_set", request=wallet.CapRequest, responses=wallet.OverageShape)
    def put(self, request: Request) -> Response:  # noqa: ARG002
        """Stop overage at an amount. It holds from the next charge on; what was charged stays."""
        now = clock.now()
        services.spend_cap_set(
            account=self.account,
            actor=f"key {self.credential.prefix}",
            now=now,
            **self.body(wallet.CapRequest),
        )
        return wallet.cap_answer(self.account, now)
