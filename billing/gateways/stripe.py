"""Stripe in our verbs: the only door to it. Frozen values in and out; errors are those of billing.errors.

Nothing here may be called inside a database transaction. Every write takes the idempotency key of its intent, so
that sending it again, by whatever retry, does it once.
"""

from billing.gateways.charges import ChargeGateway
from billing.gateways.checkout import CheckoutGateway
from billing.gateways.customers import CustomerGateway
from billing.gateways.intents import IntentGateway
from billing.gateways.invoice_items import InvoiceItemGateway
from billing.gateways.invoices import InvoiceGateway
from billing.gateways.manual_invoices import ManualInvoiceGateway
from billing.gateways.products import ProductGateway, product_id
from billing.gateways.promotions import PromotionGateway
from billing.gateways.refunds import RefundGateway
from billing.gateways.subscriptions import SubscriptionGateway

__all__ = ["gateway", "product_id"]


class StripeGateway(
    CustomerGateway,
    SubscriptionGateway,
    InvoiceGateway,
    ManualInvoiceGateway,
    ProductGateway,
    ChargeGateway,
    RefundGateway,
    InvoiceItemGateway,
    IntentGateway,
    CheckoutGateway,
    PromotionGateway,
):
    """One call each; reads return None where there is no such object."""


gateway = StripeGateway()
