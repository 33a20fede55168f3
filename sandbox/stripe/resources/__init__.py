"""One module for each group of API calls; importing this package registers them all."""

from sandbox.stripe.resources import (
    account,
    catalogue,
    checkout,
    coupons,
    customers,
    intents,
    invoices,
    payment_methods,
    portal,
    refunds,
    schedules,
    subscriptions,
    tax_ids,
    webhook_endpoints,
)

__all__ = [
    "account",
    "catalogue",
    "checkout",
    "coupons",
    "customers",
    "intents",
    "invoices",
    "payment_methods",
    "portal",
    "refunds",
    "schedules",
    "subscriptions",
    "tax_ids",
    "webhook_endpoints",
]
