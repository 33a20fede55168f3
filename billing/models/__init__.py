"""Plans and their versions, subscriptions, changes of plan. Stripe's objects are named by id, never by foreign key.

Money is in minor units with a currency. What may not happen is refused by constraints here and by the triggers of
the second migration (the history is append-only).
"""

from billing.models.cards import CardChoice
from billing.models.catalog import Feature, Plan, PlanLimit, PlanTransition, PlanVersion, Price, in_language
from billing.models.changes import PlanChange
from billing.models.charges import OverageCharge, OverageCollection, SpendCap
from billing.models.disputes import Dispute
from billing.models.drift import Drift
from billing.models.overdue import UnpaidInvoice
from billing.models.payments import InvoicePayment, PaymentAttempt
from billing.models.refunds import Refund, Withdrawal
from billing.models.reminders import ReminderLook
from billing.models.stored import StoredFit
from billing.models.subscriptions import Subscription

__all__ = [
    "CardChoice",
    "Dispute",
    "Drift",
    "Feature",
    "InvoicePayment",
    "OverageCharge",
    "OverageCollection",
    "PaymentAttempt",
    "Plan",
    "PlanChange",
    "PlanLimit",
    "PlanTransition",
    "PlanVersion",
    "Price",
    "Refund",
    "ReminderLook",
    "SpendCap",
    "StoredFit",
    "Subscription",
    "UnpaidInvoice",
    "Withdrawal",
    "in_language",
]
