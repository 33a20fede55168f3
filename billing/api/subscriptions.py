"""Plans, the subscription, changing it: the HTTP edge. Rules are in services."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import IsUser
from accounts.selectors import account_of
from billing import services
from billing.api import schemas
from billing.enums import Access, SubscriptionStatus
from billing.errors import (
    AlreadySubscribed,
    DuplicatePlanChange,
    InvalidTargetPlan,
    NoLiveSubscription,
    NothingToUndo,
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    PlanChangeNotAllowed,
    QuoteStale,
)
from billing.selectors import (
    live_subscription,
    plan_change_get,
    plan_change_history,
    plan_change_json,
    plans_public,
    subscription_json,
)
from billing.services import PlanChangeResult
from common import clock
from common.api import ApiView, listed, paginate, paginate_list
from common.openapi import raises
from common.request_id import current_request_id
from quotas.selectors import quota_status
from quotas.serialize import instant, quota_json

LIMITS = ("global", "user")
CHANGE_LIMITS = ("global", "user", "plan_change")
# A duplicate waits this long for the first request with its key to end, and then gets its answer.
CHANGE_WAIT_S = 20.0
PAYING = (PaymentFailed, PaymentActionRequired, PaymentProviderUnavailable)
CHOOSING = (NoLiveSubscription, InvalidTargetPlan, PlanChangeNotAllowed, DuplicatePlanChange)


def person_of(request: Request) -> User:
    assert isinstance(request.user, User), "IsUser lets nobody else through"
    return request.user


def asker(request: Request) -> dict[str, Any]:
    """Who asks, and when: what every service that changes a subscription takes."""
    return {
        "account": account_of(request),
        "user": person_of(request),
        "request_id": current_request_id(),
        "now": clock.now(),
    }


def asker_keyed(request: Request) -> dict[str, Any]:
    """The same for services that know a repeated request by its Idempotency-Key."""
    return asker(request) | {"idempotency_key": request.idempotency_key}  # type: ignore[attr-defined]


def change_answer(result: PlanChangeResult) -> Response:
    """The change, what the account is on now, and its tightest quota."""
    subscription = result.subscription
    bounds = quota_status(account_id=result.change.account_id)
    first = _plans_first(subscription, bounds)
    return Response(
        {
            "plan_change": plan_change_json(result.change),
            "subscription": subscription_json(subscription) if subscription else None,
            "quota": quota_json(first) if first else None,
        }
    )


def _plans_first(subscription: Any, bounds: list[Any]) -> Any:
    """The bound of the limit that the plan names first."""
    if subscription is None or not bounds:
        return bounds[0] if bounds else None
    named = [(one.metric, one.window) for one in subscription.plan_version.limits.order_by("position")]
    by_name = {(one.metric, one.window): one for one in bounds}
    return next((by_name[name] for name in named if name in by_name), bounds[0])


class PlansView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS

    @extend_schema(operation_id="billing_plans", responses=schemas.PlanShape(many=True))
    def get(self, request: Request) -> Response:
        """The plans on offer, with prices, limits and features; names in the caller's language."""
        return listed(*paginate_list(plans_public(), request, key=lambda plan: plan["code"]))


class SubscriptionView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(NoLiveSubscription)
    @extend_schema(operation_id="billing_subscription", responses=schemas.SubscriptionShape)
    def get(self, request: Request) -> Response:
        """The running subscription, with what is scheduled for it."""
        subscription = live_subscription(account_of(request).pk)
        if subscription is None:
            raise NoLiveSubscription
        return Response(subscription_json(subscription))

    @raises(AlreadySubscribed, InvalidTargetPlan, PlanChangeNotAllowed, *PAYING)
    @extend_schema(
        operation_id="billing_subscription_start",
        request=schemas.SubscriptionRequest,
        responses=schemas.StartedSubscriptionShape,
    )
    def post(self, request: Request) -> Response:
        """Subscribe an account that has no subscription. A paid plan is charged at once, to `payment_method` or the
        card on file. When the payer must act (no card yet, or the bank asks) the answer has `payment`.
        """
        data = self.body(schemas.SubscriptionRequest)
        try:
            result = services.subscription_start(
                plan=data["plan"],
                interval=data.get("interval"),
                payment_method=data.get("payment_method"),
                promotion_code=data.get("promotion_code"),
                collects=True,
                **asker_keyed(request),
            )
        except PaymentActionRequired as error:
            if "plan_change" not in error.details:
                raise
            return Response(incomplete_json(error))
        assert result.subscription is not None, "a start that went well leaves a subscription"
        return Response(subscription_json(result.subscription))


