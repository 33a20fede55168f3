"""Subscriptions and their schedules at Stripe."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import stripe

from billing.enums import ENDED
from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, keyed
from billing.gateways.values import PhaseState, ScheduleState, SubscriptionState, Terms
from billing.rules.changes import MONTHS

WITH_INVOICE = ["latest_invoice"]
NO_TERMS = Terms()


class SubscriptionGateway:
    """Subscriptions and their schedules."""

    @gateway_call
    def subscription_get(self, subscription_id: str) -> SubscriptionState:
        answer = api().subscriptions.retrieve(subscription_id, {"expand": WITH_INVOICE})
        return convert.subscription(answer.to_dict())

    @gateway_call
    def subscriptions_running(self, customer_id: str | None = None) -> list[SubscriptionState]:
        """Every subscription that has not ended, of one customer or of all. One of several items is none of ours."""
        params = {"limit": PAGE, "expand": [f"data.{name}" for name in WITH_INVOICE]}
        page = api().subscriptions.list(params | ({"customer": customer_id} if customer_id else {}))
        found = [one.to_dict() for one in page.auto_paging_iter()]
        return [
            convert.subscription(one)
            for one in found
            if len(one["items"]["data"]) == 1 and one["status"] not in ENDED
        ]

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
        self, *, customer_id: str, price_id: str, change_id: str, key: str, terms: Terms = NO_TERMS
    ) -> SubscriptionState:
        """Starts now and is paid now, by the customer's default method; unpaid it does not come to be."""
        params = _start(customer_id, price_id, change_id, terms)
        params |= {"payment_behavior": "error_if_incomplete", "off_session": True}
        return convert.subscription(api().subscriptions.create(params, keyed(key)).to_dict())

    @gateway_call
    def subscription_create_unpaid(
        self, *, customer_id: str, price_id: str, change_id: str, key: str, terms: Terms = NO_TERMS
    ) -> SubscriptionState:
        """Begins once the payer has paid its first invoice, within 23 hours; their card is kept for the next ones."""
        params = _start(customer_id, price_id, change_id, terms)
        params |= {
            "payment_behavior": "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
        }
        return convert.subscription(api().subscriptions.create(params, keyed(key)).to_dict())

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
        terms: Terms = NO_TERMS,
    ) -> SubscriptionState:
        """Another price at once, prorated at `proration_at` and paid now; unpaid nothing changes."""
        params = _upgrade(item_id, price_id, proration_at, terms)
        params |= {
            "payment_behavior": "error_if_incomplete",
            "off_session": True,
            "metadata": {convert.CHANGE_KEY: change_id},
        }
        return convert.subscription(api().subscriptions.update(subscription_id, params, keyed(key)).to_dict())

    @gateway_call
    def subscription_upgrade_unpaid(
        self,
        *,
        subscription_id: str,
        item_id: str,
        price_id: str,
        proration_at: datetime,
        key: str,
        terms: Terms = NO_TERMS,
    ) -> SubscriptionState:
        """The same, to happen once the payer has paid its invoice; until then everything stays as it is."""
        params = _upgrade(item_id, price_id, proration_at, terms)
        params |= {"payment_behavior": "pending_if_incomplete"}
        return convert.subscription(api().subscriptions.update(subscription_id, params, keyed(key)).to_dict())

    @gateway_call
    def subscription_mark(self, *, subscription_id: str, change_id: str, key: str) -> None:
        """Writes the plan change into the metadata, by which it is found again. A pending update takes none."""
        params = {"metadata": {convert.CHANGE_KEY: change_id}}
        api().subscriptions.update(subscription_id, params, keyed(key))

    @gateway_call
    def subscription_card_set(self, *, subscription_id: str, payment_method_id: str) -> None:
        """The card that the subscription has of its own, which goes before the customer's; the same twice is the same."""
        api().subscriptions.update(subscription_id, {"default_payment_method": payment_method_id})

    @gateway_call
    def subscription_price_set(
        self, *, subscription_id: str, item_id: str, price_id: str, change_id: str, key: str
    ) -> SubscriptionState:
        """Another price of the same interval from now on; nothing is charged or credited before the next invoice."""
        answer = api().subscriptions.update(
            subscription_id,
            {
                "items": [{"id": item_id, "price": price_id}],
                "proration_behavior": "none",
                "metadata": {convert.CHANGE_KEY: change_id},
                "expand": WITH_INVOICE,
            },
            keyed(key),
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
            keyed(key),
        )
        return convert.subscription(answer.to_dict())

    @gateway_call
    def subscription_cancel_now(
        self, *, subscription_id: str, key: str, unpaid: bool = False
    ) -> SubscriptionState:
        """Ends it at this moment; nothing is refunded and nothing more charged. `unpaid`: because it was not paid."""
        params: dict[str, Any] = {"invoice_now": False, "prorate": False, "expand": WITH_INVOICE}
        if unpaid:
            params["cancellation_details"] = {"comment": convert.UNPAID_COMMENT}
        return convert.subscription(api().subscriptions.cancel(subscription_id, params, keyed(key)).to_dict())

    # Schedules

    @gateway_call
    def schedule_get(self, schedule_id: str) -> ScheduleState:
        return convert.schedule(api().subscription_schedules.retrieve(schedule_id).to_dict())

    @gateway_call
    def schedule_attach(self, *, subscription_id: str, key: str) -> ScheduleState:
        """A schedule over the subscription as it is; it changes nothing yet."""
        params = {"from_subscription": subscription_id}
        return convert.schedule(api().subscription_schedules.create(params, keyed(key)).to_dict())

    @gateway_call
    def schedule_switch_set(
        self,
        *,
        schedule_id: str,
        current: PhaseState,
        target_price_id: str,
        target_interval: str,
        discount_ids: Sequence[str],
        change_id: str,
        key: str,
    ) -> ScheduleState:
        """The current phase as it is, then the target's price; after one of its periods it goes on unscheduled.

        What taxes it and the subscription's discounts (`discount_ids`) are said of each phase: what a phase does not say,
        it need not keep.
        """
        kept: dict[str, Any] = {}
        if current.tax_rate_ids:
            kept["default_tax_rates"] = list(current.tax_rate_ids)
        if discount_ids:
            kept["discounts"] = [{"discount": one} for one in discount_ids]
        now_phase: dict[str, Any] = {
            **kept,
            "items": [{"price": current.price_id, "quantity": 1}],
            "start_date": convert.seconds(current.starts_at),
            "end_date": convert.seconds(current.ends_at),
            "proration_behavior": "none",
        }
        if current.trial_end is not None:
            now_phase["trial_end"] = convert.seconds(current.trial_end)
        next_phase: dict[str, Any] = {
            **kept,
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
        answer = api().subscription_schedules.update(schedule_id, params, keyed(key))
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


def _start(customer_id: str, price_id: str, change_id: str, terms: Terms) -> dict[str, Any]:
    params: dict[str, Any] = {
        "customer": customer_id,
        "items": [{"price": price_id, "quantity": 1}],
        "metadata": {convert.CHANGE_KEY: change_id},
        "expand": WITH_INVOICE,
    }
    return params | trial_params(terms) | ({"discounts": terms.discounts} if terms.discounts else {})


def trial_params(terms: Terms) -> dict[str, Any]:
    """A trial that ends without a card to charge ends the subscription, and owes nothing."""
    if terms.trial_days is None:
        return {}
    return {
        "trial_period_days": terms.trial_days,
        "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
    }


def _upgrade(item_id: str, price_id: str, proration_at: datetime, terms: Terms) -> dict[str, Any]:
    params: dict[str, Any] = {
        "items": [{"id": item_id, "price": price_id}],
        "proration_behavior": "always_invoice",
        "proration_date": convert.seconds(proration_at),
        "expand": WITH_INVOICE,
    }
    if terms.ends_trial:
        params["trial_end"] = "now"
    return params | ({"discounts": terms.discounts} if terms.discounts else {})
