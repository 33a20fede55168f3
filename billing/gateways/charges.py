"""Attempts to collect money at Stripe: payment intents, their charges, and the invoices they are for."""

from datetime import datetime

from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, none_when_missing
from billing.gateways.values import ChargeState, DisputeState, IntentState


class ChargeGateway:
    """Payment intents, charges and disputes, read."""

    @gateway_call
    @none_when_missing
    def payment_intent_get(self, intent_id: str) -> IntentState:
        answer = api().payment_intents.retrieve(intent_id, {"expand": ["payment_method"]})
        return convert.intent(answer.to_dict())

    @gateway_call
    @none_when_missing
    def charge_get(self, charge_id: str) -> ChargeState:
        return convert.charge(api().charges.retrieve(charge_id).to_dict())

    @gateway_call
    @none_when_missing
    def dispute_get(self, dispute_id: str) -> DisputeState:
        return convert.dispute(api().disputes.retrieve(dispute_id).to_dict())

    @gateway_call
    def disputes_since(self, since: datetime) -> tuple[DisputeState, ...]:
        """Every dispute made since then, whatever has become of it."""
        page = api().disputes.list({"created": {"gte": convert.seconds(since)}, "limit": PAGE})
        return tuple(convert.dispute(one.to_dict()) for one in page.auto_paging_iter())

    @gateway_call
    def charges_of(self, intent_id: str) -> tuple[ChargeState, ...]:
        """Every attempt made for one payment intent."""
        page = api().charges.list({"payment_intent": intent_id, "limit": PAGE})
        return tuple(convert.charge(one.to_dict()) for one in page.auto_paging_iter())

    @gateway_call
    def invoice_of_intent(self, intent_id: str) -> str | None:
        """The invoice that a payment intent is for; None for one that is for none."""
        page = api().invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 1}
        )
        return convert.id_of(page.data[0].to_dict()["invoice"]) if page.data else None

    @gateway_call
    def intents_of_invoice(self, invoice_id: str) -> tuple[str, ...]:
        """The payment intents by which an invoice was to be paid."""
        page = api().invoice_payments.list({"invoice": invoice_id, "limit": PAGE})
        found = (convert.id_of(one.to_dict()["payment"].get("payment_intent")) for one in page.data)
        return tuple(one for one in found if one)
