"""Attempts that were refused before anything was tried are history too."""

from billing.enums import ChangeStatus
from billing.models import PlanChange
from billing.selectors import live_subscription, price_on_offer
from billing.services.attempts import Asked
from billing.services.transitions import interval_or_default
from common.errors import DomainError


def refusal_keep(asked: Asked, error: DomainError, *, kind: str = "") -> None:
    """Writes the attempt down as failed. `kind`: where what was wanted says it by itself, as a cancellation does."""
    subscription = live_subscription(asked.account.pk)
    interval = interval_or_default(asked.target_plan or "", asked.interval, subscription)
    target = price_on_offer(asked.target_plan or "", interval)
    details = {key: value for key, value in error.details.items() if key not in ("preview", "remedies")}
    PlanChange.objects.create(
        account=asked.account,
        subscription=subscription,
        user=asked.user,
        from_price=subscription.price if subscription else None,
        to_price=target,
        kind=kind,
        status=ChangeStatus.FAILED,
        request_id=asked.request_id,
        idempotency_key=asked.scoped_key,
        proration_at=asked.arrived_at,
        currency=target.currency if target else "",
        requested_at=asked.arrived_at,
        settled_at=asked.arrived_at,
        error_code=error.code,
        error_details={**details, "asked_for": (asked.target_plan or asked.operation)[:40]},
    )
