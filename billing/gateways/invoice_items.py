"""Invoice items at Stripe: what the subscription's next invoice also asks for, and collecting it before its time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import stripe

from billing.gateways import convert
from billing.gateways.client import MISSING_OBJECT, PAGE, api, gateway_call, keyed
from billing.gateways.values import InvoiceState

OVERAGE_KEY = "palier_overage_charge"
COLLECTION_KEY = "palier_overage_collection"


@dataclass(frozen=True, slots=True)
class InvoiceItemState:
    """`charge_ref`: our charge that made it, from its metadata. `invoice_id` None: not on an invoice yet."""

    id: str
    amount_minor: int
    currency: str
    invoice_id: str | None
    charge_ref: str | None


def _item(data: dict[str, Any]) -> InvoiceItemState:
    return InvoiceItemState(
        id=data["id"],
        amount_minor=data["amount"],
        currency=data["currency"],
        invoice_id=convert.id_of(data.get("invoice")),
        charge_ref=convert.meta(data, OVERAGE_KEY),
    )


def _gross(line: dict[str, Any]) -> int:
    """A line's amount with the tax that comes on top of it."""
    taxes = line.get("taxes") or ()
    return int(line["amount"]) + sum(one["amount"] for one in taxes if one["tax_behavior"] == "exclusive")


class InvoiceItemGateway:
    """Invoice items, and invoices made of them."""

    @gateway_call
    def invoice_item_create(
        self,
        *,
        customer_id: str,
        subscription_id: str,
        amount_minor: int,
        currency: str,
        description: str,
        charge_ref: str,
        key: str,
    ) -> InvoiceItemState:
        params = {
            "customer": customer_id,
            "subscription": subscription_id,
            "amount": amount_minor,
            "currency": currency,
            "description": description,
            "discountable": False,
            "metadata": {OVERAGE_KEY: charge_ref},
        }
        return _item(api().invoice_items.create(params, keyed(key)).to_dict())

    @gateway_call
    def invoice_items(self, *, customer_id: str, since: datetime) -> list[InvoiceItemState]:
        """The customer's items made by charges of ours since then, invoiced or not."""
        found = []
        page = api().invoice_items.list({"customer": customer_id, "limit": PAGE})
        for one in page.auto_paging_iter():  # the newest first
            data = one.to_dict()
            if data["date"] < convert.seconds(since):
                break
            if convert.meta(data, OVERAGE_KEY) is not None:
                found.append(_item(data))
        return found

    @gateway_call
    def invoice_item_get(self, item_id: str) -> InvoiceItemState | None:
        """None: there is no such item any more."""
        try:
            return _item(api().invoice_items.retrieve(item_id).to_dict())
        except stripe.InvalidRequestError as error:
            if error.code == MISSING_OBJECT:
                return None
            raise

    @gateway_call
    def invoice_item_delete(self, item_id: str) -> bool:
        """Whether it is gone; an item that is on an invoice stays."""
        try:
            api().invoice_items.delete(item_id)
        except stripe.InvalidRequestError as error:
            return error.code == MISSING_OBJECT
        return True

    @gateway_call
    def overage_credit_note(
        self, *, invoice_id: str, amount_minor: int, to_card: bool, charge_ref: str, key: str
    ) -> str:
        """Takes the charge off an invoice: off what is still due, or back to the card or the balance. The note's id."""
        listed = api().credit_notes.list({"invoice": invoice_id, "limit": PAGE})
        for note in listed.auto_paging_iter():
            if convert.meta(note.to_dict(), OVERAGE_KEY) == charge_ref:
                return str(note.id)
        params: dict[str, Any] = {
            "invoice": invoice_id,
            "amount": amount_minor,
            "reason": "order_change",
            "metadata": {OVERAGE_KEY: charge_ref},
        }
        if to_card:
            params["refund_amount"] = amount_minor
        return str(api().credit_notes.create(params, keyed(key)).id)

    @gateway_call
    def overage_on_invoice(self, invoice_id: str) -> int:
        """How much of an invoice is use that we charged, its tax included, in minor units."""
        page = api().invoices.line_items.list(invoice_id, {"limit": PAGE})
        lines = (one.to_dict() for one in page.auto_paging_iter())
        return sum(_gross(line) for line in lines if convert.meta(line, OVERAGE_KEY) is not None)

    @gateway_call
    def overage_invoice_find(self, *, customer_id: str, since: datetime, collection_ref: str) -> str | None:
        params = {"customer": customer_id, "limit": PAGE, "created": {"gte": convert.seconds(since)}}
        for one in api().invoices.list(params).auto_paging_iter():
            if convert.meta(one.to_dict(), COLLECTION_KEY) == collection_ref:
                return str(one.id)
        return None

    @gateway_call
    def overage_invoice_create(
        self, *, customer_id: str, subscription_id: str, collection_ref: str, key: str
    ) -> str:
        """A draft of the subscription's items that wait. Its id."""
        params = {
            "customer": customer_id,
            "subscription": subscription_id,
            "auto_advance": False,
            "metadata": {COLLECTION_KEY: collection_ref},
        }
        return str(api().invoices.create(params, keyed(key)).id)

    @gateway_call
    def overage_invoice_pay(self, *, invoice_id: str, key: str) -> InvoiceState:
        """Finalized and paid now by the default card; PaymentFailed when that is refused. Paid before: as it is."""
        data = api().invoices.retrieve(invoice_id).to_dict()
        if data["status"] == "draft":
            data = api().invoices.finalize_invoice(invoice_id, {}, keyed(f"{key}:finalize")).to_dict()
        if data["status"] == "open":
            data = api().invoices.pay(invoice_id, {"off_session": True}).to_dict()
        return convert.invoice(data)

    @gateway_call
    def period_opening_paid(self, *, subscription_id: str, period_start: datetime) -> bool:
        """Whether the invoice that opened the subscription's period is paid."""
        params = {
            "subscription": subscription_id,
            "limit": PAGE,
            "created": {"gte": convert.seconds(period_start)},
        }
        rows = [one.to_dict() for one in api().invoices.list(params).auto_paging_iter()]
        opening = [row for row in rows if str(row.get("billing_reason") or "").startswith("subscription_")]
        first = min(opening, key=lambda row: row["created"], default=None)
        return first is not None and first["status"] == "paid"
