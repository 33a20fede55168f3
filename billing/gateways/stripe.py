"""Stripe in our verbs: the only door to it. Frozen values in and out; errors are those of billing.errors.

Nothing here may be called inside a database transaction. Every write takes the idempotency key of its intent, so
that sending it again, by whatever retry, does it once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import stripe

from billing.gateways import convert
from billing.gateways.client import api, gateway_call, none_when_missing
from billing.gateways.values import (
    CustomerState,
    InvoiceState,
    PaymentMethodState,
    PriceSpec,
    PriceState,
    ScheduleState,
    SubscriptionState,
)
from billing.rules.changes import MONTHS

PAGE = 100
WITH_INVOICE = ["latest_invoice"]


def _keyed(key: str) -> dict[str, Any]:
    return {"idempotency_key": key}


class StripeGateway:
    """One call each; reads return None where there is no such object."""

    # Customers and their cards ---------------------------------------------------------------------------------

    @gateway_call
    def customer_find(self, *, email: str, account_ref: str) -> CustomerState | None:
        """The customer made for this account before, whose id was lost in a crash."""
        page = api().customers.list({"email": email, "limit": PAGE})
        for one in page.auto_paging_iter():
            data = one.to_dict()
            if convert.meta(data, convert.ACCOUNT_KEY) == account_ref:
                return convert.customer(data)
        return None

    @gateway_call
    def customer_create(self, *, email: str, name: str, account_ref: str, key: str) -> CustomerState:
        params = {"email": email, "name": name, "metadata": {convert.ACCOUNT_KEY: account_ref}}
        return convert.customer(api().customers.create(params, _keyed(key)).to_dict())

    @gateway_call
    def customer_get(self, customer_id: str) -> CustomerState:
        return convert.customer(api().customers.retrieve(customer_id).to_dict())

    @gateway_call
    def default_payment_method_set(self, *, customer_id: str, payment_method_id: str | None) -> CustomerState:
        params = {"invoice_settings": {"default_payment_method": payment_method_id or ""}}
        return convert.customer(api().customers.update(customer_id, params).to_dict())

    @gateway_call
    def payment_methods(self, customer_id: str) -> list[PaymentMethodState]:
        page = api().customers.payment_methods.list(customer_id, {"limit": PAGE})
        return [convert.payment_method(one.to_dict()) for one in page.data]

    @gateway_call
    def payment_method_attach(self, *, payment_method_id: str, customer_id: str) -> PaymentMethodState:
        """Raises PaymentFailed when the card is refused, ProviderRefused when there is no such method."""
        answer = api().payment_methods.attach(payment_method_id, {"customer": customer_id})
        return convert.payment_method(answer.to_dict())

    @gateway_call
    def payment_method_detach(self, payment_method_id: str) -> None:
        api().payment_methods.detach(payment_method_id)

    # Subscriptions ---------------------------------------------------------------------------------------------

    @gateway_call
    def subscription_get(self, subscription_id: str) -> SubscriptionState:
        answer = api().subscriptions.retrieve(subscription_id, {"expand": WITH_INVOICE})
        return convert.subscription(answer.to_dict())

    @gateway_call
    def subscription_find(self, *, customer_id: str, change_id: str) -> SubscriptionState | None:
        """The customer's subscription that this plan change made, whatever has become of it."""
        page = api().subscriptions.list(
            {
                "customer": customer_id,
                "status": "all",
                "limit": PAGE,
                "expand": [f"data.{name}" for name in WITH_INVOICE],
            }
        )
        for one in page.auto_paging_iter():
            data = one.to_dict()
            if convert.meta(data, convert.CHANGE_KEY) == change_id:
                return convert.subscription(data)
        return None

    @gateway_call
    def subscription_create(
        self, *, customer_id: str, price_id: str, change_id: str, key: str
    ) -> SubscriptionState:
        """Starts now and is paid now, by the customer's default method; unpaid it does not come to be."""
        answer = api().subscriptions.create(
            {
                "customer": customer_id,
                "items": [{"price": price_id, "quantity": 1}],
                "payment_behavior": "error_if_incomplete",
                "off_session": True,
                "metadata": {convert.CHANGE_KEY: change_id},
                "expand": WITH_INVOICE,
            },
            _keyed(key),
        )
        return convert.subscription(answer.to_dict())

    @gateway_call
    def subscription_upgrade(
        self,
        *,
        subscription_id: str,
        item_id: str,
        price_id: str,
        proration_at: datetime,
        change_id: str,
        key: str,
    ) -> SubscriptionState:
        """Another price at once, prorated at `proration_at` and paid now; unpaid nothing changes."""
        answer = api().subscriptions.update(
            subscription_id,
            {
                "items": [{"id": item_id, "price": price_id}],
                "proration_behavior": "always_invoice",
                "proration_date": convert.seconds(proration_at),
                "payment_behavior": "error_if_incomplete",
                "off_session": True,
                "metadata": {convert.CHANGE_KEY: change_id},
                "expand": WITH_INVOICE,
            },
            _keyed(key),
        )
        return convert.subscription(answer.to_dict())

    @gateway_call
    def cancel_at_period_end_set(
        self, *, subscription_id: str, cancel: bool, change_id: str, key: str
    ) -> SubscriptionState:
        answer = api().subscriptions.update(
            subscription_id,
            {
                "cancel_at_period_end": cancel,
                "metadata": {convert.CHANGE_KEY: change_id},
                "expand": WITH_INVOICE,
            },
            _keyed(key),
        )
        return convert.subscription(answer.to_dict())

    @gateway_call
    def subscription_cancel_now(self, *, subscription_id: str, key: str) -> SubscriptionState:
        """Ends it at this moment; nothing is refunded and nothing more charged."""
        answer = api().subscriptions.cancel(
            subscription_id, {"invoice_now": False, "prorate": False, "expand": WITH_INVOICE}, _keyed(key)
        )
        return convert.subscription(answer.to_dict())

    # Schedules -------------------------------------------------------------------------------------------------

    @gateway_call
    def schedule_get(self, schedule_id: str) -> ScheduleState:
        return convert.schedule(api().subscription_schedules.retrieve(schedule_id).to_dict())

    @gateway_call
    def schedule_attach(self, *, subscription_id: str, key: str) -> ScheduleState:
        """A schedule over the subscription as it is; it changes nothing yet."""
        params = {"from_subscription": subscription_id}
        return convert.schedule(api().subscription_schedules.create(params, _keyed(key)).to_dict())

    @gateway_call
    def schedule_switch_set(
        self,
        *,
        schedule_id: str,
        current_price_id: str,
        period_start: datetime,
        switch_at: datetime,
        target_price_id: str,
        target_interval: str,
        change_id: str,
        key: str,
    ) -> ScheduleState:
        """The current price until `switch_at`, then the target's; after one of its periods it goes on unscheduled."""
        now_phase = {
            "items": [{"price": current_price_id, "quantity": 1}],
            "start_date": convert.seconds(period_start),
            "end_date": convert.seconds(switch_at),
            "proration_behavior": "none",
        }
        next_phase = {
            "items": [{"price": target_price_id, "quantity": 1}],
            "duration": {"interval": "month", "interval_count": MONTHS[target_interval]},
            "proration_behavior": "none",
            "metadata": {convert.CHANGE_KEY: change_id},
        }
        params = {
            "phases": [now_phase, next_phase],
            "end_behavior": "release",
            "proration_behavior": "none",
            "metadata": {convert.CHANGE_KEY: change_id},
        }
        answer = api().subscription_schedules.update(schedule_id, params, _keyed(key))
        return convert.schedule(answer.to_dict())

    @gateway_call
    def schedule_release(self, schedule_id: str) -> None:
        """Takes the schedule away and leaves the subscription as it is. Released already: nothing."""
        if not self._is_attached(schedule_id):
            return
        try:
            api().subscription_schedules.release(schedule_id)
        except stripe.InvalidRequestError:
            # A rival may have released it since it was read: then all is as it should be.
            if self._is_attached(schedule_id):
                raise

    def _is_attached(self, schedule_id: str) -> bool:
        state = convert.schedule(api().subscription_schedules.retrieve(schedule_id).to_dict())
        return state.status in ("not_started", "active")

    # Invoices --------------------------------------------------------------------------------------------------

    @gateway_call
    def preview_start(self, *, customer_id: str | None, currency: str, price_id: str) -> InvoiceState:
        """What a new subscription would be asked for now."""
        params: dict[str, Any] = {"subscription_details": {"items": [{"price": price_id, "quantity": 1}]}}
        params.update({"customer": customer_id} if customer_id else {"currency": currency})
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    def preview_upgrade(
        self, *, subscription_id: str, item_id: str, price_id: str, proration_at: datetime
    ) -> InvoiceState:
        """The invoice that `subscription_upgrade` with the same arguments would make."""
        details = {
            "items": [{"id": item_id, "price": price_id}],
            "proration_behavior": "always_invoice",
            "proration_date": convert.seconds(proration_at),
        }
        params = {"subscription": subscription_id, "subscription_details": details}
        return convert.invoice(api().invoices.create_preview(params).to_dict())

    @gateway_call
    @none_when_missing
    def invoice_get(self, invoice_id: str) -> InvoiceState:
        return convert.invoice(api().invoices.retrieve(invoice_id).to_dict())

    @gateway_call
    def invoices(
        self, *, customer_id: str, limit: int, starting_after: str | None = None
    ) -> tuple[Sequence[InvoiceState], bool]:
        """Newest first, and whether there are more."""
        params: dict[str, Any] = {"customer": customer_id, "limit": limit}
        if starting_after:
            params["starting_after"] = starting_after
        page = api().invoices.list(params)
        return [convert.invoice(one.to_dict()) for one in page.data], bool(page.has_more)

    # Catalogue -------------------------------------------------------------------------------------------------

    @gateway_call
    @none_when_missing
    def product_find(self, plan_code: str) -> str:
        """The product's id. Products of ours have an id made from the plan's code."""
        return str(api().products.retrieve(product_id(plan_code)).id)

    @gateway_call
    def product_create(self, *, plan_code: str, name: str) -> str:
        params = {"id": product_id(plan_code), "name": name, "metadata": {convert.PLAN_KEY: plan_code}}
        return str(api().products.create(params).id)

    @gateway_call
    def product_rename(self, *, plan_code: str, name: str) -> None:
        api().products.update(product_id(plan_code), {"name": name})

    @gateway_call
    def prices_find(self, lookup_keys: Sequence[str]) -> dict[str, PriceState]:
        """By lookup key; Stripe takes ten keys at a time."""
        found: dict[str, PriceState] = {}
        for start in range(0, len(lookup_keys), 10):
            page = api().prices.list({"lookup_keys": list(lookup_keys[start : start + 10]), "limit": PAGE})
            for one in page.data:
                state = convert.price(one.to_dict())
                found[str(state.lookup_key)] = state
        return found

    @gateway_call
    def price_create(self, spec: PriceSpec) -> PriceState:
        params = {
            "product": spec.product_id,
            "currency": spec.currency,
            "unit_amount": spec.amount_minor,
            "recurring": {"interval": spec.interval},
            "lookup_key": spec.lookup_key,
            "metadata": {convert.PLAN_KEY: spec.plan, "palier_version": str(spec.version)},
        }
        return convert.price(api().prices.create(params).to_dict())


def product_id(plan_code: str) -> str:
    return f"palier_{plan_code}"


gateway = StripeGateway()
