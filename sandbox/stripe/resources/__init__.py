"""One module for each group of API calls; importing this package registers them all."""

from sandbox.stripe.resources import (
    account,
    catalogue,
    customers,
    intents,
    invoices,
    payment_methods,
    schedules,
    subscriptions,
    webhook_endpoints,
)

__all__ = [
    "account",
    "catalogue",
    "customers",
    "intents",
    "invoices",
    "payment_methods",
    "schedules",
    "subscriptions",
    "webhook_endpoints",
]
