"""Payments and cards that a person in front of a browser confirms."""

from billing.gateways import convert
from billing.gateways.client import api, gateway_call, keyed, none_when_missing
from billing.gateways.values import PayerIntent


class IntentGateway:
    """Payment intents, which Stripe makes with invoices, and setup intents, which save a card."""

    @gateway_call
    def payer_intent_get(self, intent_id: str) -> PayerIntent:
        return convert.payer_intent(api().payment_intents.retrieve(intent_id).to_dict())

    @gateway_call
    def setup_intent_create(self, *, customer_id: str, key: str) -> PayerIntent:
        """A card is to be saved and charged later, when the payer is not there."""
        params = {
            "customer": customer_id,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
        return convert.payer_intent(api().setup_intents.create(params, keyed(key)).to_dict())

    @gateway_call
    @none_when_missing
    def setup_intent_get(self, intent_id: str) -> PayerIntent:
        return convert.payer_intent(api().setup_intents.retrieve(intent_id).to_dict())
