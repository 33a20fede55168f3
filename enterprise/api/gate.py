"""The gate for products in any language: ask before, count after, or set aside in between."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.schemas import EmptyRequest
from billing.errors import OverageCapReached, OverageChargeFailed, OveragePending
from billing.selectors.credits import charge_brief
from common import clock
from common.api import listed
from common.errors import DomainError
from common.openapi import raises
from common.request_id import current_request_id
from enterprise.api.base import B2bView
from enterprise.api.usage_schemas import (
    BatchRequest,
    ConsumptionRequest,
    DecisionData,
    OperationResultData,
    ReservationData,
    ReservationRequest,
    SettlementRequest,
    UseData,
)
from enterprise.decisions import refusal_told, use_noted
from enterprise.enums import Scope
from enterprise.services.spending import Caller, Taken, use_check, use_hold, use_take, use_take_all
from quotas.bulk import Consumption
from quotas.decorators import METERING_ERRORS
from quotas.errors import MeteringRefused, ReservationClosed, UnknownMetric
from quotas.refusals import raise_for_refusal
from quotas.serialize import decision_json, quota_headers
from quotas.services import usage_release, usage_settle
from quotas.values import Decision

CHARGING = (OverageCapReached, OverageChargeFailed, OveragePending)


class GateView(B2bView):
    """Base of what counts."""

    scopes = {"post": Scope.USAGE_WRITE}

    @property
    def caller(self) -> Caller:
        """Whose key asks, and when."""
        return Caller(self.account, self.credential, current_request_id(), clock.now())

    @property
    def key(self) -> str | None:
        """The Idempotency-Key: the meter counts what carries it once, too."""
        key: str | None = self.request.idempotency_key  # type: ignore[attr-defined]
        return key

    @property
    def call_key(self) -> str | None:
        """The same, told apart from that of other callers and of other addresses."""
        call_id: UUID | None = self.request.call_id  # type: ignore[attr-defined]
        return None if call_id is None else f"call-{call_id.hex}"


class CheckView(GateView):
    """A question without effect."""

    errors = (UnknownMetric,)
    idempotent = False  # it changes nothing, and an old answer would be no use

    @extend_schema(operation_id="b2b_usage_check", request=ConsumptionRequest, responses=UseData)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """What a consumption would be told now. Counts nothing and promises nothing; `allowed` may be false."""
        asked = self.body(ConsumptionRequest)
        decision = use_check(
            account=self.account, metric=asked["metric"], units=asked["units"], now=clock.now()
        )
        return told(decision, {"overage_charge": None})


class ConsumeView(GateView):
    """Counting at once."""

    errors = (UnknownMetric,)

    @extend_schema(operation_id="b2b_usage_consume", request=ConsumptionRequest, responses=UseData)
    @raises(*METERING_ERRORS, *CHARGING)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Count units now, if every limit allows; what credits pay for, by credits, and past them by a charge.

        With an Idempotency-Key, however often sent, once.
        """
        asked = self.body(ConsumptionRequest)
        taken = use_take(caller=self.caller, subject=asked.pop("subject", ""), key=self.key, **asked)
        use_noted(taken.decision)
        return told(taken.decision, {"overage_charge": charge_brief(taken.charge)})


class BatchView(GateView):
    """Counting much at once."""

    @extend_schema(
        operation_id="b2b_usage_batch", request=BatchRequest, responses=OperationResultData(many=True)
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Up to 1,000 consumptions, each with its own key. A result for each, in order; none fails the others.

        At most 50 of a batch are charged as overage; what comes after them is answered 503 `service_unavailable` with
        `details.reason` `too_many_charges`: send those again.
        """
        operations = [Consumption(**one) for one in self.body(BatchRequest)["operations"]]
        outcomes = use_take_all(caller=self.caller, operations=operations)
        return listed(
            [self._result(one.key, outcome) for one, outcome in zip(operations, outcomes, strict=True)]
        )

    def _result(self, key: str, outcome: Taken | DomainError) -> dict[str, Any]:
        if isinstance(outcome, Taken):
            use_noted(outcome.decision)
            decision = decision_json(outcome.decision) | {"overage_charge": charge_brief(outcome.charge)}
            return {"key": key, "status": status.HTTP_200_OK, "decision": decision, "error": None}
        error = (
            refusal_told(outcome, credential=self.credential)
            if isinstance(outcome, MeteringRefused)
            else outcome
        )
        shape = {"code": error.code, "message": str(error.message), "details": error.details}
        return {"key": key, "status": error.status, "decision": None, "error": shape}


class ReservationsView(GateView):
    """Setting units aside."""

    errors = (UnknownMetric,)

    @extend_schema(
        operation_id="b2b_usage_reserve", request=ReservationRequest, responses={201: ReservationData}
    )
    @raises(*METERING_ERRORS)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Set units aside before the work; settle or release them after it, or they go back after `ttl_s`.

        As far as limits and credits go: what is past them is charged only when it is consumed. Where that would do,
        402 `insufficient_credits` has `details.reason` `reservations_are_not_charged`.
        """
        asked = self.body(ReservationRequest)
        decision = use_hold(caller=self.caller, subject=asked.pop("subject", ""), key=self.key, **asked)
        more = {"id": decision.reservation_id, "expires_at": decision.reservation_expires_at}
        return told(decision, more, status.HTTP_201_CREATED)


class SettleView(GateView):
    """After the work."""

    errors = (ReservationClosed,)

    @extend_schema(operation_id="b2b_usage_settle", request=SettlementRequest, responses=DecisionData)
    def post(self, request: Request, reservation_id: UUID) -> Response:  # noqa: ARG002
        """Count what was reserved, or `units` of it; the rest goes back."""
        decision = raise_for_refusal(
            usage_settle(
                account_id=self.account.pk,
                reservation_id=reservation_id,
                units=self.body(SettlementRequest)["units"],
                key=self.call_key,
                request_id=current_request_id(),
            )
        )
        use_noted(decision)
        return told(decision)


class ReleaseView(GateView):
    """When there was no work."""

    errors = (ReservationClosed,)

    @extend_schema(operation_id="b2b_usage_release", request=EmptyRequest, responses=DecisionData)
    def post(self, request: Request, reservation_id: UUID) -> Response:  # noqa: ARG002
        """Give everything that was reserved back; nothing is counted."""
        self.body(EmptyRequest)
        decision = usage_release(
            account_id=self.account.pk,
            reservation_id=reservation_id,
            key=self.call_key,
            request_id=current_request_id(),
        )
        return told(raise_for_refusal(decision))


def told(
    decision: Decision, more: dict[str, Any] | None = None, status_code: int = status.HTTP_200_OK
) -> Response:
    """The decision, with the figures of its tightest bound as headers too."""
    return Response(
        decision_json(decision) | (more or {}), status=status_code, headers=quota_headers(decision.deciding)
    )
