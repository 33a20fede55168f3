"""Invoices at Stripe, made and previewed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.gateways import convert
from billing.gateways.client import (
    PAGE,
    api,
    gateway_call,
    keyed,
    none_when_missing,
    none_when_nothing_comes,
)
from billing.gateways.values import InvoiceState, Terms

NO_TERMS = Terms()
WITH_DISCOUNTS = ["discounts.source.coupon.applies_to"]


class InvoiceGateway:
    """Invoices."""

    @gateway_call
    def preview_start(
        self,
        *,
        customer_id: str | None,
        currency: str,
        price_id: str,
        trial_end: datetime | None = None,
        terms: Terms = NO_TERMS,
    ) -> InvoiceState:
        """What a new subscription would be asked for now."""
        details: dict[str, Any] = {"items": [{"price": price_id, "quantity": 1}]}
        if trial_end is not None:
            details["trial_end"] = convert.seconds(trial_end)
        params: dict[str, Any] = {"subscription_details": details, "expand": WITH_DISCOUNTS}
        params.update({"customer": customer_id} if customer_id else {"currency": currency})
        params.update({"discounts": terms.discounts} if terms.discounts else {})
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    @none_when_nothing_comes
    def preview_upgrade(
        self,
        *,
        subscription_id: str,
        item_id: str,
        price_id: str,
        proration_at: datetime,
        terms: Terms = NO_TERMS,
    ) -> InvoiceState:
        """The invoice that `subscription_upgrade` with the same arguments would make; one that it makes not at once but
        later, when it makes none. None: nothing is ever charged, as for a trial that ends without a card.
        """
        details: dict[str, Any] = {
            "items": [{"id": item_id, "price": price_id}],
            "proration_behavior": "always_invoice",
            "proration_date": convert.seconds(proration_at),
        }
        if terms.ends_trial:
            details["trial_end"] = "now"
        params: dict[str, Any] = {
            "subscription": subscription_id,
            "subscription_details": details,
            "expand": WITH_DISCOUNTS,
        }
        params.update({"discounts": terms.discounts} if terms.discounts else {})
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    @none_when_nothing_comes
    def preview_next(self, *, subscription_id: str, schedule_id: str | None) -> InvoiceState:
        """The next invoice as it stands now; with the schedule's phases where there is one. None when none will come."""
        params: dict[str, Any] = {"expand": WITH_DISCOUNTS}
        params |= {"schedule": schedule_id} if schedule_id else {"subscription": subscription_id}
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    @none_when_nothing_comes
    def preview_move(self, *, subscription_id: str, item_id: str, price_id: str) -> InvoiceState:
        """The next invoice after `subscription_price_set` with the same arguments; None when none will come."""
        details = {"items": [{"id": item_id, "price": price_id}], "proration_behavior": "none"}
        params = {"subscription": subscription_id, "subscription_details": details}
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    @none_when_missing
    def invoice_get(self, invoice_id: str) -> InvoiceState:
        return convert.invoice(api().invoices.retrieve(invoice_id).to_dict())

    @gateway_call
    def invoice_to_pay(self, invoice_id: str) -> InvoiceState:
        """The invoice with what its payer needs to pay it: the payment's client secret."""
        answer = api().invoices.retrieve(invoice_id, {"expand": ["confirmation_secret"]})
        return convert.invoice(answer.to_dict())

    @gateway_call
    def invoices(
        self,
        *,
        customer_id: str,
        limit: int,
        starting_after: str | None = None,
        status: str | None = None,
        created: tuple[datetime, datetime] | None = None,
        subscription_id: str | None = None,
    ) -> tuple[Sequence[InvoiceState], bool]:
        """Newest first, and whether there are more. `created`: from and until, the end excluded."""
        params: dict[str, Any] = {"customer": customer_id, "limit": limit}
        if status:
            params["status"] = status
        if subscription_id:
            params["subscription"] = subscription_id
        if created:
            params["created"] = {"gte": convert.seconds(created[0]), "lt": convert.seconds(created[1])}
        if starting_after:
            params["starting_after"] = starting_after
        page = api().invoices.list(params)
        return [convert.invoice(one.to_dict()) for one in page.data], bool(page.has_more)

    @gateway_call
    def invoices_open(self, *, subscription_id: str) -> tuple[InvoiceState, ...]:
        """The subscription's invoices that wait for payment."""
        page = api().invoices.list({"subscription": subscription_id, "status": "open", "limit": PAGE})
        return tuple(convert.invoice(one.to_dict()) for one in page.auto_paging_iter())

    @gateway_call
    @none_when_missing
    def invoice_get_to_confirm(self, invoice_id: str) -> InvoiceState:
        """The invoice with the secret by which the payer's browser confirms its payment."""
        return convert.invoice(
            api().invoices.retrieve(invoice_id, {"expand": ["confirmation_secret"]}).to_dict()
        )

    @gateway_call
    def invoice_pay(self, *, invoice_id: str, payment_method_id: str | None, key: str) -> InvoiceState:
        """Collects an open invoice now, with the payer there to confirm. Raises PaymentFailed when it is refused,
        PaymentActionRequired when the bank asks, ProviderRefused for an invoice that is not open.
        """
        params: dict[str, Any] = {"off_session": False}
        if payment_method_id:
            params["payment_method"] = payment_method_id
        return convert.invoice(api().invoices.pay(invoice_id, params, keyed(key)).to_dict())
