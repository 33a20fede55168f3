"""Stripe's own payment pages."""

from typing import Any

from billing.gateways import convert
from billing.gateways.client import api, gateway_call, keyed, none_when_missing
from billing.gateways.subscriptions import trial_params
from billing.gateways.values import CheckoutState, Terms


class CheckoutGateway:
    """Visits to Stripe's own payment page."""

    @gateway_call
    def checkout_create(
        self,
        *,
        customer_id: str,
        price_id: str,
        change_id: str,
        terms: Terms,
        needs_card: bool,
        success_url: str,
        cancel_url: str,
        locale: str,
        key: str,
    ) -> CheckoutState:
        """A page on which the customer pays for a new subscription, or only gives a card when it begins with a trial.

        `needs_card` False: a card is asked for only when there is something to pay.
        """
        params: dict[str, Any] = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{"price": price_id, "quantity": 1}],
            "subscription_data": {"metadata": {convert.CHANGE_KEY: change_id}, **trial_params(terms)},
            "metadata": {convert.CHANGE_KEY: change_id},
            "payment_method_collection": "always" if needs_card else "if_required",
            "success_url": success_url,
            "cancel_url": cancel_url,
            "locale": locale,
        }
        if terms.discounts:
            params["discounts"] = terms.discounts
        return convert.checkout(api().checkout.sessions.create(params, keyed(key)).to_dict())

    @gateway_call
    def checkout_setup_create(
        self, *, customer_id: str, currency: str, success_url: str, cancel_url: str, locale: str, key: str
    ) -> CheckoutState:
        """A page on which the customer saves a card."""
        params = {
            "mode": "setup",
            "customer": customer_id,
            "currency": currency,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "locale": locale,
        }
        return convert.checkout(api().checkout.sessions.create(params, keyed(key)).to_dict())

    @gateway_call
    def checkout_get(self, session_id: str) -> CheckoutState:
        return convert.checkout(api().checkout.sessions.retrieve(session_id).to_dict())

    @gateway_call
    @none_when_missing
    def checkout_find(self, session_id: str) -> CheckoutState:
        """None for one that never was."""
        return convert.checkout(api().checkout.sessions.retrieve(session_id).to_dict())

    @gateway_call
    def checkout_expire(self, *, session_id: str, key: str) -> CheckoutState:
        """Nobody can pay there any more. ProviderRefused when it is paid, or expired already."""
        return convert.checkout(api().checkout.sessions.expire(session_id, {}, keyed(key)).to_dict())
