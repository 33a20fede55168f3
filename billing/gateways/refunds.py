"""Money given back: credit notes that correct an invoice, and refunds to the card."""

from typing import Any

from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, keyed
from billing.gateways.values import CreditNoteState, RefundState


class RefundGateway:
    """Credit notes and refunds."""

    @gateway_call
    def credit_note_create(
        self, *, invoice_id: str, amount_minor: int, reason: str, refund_ref: str, key: str
    ) -> CreditNoteState:
        """Corrects a paid invoice by that amount and sends it back to the card that paid.

        `reason`: one of Stripe's (duplicate, fraudulent, order_change, product_unsatisfactory).
        """
        params: dict[str, Any] = {
            "invoice": invoice_id,
            "amount": amount_minor,
            "refund_amount": amount_minor,
            "reason": reason,
            "metadata": {convert.REFUND_KEY: refund_ref},
        }
        return convert.credit_note(api().credit_notes.create(params, keyed(key)).to_dict())

    @gateway_call
    def credit_note_open(self, *, invoice_id: str, amount_minor: int, reason: str, key: str) -> None:
        """Lowers what an open invoice asks for. `reason` as above."""
        params = {"invoice": invoice_id, "amount": amount_minor, "reason": reason}
        api().credit_notes.create(params, keyed(key))

    @gateway_call
    def invoice_void(self, *, invoice_id: str, key: str) -> None:
        """Takes an open invoice back: nothing is asked for it any more."""
        api().invoices.void_invoice(invoice_id, {}, keyed(key))

    @gateway_call
    def credit_notes(self, *, invoice_id: str) -> list[CreditNoteState]:
        """All of an invoice's, newest first."""
        page = api().credit_notes.list({"invoice": invoice_id, "limit": PAGE})
        return [convert.credit_note(one.to_dict()) for one in page.auto_paging_iter()]

    @gateway_call
    def refunds(self, *, invoice_id: str) -> list[RefundState]:
        """Every refund of what was paid for the invoice, newest first; those made at Stripe's dashboard too."""
        payments = api().invoice_payments.list({"invoice": invoice_id, "limit": PAGE})
        intents = [
            convert.id_of((one.to_dict().get("payment") or {}).get("payment_intent")) for one in payments.data
        ]
        found: list[RefundState] = []
        for intent in filter(None, intents):
            page = api().refunds.list({"payment_intent": intent, "limit": PAGE})
            found.extend(convert.refund(one.to_dict()) for one in page.auto_paging_iter())
        return sorted(found, key=lambda one: one.created_at, reverse=True)