def incomplete_json(error: PaymentActionRequired) -> dict[str, Any]:
    """A subscription that begins once its payer has done what `payment` says."""
    change = plan_change_get(error.details["plan_change"])
    assert change.to_price is not None, "a start has a target"
    version = change.to_price.version
    return {
        "id": None,
        "plan": {"code": version.plan.code, "name": version.plan.name, "version": version.number},
        "interval": change.to_price.interval,
        "status": SubscriptionStatus.INCOMPLETE.value,
        "access": Access.ENDED.value,
        "current_period_start": instant(change.requested_at),
        "current_period_end": None,
        "trial_end": None,
        "cancel_at": None,
        "pending_change": None,
        "payment": {name: value for name, value in error.details.items() if name != "remedies"},
    }


class CancelView(ApiView):
    permission_classes = [IsUser]
    rate_limits = CHANGE_LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(NoLiveSubscription, PlanChangeNotAllowed, DuplicatePlanChange, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="billing_subscription_cancel",
        request=schemas.CancelRequest,
        responses=schemas.PlanChangeAnswer,
    )
    def post(self, request: Request) -> Response:
        """End the paid subscription at the period's end, which can be taken back until then, or now. What is unpaid may be
        charged until it ends, and is void then.
        """
        result = services.subscription_cancel(**self.body(schemas.CancelRequest), **asker_keyed(request))
        return change_answer(result)


class ResumeView(ApiView):
    permission_classes = [IsUser]
    rate_limits = CHANGE_LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(NoLiveSubscription, NothingToUndo, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="billing_subscription_resume",
        request=schemas.EmptyRequest,
        responses=schemas.SubscriptionShape,
    )
    def post(self, request: Request) -> Response:
        """Take a scheduled end back: the subscription goes on."""
        self.body(schemas.EmptyRequest)
        subscription = services.subscription_resume(**asker(request))
        return Response(subscription_json(subscription))


class PlanChangePreviewView(ApiView):
    permission_classes = [IsUser]
    rate_limits = CHANGE_LIMITS
    idempotent = False  # it changes nothing, and an old quote would be no use

    @raises(*CHOOSING, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="billing_plan_change_preview",
        request=schemas.PlanChangePreviewRequest,
        responses=schemas.PreviewShape,
    )
    def post(self, request: Request) -> Response:
        """What a change would cost now and later, and mean for limits; with a quote to confirm it by."""
        data = self.body(schemas.PlanChangePreviewRequest)
        preview = services.plan_change_preview(
            account=account_of(request),
            user=person_of(request),
            target_plan=data["target_plan"],
            interval=data.get("interval"),
            promotion_code=data.get("promotion_code"),
            now=clock.now(),
        )
        return Response(preview.as_json())


class PlanChangeView(ApiView):
    permission_classes = [IsUser]
    rate_limits = CHANGE_LIMITS
    idempotency_wait_s = CHANGE_WAIT_S

    @raises(*CHOOSING, QuoteStale, *PAYING)
    @extend_schema(
        operation_id="billing_plan_change",
        request=schemas.PlanChangeRequest,
        responses=schemas.PlanChangeAnswer,
    )
    def post(self, request: Request) -> Response:
        """Change the plan: an upgrade now and paid for, a downgrade at the period's end."""
        asked = asker_keyed(request)  # the moment of arrival, before the body is read
        data = self.body(schemas.PlanChangeRequest)
        result = services.plan_change_request(
            target_plan=data["target_plan"],
            interval=data.get("interval"),
            promotion_code=data.get("promotion_code"),
            quote=data.get("quote"),
            keep=data.get("keep", ()),
            **asked,
        )
        return change_answer(result)

    @raises(NothingToUndo, PlanChangeNotAllowed, PaymentProviderUnavailable)
    @extend_schema(
        operation_id="billing_plan_change_undo",
        request=None,
        responses=schemas.PlanChangeAnswer,
    )
    def delete(self, request: Request) -> Response:
        """Take back what is scheduled."""
        result = services.plan_change_undo(**asker(request))
        return change_answer(result)


class PlanChangesView(ApiView):
    permission_classes = [IsUser]
    rate_limits = LIMITS

    @extend_schema(
        operation_id="billing_plan_changes",
        responses=schemas.PlanChangeShape(many=True),
    )
    def get(self, request: Request) -> Response:
        """Changes of plan, newest first: done, under way, taken back, or failed. What was refused is none."""
        rows, cursor = paginate(
            plan_change_history(account_of(request).pk), request, order=("-requested_at", "-id")
        )
        return listed([plan_change_json(row) for row in rows], cursor)
