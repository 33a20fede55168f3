"""What can differ between what we have and what Stripe has."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The stable names of what can differ."""

    CUSTOMER_MISSING = "customer_missing"
    CUSTOMER_UNKNOWN = "customer_unknown"
    SUBSCRIPTION_MISSING = "subscription_missing"
    SUBSCRIPTION_UNKNOWN = "subscription_unknown"
    SUBSCRIPTION_SECOND = "subscription_second"
    STATUS = "status_differs"
    PLAN = "plan_differs"
    PRICE_UNKNOWN = "price_unknown"
    PERIOD = "period_differs"
    CANCELLATION = "cancellation_differs"
    SCHEDULE = "schedule_differs"
    UNPAID = "unpaid_invoices_differ"
    CHANGE_OPEN = "change_open"
    PAYMENT_OPEN = "payment_open"
    INVOICE = "invoice_differs"
    INVOICE_OPEN = "invoice_left_open"
    ENTITLEMENTS = "entitlements_differ"
    DISPUTE = "dispute_differs"
    OVERAGE_ITEM = "overage_item_differs"


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` and `theirs` in short. `mend` makes ours what Stripe's is; None where a person has to decide."""

    account_id: int | None
    kind: Kind
    subject: str
    ours: str
    theirs: str
    mend: Callable[[], object] | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        return self.account_id, self.kind, self.subject, self.ours, self.theirs

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account_id,
            "kind": self.kind.value,
            "subject": self.subject,
            "ours": self.ours,
            "theirs": self.theirs,
            "mendable": self.mend is not None,
        }
